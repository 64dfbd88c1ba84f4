from dataclasses import replace

import numpy as np
import pytest

from study.report.closing_lines import closing_lines
from study.report.comparison import compare
from study.report.json_export import numbers
from study.report.untuned_leads import untuned_leads, untuned_sentence

LUCK = 0.002 * np.random.default_rng(3).standard_normal(20)


@pytest.fixture
def winner(make_study, make_experiment):
    """A winner with ten confirmations, whose untuned defaults are better by about a point over fewer seeds."""

    def make(n_untuned=5, *, lead=0.01, noise=0.001):
        own = noise * np.random.default_rng(9).standard_normal(20)
        untuned = tuple((0.9 + lead + LUCK + own)[:n_untuned])
        adam = make_study("adam", list(0.9 + LUCK[:10]), validation=0.9, untuned=untuned)
        sgd = make_study("sgd", list(0.7 + LUCK[::-1][:10]), validation=0.7, untuned=tuple(0.6 + LUCK[:5]))
        return make_experiment(adam, sgd)

    return make


def told_of(found):
    return found.answer.on_tuning.replace("\x02", "").replace("\x03", "").replace("\u00a0", " ").replace("\u2212", "-")


def test_the_untuned_defaults_of_the_winner_are_told_right_after_the_answer_with_their_interval(winner):
    found = compare(winner())
    (lead,) = untuned_leads(found.experiment, found.outcome, found.rows)
    assert found.answer.winner == lead.label == "adam"
    assert lead.lead == lead.shared.mean == -found.rows[0].gain.mean
    assert lead.shared.n == 5
    own = 0.001 * np.random.default_rng(9).standard_normal(20)
    assert lead.shared.mean == pytest.approx(0.01 + own[:5].mean(), abs=2e-4)
    told = told_of(found)
    span = f"{100 * lead.shared.low:.2f} to {100 * lead.shared.high:.2f}"
    assert told == (
        f"Tuning made adam worse: its untuned defaults reach {100 * lead.mean:.2f} %, and lead by "
        f"{100 * lead.shared.mean:.2f} points over 5 shared seeds (95 % interval {span}; shown for this pair alone)."
    )
    assert found.answer.sentences[1].replace("\u2212", "-") == told
    assert closing_lines(found.experiment, found.outcome, found.answer).sentences[0].replace("\u2212", "-") == told
    (exported,) = numbers([found])["experiments"][0]["untuned_leads"]
    assert exported["shared"]["mean"] == lead.shared.mean


def test_a_lead_that_luck_explains_is_said_to_be_not_shown(winner):
    found = compare(winner(10, lead=0.004, noise=0.01))
    (lead,) = untuned_leads(found.experiment, found.outcome, found.rows)
    assert lead.lead == pytest.approx(lead.shared.mean)
    assert lead.shared.low < 0 < lead.shared.high
    told = told_of(found)
    assert f"and lead by {100 * lead.lead:.2f} points over 10 shared seeds (95 % interval" in told
    assert told.startswith("Tuning is not shown to help adam: ")


def test_with_too_few_shared_seeds_there_is_no_interval(winner):
    assert told_of(compare(winner(2))).endswith(" over 2 shared seeds, too few for an interval.")


@pytest.mark.parametrize("behind", [0.001, 0.02])
def test_defaults_that_are_behind_over_shared_seeds_are_never_said_to_lead(make_study, make_experiment, behind):
    noise = 0.004 * np.random.default_rng(3).standard_normal(5)
    tuned = [*(0.93 + LUCK[:5]), *(0.85 + LUCK[5:10])]  # the seeds that the defaults lack went worse
    untuned = tuple(0.93 - behind - noise.mean() + LUCK[:5] + noise)
    adam = make_study("adam", tuned, validation=0.9, untuned=untuned)
    sgd = make_study("sgd", list(0.7 + LUCK[::-1][:10]), validation=0.7, untuned=tuple(0.6 + LUCK[:5]))
    found = compare(make_experiment(adam, sgd))
    assert found.rows[0].untuned.estimate > found.rows[0].tuned.estimate
    assert found.rows[0].gain.mean == pytest.approx(behind, abs=1e-6)
    assert told_of(found) == ""


@pytest.mark.parametrize("lead", [-0.02, 0.0])
def test_where_tuning_helped_nothing_is_said(winner, lead):
    found = compare(winner(lead=lead, noise=0.0) if lead else winner(0))
    assert found.answer.on_tuning == ""
    assert "Tuning" not in " ".join(found.answer.sentences)


def test_the_untuned_defaults_of_all_entries_are_told_the_shown_ones_first(make_study, make_experiment):
    rng = np.random.default_rng(1)
    studies = [
        make_study(name, list(0.9 + 0.01 * rng.standard_normal(10)), validation=validation, untuned=(0.95,) * 10)
        for name, validation in (("adam", 0.9), ("nadam", 0.8))
    ]
    lost = make_study("sgd", list(0.5 + 0.01 * rng.standard_normal(10)), validation=0.5, untuned=(0.95,) * 10)
    found = compare(make_experiment(*studies, lost))
    assert found.answer.kind == "none"
    assert told_of(found).startswith("Tuning made adam worse: ")
    assert told_of(found).endswith(" It made sgd and nadam worse too, each pair by itself.")
    noisy = make_study(
        "lion", list(0.8 + LUCK[:10]), validation=0.7, untuned=tuple(0.805 + 0.05 * rng.standard_normal(10))
    )
    told = told_of(compare(make_experiment(*studies, lost, noisy)))
    assert "sgd and nadam worse too, each pair by itself. Over shared seeds, lion did better with its" in told
    assert told.endswith("; the difference is not significant.")


def test_a_lead_of_a_loss_is_positive_where_the_defaults_are_lower(make_study, make_experiment):
    params = {"objective.metric": "val_loss", "objective.target": "0.3"}

    def study(name, tests, untuned):
        made = make_study(name, list(tests), params=params, validation=float(np.mean(tests)), untuned=tuple(untuned))
        best = min(made.trials, key=lambda run: run.metrics["objective"])
        point = {key: best.params[key] for key in ("learning_rate", "beta_1")}
        runs = (
            replace(
                run,
                params=run.params | (point if run.config == "best" else {}),
                metrics=run.metrics | {"test_loss": run.metrics["test_accuracy"]},
            )
            for run in made.confirmations
        )
        return replace(made, confirmations=tuple(runs))

    found = compare(
        make_experiment(study("adam", 0.2 + LUCK[:10], 0.15 + LUCK[:10]), study("sgd", 0.5 + LUCK[10:], []))
    )
    (lead,) = untuned_leads(found.experiment, found.outcome, found.rows)
    assert lead.lead == pytest.approx(0.05, abs=1e-6)
    assert lead.shared.mean == pytest.approx(0.05, abs=1e-6)
    assert "its untuned defaults reach 0.1498, and lead by 0.05 over 10 shared seeds (" in told_of(found)
    assert untuned_sentence(found.experiment.metric, []) == ""
