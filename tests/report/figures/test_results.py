from dataclasses import replace

import numpy as np
import pytest

from study.report.comparison import compare


def test_hovers_have_the_unit_and_the_digits_of_the_tables(planted):
    figures = compare(planted).figures
    row = compare(planted).rows[0]
    means = [trace["hovertemplate"] for trace in figures["results"].traces]
    ends = f"({100 * row.tuned.low:.2f} to {100 * row.tuned.high:.2f}\u00a0%)"
    assert f"<b>adam</b><br>mean {100 * row.tuned.estimate:.2f}\u00a0% {ends}, n = 10<extra></extra>" in means
    differences = [trace["hovertemplate"] for trace in figures["differences"].traces]
    assert any("+2.00\u00a0points (" in text and "adjusted p" in text for text in differences)


def test_small_losses_keep_their_digits_in_hovers(planted):
    metric = replace(planted.metric, name="val_loss", is_share=False, direction="minimize")
    found = compare(replace(planted, metric=metric))
    curves = [trace["hovertemplate"] for trace in found.figures["tuning"].traces if "hovertemplate" in trace]
    assert all("%{y:.4g}" in text for text in curves)


def notes_of(figure):
    return [note["text"] for note in (figure.extra or {}).get("annotations", ())]


def test_what_lies_outside_of_the_frame_is_named_with_its_value_and_stays_in_the_data(make_study, make_experiment):
    near = [0.95, 0.951, 0.949, 0.952, 0.95]
    studies = [
        make_study("adam", near, untuned=[0.41] * 5, validation=0.95),
        make_study("nadam", near, untuned=[0.949] * 5, validation=0.94),
        make_study("sgd", [0.5, 0.51, 0.5, 0.49, 0.5], validation=0.5),
    ]
    first, *others = studies[1].confirmations
    studies[1] = replace(studies[1], confirmations=(replace(first, state="diverged"), *others))
    figure = compare(make_experiment(*studies)).figures["results"]
    low, _ = figure.x["range"]
    assert low > 0.9
    assert figure.height > 110 + 34 * 3  # a note between two rows has room of its own
    told = {note.split("◂ ")[1] for note in notes_of(figure)}
    assert told == {"untuned 41.00\u00a0%", "1 seed 0.00\u00a0%", "mean 50.00\u00a0% (5 seeds)"}
    (far,) = [note for note in figure.extra["annotations"] if "5 seeds" in note["text"]]
    assert (far["y"], far["yanchor"]) == (figure.y["ticktext"][::-1].index("sgd"), "middle")  # in its own row
    values = np.concatenate([np.asarray(trace["x"]) for trace in figure.traces])
    assert {0.0, 0.41, 0.5} <= set(values.round(4))


def test_of_a_loss_the_far_ones_are_named_on_the_right(make_study, make_experiment, planted):
    studies = [make_study(name, [at, 1.01 * at, 0.99 * at]) for name, at in (("adam", 0.1), ("sgd", 0.9))]
    experiment = make_experiment(*studies)
    metric = replace(planted.metric, is_share=False, direction="minimize")
    figure = compare(replace(experiment, metric=metric)).figures["results"]
    assert notes_of(figure) == ["mean 0.9 (3 seeds) ▸"]
    assert figure.x["range"][1] < 0.2


def test_without_anything_far_there_is_no_note(planted):
    assert notes_of(compare(planted).figures["differences"]) == []
    low, high = compare(planted).figures["results"].x["range"]
    assert low < 0.8 < 0.82 < high


def test_a_large_difference_does_not_hide_the_small_ones_and_is_named(make_study, make_experiment):
    luck = 0.002 * np.arange(5)
    studies = [
        make_study("adam", list(0.95 - luck), validation=0.95),
        make_study("nadam", list(0.948 - luck[::-1]), validation=0.94),
        make_study("sgd", list(0.3 - luck), validation=0.3),
    ]
    figure = compare(make_experiment(*studies)).figures["differences"]
    low, high = figure.x["range"]
    assert low < 0 < high < 10
    assert notes_of(figure) == ["+65.00\u00a0points (5 seeds) ▸"]
    sgd = [trace for trace in figure.traces if trace["name"] == "sgd" and "error_x" in trace]
    assert sgd[0]["x"] == [pytest.approx(65.0)]


