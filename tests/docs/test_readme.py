import json
import re

import pytest
from mlflow import MlflowClient

from benchmarks.printed_blocks import PAGES, ROOT, commands_of, in_terminal, printed_from, run_page

README, TUTORIAL = PAGES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=PAGES, ids=lambda page: page.stem)
def ran(request, tmp_path_factory):
    """The folder in which a page's commands ran, and what they did."""
    folder = tmp_path_factory.mktemp(request.param.stem)
    return folder, request.param, list(run_page(request.param.read_text("utf-8"), folder))


def words(text):
    return set(re.findall(r"[a-z][a-z_=.-]{3,}", text.lower()))


@pytest.mark.long(reason="it runs all commands of README and of the tutorial")
def test_the_commands_of_a_page_run_as_they_stand(ran):
    _, _, blocks = ran
    assert [block.output for block in blocks if block.status] == []
    assert sum(bool(block.commands.strip()) for block in blocks) >= 2


def test_they_print_what_the_page_shows_but_for_numbers(ran):
    _, page, blocks = ran
    shown = [block for block in blocks if block.printed]
    assert shown
    for block in shown:
        output = printed_from(block.output, block.printed)
        # Other machines give other last digits, and so perhaps another answer.
        lacking = words(block.printed) - words(output)
        assert len(lacking) <= 0.1 * len(words(block.printed)), f"{lacking}: run `make printed`; {page}\n{output}"


def test_they_leave_the_files_that_the_page_names(ran):
    folder, page, _ = ran
    wanted = {README: ["digits-mlp.html"], TUTORIAL: ["tumors.html", "adam.yaml", "best.py", "best.npz"]}
    assert [name for name in wanted[page] if not (folder / name).is_file()] == []
    assert (folder / "mlruns" / "mlflow.db").is_file()


def test_make_demo_stands_for_the_commands_of_the_makefile():
    commands = commands_of("make demo   # a remark\n")
    assert commands.startswith("study run -m optimizer=")
    assert "$(BIN)" not in commands
    assert "make" not in commands
    with pytest.raises(ValueError, match="make nothing: expected a target"):
        commands_of("make nothing\n")


def test_a_terminal_shows_the_end_of_what_was_rewritten(tmp_path):
    status, output = in_terminal("printf 'one\\rtwo\\n'; test -t 1; echo $COLUMNS; seq 200", tmp_path)
    assert status == 0
    assert output.splitlines()[:3] == ["two", "80", "1"]
    assert output.splitlines()[-1] == "200"
    assert in_terminal("echo before; false; echo after", tmp_path) == (1, "before\n")


def test_printed_lines_begin_where_the_block_begins_and_sentences_are_broken_between_words():
    output = "other\nfound 17 of 20\n" + "word " * 30 + "\n" + "a  |  table  " * 12 + "\n"
    first, *sentence, row = printed_from(output, "found 3 of 4\nold\n").splitlines()
    assert first == "found 17 of 20"
    assert [len(line) <= 80 for line in sentence] == [True, True]
    assert len(row) > 100
    with pytest.raises(ValueError, match="expected a line as 'lost 3'"):
        printed_from(output, "lost 3\n")


def test_readme_is_half_of_what_it_was_and_shows_a_moving_picture():
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 164
    picture = re.search(r"!\[.+\]\((docs/pictures/page\.\w+)\)", text)
    assert picture is not None
    assert 50_000 < (ROOT / picture[1]).stat().st_size < 1_500_000


def test_readme_counts_what_can_be_chosen():
    counted = {
        kind: len([*(ROOT / "conf" / folder).glob("*.yaml")])
        for kind, folder in {"optimizers": "optimizer", "data sets": "dataset", "models": "model"}.items()
    }
    said = ", ".join(f"{n} {kind}" for kind, n in counted.items())
    assert f"lists {said}." in README.read_text("utf-8")


