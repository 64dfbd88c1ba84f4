import io
import itertools
from types import SimpleNamespace

import pytest

from study.cli.launch.child_process import run_anywhere
from study.config.schema import Objective
from study.core.trainer_interface import EpochReport, TrialResult
from study.pipeline import search_phase
from study.pipeline.context import StudyContext
from study.pipeline.live_view import open_view
from study.pipeline.train_batch import score
from study.search.ask_tell import open_search
from study.search.failed_trials import FailedTrialsError
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow

OBJECTIVE = Objective(metric="val_accuracy", direction="maximize", target=None, is_share=True)


class SideBySide:
    """A trainer whose trials stand still at a value that grows with their numbers."""

    capacity = 4

    def __init__(self, *, n_epochs=3, diverging=(), failing=()):
        self.n_epochs, self.diverging, self.failing = n_epochs, diverging, failing
        self.batches = []

    def train(self, trials, on_epoch, together=None):
        """Offers all places when a batch has ended."""
        results = []
        while trials:
            self.batches.append([trial.number for trial in trials])
            results = self._train(trials, on_epoch, together)
            trials = together.more(len(trials), results) if together.more else ()
            results = [] if together.more else results
        return results

    def _train(self, trials, on_epoch, together):
        states = {trial.number: "complete" for trial in trials}
        together.begun()
        for epoch in range(self.n_epochs):
            if epoch >= self.n_epochs - 2:
                together.ending(self.n_epochs - 1 - epoch)
            diverged = [t for t in trials if t.number in self.diverging and epoch == 0]
            states |= {trial.number: "diverged" for trial in diverged}
            for trial in trials:
                if states[trial.number] == "complete":
                    report = EpochReport(epoch=epoch, step=epoch + 1, metrics={"val_accuracy": value(trial.number)})
                    assert on_epoch(trial, report)
            states |= {number: "pruned" for number in together.epoch_ended(diverged)}
        history = {t.number: {"val_accuracy": [value(t.number)]} for t in trials}
        states |= {number: "failed" for number in self.failing}
        errors = {number: f"Traceback\nRuntimeError: http://me:secret@host {number % 2}" for number in self.failing}
        return [
            TrialResult(
                trial=t,
                state=states[t.number],  # type: ignore[arg-type]
                history=history[t.number],
                summary={},
                error=errors.get(t.number),
            )
            for t in trials
        ]


def value(number):
    return 0.1 + number / 100


class Tracker:
    def __init__(self):
        self.told = []

    def start(self, _kind, trial, *, in_bulk):
        self.told.append(("start", trial.number, in_bulk))

    def epoch(self, _kind, trial, report):
        self.told.append(("epoch", trial.number, report.epoch))

    def end(self, _kind, result, *, objective):
        assert objective == pytest.approx(score(result, OBJECTIVE), rel=0, nan_ok=True)
        self.told.append(("end", result.trial.number, result.state))

    def write(self):
        self.told.append(("write",))

    def flush(self):
        self.told.append(("flush",))


@pytest.fixture
def searched(compose):
    """Search with the trainer above; return the trials that it got, the reports to the search, and the lines shown."""

    def search(trainer, *overrides):
        config, tracker, stream = compose(*overrides), Tracker(), io.StringIO()
        with open_search(config) as open_, open_view(False, stream=stream) as view:
            view.study_started("a", experiment="e", metric="val_accuracy", n_trials=config.n_trials, n_done=0)
            context = StudyContext(
                config=config,
                dataset=None,
                search=open_,
                tracker=tracker,
                trainer=trainer,
                view=view,  # type: ignore[arg-type]
            )
            best = search_phase.search(context)
            states = {n: t.state.name for n, t in open_._index.numbered.items()}
        lines = stream.getvalue().splitlines()
        return SimpleNamespace(best=best, told=tracker.told, lines=lines, states=states)

    return search


def test_trials_are_stopped_within_the_first_batch(searched):
    trainer = SideBySide(diverging=(0,))
    found = searched(trainer, "pruner=batch_quantile", "pruner.quantile=0.5", "budget.n_trials=4")
    assert trainer.batches == [[0, 1, 2, 3]]
    # Trial 0 diverged and reported nothing, and of three trials none is stopped.
    assert found.states == {0: "COMPLETE", 1: "COMPLETE", 2: "COMPLETE", 3: "COMPLETE"}
    found = searched(SideBySide(), "pruner=batch_quantile", "pruner.quantile=0.5", "budget.n_trials=4", "study_seed=1")
    assert found.states == {0: "PRUNED", 1: "PRUNED", 2: "COMPLETE", 3: "COMPLETE"}
    assert found.best.number == 3


def test_a_study_whose_trials_all_fail_stops_and_says_of_what(searched):
    trainer = SideBySide(failing=tuple(range(40)))
    with pytest.raises(FailedTrialsError, match="the last 8 trials that ended have all failed, with 2 different") as e:
        searched(trainer, "budget.n_trials=40")
    assert trainer.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert "RuntimeError: http://me:***@host" in str(e.value)


