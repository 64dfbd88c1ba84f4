"""The measurement separates the cost of a warm training from all costs that occur once."""

import time

import pytest

from study.cli.actions import trainer_timing
from study.core.errors import StudyError
from study.core.trainer_interface import EpochReport, TrialResult

pytestmark = pytest.mark.slow


class Scripted:
    """A trainer whose first call sleeps as long as compiling takes, and each call as long as its trials take."""

    def __init__(self, capacity, *, state="complete"):
        self.capacity, self.state, self.sizes = capacity, state, []

    def train(self, trials, on_epoch):
        time.sleep(0.3 * (not self.sizes) + 0.02 * len(trials))
        self.sizes.append(len(trials))
        assert all(on_epoch(trial, EpochReport(epoch=0, step=1, metrics={})) for trial in trials)
        return [TrialResult(trial=t, state=self.state, history={}, summary={}, error="out of order") for t in trials]


@pytest.mark.parametrize(("capacity", "sizes"), [(1, [1, 1, 1, 1, 1]), (4, [4, 4]), (3, [3, 3, 1]), (64, [4, 4])])
def test_a_cold_batch_is_followed_by_all_trials_warm(compose, monkeypatch, capacity, sizes):
    trainer = Scripted(capacity)
    monkeypatch.setattr(trainer_timing, "build_trainer", lambda *_: trainer)
    timing = trainer_timing.take(compose("budget.n_trials=4"), started=time.time() - 5)
    assert trainer.sizes == sizes
    assert timing.training_s >= 0.02
    assert timing.start_s >= 5  # and what compiling took, but a busy machine may take as long for the trials


def test_a_trial_that_fails_is_no_measurement(compose, monkeypatch):
    monkeypatch.setattr(trainer_timing, "build_trainer", lambda *_: Scripted(1, state="failed"))
    with pytest.raises(StudyError, match="out of order"):
        trainer_timing.take(compose(), started=time.time())


def test_a_child_takes_it_and_stores_nothing(compose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    timing = trainer_timing.measure(compose().raw, timeout_s=300)
    assert timing.start_s + timing.compiling_s > timing.training_s > 0
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_fails_or_takes_too_long_is_told(compose):
    raw = compose().raw
    with pytest.raises(StudyError, match=r"not done within 0\.01 s"):
        trainer_timing.measure(raw, timeout_s=0.01)
    with pytest.raises(StudyError, match=r"it failed \(.*trainer\.batch_size=0: expected a whole number"):
        trainer_timing.measure({**raw, "trainer": {**raw["trainer"], "batch_size": 0}}, timeout_s=300)
