"""Warnings about studies that have not ended: running, killed, or cut off."""

from __future__ import annotations

from collections.abc import Iterator

from study.report.caution import Caution
from study.report.studies import ComparedExperiment

# By whether a living process works on a study that runs by its store; None where that is not known.
_STATES = {
    True: ("is running", "Its numbers may change."),
    False: ("was killed", "The same command continues it."),
    None: ("is running, or was killed", "Its numbers may change."),
}


def not_ended(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution for each study that has not ended, with its state as far as it is known.

    Args:
        experiment: The experiment.
    """
    for study in experiment.studies:
        record = study.record
        if study.complete and record.status != "RUNNING":
            continue
        state, after = _STATES[experiment.has_worker.get(record.run_id)]
        if record.status != "RUNNING":
            state, after = f"was cut off ({record.status.lower()})", "The same command continues it."
        n = len(study.tuned)
        done = f"{study.n_spent} of {record.n_trials} trials, {n} confirmation{'' if n == 1 else 's'}"
        yield Caution(topic="Not ended", text=f"{record.name} {state}: {done}. {after}", serious=True)
