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


def not_begun(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution on the studies that the commands of the others name, and that are not there.

    Args:
        experiment: The experiment.
    """
    there = {record.settings_id for record in experiment.records}
    commands = {record.tags.get("command_studies", "") for record in experiment.records}
    named = {digest for command in commands for digest in command.split(",") if digest}
    n = len(named - there)
    if n:
        has, them = ("has", "it") if n == 1 else ("have", "them")
        text = (
            f"{n} of the {len(named | there)} studies of these commands {has} no trial yet, or {has} been deleted. "
            f"The same command begins {them}. Each further study widens the intervals, so a claim may be withdrawn."
        )
        yield Caution(topic="Not begun", text=text, serious=True)


def not_ended(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution for each study that has not ended, with its state as far as it is known.

    Args:
        experiment: The experiment.
    """
    for study in experiment.studies:
        record = study.record
        if study.complete and record.status not in ("RUNNING", "KILLED", "FAILED"):
            continue
        state, after = _STATES[experiment.has_worker.get(record.run_id)]
        if record.status != "RUNNING":
            state, after = f"was cut off ({record.status.lower()})", "The same command continues it."
        n = len(study.tuned)
        done = f"{study.n_spent} of {record.n_trials} trials, {n} confirmation{'' if n == 1 else 's'}"
        yield Caution(topic="Not ended", text=f"{record.name} {state}: {done}. {after}", serious=True)
