from dataclasses import replace

import numpy as np
import pytest

from study.report.comparison import compare
from study.report.figures.interactive import to_plotly
from study.report.figures.svg import to_svg
from study.report.html.page import ReportOrigin, render
from study.report.html.tables import seconds_texts, summary_table, target_table

ORIGIN = ReportOrigin(command="study compare", ui="http://x", experiment_ids={}, made="today")


def taking(study, seconds):
    """The study with trainings of so many seconds, and compilations that take far longer."""

    def timed(run):
        return replace(run, metrics={**run.metrics, "seconds_train": seconds, "seconds_compile": 100.0})

    return replace(
        study,
        trials=tuple(map(timed, study.trials)),
        confirmations=tuple(map(timed, study.confirmations)),
    )


@pytest.fixture
def comparing(make_study, make_experiment):
    def make(*seconds, **params):
        names = ("adam", "sgd")
        studies = [
            taking(make_study(name, [0.8] * 3, params=params), each) for name, each in zip(names, seconds, strict=True)
        ]
        return compare(make_experiment(*studies))

    return make


def columns(table):
    return {title: list(cells) for title, _, cells in table.columns}


def test_seconds_are_those_of_training_and_below_one_they_are_not_told_apart(comparing):
    found = comparing(40.0, 0.2)
    assert {row.label: row.seconds_per_trial for row in found.rows} == {"adam": 40.0, "sgd": 0.2}
    assert columns(summary_table(found, link="{}"))["training, s/trial"] == ["40.0", "< 1"]
    assert columns(target_table(found))["median seconds"] == ["30.0", "< 1"]
    assert {"validation-seconds", "target-seconds"} <= found.figures.keys()


def test_the_seconds_of_a_column_have_the_same_decimals():
    assert seconds_texts([9.688, 15.94, 10.0, None, np.inf, 0.2]) == ["9.7", "15.9", "10.0", "", "never", "< 1"]
    assert seconds_texts([1.0, 9.688]) == ["1.00", "9.69"]
    assert seconds_texts([40.0, 3120.4]) == ["40", "3120"]
    assert seconds_texts([0.2, None]) == ["< 1", ""]


def test_trainings_of_less_than_a_second_are_not_ranked_by_their_seconds(comparing):
    found = comparing(0.02, 0.9)
    assert not [name for name in found.figures if name.endswith("-seconds")]
    assert "training, s/trial" not in columns(summary_table(found, link="{}"))
    assert "median seconds" not in columns(target_table(found))
    page = render([found], origin=ORIGIN)
    assert "Training takes less than a second a trial" in page
    assert "There are no curves over seconds" in page
    assert "In seconds, all of it takes less than one" in page


def test_a_shared_time_is_said_to_be_shared_wherever_seconds_are(comparing):
    vectorized = {"trainer._target_": "study.training.vectorized.VectorizedTrainer"}
    shared = "Runs that the vectorized trainer trains at once share their time equally."
    assert render([comparing(40.0, 50.0, **vectorized)], origin=ORIGIN).count(shared) == 3
    assert shared not in render([comparing(40.0, 50.0)], origin=ORIGIN)


def test_a_tuning_curve_outside_of_the_frame_is_named(make_study, make_experiment):
    tops = {"adam": 0.95, "nadam": 0.94, "sgd": 0.3}
    studies = [
        make_study(name, [top] * 3, trials=tuple(top - 0.001 * n for n in range(8))) for name, top in tops.items()
    ]
    found = compare(make_experiment(*studies))
    figure = found.figures["tuning"]
    assert figure.y["range"][0] > 0.9
    (told,) = figure.extra["annotations"]
    assert (told["text"], told["y"]) == ("sgd 30.00\u00a0% ▾", figure.y["range"][0])
    named = {trace["name"] for trace in figure.traces if trace.get("showlegend", True)}
    assert named == {"adam", "nadam"}  # the legend has no name of a line that is not seen
    assert figure.note == "These searches have too few trials for a band; the dotted line is the worse limit."
    assert f'<p class="notes">{figure.note}</p>' in render([found], origin=ORIGIN)
    assert "sgd 30.00" in to_svg(figure)
    assert to_plotly(figure).layout.title.subtitle.text == figure.note


def test_best_losses_over_many_decades_are_all_seen_in_logarithms(make_study, make_experiment):
    study = make_study("adam", [1e-4] * 3, trials=tuple(10.0 ** -np.arange(10)))
    experiment = make_experiment(study)
    loss = replace(experiment.metric, name="val_loss", is_share=False, direction="minimize")
    figure = compare(replace(experiment, metric=loss)).figures["tuning"]
    assert figure.y["type"] == "log"
    low, high = 10.0 ** np.asarray(figure.y["range"])
    (curve,) = [np.asarray(trace["y"]) for trace in figure.traces if trace["mode"] == "lines+markers"]
    assert np.all((curve >= low) & (curve <= high))


