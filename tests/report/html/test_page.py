import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from study.report.across_workloads import across, sentence
from study.report.comparison import compare
from study.report.figures.style import styles
from study.report.figures.svg import to_svg
from study.report.html.live_state import live_state
from study.report.html.page import ReportOrigin, render
from study.report.json_export import numbers

HTML = files("study.report.html")
PLOTLY = (HTML / "plotly" / "plotly-basic.min.js").read_text("utf-8")
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


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def read(page):
    reader = Reader()
    reader.feed(without_scripts(page))
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
    runs = ["study", *(f"trial-{number}" for number in range(6))]
    assert outer == {
        f"http://127.0.0.1:5000/#/experiments/7/runs/{name}-{run}?workflowType=machine_learning"
        for name in ("adam", "momentum", "sgd")
        for run in runs
    }


def test_names_cannot_bring_markup_into_the_page(make_study, make_experiment):
    evil = "<b x='\"&>{{ 1 }}</script>"
    studies = [
        replace(
            make_study(f"{name}{evil}", tests, params={evil: evil, "budget.n_epochs": evil, "study_seed": "0"}),
            run_id=f"{name}{evil}",
            model=evil,
            dataset=evil,
            status=evil,
            tags={"keras": evil, "git_commit": evil},
        )
        for name, tests in (("adam", [0.8, 0.81]), ("sgd", [0.7, 0.71]))
    ]
    experiment = replace(make_experiment(*studies, digests={each.run_id: evil for each in studies}), name=evil)
    page = render(
        [compare(experiment)] * 2, origin=replace(ORIGIN, command=evil, made=evil, experiment_ids={evil: evil})
    )
    plain = render(
        [compare(make_experiment(make_study("adam", [0.8, 0.81]), make_study("sgd", [0.7, 0.71])))] * 2, origin=ORIGIN
    )
    assert "<b x" not in page
    assert page.count("</script>") == plain.count("</script>")
    assert {tag for tag in re.findall(r"<[a-z]\w*", without_scripts(page))} == {
        tag for tag in re.findall(r"<[a-z]\w*", without_scripts(plain))
    }


def test_the_page_stays_small_and_holds_plotly_once_as_it_was_published(page):
    assert len(page.encode()) < 1.4e6
    assert page.count(PLOTLY) == 1
    assert page.count("<script>") == 3  # Plotly's, the figures' and that of the tables


def test_eight_thousand_trials_fit_two_megabytes_and_none_is_missing_in_the_figure(make_study, make_experiment):
    rng = np.random.default_rng(3)
    studies = [
        make_study(name, [0.8, 0.81], trials=tuple(rng.uniform(0.2, 0.9, size=2000)))
        for name in ("adam", "momentum", "nadam", "sgd")
    ]
    page = render([compare(make_experiment(*studies))], origin=ORIGIN)
    assert len(page.encode()) < 2e6
    assert page.count("<script>") == 2  # Plotly's is packed
    assert unpacked(page, "plotly") == PLOTLY
    figures = json.loads(unpacked(page, "figures"))
    points = [text for trace in figures["trials"]["data"] for text in trace.get("text", [])]
    assert len(points) == len(set(points)) == 8000
    assert "The best 500 of 8000 trials, as many of each study as fit" in page
    assert "study list --json tiny-mlp" in page


def unpacked(page, name):
    text = re.search(rf'id="{name}" data-packed="gzip">(.*?)</script>', page)[1]
    return gzip.decompress(base64.b64decode(text)).decode()


def test_plotlys_script_is_the_published_file_of_the_version_that_checks_the_figures():
    note = (HTML / "plotly" / "README.md").read_text()
    assert hashlib.sha256((HTML / "plotly" / "plotly-basic.min.js").read_bytes()).hexdigest() in note
    (version,) = re.findall(r"^\| version \| ([\d.]+) \|$", note, re.MULTILINE)
    assert f"plotly.js (basic - minified) v{version}\n" in PLOTLY[:200]
    assert f"plotly.js v{version}\n" in get_plotlyjs()[:200], "see study/report/html/plotly/README.md"
    assert "Permission is hereby granted, free of charge" in (HTML / "plotly" / "LICENSE").read_text()


