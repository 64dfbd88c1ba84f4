"""Several processes on one study share its work, and take over the work of a killed one."""

import collections
import shutil

import pytest

from study.tracking.read_studies import read_studies
from tests.faults.crew import Crew, until

pytestmark = pytest.mark.slow


@pytest.fixture
def crew(tmp_path, program):
    lent = Crew(program, tmp_path)
    yield lent
    lent.end()


@pytest.fixture
def store(tmp_path, empty_store):
    """A prepared MLflow store, which saves a second."""
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")


def check(crew, *, n_trials, n_confirmations):
    """Check MLflow's store and the trainers' notes."""
    (record,) = read_studies(f"sqlite:///{crew.folder}/mlruns/mlflow.db", "tiny-mlp")
    assert [run.number for run in record.trials] == list(range(n_trials))
    assert {run.state for run in record.trials} == {"complete"}
    confirmed = collections.Counter(run.config for run in record.confirmations)
    assert confirmed == {"best": n_confirmations, "default": n_confirmations}
    assert {run.status for run in (*record.trials, *record.confirmations)} == {"FINISHED"}
    assert record.status == "FINISHED"
    assert record.metrics["n_complete"] == n_trials
    assert crew.trained_again() == []


@pytest.mark.usefixtures("store")
def test_workers_share_trials_and_confirmations_and_survive_the_death_of_one(crew):
    pids = crew.start(4, n_trials=9, n_confirmations=2, hangs=3, seconds_of=[0.1, 0.0, 0.2])
    crew.wait_for(8 + 2)  # while trial 3 hangs, the others have trained the rest, and confirmed the untuned optimizer
    victim = crew.busy()["trial 3"]
    crew.kill(victim)
    assert crew.join() == {pid: -9 if pid == victim else 0 for pid in pids}
    assert [pid == victim for _, what, name, pid in crew.told() if (what, name) == ("began", "trial 3")] == [
        True,
        False,
    ]
    check(crew, n_trials=9, n_confirmations=2)


@pytest.mark.usefixtures("store")
def test_a_worker_joins_late_and_a_study_that_has_ended_gives_it_nothing_to_do(crew):
    crew.start(1, n_trials=6, n_confirmations=1, hangs=2)
    crew.wait_for(2)
    crew.start(1, n_trials=6, n_confirmations=1)
    until(
        lambda: "trial 5" in [name for _, what, name, _ in crew.told() if what == "ended"], "it has trained the rest"
    )
    crew.go_on()
    assert set(crew.join().values()) == {0}
    before = crew.told()
    assert len({pid for _, what, name, pid in before if what == "ended" and name.startswith("trial")}) == 2
    crew.start(1, n_trials=6, n_confirmations=1)
    assert set(crew.join().values()) == {0}
    assert crew.told() == before
    check(crew, n_trials=6, n_confirmations=1)


def test_eight_workers_make_the_stores_of_one_folder_at_the_same_moment(crew):
    crew.start(8, n_trials=10, n_confirmations=1)
    assert set(crew.join().values()) == {0}
    check(crew, n_trials=10, n_confirmations=1)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("seconds_of", [[0.02], [0.3, 0.02]], ids=["both at once", "in turns"])
def test_two_workers_with_different_totals_end_as_one_study_of_the_larger(crew, seconds_of):
    crew.start(1, n_trials=4, n_confirmations=3, seconds_of=seconds_of)
    crew.start(1, n_trials=11, n_confirmations=3, seconds_of=seconds_of)
    assert set(crew.join().values()) == {0}
    (record,) = read_studies(f"sqlite:///{crew.folder}/mlruns/mlflow.db", "tiny-mlp")
    assert [run.number for run in record.trials] == list(range(11))
    assert (record.tags["progress"], record.n_trials, record.metrics["n_complete"]) == ("11/11", 11, 11)
    best = record.trials[int(record.metrics["best_trial_number"])]
    assert best.metrics["objective"] == max(run.metrics["objective"] for run in record.trials)
    tested = [run for run in record.confirmations if run.config == "best" and not run.superseded]
    assert {run.params["learning_rate"] for run in tested} == {best.params["learning_rate"]}
    assert sorted(run.number for run in tested) == [0, 1, 2]
    assert record.metrics["mean_test_accuracy"] == pytest.approx(0.4)  # 0.5 among five examples
