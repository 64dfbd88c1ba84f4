import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import study.optimizers.reference
import study.statistics
from tests.docs.run_examples import blocks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="the first test runs all examples of the documents"),
]

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("run_examples.py")
EXTENDING, PYTHON = ROOT / "docs" / "extending.md", ROOT / "docs" / "python.md"
PAGES = (EXTENDING, PYTHON, *(ROOT / "docs" / f"own_{name}.md" for name in ("data", "data_files", "training")))


def examples(page):
    """Return the blocks of a page that run, each with the lines that the page says it prints."""
    found = []
    for block in blocks(page.read_text()):
        if block.kind == "prints":
            found[-1] = (found[-1][0], block.text)
        elif block.kind != "file":
            found.append((block, ""))
    return found


EXAMPLES = [
    pytest.param(page, index, block, prints, id=f"{page.stem}-{index}-{block.kind}")
    for page in PAGES
    for index, (block, prints) in enumerate(examples(page))
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The status and the output of each example by page, all run in one process."""
    output = tmp_path_factory.mktemp("examples") / "results.json"
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "COLUMNS")}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(output), *map(str, PAGES)],
        cwd=output.parent,
        env={**kept, "PYTHONPATH": str(ROOT / ".ci" / "editable")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())
    return found


@pytest.mark.parametrize(("page", "index", "block", "prints"), EXAMPLES)
def test_an_example_runs_and_prints_what_its_page_says(results, page, index, block, prints):
    result = results[page.name][index]
    assert result["kind"] == block.kind
    assert result["status"] == 0, result["output"]
    for line in filter(str.strip, prints.splitlines()):
        pattern = ".*".join(map(re.escape, line.split("...")))
        assert re.search(f"^{pattern}", result["output"], re.MULTILINE), f"{line}\n{result['output']}"


def test_every_fenced_block_of_code_is_marked():
    for page in PAGES:
        text = page.read_text()
        assert len(blocks(text)) == len(re.findall(r"^```", text, re.MULTILINE)) / 2


def rows(text, header):
    """Return the first cells of the table whose first header cell is given, without their links."""
    table = text[text.index(f"| {header} |") :].partition("\n\n")[0]
    cells = [line.strip("|").split("|")[0].strip() for line in table.splitlines()[2:]]
    return [re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell) for cell in cells]


def sections(text, level):
    """Return the sections of a page by their headings; `level` is `##` or `###`."""
    parts = re.split(rf"^{level} (.+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("kind", rows((ROOT / "CONTRIBUTING.md").read_text(), "to add"))
def test_every_kind_of_thing_to_add_has_an_example_that_runs(kind):
    text = EXTENDING.read_text()
    assert kind in rows(text, "to write")
    section = next((body for title, body in sections(text, "##").items() if title.lower() == kind.lower()), "")
    assert {"file", "run"} <= {block.kind for block in blocks(section)}


def signature(function):
    """Return a function's name and arguments with their defaults, without types."""
    found = inspect.signature(function)
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()]
    plain = found.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    return f"{function.__name__}{plain}"


# The sections of the page that describe a module, by its name.
MODULES = {
    title.strip("`"): body.partition("\n## ")[0]
    for title, body in sections(PYTHON.read_text(), "###").items()
    if title.startswith("`study.")
}


@pytest.mark.parametrize("module", MODULES)
def test_signatures_on_the_page_are_those_of_the_code(module):
    written = re.findall(r"^\| `((\w+)\(.*?\))` \|", MODULES[module], re.MULTILINE)
    assert written
    for text, name in written:
        assert text == signature(getattr(importlib.import_module(module), name))


def public_functions(module):
    members = vars(importlib.import_module(module)).items()
    return [
        name
        for name, member in members
        if inspect.isfunction(member) and member.__module__ == module and not name.startswith("_")
    ]


@pytest.mark.parametrize("name", [found.name for found in pkgutil.iter_modules(study.statistics.__path__)])
def test_every_statistic_is_on_the_page_with_an_example(name):
    module = f"study.statistics.{name}"
    section = MODULES.get(module, "")
    called = "".join(block.text for block in blocks(section))
    functions = public_functions(module)
    assert [function for function in functions if f"`{function}(" not in section] == []
    assert [function for function in functions if f"{function}(" not in called] == []


def test_every_reference_rule_is_on_the_page():
    reference = study.optimizers.reference
    rules = [name for name in reference.__all__ if name != "Rule" and hasattr(getattr(reference, name), "step")]
    assert [rule for rule in rules if f"`{rule}(" not in MODULES["study.optimizers.reference"]] == []
