"""Warnings about studies that have not ended: running, killed, or cut off."""

from __future__ import annotations

from collections.abc import Iterator

from study.report.caution import Caution
from study.report.pairing import Outcome
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
    there, named = _there_and_named(experiment)
    n = len(named - there)
    if n:
        has, them = ("has", "it") if n == 1 else ("have", "them")
        told = f"{n} of the {len(named | there)} studies of these commands {has} no trial yet"
        if named - there <= _of_running(experiment):
            told += f". The command runs, and begins {them}."
        else:
            told += f", or {has} been deleted. The same command begins {them}."
        text = f"{told} Each further study widens the intervals, so a claim may be withdrawn."
        brief = f"{n} of the {len(named | there)} studies of these commands {has} no trial yet"
        yield Caution(topic="Not begun", text=text, serious=True, brief=brief)


def so_far_text(experiment: ComparedExperiment, outcome: Outcome) -> str:
    """Return `So far, with 2 of 4 studies` while others of the same commands have no result yet; empty otherwise.

    A claim about the others may be overturned by one of them.

    Args:
        experiment: The experiment.
        outcome: The scores that are compared.
    """
    there, named = _there_and_named(experiment)
    compared = {entry.label for entry in experiment.entries if entry.label in outcome.labels}
    n_searched = sum(
        study.record.status == "RUNNING" and not (entry.label in compared and study.tuned)
        for entry in experiment.entries
        for study in entry.studies
    )
    n_open = len(named - there) + n_searched
    n = len(named | there)
    return f"So far, with {n - n_open} of {n} studies" if n_open else ""


def said_so_far(so_far: str, claim: str) -> str:
    """Return a claim that begins by saying what it is made of, if this is not all.

    Args:
        so_far: What `so_far_text` returned.
        claim: The claim, marked.
    """
    if not so_far:
        return claim
    return f"{so_far}, {claim[:2].lower()}{claim[2:]}" if claim.startswith("No ") else f"{so_far}, {claim}"


def _there_and_named(experiment: ComparedExperiment) -> tuple[set[str], set[str]]:
    """Return the digests of the studies that are there, and of those that their commands name."""
    commands = {record.tags.get("command_studies", "") for record in experiment.records}
    named = {digest for command in commands for digest in command.split(",") if digest}
    return {record.settings_id for record in experiment.records}, named - experiment.unselected


def _of_running(experiment: ComparedExperiment) -> set[str]:
    """Return the digests of the studies of all commands that are known to run."""
    running = [record for record in experiment.records if experiment.has_worker.get(record.run_id)]
    return {digest for record in running for digest in record.tags.get("command_studies", "").split(",")}


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
