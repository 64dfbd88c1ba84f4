import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from study.gallery import About, PageContents, Picture, Table
from study.gallery.analysis.verdicts import ClaimVerdict
from study.gallery.page import certainty_text, is_number, render, render_index, size_text
from study.gallery.run_facts import RunOrigin
from study.gallery.summary import PageSummary

ABOUT = About(
    title="Some < others",
    question="Which?",
    source="Somebody, 1950",
    claim="Some & all",
    traps=("A trap.", "Another."),
)
SHOWN = PageContents(
    pictures=(
        Picture(name="a", caption="A curve.", data=b'<svg width="400pt" height="3pt"></svg>', suffix="svg"),
        Picture(name="b", caption="It moves.", data=b"GIF89a", suffix="gif"),
        Picture(name="c", caption="Turn it.", data=b'<p>"hi" & <script>let a = 1 < 2</script></p>', suffix="html"),
    ),
    tables=(
        Table(
            caption="Scores",
            header=("optimizer", "score"),
            rows=(("sgd", "0.5"), ("<adam>", "none")),
        ),
    ),
    findings=("It holds.", "By 3 points."),
)
PUBLISHED = {"name": "published/some", "n_trials": 20, "n_epochs": 20, "n_steps": None, "n_confirmations": 10}


class Strict(HTMLParser):
    """Checks that elements are closed in the order in which they were opened."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self):
        super().__init__()
        self.open = []
        self.text = []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(page):
    parser = Strict()
    parser.feed(page)
    assert parser.open == []
    return " ".join(parser.text)


@pytest.fixture
def material(make_material):
    return make_material({"sgd-setting=shared": [0.5, 0.6], "sgd-setting=tuned": [0.7, 0.8]})


def test_the_page_tells_everything_and_needs_nothing_but_itself(material):
    origin = RunOrigin(command="study run -m experiment=some", published=PUBLISHED, made="today")
    page = render(ABOUT, SHOWN, material, origin=origin)
    text = read(page)
    for told in (
        "Some < others",
        "Which?",
        "Somebody, 1950",
        "Some & all",
        "A trap.",
        "It holds.",
        "A curve.",
        "Scores",
    ):
        assert told in text
    assert "study run -m experiment=some" in text
    assert "2, with 2 trials and 4 confirmations" in text
    assert "vectorized on jax, batches of 32" in text
    assert "keras 3.15.1" in text
    assert not re.search(r'(?:src|href)="(?!data:|gallery\.html)', page)


def test_a_document_inside_the_page_is_kept_apart(material):
    page = render(ABOUT, SHOWN, material, origin=RunOrigin(command="", published=None, made=""))
    assert 'sandbox="allow-scripts"' in page
    assert "&lt;script&gt;let a = 1 &lt; 2" in page
    assert "<script>" not in page


def test_a_budget_smaller_than_published_is_told(material):
    origin = RunOrigin(command="", published=PUBLISHED, made="")
    assert (
        "Run with 3 trials of a search instead of 20; 2 epochs instead of 20; 4 confirmation seeds instead of 10."
        in read(render(ABOUT, SHOWN, material, origin=origin))
    )
    same = {key: {**config, "budget": PUBLISHED} for key, config in material.configs.items()}
    full = render(ABOUT, SHOWN, replace(material, configs=same), origin=origin)
    assert "Run in the published size." in full
    assert "Reduced" not in full


def test_a_larger_budget_is_no_reduction(material):
    more = {key: {**config, "budget": PUBLISHED | {"n_confirmations": 20}} for key, config in material.configs.items()}
    origin = RunOrigin(command="", published=PUBLISHED, made="")
    page = render(ABOUT, SHOWN, replace(material, configs=more), origin=origin)
    assert "<b>Another size.</b> Run with 20 confirmation seeds instead of 10." in page


def test_a_page_without_pictures_tables_or_traps_is_whole(material):
    bare = PageContents(pictures=(), tables=(), findings=())
    page = render(replace(ABOUT, traps=()), bare, material, origin=RunOrigin(command="", published=None, made=""))
    assert "How it was run" in read(page)
    assert not re.search("<img|<iframe|<table|Traps|Run in the published size", page)


def test_texts_are_escaped_once(material):
    evil = "<b x='\"&>"
    configs = {
        key: {**config, "model": {"name": evil}, "order_seed": evil} for key, config in material.configs.items()
    }
    experiment = material.experiment
    entries = tuple(
        replace(
            entry,
            studies=tuple(
                replace(s, record=replace(s.record, tags={"keras": evil, "device": evil})) for s in entry.studies
            ),
        )
        for entry in experiment.entries
    )
    changed = replace(material, name=evil, configs=configs, experiment=replace(experiment, entries=entries))
    page = render(ABOUT, SHOWN, changed, origin=RunOrigin(command=evil, published=None, made=evil))
    assert "<b x" not in page
    for told in (f"keras {evil}", f"study gallery {evil}", f"order_seed {evil};", f"Made {evil} from"):
        assert " ".join(told.split()) in " ".join(read(page).split())


@pytest.fixture
def make_summary():
    def make(name, **changes):
        values = {
            "name": name,
            "title": ABOUT.title,
            "question": ABOUT.question,
            "claim": ABOUT.claim,
            "verdicts": (),
            "headline": "",
            "finding": "",
            "size": "published",
            "differences": (),
            "cover": "",
            "cover_caption": "",
            "files": (),
        }
        return PageSummary(**(values | changes))

    return make


def shown_with(*findings, headline=""):
    return replace(SHOWN, findings=findings, headline=headline)


def badges(page):
    return re.findall(r'<span class="badge (\w+)"', page)


@pytest.mark.parametrize(
    ("finding", "kinds"),
    [
        ("The claim held: a is better.", ["held"]),
        ("The claim is contradicted with b: it is not.", ["contradicted"]),
        ("The claim is not shown, that c is.", ["not_shown"]),
        ("Inconclusive: too few seeds.", ["inconclusive"]),
        ("The claim held, that a is (1.5 [1 to 2]). The claim is not shown, that b is.", ["held", "not_shown"]),
        ("It was run.", []),
    ],
)
def test_a_page_has_the_badges_of_its_first_finding_and_each_finding_its_own(material, finding, kinds):
    published = {key: {**config, "budget": PUBLISHED} for key, config in material.configs.items()}
    origin = RunOrigin(command="", published=PUBLISHED, made="")
    page = render(ABOUT, shown_with(finding, "By 3 points."), replace(material, configs=published), origin=origin)
    header, _, rest = page.partition("What was seen")
    assert badges(header) == kinds
    assert badges(rest) == kinds[:1]


def test_a_reduced_run_has_a_badge_and_an_unknown_size_has_none(material):
    of_size = [RunOrigin(command="", published=published, made="") for published in (PUBLISHED, None)]
    pages = [render(ABOUT, shown_with("The claim held: a."), material, origin=origin) for origin in of_size]
    assert badges(pages[0].partition("What was seen")[0]) == ["held", "reduced_size"]
    assert badges(pages[1].partition("What was seen")[0]) == ["held"]


def test_the_headline_stands_above_the_findings(material):
    origin = RunOrigin(command="", published=None, made="")
    page = render(ABOUT, shown_with("The claim held: a.", headline="Two of < three."), material, origin=origin)
    assert "Two of &lt; three." in page.partition("What was seen")[0]


def test_a_broad_picture_can_be_scrolled_with_the_keyboard(material):
    wide = Picture(name="w", caption="Wide.", data=b'<svg width="900pt" height="3pt"></svg>', suffix="svg")
    origin = RunOrigin(command="", published=None, made="")
    page = render(ABOUT, replace(SHOWN, pictures=(wide,)), material, origin=origin)
    assert '<div class="sheet broad" tabindex="0" role="region" aria-label="w">' in page


def test_numbers_are_known_with_unit_sign_and_interval():
    assert [is_number(text) for text in ("0.5", "+3 points", "\u22122", ".5 [1 to 2]", "none", "-", "")] == [
        *[True] * 4,
        *[False] * 3,
    ]


def test_the_index_leads_to_every_page_and_shows_its_cover_claim_and_badges(make_summary):
    some = make_summary(
        "some", cover="a.svg", verdicts=(ClaimVerdict.CONTRADICTED,), headline="No < yes.", size="reduced"
    )
    page = render_index([some, make_summary("bare", verdicts=(ClaimVerdict.HELD,))], made="today")
    text = read(page)
    assert 'href="some.html"' in page
    assert 'href="bare.html"' in page
    assert page.count("<img") == 1
    assert 'src="some/a.svg"' in page
    for told in ("Some < others", "Some & all", "No < yes.", "Made today"):
        assert told in text
    before, _, after = page.partition('<ul class="rooms">')
    counts, _, overview = before.partition("<table>")
    rooms, _, explained = after.partition("</ul>")
    assert badges(overview) == ["held", "contradicted"]  # the claims that held come first
    assert badges(counts + rooms) == ["held", "contradicted", "contradicted", "reduced_size", "held"]  # counts first
    assert badges(explained) == ["held", "contradicted", "not_shown", "inconclusive", "reduced_size"]


def test_the_certainty_follows_from_the_verdict_and_the_sentence_that_states_it(make_summary):
    def told(finding, *verdicts):
        return certainty_text(make_summary("some", finding=finding, verdicts=verdicts))

    assert told("The claim held: SGD diverged above 0.25.", ClaimVerdict.HELD) == "exact: no chance in it"
    assert told("x in [-1, 1]: held", ClaimVerdict.HELD) == "exact: no chance in it"
    assert told("by +3.0 points [1.0 to 5.0]", ClaimVerdict.HELD) == "95 % intervals, all together"
    assert told("+3.0 [above 0 to 5.0]", ClaimVerdict.HELD, ClaimVerdict.NOT_SHOWN) == "95 % intervals, all together"
    assert told("+3.0 [-1 to 5.0]", ClaimVerdict.NOT_SHOWN) == "open: an interval includes both sides"
    assert told("+3.0 [-1 to 5.0]", ClaimVerdict.INCONCLUSIVE) == "none: the run cannot judge it"


def test_the_size_of_a_run_is_what_was_smaller(make_summary):
    differences = ("3 epochs instead of 20", "5 confirmation seeds instead of 10")
    assert size_text(make_summary("some", size="reduced", differences=differences)) == "; ".join(differences)
    assert size_text(make_summary("some", size="published")) == "as published"
    assert size_text(make_summary("some", size="unknown")) == "unknown"
