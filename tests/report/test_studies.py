from dataclasses import replace

import numpy as np
import pytest

from study.core.errors import StudyError
from study.report.caveats import serious_cautions
from study.report.comparison import compare
from study.report.studies import gather

TESTS = (0.80, 0.81, 0.82, 0.80)


def topics(comparison):
    return {caution.topic: caution for caution in comparison.cautions}


def test_studies_of_changed_data_are_entries_of_their_own_where_all_are_compared(make_study, make_experiment):
    studies, digests = [], {}
    for data, started in (("old", 1e9), ("new", 2e9)):
        for seed in (0, 1):
            made = make_study(f"sgd-{data}-{seed}", TESTS, params={"optimizer": "sgd", "study_seed": str(seed)})
            tags = {**made.tags, "settings_id": f"sgd-{seed}"}
            studies.append(replace(made, optimizer="sgd", tags=tags, started=started + seed))
            digests[made.run_id] = data
    found = make_experiment(*studies, digests=digests, force=True)
    names = {entry.label: [study.record.name for study in entry.studies] for entry in found.entries}
    assert names == {f"sgd-{data}-0": [f"sgd-{data}-0", f"sgd-{data}-1"] for data in ("new", "old")}
    (of_new,) = make_experiment(*studies, digests=digests).entries
    assert (of_new.label, len(of_new.studies)) == ("sgd", 2)


def test_unequal_budgets_are_cut_to_the_common_one_and_said(make_study, make_experiment):
    short = make_study("adam", TESTS, trials=(0.5, 0.8, 0.6))
    long = make_study("sgd", TESTS, trials=(0.5, 0.8, 0.6, 0.4, 0.3))
    found = compare(make_experiment(short, long))
    assert found.experiment.n_trials == 3
    assert {len(study.trials) for study in found.experiment.studies} == {3}
    assert "cut to their first 3 trials" in topics(found)["Unequal budgets"].text
    assert "sgd 5" in topics(found)["Unequal budgets"].text
    assert found.outcome.left_out == {}
    assert {len(curve.median.value) for curve in found.tuning.values()} == {3}


def test_a_point_found_beyond_the_common_budget_is_not_compared(make_study, make_experiment):
    short = make_study("adam", TESTS, trials=(0.5, 0.8, 0.6))
    long = make_study("sgd", TESTS, trials=(0.5, 0.7, 0.6, 0.4, 0.9))
    found = compare(make_experiment(short, long))
    assert "beyond the trials" in found.outcome.left_out["sgd"]
    assert found.answer.winner is None


def test_superseded_confirmations_are_told_and_do_not_count(make_study, make_experiment, make_run):
    study = make_study("adam", TESTS)
    old = tuple(
        replace(make_run("adam", "confirmation", n, 0.1, config="best", test=0.1), superseded=True, run_id=f"old-{n}")
        for n in range(4)
    )
    found = compare(
        make_experiment(replace(study, confirmations=(*old, *study.confirmations)), make_study("sgd", TESTS))
    )
    caution = topics(found)["Superseded confirmations"]
    assert caution.serious
    assert "4 confirmations are superseded" in caution.text
    assert "after confirmations on the test split" in caution.text
    adam = next(row for row in found.rows if row.label == "adam")
    assert adam.tuned.estimate == pytest.approx(np.mean(TESTS))


def test_confirmations_under_orders_of_an_earlier_version_neither_count_nor_warn(make_study, make_experiment):
    study = make_study("adam", TESTS)
    old = tuple(
        replace(
            run,
            run_id=f"old-{run.number}",
            superseded=True,
            params=run.params | {"order_seed": "9"},
            metrics=run.metrics | {"test_accuracy": 0.1},
        )
        for run in study.confirmations
    )
    found = compare(
        make_experiment(replace(study, confirmations=(*old, *study.confirmations)), make_study("sgd", TESTS))
    )
    assert "Superseded confirmations" not in topics(found)
    adam = next(row for row in found.rows if row.label == "adam")
    assert adam.tuned.estimate == pytest.approx(np.mean(TESTS))