def test_of_several_seeds_beyond_the_frame_the_farthest_is_named(make_study, make_experiment):
    luck = 0.0002 * np.arange(10)
    studies = [
        make_study("adam", list(0.999 - luck), validation=0.999),
        make_study("sgd", [*(0.995 - luck[:8]), 0.3, 0.1], validation=0.99),
    ]
    found = compare(make_experiment(*studies))
    (told,) = notes_of(found.figures["results"])
    assert told.endswith("2 seeds down to 10.00\u00a0%")
    (told,) = notes_of(found.figures["differences"])
    assert told.endswith(f"2 seeds up to +{100 * (0.999 - luck[9] - 0.1):.2f}\u00a0points ▸")


def test_one_seed_far_away_is_named_in_both_figures_apart_from_the_mean(make_study, make_experiment):
    luck = 0.0002 * np.arange(10)
    lucky = [*(0.995 - luck[:9]), 0.1]
    studies = [
        make_study("adam", list(0.999 - luck), validation=0.999),
        make_study("nadam", list(0.998 - luck[::-1]), validation=0.998),
        make_study("sgd", lucky, validation=0.99),
    ]
    found = compare(make_experiment(*studies))
    mean = f"{100 * np.mean(lucky):.2f}\u00a0%"
    assert notes_of(found.figures["results"]) == [f"◂ mean {mean}, 1 seed 10.00\u00a0%"]
    assert found.figures["differences"].x["range"][1] < 80
    far = 100 * (0.999 - luck[9] - 0.1)
    assert [text for text in notes_of(found.figures["differences"]) if f"1 seed +{far:.2f}\u00a0points ▸" in text]


def test_one_seed_far_on_the_better_side_of_a_tie_is_named_on_the_left(make_study, make_experiment):
    luck = 0.0002 * np.arange(10)
    studies = [
        make_study("adam", [*(0.999 - luck[:9]), 0.1], validation=0.9995),
        make_study("nadam", list(0.998 - luck[::-1]), validation=0.998),
    ]
    figure = compare(make_experiment(*studies)).figures["differences"]
    (sgd,) = [np.asarray(trace["x"]) for trace in figure.traces if "error_x" not in trace]
    seen = (sgd >= figure.x["range"][0]) & (sgd <= figure.x["range"][1])
    told = [text for text in notes_of(figure) if text.startswith("◂ 1 seed \u221289")]
    assert bool(told) != bool(seen.all())


def test_the_legend_says_what_each_mark_means(make_study, make_experiment):
    def legend(scores, **settings):
        figure = compare(make_experiment(make_study("adam", scores, **settings))).figures["results"]
        return [trace["name"] for trace in figure.traces if trace.get("showlegend", True)]

    assert legend([0.9, 0.91, 0.92], untuned=[0.8]) == ["tuned mean, 95 % interval", "each seed", "untuned defaults"]
    assert legend([0.9, 0.91]) == ["tuned mean", "each seed"]


def test_every_entry_has_a_row_and_one_without_a_mean_says_why(make_study, make_experiment):
    def all_diverged(study):
        return replace(study, confirmations=tuple(replace(run, state="diverged") for run in study.confirmations))

    lost = make_study("sgd", [], untuned=[0.5] * 3)
    lost = replace(lost, trials=tuple(replace(run, state="diverged") for run in lost.trials))
    begun = make_study("lion", [], status="FAILED", n_trials=20)
    studies = [make_study("adam", [0.95, 0.951, 0.949]), all_diverged(make_study("nadam", [0.9] * 5)), lost, begun]
    figure = compare(make_experiment(*studies)).figures["results"]
    names = figure.y["ticktext"]
    assert set(names) == {"adam", "nadam", "sgd", "lion"}
    told = {names[::-1][round(note["y"])]: note["text"] for note in figure.extra["annotations"]}
    assert told == {
        "nadam": "all 5 seeds diverged",
        "sgd": "all 6 trials diverged; ◂ untuned 50.00\u00a0%",
        "lion": "no confirmation yet",
    }
    assert {note["yanchor"] for note in figure.extra["annotations"]} == {"middle"}


def test_the_legend_names_untuned_defaults_also_if_the_first_row_has_none(make_study, make_experiment):
    studies = [make_study("adam", [0.95, 0.951, 0.949]), make_study("sgd", [0.94, 0.941, 0.939], untuned=[0.93])]
    figure = compare(make_experiment(*studies)).figures["results"]
    assert [trace["name"] for trace in figure.traces if trace.get("showlegend", True)][2:] == ["untuned defaults"]