def numbers_of(table, row):
    """Return the first number of each cell of a row of a Markdown table."""
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {row} |")]
    return [match[0] for cell in line.split("|")[2:-1] if (match := re.search(r"[\d.]+", cell))]


@pytest.mark.parametrize(
    ("readme", "section", "n_trials"),
    [
        ("dense net on digits, 256 trials of 10 epochs", "digits-mlp", 256),
        ("the same, 1024 trials", "digits-mlp", 1024),
        ("dense net on Fashion-MNIST, 64 trials of 5 epochs", "fashion_mnist-mlp", 64),
        ("LSTM on images, 16 trials of 2 epochs", "first_images-lstm", 16),
        ("**convolutions on a CPU**, 4 trials of 1 epoch", "first_images-cnn_2c2d", 4),
    ],
)
def test_the_speeds_of_readme_are_those_of_the_benchmarks(readme, section, n_trials):
    measured = (ROOT / "docs" / "benchmarks.md").read_text("utf-8").partition(f"\n### {section}\n")[2]
    table = measured.partition("\n## ")[0].partition(f"\n{n_trials} trials:\n")[2].partition("\n\n- ")[0]
    found = [numbers_of(table, "`vectorized`")[0]]
    for contender in ("plain-tensorflow", "plain-jax", "keras-tuner-tensorflow"):
        if f"| `{contender}` |" in table:
            line = next(line for line in table.splitlines() if line.startswith(f"| `{contender}` |"))
            found.append(line.split("|")[9].strip().removesuffix(" x"))
    assert numbers_of(README.read_text("utf-8"), readme) == found


# What the placeholders of the page on MLflow stand for in these studies; others stand for anything.
METRIC, ARGUMENT = "accuracy|loss", "learning_rate|momentum|nesterov|beta_1|beta_2|amsgrad|weight_decay"
PLACEHOLDERS = {"metric": METRIC, "argument": ARGUMENT, "key": r"\w+(?:\.\w+)*"}


def pattern_of(name):
    """Return a name of the page as a pattern."""
    parts = re.split(r"<(\w+)>", name)
    found = [f"(?:{PLACEHOLDERS.get(part, '.+')})" if n % 2 else re.escape(part) for n, part in enumerate(parts)]
    return re.compile("".join(found))


def patterns(section):
    """Return the names in a section of the page as patterns."""
    return [pattern_of(name) for name in re.findall(r"`([^`]+)`", section)]


def test_a_name_that_the_page_lacks_matches_none_of_its_patterns():
    section = "| `val_<metric>`, `best_<argument>` | `system/<name>` |"
    known = patterns(section)
    names = {
        "val_accuracy": True,
        "best_momentum": True,
        "system/cpu": True,
        "val_other": False,
        "worst_momentum": False,
    }
    assert {name: any(each.fullmatch(name) for each in known) for name in names} == names


def test_the_page_on_mlflow_names_all_that_a_store_has(ran):
    folder, _, _ = ran
    page = (ROOT / "docs" / "mlflow.md").read_text("utf-8")
    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    lacking = set()
    for run in client.search_runs([each.experiment_id for each in client.search_experiments()]):
        found = {
            "Tags": {**run.data.tags, **json.loads(run.data.tags.get("internals", "{}"))},
            "Params": [key for key in run.data.params if "." not in key or run.data.tags["role"] != "study"],
            "Metrics": run.data.metrics,
            "Artifacts": [artifact.path for artifact in client.list_artifacts(run.info.run_id)],
        }
        for kind, names in found.items():
            known = patterns("".join(re.findall(rf"^## {kind}.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)))
            folders = [re.compile(pattern.pattern.partition("/")[0]) for pattern in known]
            lacking |= {
                f"{run.data.tags['role']}: {kind}: {name}"
                for name in names
                if not any(pattern.fullmatch(name) for pattern in (*known, *folders))
            }
    assert lacking == set()
