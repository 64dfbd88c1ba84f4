import pytest

from study.tracking.read_studies import read_studies
from tests.faults.looking import faults_of

pytestmark = pytest.mark.slow

MODES = ("refused", "taken", "late")
# The deliveries of a study with two trials and two confirmations; beyond the last one nothing fails.
N_DELIVERIES = 30


def deliver_with_faults(victims, new_folder, mode, places):
    found = {}
    for at in places:
        folder = new_folder(f"{mode}-{at}")
        status = victims.live(folder, spooled=True, flaky={"at": at, "mode": mode})
        faults = faults_of(folder, n_trials=2) if status == 0 else [(folder / "stderr.txt").read_text()]
        if waiting := list((folder / "mlruns" / "spool").glob("*.jsonl")):
            faults.append(f"{waiting} was left")
        if faults:
            found[at] = faults
    return found


@pytest.mark.parametrize(("mode", "first"), [("refused", 2), ("taken", 1), ("late", 1)])
def test_some_deliveries_that_fail_are_repeated_and_nothing_is_doubled(victims, new_folder, mode, first):
    # The first delivery creates a run; only this one could create a duplicate.
    assert deliver_with_faults(victims, new_folder, mode, range(first, 8, 3)) == {}


def retry_with_faults(victims, new_folder, mode, places):
    """Let the deliveries of a retried trial at `places` fail in turn; return the faults by place."""
    found = {}
    for at in places:
        folder = new_folder(f"retry-{mode}-{at}")
        assert victims.live(folder, spooled=True, fails=0) == 0
        (study,) = read_studies(f"sqlite:///{folder}/mlruns/mlflow.db", "tiny-mlp")
        expected = [(run.run_id, "complete") for run in study.trials]
        status = victims.live(folder, spooled=True, retry_failed=True, flaky={"at": at, "mode": mode})
        (study,) = read_studies(f"sqlite:///{folder}/mlruns/mlflow.db", "tiny-mlp")
        first = study.trials[0].metrics
        is_right = first.get("objective") == first.get("val_accuracy") is not None
        if status or [(run.run_id, run.state) for run in study.trials] != expected or not is_right:
            found[at] = (folder / "stderr.txt").read_text() or str(study.trials)
    return found


@pytest.mark.parametrize(("mode", "first"), [("refused", 2), ("taken", 1), ("late", 3)])
def test_a_retried_trial_keeps_its_run_when_a_delivery_fails(victims, new_folder, mode, first):
    assert retry_with_faults(victims, new_folder, mode, range(first, 9, 4)) == {}


@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
def test_a_retried_trial_keeps_its_run_whichever_delivery_fails(victims, new_folder, counted, mode):
    found = retry_with_faults(victims, new_folder, mode, range(1, N_DELIVERIES + 1))
    counted(f"{mode}: each of {N_DELIVERIES} deliveries of a retry failed once, {len(found)} studies wrong")
    assert found == {}


@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
def test_every_delivery_that_fails_is_repeated_and_nothing_is_doubled(victims, new_folder, counted, mode):
    found = deliver_with_faults(victims, new_folder, mode, range(1, N_DELIVERIES + 1))
    counted(f"{mode}: each of {N_DELIVERIES} deliveries failed once, {len(found)} studies wrong")
    assert found == {}
