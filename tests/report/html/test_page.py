import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import plotly.graph_objects as go
import pytest

from study.report.across_workloads import across, sentence
from study.report.comparison import compare
from study.report.figures.style import styles
from study.report.figures.svg import to_svg
from study.report.html.page import ReportOrigin, render
from study.report.json_export import numbers

ORIGIN = ReportOrigin(
    command="study compare tiny-mlp", ui="http://127.0.0.1:5000", experiment_ids={"tiny-mlp": "7"}, made="today"
)


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.links, self.loads, self.cells = [], [], [], []
        self._in = ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._in = tag
        self.ids += [given["id"]] if "id" in given else []
        if tag == "a":
            self.links.append(given["href"])
        self.loads += [value for key, value in attrs if key in ("src", "srcset", "data", "poster")]
        self.loads += [given.get("href")] if tag == "link" else []

    def handle_endtag(self, tag):  # noqa: ARG002
        self._in = ""

    def handle_data(self, data):
        if self._in == "td":
            self.cells.append(data)


@pytest.fixture
def page(planted):
    return render([compare(planted)], origin=ORIGIN)


def read(page):
    reader = Reader()
    reader.feed(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))
    return reader


def test_the_page_loads_nothing_and_its_anchors_are_there(page):
    found = read(page)
    assert found.loads == []
    assert "@import" not in page.split("</style>")[0]
    assert "url(" not in page.split("</style>")[0]
    assert len(found.ids) == len(set(found.ids))
    inner = {link[1:] for link in found.links if link.startswith("#")}
    assert inner
    assert inner <= set(found.ids)
    outer = {link for link in found.links if not link.startswith("#")}
    assert outer == {
        f"http://127.0.0.1:5000/#/experiments/7/runs/{name}-study" for name in ("adam", "momentum", "sgd")
    }


def test_the_page_stays_small_and_holds_plotly_once(page):
    assert len(page.encode()) < 6e6
    assert page.count("<script>") == 2  # Plotly's and ours


def test_every_place_for_a_figure_has_one_that_plotly_knows(page, planted):
    specs = json.loads(re.search(r'id="figures">(.*?)</script>', page, re.DOTALL)[1])
    assert set(re.findall(r'data-figure="([^"]+)"', page)) == set(specs)
    for figure in compare(planted).figures.values():
        go.Figure(figure.spec())  # refuses properties that Plotly does not have


def test_json_and_table_show_the_same_numbers(planted, page):
    found = json.loads(json.dumps(numbers([compare(planted)]), allow_nan=False))
    (experiment,) = found["experiments"]
    cells = read(page).cells
    for row in experiment["summary"]:
        assert f"{100 * row['tuned']['estimate']:.2f}\u00a0%" in cells
        assert f"{100 * row['tuned']['low']:.2f} to {100 * row['tuned']['high']:.2f}\u00a0%" in cells
        assert f"{100 * row['untuned']['estimate']:.2f}\u00a0%" in cells
    assert experiment["answer"]["winner"] == "adam"
    assert experiment["answer"]["sentences"][0].split("(")[0] in re.sub(r"</?b>", "", page).replace("\u00a0", " ")
    for each in experiment["differences"]:
        assert f"+{100 * each['mean']:.2f}\u00a0points" in cells


def test_figures_become_svg(planted):
    drawn = compare(planted).figures
    assert {"results", "tuning", "validation-steps", "sensitivity", "differences"} <= set(drawn)
    for name in ("results", "tuning", "sensitivity", "parallel-0"):
        assert ElementTree.fromstring(to_svg(drawn[name])).tag.endswith("svg")


def test_an_optimizer_keeps_its_color_whoever_else_is_there():
    (alone,) = styles(["adam"])
    *_, among = styles(["sgd", "momentum", "adam"])
    assert alone == among
    first, second = styles(["adam", "adam"])
    assert first.color == second.color
    assert first.dash != second.dash
    eight = styles(["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam"])
    assert len({style.color for style in eight}) == 8
    assert styles(["of_my_own"]) == styles(["of_my_own"])


def test_three_workloads_are_ranked_and_two_are_said_to_be_few(planted):
    comparison = compare(planted)
    two = across([comparison] * 2)
    assert "too few for a test of ranks" in sentence(two)
    assert two.critical_difference is None
    three = across([comparison] * 3)
    assert three.labels[0] == "adam"
    assert three.ranks[0] == 1.0
    assert three.critical_difference > 1
    assert "give little evidence" in sentence(three)
    assert numbers([comparison] * 3, three)["across"]["labels"] == list(three.labels)
    found = read(render([comparison] * 3, origin=ORIGIN, workloads=three))
    assert len(found.ids) == len(set(found.ids))
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
