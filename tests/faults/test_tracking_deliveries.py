from __future__ import annotations

from typing import Any

import pytest

from tests.faults.looking import faults_of

MODES = ("refused", "taken", "late")
# Of a study of two trials and two confirmations; past the last one nothing fails.
N_DELIVERIES = 30


def deliver_with_faults(victims: Any, new_folder: Any, mode: str, places: range) -> dict[int, list[str]]:
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
def test_some_deliveries_that_fail_are_repeated_and_nothing_is_doubled(
    victims: Any, new_folder: Any, mode: str, first: int
) -> None:
    # A run's creation is the first, and the one that could be doubled.
    assert deliver_with_faults(victims, new_folder, mode, range(first, 8, 3)) == {}


@pytest.mark.faults
@pytest.mark.parametrize("mode", MODES)
def test_every_delivery_that_fails_is_repeated_and_nothing_is_doubled(
    victims: Any, new_folder: Any, counted: Any, mode: str
) -> None:
    found = deliver_with_faults(victims, new_folder, mode, range(1, N_DELIVERIES + 1))
    counted(f"{mode}: each of {N_DELIVERIES} deliveries failed once, {len(found)} studies wrong")
    assert found == {}
