"""Tries to confirm that a search reached its target, as its workers share them: tags of the study's run."""

from __future__ import annotations

from dataclasses import dataclass

from study.tracking.connection import store_errors
from study.tracking.open_runs import StudyRuns
from study.tracking.outbox.server_wait import wait_for_server

# Tags of a study: the trials that were tried, in their order; the target that was reached, and the number of trials.
TRIES, REACHED, N_AT_TARGET = "target_tries", "target_reached", "n_trials_at_target"


@dataclass(frozen=True, kw_only=True)
class TargetTries:
    """The tries of a study so far.

    Attributes:
        trials: Numbers of the trials that were tried, in the order of the tries.
        reached: The target that was reached; None: none yet.
    """

    trials: tuple[int, ...]
    reached: float | None


def read_tries(opened: StudyRuns, uri: str) -> TargetTries:
    """Return the tries of a study, those of its other workers included.

    Args:
        opened: The study's runs.
        uri: Address of the store.

    Raises:
        StoreError: The store cannot be read.
    """

    def read() -> TargetTries:
        with store_errors(uri, "the tries of the search's target cannot be read"):
            tags = opened.client.get_run(opened.run_id).data.tags
        numbers = [text for text in tags.get(TRIES, "").split() if text.isdecimal()]
        return TargetTries(trials=tuple(map(int, numbers)), reached=_number(tags.get(REACHED)))

    return wait_for_server(uri, read)


def write_try(opened: StudyRuns, uri: str, *, tries: TargetTries, number: int) -> None:
    """Record a try before its first confirmation, so that it spends its error whatever happens.

    Args:
        opened: The study's runs.
        uri: Address of the store.
        tries: The tries before.
        number: Number of the trial that is tried.

    Raises:
        StoreError: The store cannot be written to.
    """
    _write(opened, uri, {TRIES: " ".join(map(str, (*tries.trials, number)))})


def write_reached(opened: StudyRuns, uri: str, *, target: float, n_trials: int) -> None:
    """Record that the search has reached its target, so that none of its workers goes on searching.

    Args:
        opened: The study's runs.
        uri: Address of the store.
        target: The target, in the metric's units.
        n_trials: Number of trials that ended until then.

    Raises:
        StoreError: The store cannot be written to.
    """
    _write(opened, uri, {N_AT_TARGET: str(n_trials), REACHED: repr(target)})


def _write(opened: StudyRuns, uri: str, tags: dict[str, str]) -> None:
    def write() -> None:
        with store_errors(uri, "the tries of the search's target cannot be recorded"):
            for key, value in tags.items():
                opened.client.set_tag(opened.run_id, key, value)

    wait_for_server(uri, write)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:  # changed in MLflow's pages: the search goes on, and finds out again
        return None