def test_superseded_confirmations_count_where_the_cut_search_ends_at_their_point(make_study, make_experiment):
    long = make_study("sgd", TESTS, trials=(0.5, 0.8, 0.6, 0.4, 0.9))
    second = {key: long.trials[1].params[key] for key in ("learning_rate", "beta_1")}
    old = tuple(
        replace(run, run_id=f"old-{run.number}", superseded=True, params=run.params | second)
        for run in make_study("sgd", (0.7, 0.7, 0.7, 0.7)).confirmations
    )
    long = replace(long, confirmations=(*old, *long.confirmations))
    found = compare(make_experiment(make_study("adam", TESTS, trials=(0.5, 0.8, 0.6)), long))
    assert found.outcome.left_out == {}
    assert next(row for row in found.rows if row.label == "sgd").tuned.estimate == pytest.approx(0.7)


def test_a_running_study_is_shown_and_not_compared(make_study, make_experiment):
    running = replace(make_study("adam", TESTS[:2]), status="RUNNING", n_trials=20)
    found = compare(make_experiment(running, make_study("sgd", TESTS), make_study("momentum", TESTS)))
    assert found.outcome.left_out == {"adam": "it has not ended"}
    assert topics(found)["Not ended"].serious
    assert found.experiment.n_trials == 6  # of the ended ones
    assert next(row for row in found.rows if row.label == "adam").running


def test_a_diverged_confirmation_counts_as_the_worst_and_is_told(make_study, make_experiment):
    study = make_study("adam", TESTS)
    first, *others = study.confirmations
    diverged = replace(study, confirmations=(replace(first, state="diverged"), *others))
    found = compare(make_experiment(diverged, make_study("sgd", TESTS)))
    # 1 - (1 - 0.05)^(1/4) turned round: Clopper and Pearson's one-sided limit of 1 of 4
    assert (
        "1 of 4 diverged (a rate of up to 76\u00a0% is not excluded)" in topics(found)["Diverged confirmations"].text
    )
    adam = next(row for row in found.rows if row.label == "adam")
    assert adam.tuned.estimate == pytest.approx(sum(TESTS[1:]) / 3)
    assert adam.mean == pytest.approx(sum(TESTS[1:]) / 4)
    assert adam.confirmed.divergence_limit == pytest.approx(0.7514, abs=1e-4)


def test_a_search_that_began_with_a_given_point_has_no_tuning_curve(make_study, make_experiment):
    given = make_study("adam", TESTS, params={"enqueue.learning_rate": "0.01"})
    assert "adam used an enqueued point" in compare(make_experiment(given, make_study("sgd", TESTS))).no_tuning


def test_adaptive_samplers_and_pruners_have_no_tuning_curve(make_study, make_experiment):
    found = compare(
        make_experiment(make_study("adam", TESTS, params={"sampler.name": "tpe"}), make_study("sgd", TESTS))
    )
    assert not found.tuning
    assert "adam used the sampler tpe" in found.no_tuning
    assert "Not random search" in topics(found)


def test_few_seeds_unequal_lengths_and_edges_are_told(make_study, make_experiment):
    edge = make_study("adam", TESTS, params={"optimizer.search.learning_rate.low": "0.0000001"})
    rates = [float(run.params["learning_rate"]) for run in edge.trials]
    best = rates[2]
    edge = replace(edge, params={**edge.params, "optimizer.search.learning_rate.high": str(best * 1.01)})
    longer = make_study("sgd", TESTS, params={"budget.n_epochs": "9"})
    found = topics(compare(make_experiment(edge, longer)))
    assert "4 confirmation seeds are few" in found["Few seeds"].text
    assert "4 epochs for adam; 9 epochs for sgd" in found["Unequal training"].text
    assert "optimizer.search.learning_rate.high" in found["Optimum near an edge"].text


def test_an_optional_range_that_was_not_searched_is_no_range(make_study, make_experiment):
    study = make_study(
        "adam", TESTS, params={"optimizer.search.epsilon.low": "1e-8", "optimizer.search.epsilon.high": "1"}
    )
    assert set(make_experiment(study).studies[0].ranges) == {"learning_rate", "beta_1"}


def test_a_fixed_argument_is_no_range(make_study, make_experiment):
    study = make_study("adam", TESTS, params={"optimizer.beta_1": "0.9"})
    assert set(make_experiment(study).studies[0].ranges) == {"learning_rate"}