def test_a_study_of_few_trials_that_all_fail_is_not_confirmed(searched):
    with pytest.raises(FailedTrialsError, match="all 3 trials have failed"):
        searched(SideBySide(failing=(0, 1, 2)), "budget.n_trials=3", "max_failed_trials=null")


def test_a_study_some_of_whose_trials_fail_goes_on(searched):
    found = searched(SideBySide(failing=(0, 1, 2, 4, 5, 6)), "budget.n_trials=8")
    assert [found.states[number] for number in (3, 7)] == ["COMPLETE"] * 2
    assert list(found.states.values()).count("FAIL") == 6


def test_a_deterministic_study_fills_no_places(searched):
    trainer = SideBySide()
    found = searched(trainer, "budget.n_trials=6")
    assert trainer.batches == [[0, 1, 2, 3], [4, 5]]
    assert found.told.count(("flush",)) == 2


def test_a_batch_is_told_while_the_next_one_trains_where_no_proposal_needs_it(searched):
    found = searched(SideBySide(), "budget.n_trials=8")
    ended, written, told = (found.told.index(entry) for entry in (("end", 3, "complete"), ("write",), ("flush",)))
    assert ended < written < found.told.index(("start", 4, True)) < told < found.told.index(("epoch", 4, 0))
    assert set(found.states.values()) == {"COMPLETE"}
    assert found.best.number == 7
    learning = searched(SideBySide(), "budget.n_trials=8", "sampler=tpe", "sampler.n_startup_trials=4")
    assert learning.told.index(("flush",)) < learning.told.index(("start", 4, True))


def test_a_batch_with_failures_is_told_before_the_next_one_trains(searched):
    found = searched(SideBySide(failing=(0,)), "budget.n_trials=8")
    assert found.told.index(("flush",)) < found.told.index(("start", 4, True))


def test_places_are_filled_until_the_budget_is_spent(searched):
    trainer = SideBySide()
    found = searched(trainer, "budget.n_trials=9", "deterministic=false")
    assert trainer.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert set(found.states.values()) == {"COMPLETE"}
    assert len(found.states) == 9
    # What ended is recorded and told before others are asked for, and each trial once.
    assert (
        found.told.index(("end", 3, "complete")) < found.told.index(("flush",)) < found.told.index(("start", 4, True))
    )
    assert sorted(told[1] for told in found.told if told[0] == "end") == list(range(9))
    assert [line for line in found.lines if line.startswith("trial 8 ")]


def test_no_place_is_filled_after_the_time_limit(searched, monkeypatch):
    now = itertools.chain([0.0, 1.0], itertools.repeat(20.0))
    monkeypatch.setattr(search_phase, "time", SimpleNamespace(monotonic=lambda: next(now)))
    trainer = SideBySide()
    searched(trainer, "budget.n_trials=40", "deterministic=false", "budget.time_limit_s=10")
    assert trainer.batches == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("pruner", "n_trials", "told"),
    [("median", 4, "stops none."), ("median", 9, "stops none of the first 4."), ("batch_quantile", 9, None)],
)
def test_a_pruner_that_sees_nobody_is_told(searched, pruner, n_trials, told):
    found = searched(SideBySide(), f"pruner={pruner}", f"budget.n_trials={n_trials}")
    warnings = [line for line in found.lines if line.startswith(f"pruner={pruner} compares with finished trials")]
    assert len(warnings) == (told is not None)
    if told is not None:
        assert told in warnings[0]
        assert "pruner=batch_quantile" in warnings[0]


def test_a_vectorized_study_prunes_in_its_only_batch_and_again_the_same(compose, tmp_path, tensorboard):
    states = []
    for folder in ("a", "b"):
        config = compose(
            *("trainer=vectorized", "trainer.backend=jax", "pruner=successive_halving", "budget.n_trials=9"),
            *("budget.n_epochs=4", "budget.n_confirmations=0", "trainer.capacity=9"),
            f"tracking.tensorboard={str(folder == 'b').lower()}",
            folder=tmp_path / folder,
        )
        run_anywhere(config)
        (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
        states.append({run.number: (run.state, run.metrics["n_steps"]) for run in record.trials})
        assert {run.metrics["compiled_batch_size"] for run in record.trials} == {9}
    assert states[0] == states[1]
    (written,) = (tmp_path / "b" / "mlruns" / "tensorboard" / config.experiment_name).iterdir()
    for number, (_, n_steps) in states[0].items():
        read, _ = tensorboard.scalars(written / f"trial-{number:03d}")
        assert len(read["loss"]) == 4 * n_steps / max(n for _, n in states[0].values())
        assert len(read["objective"]) == 1
    assert 3 <= [state for state, _ in states[0].values()].count("pruned") <= 8
