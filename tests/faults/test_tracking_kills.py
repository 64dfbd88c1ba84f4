import pytest

from tests.faults.looking import faults_of
from tests.faults.victims import KILLED

pytestmark = pytest.mark.slow

# The forms of a study: trials one by one, side by side, and one by one through the spool of a server.
FORMS = {"one by one": {}, "in batches": {"capacity": 2}, "spooled": {"spooled": True}}
N_TRIALS = 2


def kill_and_resume(victims, new_folder, form, *, every, first):
    """Kill a study at each n-th write and resume it; return the number of kills, and the faults by n."""
    whole = new_folder("whole")
    assert victims.live(whole, n_trials=N_TRIALS, **form) == 0, (whole / "stderr.txt").read_text()
    assert faults_of(whole, n_trials=N_TRIALS) == []
    n_writes = int((whole / "n_writes").read_text())
    found, kills = {}, range(first, n_writes + 1, every)
    for n in kills:
        folder = new_folder(str(n))
        assert victims.live(folder, n_trials=N_TRIALS, kill_at=n, **form) == KILLED
        status = victims.live(folder, n_trials=N_TRIALS, **form)
        faults = faults_of(folder, n_trials=N_TRIALS) if status == 0 else [(folder / "stderr.txt").read_text()]
        if faults:
            found[n] = faults
    return len(kills), found


@pytest.mark.parametrize("form", list(FORMS))
def test_a_study_killed_at_some_writes_ends_like_an_uninterrupted_one(victims, new_folder, form):
    _, found = kill_and_resume(victims, new_folder, FORMS[form], every=29, first=17)
    assert found == {}


@pytest.mark.faults
@pytest.mark.parametrize("form", list(FORMS))
def test_a_study_killed_at_every_write_ends_like_an_uninterrupted_one(victims, new_folder, counted, form):
    n_kills, found = kill_and_resume(victims, new_folder, FORMS[form], every=1, first=1)
    counted(f"{form}: killed at each of {n_kills} writes, {len(found)} studies wrong")
    assert found == {}
