import math
import shutil
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from study.cli.actions.end_of_run import lost_results
from study.core.trainer_interface import BestTrial
from study.pipeline import target
from study.pipeline.confirmation_phase import ConfirmedPoint
from study.pipeline.target import TargetWatch
from study.report.studies import at_target
from study.run import run_study
from study.tracking.read_studies import read_studies
from study.tracking.target_tries import TargetTries

FEW = ("budget.n_trials=6", "budget.n_epochs=1", "budget.n_confirmations=3")


@pytest.fixture
def ready(tmp_path, empty_store, compose):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return lambda *words: compose(*FEW, *words)


def _study(config):
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return record


@pytest.mark.slow
def test_a_search_ends_at_its_target_and_does_not_go_on(ready, capfd):
    config = ready("++budget.until.target=0.001")
    run_study(config)
    record = _study(config)
    assert len(record.trials) == 1
    assert at_target(record) == 1
    kinds = {kind: [r.number for r in record.confirmations if r.kind == kind] for kind in ("best", "default")}
    assert {kind: sorted(numbers) for kind, numbers in kinds.items()} == {"best": [0, 1, 2], "default": [0, 1, 2]}
    assert "the search ends after 1 of 6 trials" in "".join(capfd.readouterr())
    assert list(lost_results(record)) == [
        f"{record.name}: its search ended after 1 of 6 trials, when a confirmed configuration reached "
        "budget.until.target=0.001."
    ]

    run_study(config)
    again = _study(config)
    assert {run.run_id for run in (*again.trials, *again.confirmations)} == {
        run.run_id for run in (*record.trials, *record.confirmations)
    }

    run_study(ready())  # without a target it goes on
    assert len(_study(config).trials) == 6
    assert at_target(_study(config)) is None


@pytest.mark.slow
def test_a_search_that_does_not_reach_its_target_trains_all_its_trials(ready):
    config = ready("++budget.until.target=1")
    run_study(config)
    record = _study(config)
    assert (len(record.trials), at_target(record), record.tags.get("target_tries")) == (6, None, None)


class Shared:
    """Tries that the workers of a study share, and the target that was reached."""

    def __init__(self):
        self.trials, self.reached = (), None


@pytest.fixture
def watch(monkeypatch, compose):
    """Watch a search whose confirmations have given objectives by the number of the best trial."""

    def make(objectives, *words, shared=None, n_ended=3, superseded=()):
        config = compose("budget.n_trials=50", "budget.n_confirmations=5", *words)
        state = SimpleNamespace(best=None, lines=[], shared=shared or Shared(), confirmed=[])
        search = SimpleNamespace(best=lambda: state.best, n_spent=n_ended, alone=nullcontext)
        tracker = SimpleNamespace(opened=SimpleNamespace(looks=()))
        context = SimpleNamespace(
            config=config,
            search=search,
            tracker=tracker,
            dataset=SimpleNamespace(validation=range(1000)),
            view=SimpleNamespace(message=state.lines.append),
        )

        def confirm_best(_context, best, *, n, kept):  # noqa: ARG001 - nothing is kept here
            state.confirmed.append((best.number, n))
            if best.number in superseded:
                return None
            return ConfirmedPoint(objectives=tuple(objectives[best.number]), kept=None)

        def reached(*_, target, n_trials):
            state.shared.reached, state.n_trials = target, n_trials

        def tried(*_, tries, number):
            state.shared.trials = (*tries.trials, number)

        monkeypatch.setattr(target, "confirm_best", confirm_best)
        monkeypatch.setattr(
            target, "read_tries", lambda *_: TargetTries(trials=state.shared.trials, reached=state.shared.reached)
        )
        monkeypatch.setattr(target, "write_try", tried)
        monkeypatch.setattr(target, "write_reached", reached)
        watching = TargetWatch(context)

        def look(number, objective):
            state.best = BestTrial(number=number, point={}, objective=objective)
            return watching.is_reached()

        state.look = look
        return state

    return make


UNTIL = "++budget.until.target=0.9"
GOOD, LUCKY = [0.93, 0.94, 0.92, 0.93, 0.94], [0.95, 0.85, 0.91, 0.88, 0.93]


def test_a_lucky_trial_does_not_end_the_search_and_is_tried_once(watch):
    found = watch({3: LUCKY, 8: GOOD}, UNTIL)
    assert not found.look(1, 0.89)
    assert found.confirmed == []
    assert not found.look(3, 0.95)
    assert not found.look(3, 0.95)
    assert found.confirmed == [(3, 5)]
    assert "trial 3 has val_accuracy 0.9040 on 5 fresh seeds, at least 0.8" in found.lines[0]
    assert found.lines[0].endswith("not shown, so the search goes on")
    assert found.look(8, 0.96)
    assert (found.shared.trials, found.shared.reached, found.n_trials) == ((3, 8), 0.9, 3)


def test_each_try_spends_half_of_the_error_of_the_one_before(watch):
    objectives = [0.905, 0.915, 0.91, 0.92, 0.91]  # its limit is above the target at 0.025 and below it at 0.025 / 16
    early, late = watch({8: objectives}, UNTIL), Shared()
    assert early.look(8, 0.96)
    late.trials = (0, 1, 2, 3)
    assert not watch({8: objectives}, UNTIL, shared=late).look(8, 0.96)
    assert late.trials == (0, 1, 2, 3, 8)


def test_a_try_that_was_cut_off_keeps_its_number(watch):
    shared = Shared()
    shared.trials = (8,)
    found = watch({8: GOOD}, UNTIL, shared=shared)
    assert found.look(8, 0.96)
    assert shared.trials == (8,)


def test_what_another_worker_has_reached_ends_the_search_of_this_one(watch):
    shared = Shared()
    shared.reached = 0.9
    assert watch({}, UNTIL, shared=shared).look(1, 0.1)
    shared.reached = 0.85  # under a lower target, before
    assert not watch({}, UNTIL, shared=shared).look(1, 0.1)


def test_a_point_that_is_no_longer_the_best_is_left_to_later(watch):
    found = watch({}, UNTIL, superseded=(3,))
    assert not found.look(3, 0.95)
    assert found.lines == []


@pytest.mark.parametrize("changed", [{}, {"n_ended": 50}])
def test_without_a_target_or_after_the_last_trial_nothing_is_tried(watch, changed):
    words = (UNTIL,) if changed else ()
    found = watch({3: GOOD}, *words, **changed)
    assert not found.look(3, 0.95)
    assert found.confirmed == []


def test_a_small_metric_is_at_its_target_from_above(watch):
    words = ("objective.metric=val_loss", "++budget.until.target=0.3")
    found = watch({3: [0.2, 0.21, 0.19, 0.2, 0.2], 5: [0.2, 0.5, 0.1, 0.2, math.inf]}, *words)
    assert not found.look(1, 0.31)
    assert not found.look(5, 0.29)
    assert found.look(3, 0.28)
    assert "at most 0.2" in found.lines[-1]
