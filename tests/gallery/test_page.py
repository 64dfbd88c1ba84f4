import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from study.gallery import About, PageContents, Picture, Table
from study.gallery.page import RunOrigin, budget_differences, render, render_index, render_markdown

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
    assert not re.search(r'(?:src|href)="(?!data:|index\.html)', page)


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


@pytest.mark.parametrize(
    ("budgets", "published", "told", "less"),
    [
        (
            [{"n_epochs": 1, "n_steps": None}, {"n_epochs": 1}, {"n_epochs": 5}],
            {"n_epochs": 20},
            ("1 or 5 epochs instead of 20",),
            True,
        ),
        ([{"n_epochs": 1}], {"n_epochs": 2}, ("1 epoch instead of 2",), True),
        ([{"n_epochs": 2}], {"n_epochs": 2}, (), False),
        ([{"n_confirmations": 20}], {"n_confirmations": 10}, ("20 confirmation seeds instead of 10",), False),
        (
            [{"n_epochs": 1, "n_steps": None}],
            {"n_epochs": None, "n_steps": 2000},
            ("1 epoch instead of 2000 steps",),
            False,
        ),
        (
            [{"n_epochs": None, "n_steps": 50}],
            {"n_epochs": 20, "n_steps": None},
            ("50 steps instead of 20 epochs",),
            False,
        ),
    ],
)
def test_what_differs_from_the_published_size_is_named_once(budgets, published, told, less):
    assert budget_differences(budgets, published) == (told, less)


def test_the_index_leads_to_every_page_and_shows_its_first_picture():
    page = render_index(
        [("some", ABOUT, SHOWN), ("bare", ABOUT, PageContents(pictures=(), tables=(), findings=()))], made=""
    )
    text = read(page)
    assert 'href="some.html"' in page
    assert 'href="bare.html"' in page
    assert page.count("<img") == 1
    assert 'src="some/a.svg"' in page
    assert "It holds." in text


def test_the_index_can_be_read_where_the_repository_is():
    bare = PageContents(pictures=(), tables=(), findings=())
    text = render_markdown([("some", ABOUT, SHOWN), ("bare", ABOUT, bare)])
    assert "## Some < others" in text
    assert "(`some.html`)" in text  # named, since a code host shows no HTML
    assert "![A curve.](covers/some.svg)" in text
    assert text.count("![") == 1


def test_studies_at_the_same_time_take_their_time_once(make_material):
    made = make_material({f"{name}-setting=shared": [0.5] for name in ("sgd", "adam", "momentum")})
    spans = {"adam": (0.0, 600.0), "momentum": (60.0, 660.0), "sgd": (1200.0, 1260.0)}
    entries = tuple(
        replace(
            entry,
            studies=tuple(
                replace(study, record=replace(study.record, started=1e9 + start, ended=1e9 + end))
                for study in entry.studies
            ),
        )
        for entry in made.experiment.entries
        for start, end in [spans[entry.optimizer]]
    )
    made = replace(made, experiment=replace(made.experiment, entries=entries))
    page = read(render(ABOUT, SHOWN, made, origin=RunOrigin(command="", published=None, made="")))
    assert "12.0 minutes, from the beginning to the end of the studies" in page
