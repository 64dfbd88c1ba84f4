"""Pages in Markdown: what a code host shows is the text itself, whatever characters it holds."""

import html
import re
from dataclasses import replace

import markdown
import pytest
from markdown_it import MarkdownIt

from study.gallery import About, PageContents, Picture, Table
from study.gallery.analysis.verdicts import ClaimVerdict
from study.gallery.readme import as_markdown, render_index_readme, render_readme
from study.gallery.run_facts import RunOrigin
from study.gallery.summary import summary_of

EVIL = "a|b *c* _d_ <b>e</b> [f](g) `h` $i$ ~~j~~ & \\* ![k](l)"
ABOUT = About(title="Some < others", question="Which?", source="Somebody", claim="A * b", traps=("A trap.", "2. Two."))
SHOWN = PageContents(
    pictures=(
        Picture(name="a b", caption="A curve [of all]. More.", data=b"", suffix="svg"),
        Picture(name="turn", caption="Play it.", data=b"", suffix="html"),
    ),
    tables=(Table(caption="Scores", header=("optimizer", "score"), rows=(("sgd_x", "0.5"), (EVIL, "0.7"))),),
    findings=("The claim held: 0.5 [0.4 to 0.6].", "By 3 points."),
    headline="Short & good.",
)
ORIGIN = RunOrigin(command="study run 'a`b'", published={"n_trials": 20}, made="today")


@pytest.fixture
def material(make_material):
    return make_material({"sgd-setting=shared": [0.5, 0.6]})


def on_site(text):
    """As the documentation site renders it."""
    return markdown.markdown(text, extensions=["tables", "fenced_code", "md_in_html", "sane_lists"])


def on_host(text):
    """As a code host renders it: CommonMark with tables and strikethrough."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text).strip()


RENDERERS = pytest.mark.parametrize("render", [on_site, on_host])


def shown(page):
    """Return the text that a reader sees, without the elements."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", page)).split())


@RENDERERS
@pytest.mark.parametrize(
    "text",
    [
        EVIL,
        "- no list",
        "+0.5 points",
        "1. no list",
        "96.03 % [95 to 97]",
        "# no heading",
        "> no quotation",
        "===",
        "---",
        "adam_then_sgd and _sgd_",
        "[a][b] [c]: d",
        "<script>alert(1)</script>",
        "&amp; stays",
        "a\nb",
    ],
)
def test_markdown_shows_exactly_the_text(render, text):
    page = render(as_markdown(text))
    assert re.fullmatch("<p>[^<]*</p>", page), page  # no element but the paragraph
    assert html.unescape(page[3:-4]) == " ".join(text.split())


def test_plain_sentences_stay_as_they_are_typed():
    for text in ("adam_then_sgd is +0.96 points [\u22122.30 to 4.22]; not 5.", "0.5 (x1, x2)", "Keras's"):
        assert as_markdown(text) == text


@RENDERERS
def test_a_page_shows_everything(render, material):
    text = render_readme(ABOUT, SHOWN, material, origin=ORIGIN)
    page = shown(render(text))
    for told in (
        "Some < others",
        "Which?",
        "A * b",
        "Short & good.",
        "The claim held: 0.5 [0.4 to 0.6].",
        "By 3 points.",
        "2. Two.",
        "A curve [of all]. More.",
        EVIL,
        "study run 'a`b'",
        "Reduced size. Run with 3 trials of a search instead of 20.",
        "1, with 1 trials and 2 confirmations",
    ):
        assert told in page, told
    assert "![Held](../badges/held.svg) ![Reduced size](../badges/reduced_size.svg)" in text
    assert "![A curve &#91;of all&#93;.](a-b.svg)" in text
    assert "[Interactive page](turn.html), in the documentation site; a code host shows its source." in text
    assert "`study gallery` makes it, too. Play it." in text
    assert "today" not in text  # the same studies give the same file


@RENDERERS
def test_a_table_has_a_column_for_each_heading_and_numbers_at_the_right(render, material):
    text = render_readme(ABOUT, SHOWN, material, origin=ORIGIN)
    table = render(text).partition("<table>")[2].partition("</table>")[0]
    assert [len(re.findall("<t[dh]", row)) for row in table.split("<tr>")[1:]] == [2, 2, 2]
    assert "| :--- | ---: |" in text


@RENDERERS
def test_a_long_table_is_folded(render, material):
    rows = tuple((f"row {index}", "1") for index in range(21))
    long = replace(SHOWN, tables=(Table(caption="Many", header=("a", "b"), rows=rows),))
    text = render_readme(ABOUT, long, material, origin=ORIGIN)
    assert '<details markdown="1">\n<summary>Many (21 rows)</summary>\n\n| a | b |' in text
    assert render(text).count("<td") > 42  # a table inside
    assert "row 20 1" in shown(render(text))


