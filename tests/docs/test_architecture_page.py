import re
from pathlib import Path

import pytest

from tests.test_architecture import HOMES, LAYERS

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "study"
PAGE = ROOT / "docs" / "architecture.md"
PAGES = sorted(
    [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def holds_modules(folder):
    return any(folder.glob("*.py")) or any(folder.glob("*/*.py"))


def folders(parent):
    """Return the folders in a folder, as the page writes them, such as `tracking/outbox/`."""
    return [
        f"{path.relative_to(STUDY)}/" for path in sorted(parent.iterdir()) if path.is_dir() and holds_modules(path)
    ]


TOP = folders(STUDY)
MODULES = ["run.py", "rounds.py"]
SUBFOLDERS = [name for top in TOP if not (STUDY / top).is_symlink() for name in folders(STUDY / top)]


def diagram():
    (fence,) = (fence for fence in FENCE.findall(PAGE.read_text()) if fence.startswith("```mermaid"))
    return fence


def rows():
    """Return the libraries of each folder in the page's table."""
    text = PAGE.read_text()
    table = text[text.index("| folder | content | libraries") :].partition("\n\n")[0]
    cells = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return {folder.strip().strip("`"): libraries for folder, _, libraries in cells}


def steps():
    """Yield the folder and the function of everything that the numbered lists of the page name."""
    for step in re.findall(r"^\d+\. .*(?:\n    ? .*)*", PAGE.read_text(), re.MULTILINE):
        folder = re.match(r"\d+\. `([\w/.]+)`:", step)
        assert folder, f"no folder stands first: {step}"
        yield from ((folder[1], function) for function in re.findall(r"`(\w+)\(\)`", step))


def links(page):
    """Return the files that a page links to, without addresses of the network and places within a page."""
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text()))
    relative = [target for target in targets if not re.match(r"[a-z]+:", target)]
    return [file for target in relative if (file := target.partition("#")[0])]


@pytest.mark.parametrize("name", [*TOP, *MODULES])
def test_the_diagram_shows_every_folder(name):
    assert f'"{name}"' in diagram()


def test_the_diagram_shows_the_layers_of_the_imports():
    blocks = re.findall(r"subgraph .*?\n(.*?)\n    end", diagram(), re.DOTALL)
    beside, *layers = [{name.removesuffix("/") for name in re.findall(r'\["(.+)"\]', block)} for block in blocks]
    assert beside == {"conf", "models", "hydra_plugins"}
    assert [{name.removesuffix(".py") for name in layer} for layer in layers] == [set(layer) for layer in LAYERS]


def test_the_table_has_every_folder_and_nothing_else():
    assert set(rows()) == {*TOP, *SUBFOLDERS, *MODULES}


def test_the_table_names_every_library_at_its_home():
    named = {
        (library, folder.partition("/")[0])
        for folder, libraries in rows().items()
        for library in re.findall(r"\w+", re.sub(r"\(.*?\)", "", libraries))
        if library in HOMES
    }
    homes = {(library, home.removeprefix("study/").partition("/")[0]) for library in HOMES for home in HOMES[library]}
    assert named <= homes
    assert {library for library, _ in named} == set(HOMES)


def test_the_functions_on_the_way_of_a_trial_and_of_a_metric_exist():
    missing = []
    named = list(steps())
    for folder, function in named:
        place = STUDY / folder
        files = [place] if place.is_file() else place.rglob("*.py")
        if not any(re.search(rf"\bdef {function}\(", file.read_text()) for file in files):
            missing.append(f"{folder} {function}")
    assert len(named) > 20
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files(page):
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_every_decision_is_listed_under_its_title_and_dated():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(
        r"^\d+\. \[(.+)\]\((\d{4}-[\w-]+\.md)\), (\d{4}-\d\d-\d\d)$", (folder / "README.md").read_text(), re.M
    )
    kept = []
    for path in sorted(folder.glob("[0-9]*.md")):
        title, _, date, *_ = path.read_text().splitlines()
        kept.append((title.removeprefix("# "), path.name, date.removeprefix("Date: ")))
    assert listed == kept
