from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from study.tracking.study_summary import Outcome, Standing


def _outcome(objective, state="complete"):
    return Outcome(state=state, metrics={"objective": objective}, hyperparameters={})


def _standing(*objectives, maximize=True):
    better = (lambda a, b: a > b) if maximize else (lambda a, b: a < b)
    config = SimpleNamespace(objective=SimpleNamespace(better=better))
    return Standing(config, {number: _outcome(value) for number, value in enumerate(objectives)})


@pytest.mark.parametrize(("maximize", "best"), [(True, 1), (False, 3)])
def test_the_best_is_the_first_of_equals_in_whatever_order_they_come(maximize, best):
    assert _standing(0.5, 0.9, 0.9, 0.1, 0.1, maximize=maximize).best == best
    late = _standing(maximize=maximize)
    for number, value in reversed(list(enumerate((0.5, 0.9, 0.9, 0.1, 0.1)))):
        late.add(number, _outcome(value))
    assert late.best == best


def test_only_completed_trials_with_a_number_can_be_the_best():
    standing = _standing(math.nan)
    standing.add(1, _outcome(0.0, "diverged"))
    assert standing.best is None
    standing.add(2, _outcome(0.2))
    assert standing.best == 2
    assert standing.counts == {"complete": 2, "diverged": 1}


def test_a_trial_that_is_trained_again_counts_once():
    standing = _standing(0.5, 0.9, 0.7)
    standing.add(1, _outcome(0.0, "failed"))
    assert standing.best == 2
    assert standing.counts["complete"] == 2
    assert standing.counts["failed"] == 1
    assert len(standing.outcomes) == 3