@pytest.mark.parametrize(
    ("params", "digest", "told"),
    [
        ({"objective.metric": "val_loss"}, "digest", "different metrics"),
        ({}, "other", "different data digests"),
        ({"model.hidden": "[9]"}, "digest", "different models"),
    ],
)
def test_what_is_not_comparable_is_refused_unless_forced_and_then_told(
    make_study, make_experiment, params, digest, told
):
    studies = make_study("adam", TESTS), make_study("sgd", TESTS, params=params)
    digests = {"sgd-study": digest}
    with pytest.raises(StudyError, match=told) as error:
        make_experiment(*studies, digests=digests)
    assert "--force" in str(error.value)
    found = compare(make_experiment(*studies, digests=digests, force=True))
    assert told in topics(found)["Not comparable"].text


def test_an_empty_experiment_is_an_error():
    with pytest.raises(StudyError, match=r"no trial\. Run one"):
        gather("tiny-mlp", [], digests={}, read_histories=lambda *_: {})


def test_studies_without_shared_seeds_are_not_compared(make_study, make_experiment):
    other = make_study("sgd", TESTS)
    moved = tuple(replace(run, params={**run.params, "run_seed": f"9{run.number}"}) for run in other.confirmations)
    found = compare(make_experiment(make_study("adam", TESTS), replace(other, confirmations=moved)))
    assert found.answer.sentences[0].startswith("No comparison: adam and sgd share no confirmation seeds.")


@pytest.mark.parametrize(
    ("metrics", "name", "told"),
    [
        ('["msle"]', "val_msle", "maximized val_msle, of which a smaller value is better"),
        ('[{"_target_": "keras.metrics.KLDivergence", "name": "fit"}]', "val_fit", "maximized val_fit"),
        ('[{"_target_": "keras.metrics.R2Score", "name": "error"}]', "val_error", "minimized val_error"),
    ],
)
def test_studies_that_an_earlier_version_turned_round_are_not_compared(
    make_study, make_experiment, metrics, name, told
):
    params = {"objective.metric": name, "dataset.task.metrics": metrics}
    studies = [make_study(each, TESTS, params=params) for each in ("adam", "sgd")]
    with pytest.raises(StudyError, match=f"adam {told}.*sgd {told}"):
        make_experiment(*studies)
    now = {"objective_direction": "minimize" if "max" in told else "maximize", "objective_is_share": "False"}
    found = make_experiment(*(replace(study, tags=study.tags | now) for study in studies))
    assert found.metric.direction == now["objective_direction"]
    assert not found.metric.is_share


def test_a_rule_that_is_not_its_papers_is_said_once_with_all_its_studies(make_study, make_experiment):
    lamb = {"optimizer._target_": "keras.optimizers.Lamb"}
    decayed = [make_study(name, TESTS, params=lamb | {"optimizer.weight_decay": "0.1"}) for name in ("lamb", "other")]
    plain = make_study("adam", TESTS, params={"optimizer._target_": "keras.optimizers.Adam"})
    found = [c for c in compare(make_experiment(*decayed, plain)).cautions if c.topic == "Not the paper's rule"]
    assert len(found) == 1
    assert found[0].text.startswith("lamb, other: optimizer.weight_decay: Keras's LAMB decays weights outside")
    undecayed = make_experiment(make_study("lamb", TESTS, params=lamb), plain)
    assert "Not the paper's rule" not in topics(compare(undecayed))


@pytest.mark.parametrize(
    ("params", "topic", "told"),
    [
        ({"budget.n_epochs": "9"}, "Unequal training", "9 epochs for sgd"),
        ({"trainer.batch_size": "64"}, "Unequal batch sizes", "64 for sgd"),
        ({"trainer.name": "numpy", "trainer.precision": "float64"}, "Unequal trainers", "numpy on"),
        ({"trainer.backend": "jax"}, "Unequal trainers", "on jax"),
    ],
)
def test_conditions_that_differ_are_serious_on_the_page_and_in_the_terminal(
    make_study, make_experiment, params, topic, told
):
    adam, sgd = make_study("adam", TESTS), make_study("sgd", TESTS)
    other = replace(sgd, params={**sgd.params, **params})
    comparison = compare(make_experiment(adam, other))
    (caution,) = (caution for caution in comparison.cautions if caution.topic == topic)
    assert caution.serious
    assert told in caution.text
    assert caution in serious_cautions(comparison.experiment)
    assert topic not in topics(compare(make_experiment(adam, sgd)))