def test_without_a_completed_trial_there_is_no_tuning_curve(make_study, make_experiment, make_run):
    diverged = tuple(make_run("adam", "trial", n, float("nan"), state="diverged") for n in range(6))
    none = make_study("adam", [], trials=[0.1] * 6)
    some = make_study("sgd", [0.8] * 3)
    none = replace(none, trials=diverged)
    assert "tuning" not in compare(make_experiment(none)).figures
    assert set(compare(make_experiment(none, some)).tuning) == {"adam", "sgd"}


def test_curves_of_few_trials_are_said_to_have_no_band(make_study, make_experiment):
    scores = np.random.default_rng(0).uniform(0.5, 0.9, 64)
    notes = [
        compare(make_experiment(make_study("adam", [0.9] * 3, trials=tuple(scores[:n])))).figures["tuning"].note
        for n in (64, 8)
    ]
    assert "band" not in notes[0]
    assert notes[1] == "These searches have too few trials for a band."  # and the limit is below the frame


def test_a_page_explains_a_band_only_where_one_is_drawn(make_study, make_experiment):
    scores = np.random.default_rng(0).uniform(0.5, 0.9, 64)
    many, few = (
        render([compare(make_experiment(make_study("adam", [0.9] * 3, trials=tuple(scores[:n]))))], origin=ORIGIN)
        for n in (64, 8)
    )
    assert "lies in the shaded band" in many
    assert "The bands are no test of a difference" in many
    assert "with a 95 % band" in many
    assert "shaded" not in few
    assert "with a 95 % band" not in few


def test_of_many_lines_below_the_frame_four_are_named_each_at_its_own_height(make_study, make_experiment):
    near = {f"near{n}": 0.95 - 0.001 * n for n in range(8)}
    far = {f"far{n}": 0.3 - 0.01 * n for n in range(6)}
    studies = [
        make_study(name, [top] * 3, trials=tuple(top - 0.001 * n for n in range(8)))
        for name, top in {**near, **far}.items()
    ]
    notes = compare(make_experiment(*studies)).figures["tuning"].extra["annotations"]
    assert len({note["y"] for note in notes}) == len(notes) == 5
    assert notes[-1]["text"] == "2 more ▾"


def test_a_band_is_filled_only_where_the_trials_limit_both_sides(make_study, make_experiment):
    trials = tuple(np.random.default_rng(0).uniform(0.5, 0.9, 64))
    found = compare(make_experiment(make_study("adam", [0.9] * 3, trials=trials)))
    filled, limit, curve = found.figures["tuning"].traces
    assert filled["fill"] == "toself"
    n_known = len(filled["x"]) // 2
    assert 3 <= n_known < 32
    assert np.max(filled["y"]) <= max(trials)
    assert limit["mode"] == "lines"
    assert len(limit["x"]) == len(curve["x"]) == 64
    assert np.all(np.asarray(limit["y"])[5:] <= np.asarray(curve["y"])[5:])


def test_few_trials_fill_no_band(make_study, make_experiment):
    found = compare(make_experiment(make_study("adam", [0.9] * 3, trials=(0.5, 0.6, 0.7, 0.8))))
    filled, *_ = found.figures["tuning"].traces
    assert len(filled["x"]) == 0


def test_a_curve_on_another_has_gaps_and_both_are_named_at_the_end(make_study, make_experiment):
    alike = tuple(0.9 - 0.001 * n for n in range(8))
    own = tuple(0.91 - 0.002 * n for n in range(8))
    trials = {"adam": alike, "nadam": alike, "sgd": own}
    studies = [make_study(name, [0.9] * 3, trials=each) for name, each in trials.items()]
    figure = compare(make_experiment(*studies)).figures["tuning"]
    dashes = {each["name"]: each["line"]["dash"] for each in figure.traces if each["mode"] == "lines+markers"}
    assert sorted([dashes.pop("adam"), dashes.pop("nadam")]) == ["dash", "solid"]
    assert dashes == {"sgd": "solid"}
    assert figure.note.endswith("At the same place end adam and nadam.")


def one_epoch(experiment):
    histories = {
        run_id: {name: (steps[:1], values[:1]) for name, (steps, values) in each.items()}
        for run_id, each in experiment.histories.items()
    }
    return replace(experiment, histories=histories)


def test_one_epoch_makes_no_training_curve_and_no_section(planted):
    found = compare(one_epoch(planted))
    assert found.training
    assert not [name for name in found.figures if name.startswith(("validation-", "training-"))]
    assert "Training curves" not in render([found], origin=ORIGIN)
    assert "Training curves" in render([compare(planted)], origin=ORIGIN)


def test_few_trials_have_a_tick_each(make_study, make_experiment):
    def axes(n):
        figures = compare(make_experiment(make_study("adam", [0.9] * 3, trials=(0.5, 0.6) * (n // 2)))).figures
        return [figures[name].x for name in ("tuning", "trials")]

    assert [axis["dtick"] for axis in axes(2)] == [1, 1]
    assert [axis.get("dtick") for axis in axes(40)] == [None, None]