def test_all_figures_have_only_traces_that_the_script_can_draw(planted):
    drawn = compare(planted).figures
    assert {trace["type"] for figure in drawn.values() for trace in figure.traces} <= {"scatter", "bar"}
    assert any(name.startswith("parallel-") for name in drawn)


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
    assert "< 0.001" in cells  # a corrected p


def unset(study, *beginnings):
    """Return a study without the params whose names have these beginnings."""
    return replace(study, params={k: v for k, v in study.params.items() if not k.startswith(beginnings)})


def test_a_section_without_data_is_absent_and_not_in_the_contents(make_study, make_experiment):
    without = ("objective.target", "optimizer.search.learning_rate")
    studies = [unset(make_study(name, []), *without) for name in ("adam", "sgd")]
    studies = [replace(each, tags={**each.tags, "n_test": "360"}) for each in studies]
    page = render([compare(make_experiment(*studies))], origin=ORIGIN)
    assert re.findall(r'data-figure="([^"]+)"', page) == ["tuning", "sensitivity-beta_1", "trials"]
    there = {"summary", "tuning-curves", "values", "trials", "making"}
    assert set(re.findall(r'<section id="([^"]+)"', page)) == there
    assert {link[1:] for link in read(page).links if link.startswith("#")} == there


def test_without_histories_there_is_no_time_to_a_target(planted):
    page = render([compare(replace(planted, histories={}))], origin=ORIGIN)
    assert "time-to-target" not in without_scripts(page)
    assert "training-curves" not in without_scripts(page)


def test_the_page_shows_warnings_notes_and_all_best_configurations(make_study, make_experiment):
    rng = np.random.default_rng(2)
    studies = [
        make_study(f"{name}-{seed}", level + 0.002 * rng.standard_normal(5), params={"study_seed": str(seed)})
        for name, level in (("adam", 0.85), ("sgd", 0.75))
        for seed in range(3)
    ]
    edge = {"learning_rate": "0.99", "beta_1": "0.51"}
    first = studies[0]
    at_edge = [replace(run, params=run.params | edge) for run in (*first.trials, *first.confirmations)]
    studies[0] = replace(
        first,
        trials=tuple(run for run in at_edge if run.role == "trial"),
        confirmations=tuple(run for run in at_edge if run.role == "confirmation"),
    )
    studies[1] = replace(studies[1], status="KILLED", n_trials=20, params=studies[1].params | {"sampler.name": "tpe"})
    experiment = replace(
        make_experiment(*studies, force=True), importances={"sgd": {"learning_rate": 0.9, "beta_1": 0.1}}
    )
    page = render([compare(experiment)], origin=ORIGIN)
    assert '<ul class="serious" aria-label="Warnings">' in page
    assert "<dt>Not random search</dt>" in page
    assert "Tuning curves" not in page
    assert '<span class="note">not ended</span>' in page
    assert "<code>learning_rate=0.99 beta_1=0.51</code><br><code>" in page
    notes = (
        f'<br><span class="note">{note} edge</span>' for note in ("beta_1 near its low", "learning_rate near its high")
    )
    assert f"</code>{''.join(notes)}</td>" in page
    assert '<th scope="col" class="num">over studies</th>' in page
    assert 'data-figure="importance"' in page
    numbers = page.count('<details class="numbers"')
    assert numbers == page.count("data-figure=") - 4  # parallel coordinates and the trials have the table of trials
    assert page.count("<details") == page.count("</details>") == numbers + 6  # answer, values, parallel ones, settings