@RENDERERS
def test_the_index_has_a_card_for_each_page_with_claim_headline_and_badges(render, material):
    some = summary_of(ABOUT, SHOWN, material, origin=ORIGIN)
    bare = replace(some, name="bare", cover="", headline="", verdicts=(), size="published", title=EVIL)
    page = render(render_index_readme([some, bare, some]))
    overview = page.partition("<ul>")[2].partition("</ul>")[0]
    (cards_table,) = (part.partition("</table>")[0] for part in page.split("<table")[1:])
    assert overview.count('href="some/README.md"') == 2  # one without a verdict has no line
    assert "as published" not in overview
    assert overview.count("<li>") == 2
    assert "Certainty. 95 % intervals, all together. Size. 3 trials of a search instead of 20" in shown(overview)
    rows = cards_table.split("</tr>")[:-1]
    cards = [card for row in rows for card in row.split("<td")[1:]]
    assert [row.count("<td") for row in rows] == [2, 2]  # an odd number leaves one empty
    assert 'href="some/README.md"' in cards[0]
    assert re.search(
        '<img (?=[^>]*src="some/a-b.svg")(?=[^>]*alt="A curve &#91;of all&#93;.")', cards[0]
    ) or re.search('<img (?=[^>]*src="some/a-b.svg")(?=[^>]*alt="A curve \\[of all\\].")', cards[0])
    assert 'src="badges/held.svg"' in cards[0]
    assert "Short &amp; good." in cards[0]
    assert "badges" not in cards[1]
    assert EVIL in shown(cards[1])
    assert "2 verdicts on 3 comparisons: 2 held." in shown(page)


@RENDERERS
def test_a_tall_cover_is_narrower_and_pages_without_a_summary_are_named(render, material):
    some = replace(summary_of(ABOUT, SHOWN, material, origin=ORIGIN), name="some")
    text = render_index_readme([some], heights={"some": 1.0}, left_out=["decay", "sparse"], rules="../rules.md")
    page = render(text)
    (link,) = re.findall(r'<a href="some/README.md">\s*(<img[^>]*>)', page)
    assert 'width="60%"' in link
    assert 'src="some/a-b.svg"' in link
    assert "2 pages of this folder are not shown here" in shown(page)
    assert "run: study gallery decay sparse" in shown(page)
    assert '<a href="../rules.md">the rules</a>' in page
    page = render(render_index_readme([some], heights={"some": 0.5}))
    assert "width=" not in page.partition("<img")[2].partition(">")[0]


@RENDERERS
def test_intervals_with_an_open_end_are_explained(render, material):
    told = "such as [above 0 to 6.74] begins right above 0 and leaves 0 out"
    open_end = replace(SHOWN, findings=("The claim held: +5.96 points [above 0 to 6.74].",))
    assert told in shown(render(render_readme(ABOUT, open_end, material, origin=ORIGIN)))
    in_table = replace(SHOWN, tables=(Table(caption="A", header=("a",), rows=(("-0.92 [-1.59 to below 0]",),)),))
    below = "such as [-1.59 to below 0] ends right below 0 and leaves 0 out"
    assert below in shown(render(render_readme(ABOUT, in_table, material, origin=ORIGIN)))
    ratio = replace(SHOWN, findings=("The claim held: 1.4 [above 1 to 2.1].",))
    above = "such as [above 1 to 2.1] begins right above 1 and leaves 1 out"
    assert above in shown(render(render_readme(ABOUT, ratio, material, origin=ORIGIN)))
    assert "An interval such as" not in shown(render(render_readme(ABOUT, SHOWN, material, origin=ORIGIN)))


def test_the_index_explains_every_verdict_and_the_sizes_that_occur(material):
    some = replace(summary_of(ABOUT, SHOWN, material, origin=ORIGIN), verdicts=(ClaimVerdict.NOT_SHOWN,))
    explained = render_index_readme([some]).partition("## Badges")[2]
    for label in ("Held", "Contradicted", "Not shown", "Inconclusive", "Reduced size"):
        assert f"- ![{label}]" in explained
    assert "Other size" not in explained


def test_a_page_without_anything_is_whole(material):
    bare = PageContents(pictures=(), tables=(), findings=())
    text = render_readme(
        replace(ABOUT, traps=()), bare, material, origin=RunOrigin(command="", published=None, made="")
    )
    assert "## How it was run" in text
    assert not re.search(r"Traps|!\[|\*\*\*\*|\n\n\n", text)
