from dataclasses import replace

import numpy as np
import pytest

from study.report.comparison import compare
from study.report.html.pair_tables import differences_table
from study.report.html.search_tables import sensitivity_table, values_table
from study.report.html.tables import summary_table


def cells(table, title):
    return next(list(found) for name, _, found in table.columns if name == title)


def test_seeds_won_are_counted_with_ties_apart(make_study, make_experiment):
    studies = [
        make_study("adam", [0.8, 0.9, 0.7, 0.6, 0.5], validation=0.9),
        make_study("sgd", [0.8, 0.8, 0.8, 0.5, 0.4]),
    ]
    assert cells(differences_table(compare(make_experiment(*studies))), "seeds won") == ["3 of 5, 1 tied"]


def test_the_note_says_which_p_is_shown(make_study, make_experiment):
    rng = np.random.default_rng(0)
    studies = [make_study(name, 0.8 + 0.01 * rng.standard_normal(5)) for name in ("adam", "momentum", "sgd")]
    three = " ".join(differences_table(compare(make_experiment(*studies))).notes)
    assert "adjusted for all 3 pairs by Holm's procedure, which bounds" in three
    assert "Holm" not in " ".join(differences_table(compare(make_experiment(*studies[:2]))).notes)


@pytest.mark.parametrize("diverges", [False, True])
def test_gain_and_order_say_how_they_count_divergence(make_study, make_experiment, diverges):
    study = make_study("adam", [0.9] * 5, untuned=[0.5] * 5)
    if diverges:
        first, *others = study.confirmations
        study = replace(study, confirmations=(replace(first, state="diverged"), *others))
    found = compare(make_experiment(study, make_study("sgd", [0.8] * 5)))
    table = summary_table(found, link="{}")
    row = next(row for row in found.rows if row.label == "adam")
    assert row.gain.mean == pytest.approx(0.22 if diverges else 0.4)
    assert row.tuned.estimate == pytest.approx(0.9)
    told = "count a diverged confirmation as 0.00\u00a0%; the other means leave it out."
    assert any(told in note for note in table.notes) == diverges


def test_the_best_configuration_can_be_copied(make_study, make_experiment):
    study = make_study("adam", [0.9] * 3)
    point = {"learning_rate": "2.6512979912213455e-05", "beta_1": "0.9999635182471057"}
    made = replace(
        study,
        trials=tuple(replace(run, params=run.params | point) for run in study.trials),
        confirmations=tuple(replace(run, params=run.params | point) for run in study.confirmations),
    )
    table = summary_table(compare(make_experiment(made)), link="{}")
    (lines,) = cells(table, "best configuration")
    assert lines[0] == ("code", "learning_rate=2.6513e-05 beta_1=0.9999635")


def test_the_envelope_of_a_loss_is_the_lower_one(make_study, make_experiment):
    trials = tuple(0.3 + 0.03 * number for number in range(20))
    experiment = make_experiment(make_study("adam", [0.9] * 3, trials=trials))
    assert "the upper envelope" in sensitivity_table(compare(experiment)).caption
    metric = replace(experiment.metric, name="val_loss", is_share=False, direction="minimize")
    assert "the lower envelope" in sensitivity_table(compare(replace(experiment, metric=metric))).caption


def test_the_summary_speaks_of_intervals_only_where_there_are_some(make_study, make_experiment):
    for n_seeds, told in ((2, "There is no interval with fewer than 3 seeds."), (3, "An interval is Student's t of")):
        studies = [make_study(name, [0.8] * n_seeds) for name in ("adam", "sgd")]
        notes = summary_table(compare(make_experiment(*studies)), link="{}").notes
        assert notes[0].startswith(told)


@pytest.fixture
def over_studies(make_study, make_experiment):
    rng = np.random.default_rng(2)
    return compare(
        make_experiment(
            *(
                make_study(f"{name}-{seed}", level + 0.01 * rng.standard_normal(3), params={"study_seed": str(seed)})
                for name, level in (("adam", 0.85), ("sgd", 0.75))
                for seed in range(3)
            )
        )
    )


def test_study_seeds_are_called_that(over_studies):
    table = differences_table(over_studies)
    assert table.caption == "Over 3 shared study seeds; positive favors adam"
    assert cells(table, "study seeds won") == ["3 of 3"]
    assert "over shared study seeds" in over_studies.figures["differences"].description
    texts = [text for trace in over_studies.figures["differences"].traces for text in trace.get("text", ())]
    assert texts == ["study seed 0", "study seed 1", "study seed 2"]


def test_two_intervals_of_one_mean_are_told_from_each_other(over_studies, planted):
    notes = " ".join(summary_table(over_studies, link="{}").notes)
    assert "is over confirmation seeds, for these tuned configurations; that over studies includes the luck" in notes
    assert "over studies" not in " ".join(summary_table(compare(planted), link="{}").notes)


def test_few_study_seeds_are_said_to_be_few(over_studies):
    assert any(
        caution.topic == "Few study seeds" and "3 study seeds are few" in caution.text
        for caution in over_studies.cautions
    )


def test_a_column_or_a_note_that_says_nothing_is_left_out(make_study, make_experiment):
    study = make_study("adam", [0.8] * 3)
    trials = tuple(replace(run, params=run.params | {"mode": "fast"}) for run in study.trials)
    params = study.params | {"optimizer.search.mode.choices": '["fast", "slow"]'}
    table = values_table(compare(make_experiment(replace(study, trials=trials, params=params))))
    assert [heading.label for heading in table.headings] == ["mode"]
    assert "90 % interval" not in [title for title, *_ in table.columns]
    assert "width is too small" not in " ".join(table.notes)
    many = make_study("adam", [0.8] * 3, trials=tuple(0.3 + 0.02 * number for number in range(24)))
    table = values_table(compare(make_experiment(many)))
    assert all(" to " in cell for cell in cells(table, "90 % interval"))
    assert "width is too small" in " ".join(table.notes)
    assert "A choice is good" not in " ".join(table.notes)


def test_while_studies_run_no_column_comes_or_goes(make_study, make_experiment):
    begun = replace(make_study("adam", []), trials=make_study("adam", []).trials[:1])
    ended = make_study("adam", [0.8, 0.81, 0.82], untuned=[0.7, 0.71, 0.72])
    titles = [
        [title for title, _, _ in summary_table(compare(make_experiment(study)), link="{}", is_live=True).columns]
        for study in (begun, ended)
    ]
    assert titles[0] == titles[1]
    assert "training, s/trial" in titles[0]
    assert "epochs" not in titles[0]  # only studies that may stop a training early ever have them
    kept = [title for title, _, _ in summary_table(compare(make_experiment(begun)), link="{}").columns]
    assert set(kept) < set(titles[0])