def _with_metrics(study, *runs, **metrics):
    """Return a study whose runs, all or those counted from 0, have further metrics."""
    trials = [
        replace(run, metrics={**run.metrics, **metrics}) if not runs or i in runs else run
        for i, run in enumerate(study.trials)
    ]
    confirmations = study.confirmations
    if not runs:
        confirmations = tuple(replace(run, metrics={**run.metrics, **metrics}) for run in confirmations)
    return replace(study, trials=tuple(trials), confirmations=confirmations)


def test_a_study_in_which_nothing_was_trained_is_told(make_study, make_experiment):
    still = _with_metrics(make_study("still", TESTS), initial_loss=0.7, final_loss=0.7)
    moved = _with_metrics(make_study("moved", TESTS), initial_loss=0.7, final_loss=0.6)
    once = _with_metrics(moved, 0, final_loss=0.7)
    told = [c for c in serious_cautions(make_experiment(still, moved)) if c.topic == "Nothing trained"]
    (caution,) = told
    assert caution.text.startswith("still: the loss after training is exactly the loss before it, in all ")
    assert not [c for c in serious_cautions(make_experiment(once)) if c.topic == "Nothing trained"]
    assert not [c for c in serious_cautions(make_experiment(make_study("old", TESTS))) if c.topic == "Nothing trained"]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_an_objective_that_is_not_finite_is_told(make_study, make_experiment, value):
    plain = make_study("plain", TESTS)
    odd = _with_metrics(make_study("odd", TESTS), 1, val_accuracy=value)
    (caution,) = (c for c in serious_cautions(make_experiment(plain, odd)) if c.topic == "Objective not finite")
    assert caution.text.startswith("odd: val_accuracy is not finite in 1 of ")
    assert "counts as the worst value" in caution.text


def test_a_study_that_differs_from_a_later_one_in_its_name_alone_is_left_out_and_said(make_study, make_experiment):
    made = make_study("first", TESTS)
    tags = {**made.tags, "settings_id": "settings"}
    studies = (replace(made, tags=tags), replace(make_study("second", TESTS), tags=tags, started=2e9))
    told = topics(compare(make_experiment(*studies)))["Left out"].text
    assert told.startswith(
        "first: later studies have the same settings with changed data, code or architecture, or only"
    )
    assert "or only another name" in told


def test_diverged_confirmations_of_several_entries_are_one_caution(make_study, make_experiment):
    studies = [make_study(name, TESTS) for name in ("adam", "nadam", "sgd")]
    gone = [
        replace(study, confirmations=tuple(replace(run, state="diverged") for run in study.confirmations))
        for study in studies[:2]
    ]
    found = compare(make_experiment(*gone, studies[2]))
    (caution,) = (each for each in found.cautions if each.topic == "Diverged confirmations")
    assert caution.text.startswith("adam: of the confirmations of the best configuration, 4 of 4 diverged")
    assert "; nadam: 4 of 4 diverged" in caution.text
    assert caution.text.count("The order, differences and tests count each as") == 1


def test_entries_are_labeled_by_what_differs_and_cautions_use_the_labels(make_study, make_experiment):
    names = ["adam-setting=bold", "adam-setting=tuned"]
    found = make_experiment(*(make_study(name, TESTS, params={"setting": name}) for name in names))
    assert [(entry.label, entry.name) for entry in found.entries] == [
        ("adam (bold)", names[0]),
        ("adam (tuned)", names[1]),
    ]
    rows = compare(found).rows
    assert {row.name: row.label for row in rows} == dict(zip(names, ["adam (bold)", "adam (tuned)"], strict=True))
    assert found.label_of(found.studies[0]) == "adam (bold)"
    several = make_experiment(
        *(make_study(f"adam-study_seed={n}", TESTS, params={"study_seed": str(n)}) for n in (0, 1))
    )
    assert [entry.label for entry in several.entries] == ["adam"]
    assert several.label_of(several.studies[1]) == "adam-study_seed=1"
