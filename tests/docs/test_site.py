import re
from pathlib import Path

import pytest
import yaml

from benchmarks.site.check import page_faults, style_faults
from benchmarks.site.code_host_markdown import _CARDS, for_site, with_cards
from benchmarks.site.hooks import _WEIGHTS
from benchmarks.site.layers import layers_of
from benchmarks.site.notebook_page import notebook_page
from benchmarks.site.outside_files import moved_links, outside_links, outside_pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name functions of Python."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def listed(entries):
    """Return the pages of a navigation."""
    found = []
    for entry in entries:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += listed(value) if isinstance(value, list) else [value]
    return found


PARTS = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader)["nav"]
NAV = listed(PARTS)


def titled(entries):
    """Return the titles that a navigation gives to pages, by page."""
    found = {}
    for entry in entries:
        if isinstance(entry, dict):
            for title, value in entry.items():
                found |= titled(value) if isinstance(value, list) else {value: title}
    return found


def heading(page):
    return (DOCS / page).read_text("utf-8").partition("\n")[0].removeprefix("# ")


def test_a_page_has_the_same_name_in_the_navigation_on_its_card_and_above_its_text():
    assert {page: title for page, title in titled(PARTS).items() if title != heading(page)} == {}
    start = re.search(r"^\*\*Start here:\*\* (.*)$", (ROOT / "README.md").read_text("utf-8"), re.M)[1]
    cards = re.findall(r"\[([^]]+)\]\(docs/(\w+\.md)\)", start)
    assert len(cards) == 2
    assert {page: name for name, page in cards if name != heading(page)[0].lower() + heading(page)[1:]} == {}


def test_the_search_finds_explanations_before_simulations():
    explained = [_WEIGHTS[page] for page in ("words.md", "how_sure.md", "protocol.md")]
    assert min(explained) > 1 > max(_WEIGHTS[page] for page in ("error_rates.md", "sequential_rates.md"))
    assert {page for page in _WEIGHTS if page.endswith(".md")} <= {path.name for path in DOCS.glob("*.md")}


@pytest.mark.parametrize("page", ["error_rates.md", "sequential_rates.md"])
def test_pages_of_simulations_begin_with_their_summary_and_fold_the_rest(page):
    text = (DOCS / page).read_text("utf-8")
    seen = re.sub(r"<details.*?</details>", "", text, flags=re.S)
    assert text.count('<details markdown="1"><summary>') == text.count("</details>") >= 5
    assert len(seen.split()) < 0.25 * len(text.split())
    assert re.search(r"^(## .*)$", text, re.M)[1] == "## The worst case of each kind of scores"


def test_every_page_is_in_the_navigation_once():
    pages = {str(path.relative_to(DOCS)) for path in [*DOCS.glob("*.md"), *DOCS.glob("configs/*.md")]}
    assert pages <= {*NAV}
    assert len(NAV) == len({*NAV})


def test_the_list_of_pages_for_a_code_host_has_every_page():
    linked = set(re.findall(r"\]\(([\w./]+)\)", (DOCS / "README.md").read_text("utf-8")))
    assert {path.name for path in DOCS.glob("*.md")} - linked == {"README.md"}


def test_a_list_after_a_paragraph_gets_a_blank_line_but_code_does_not():
    text = "Text.\n- one\n  more\n- two\n\n```\na\n- b\n```\n## Heading\n- three\n"
    expected = "Text.\n\n- one\n  more\n- two\n\n```\na\n- b\n```\n## Heading\n- three\n"
    assert for_site(text, page="page.md") == expected


def test_the_links_by_which_readme_begins_are_cards_in_the_site():
    text = (ROOT / "README.md").read_text("utf-8")
    begin = with_cards(text).partition('<div class="grid cards" markdown="1">')[2].partition("</div>")[0]
    assert re.findall(r"\*\*\[(.*?)\]\((.*?)\)\*\*\n\n    (.+)", begin) == [
        ("An answer in ten minutes", "docs/tutorial.md", _CARDS["an answer in ten minutes"]),
        ("Your own model", "docs/own_model.md", _CARDS["your own model"]),
        ("Gallery", "docs/gallery/README.md", _CARDS["gallery"]),
        ("The page", "#the-page", _CARDS["the page"]),
    ]
    assert with_cards("# A\n\nNo such line.\n") == "# A\n\nNo such line.\n"


def test_a_printed_block_has_no_button_to_copy_it():
    assert for_site("<!-- prints -->\n```\nx\n```\n", page="page.md") == "``` { .text .no-copy }\nx\n```\n"