def test_a_long_answer_is_folded_and_a_short_one_is_not(planted):
    def page(n):
        found = compare(planted)
        answer = replace(found.answer, marked=(found.answer.marked[0], "word " * n))
        return render([replace(found, answer=answer)], origin=ORIGIN)

    assert '<details class="more" open>' in page(10)
    assert '<details class="more">' in page(400)


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
    assert first == alone
    assert first.color != second.color
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


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        (([0.8], [0.7]), "No significance test is possible with one confirmation seed."),
        (([0.8, 0.81], [0.7, 0.71]), "No significance test is possible with 2 confirmation seeds."),
        (([0.8, 0.81, 0.82],), "There is nothing to compare it with yet."),
    ],
)
def test_missing_differences_have_the_right_reason(make_study, make_experiment, tests, told):
    studies = [make_study(name, each) for name, each in zip(("adam", "sgd"), tests, strict=False)]
    page = render([compare(make_experiment(*studies))], origin=ORIGIN)
    assert told in page
    assert "Paired differences" not in page


def test_overlapping_bands_are_not_called_a_test(page):
    assert "The lines are no test of a difference" in page
    assert "Where bands overlap" not in page


def test_more_values_of_a_setting_than_are_shown_are_counted(make_study, make_experiment):
    studies = [
        make_study(f"adam-{n}", [0.8] * 3, params={"study_seed": str(n), "study_only": str(n)}) for n in range(6)
    ]
    page = render([compare(make_experiment(*studies))], origin=ORIGIN)
    assert "study_only <code>0 or 1 or 2 or 3 or 2 more</code>" in page
    assert "Settings that all studies share" not in page


@pytest.mark.parametrize("vectorized", [False, True])
def test_training_curves_say_that_seconds_are_shared_and_that_runs_diverged(make_study, make_experiment, vectorized):
    trainer = {"trainer._target_": "study.training.vectorized.VectorizedTrainer"} if vectorized else {}
    study = make_study("adam", [0.8] * 4, params=trainer)
    if vectorized:
        first, *others = study.confirmations
        study = replace(study, confirmations=(replace(first, state="diverged"), *others))
    page = render([compare(make_experiment(study))], origin=ORIGIN)
    assert "The training accuracy is the mean over an epoch's steps".replace("'", "&#39;") in page
    assert ("trains at once share their time equally" in page) == vectorized
    assert ("A run that divergence stopped counts as 0.00\u00a0% from there on." in page) == vectorized


def test_importances_say_of_how_many_trials_they_are(planted):
    experiment = replace(planted, importances={"sgd": {"learning_rate": 0.9, "beta_1": 0.1}, "adam": {}})
    page = render([compare(experiment)], origin=ORIGIN)
    assert "Trials: sgd 6." in page


def test_a_target_of_zero_is_a_target(planted):
    metric = replace(planted.metric, target=0.0)
    assert "target 0.00\u00a0%" in render([compare(replace(planted, metric=metric))], origin=ORIGIN)


@pytest.mark.parametrize(("n_to_come", "title"), [(2, "better so far?"), (0, "better?")])
def test_the_title_is_provisional_while_studies_are_still_to_come(make_study, make_experiment, n_to_come, title):
    made = [make_study(name, [0.8, 0.81, 0.82]) for name in ("adam", "sgd")]
    live = live_state(made, n_to_come=n_to_come)
    page = render([compare(make_experiment(*made))], origin=ORIGIN, live=live)
    assert f"which optimizer is {title}</title>" in page


def test_commands_in_sentences_are_code_that_is_not_broken(page):
    assert '(<code class="whole">study run -m study_seed=0,1,2</code>)' in page
    assert "(study run" not in page


def test_marks_of_names_have_a_size_without_a_style_sheet(page):
    swatches = re.findall(r'<svg class="swatch"[^>]*>', page)
    assert swatches
    assert all('width="11" height="11"' in swatch for swatch in swatches)


def test_on_paper_divergence_stays_and_what_is_hidden_has_no_note(make_study, make_experiment):
    study = make_study("adam", [0.8, 0.81, 0.82])
    trials = tuple(replace(run, metrics={**run.metrics, "optimizer_state_bytes": 1e3}) for run in study.trials)
    page = render([compare(make_experiment(replace(study, trials=trials)))], origin=ORIGIN)
    classes = {title: name for name, title in re.findall(r'<th scope="col" class="([^"]*)">([^<]*)</th>', page)}
    assert "aside" not in classes["diverged trials"]
    assert "aside" in classes["optimizer memory"]
    assert '<span class="aside">Optimizer memory: ' in page