def test_marked_blocks_lose_their_comments_and_files_get_titles():
    text = "<!-- file: a.py -->\n```python\nx\n```\n\n<!-- run -->\n```\nstudy list\n```\n"
    assert for_site(text, page="page.md") == '```python title="a.py"\nx\n```\n\n```bash\nstudy list\n```\n'


@pytest.mark.parametrize(
    ("page", "link", "leads_to"),
    [
        ("own_data.md", "../tests/projects", "source/tests/projects.md"),
        ("decisions/0001-a.md", "../../study/run.py", "../source/study/run.py.md"),
        ("own_data.md", "../CONTRIBUTING.md#set-up", "CONTRIBUTING.md#set-up"),
        ("decisions/0001-a.md", "../../README.md", "../README.md"),
        ("decisions/0001-a.md", "../security.md", "../security.md"),
        ("python.md", "notebooks/first.ipynb", "notebooks/first.md"),
        ("python.md", "https://keras.io", "https://keras.io"),
    ],
)
def test_links_lead_to_pages_of_the_site(page, link, leads_to):
    assert for_site(f"[text]({link})", page=page) == f"[text]({leads_to})"


def test_a_page_of_the_top_is_moved_into_the_folder_of_pages(tmp_path):
    (tmp_path / "conf").mkdir()
    text = "[a](docs/own_data.md#streams) [b](conf) [c](#here) [d](https://x.org/docs/)"
    assert (
        moved_links(text, root=tmp_path) == "[a](own_data.md#streams) [b](../conf) [c](#here) [d](https://x.org/docs/)"
    )


def test_files_outside_get_pages_with_their_text(tmp_path):
    pages = {"a.md": "[x](../tests/own) [y](b.md)\n```\n[z](../code.py)\n```\n", "d/e.md": "[x](../../code.py)"}
    paths = outside_links(pages)
    assert paths == ["code.py", "tests/own"]
    (tmp_path / "tests" / "own").mkdir(parents=True)
    (tmp_path / "tests" / "own" / "nets.py").write_text("x = 1\n")
    (tmp_path / "code.py").write_text("y = 2\n")
    written = outside_pages(paths, root=tmp_path)
    assert sorted(written) == ["source/code.py.md", "source/tests/own.md"]
    assert '````python title="tests/own/nets.py"\nx = 1\n' in written["source/tests/own.md"]


def test_every_file_that_a_page_links_to_is_there():
    pages = {str(path.relative_to(DOCS)): path.read_text("utf-8") for path in DOCS.rglob("*.md")}
    paths = outside_links(pages)
    assert "tests/projects" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_notebook_shows_its_code_and_its_outputs():
    text = notebook_page(DOCS / "notebooks" / "first_comparison.ipynb")
    assert text.startswith("# A first comparison")
    assert text.count("```python\n") > 10
    assert "<table" in text
    assert "data:image/png;base64," in text
    assert "<script" not in text
    outputs = re.findall(r'<div class="notebook-output">.*?</div>$', text, re.MULTILINE | re.DOTALL)
    assert len(outputs) > 2
    assert [output for output in outputs if "\n\n" in output] == []


def test_the_layers_are_drawn_from_the_diagram_of_the_page():
    diagram = re.search(r"```mermaid\n(.*?)```", (DOCS / "architecture.md").read_text("utf-8"), re.DOTALL)[1]
    drawn = layers_of(diagram)
    assert drawn.count('class="layers-layer"') == diagram.count("subgraph") - 1
    assert re.findall(r"<code>(.*?)</code>", drawn)[-3:] == ["conf/", "models/", "hydra_plugins/"]


def test_the_check_of_the_site_finds_what_is_not_there_and_what_comes_from_elsewhere(tmp_path):
    (tmp_path / "b.html").write_text('<h2 id="here">x</h2>')
    (tmp_path / "c.css").write_text('a { background: url("https://x.org/y.png") } b { background: url(d.png) }')
    page = tmp_path / "a.html"
    page.write_text(
        '<script src="https://x.org/x.js"></script><img src="data:image/png;base64,00"><img src="lost.png">'
        '<a href="b.html#here">x</a><a href="b.html#lost">x</a><a href="lost.html">x</a><a href="https://x.org">x</a>'
    )
    assert list(page_faults(page, tmp_path)) == [
        "it loads https://x.org/x.js from elsewhere",
        "it loads lost.png, which is not there",
        "a link leads to b.html#lost, and that page has no place lost",
        "a link leads to lost.html, which is not there",
    ]
    assert list(style_faults(tmp_path / "c.css")) == ["it loads https://x.org/y.png from elsewhere"]
