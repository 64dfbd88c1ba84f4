"""Tuned and fixed configurations of a comparison in words: only a configuration that a search found is tuned."""

from __future__ import annotations

from collections.abc import Collection

from study.report.studies import ComparedExperiment, Entry


def n_tuned(experiment: ComparedExperiment, labels: Collection[str] | None = None) -> int:
    """Return the number of entries that searched anything.

    Args:
        experiment: The experiment.
        labels: The entries that are counted. None (the default): all.
    """
    return sum(entry.searched for entry in _counted(experiment, labels))


def kinds_text(experiment: ComparedExperiment, labels: Collection[str] | None = None) -> str:
    """Return the kind of configurations before their noun: `tuned `, `fixed `, or empty for some of each.

    Args:
        experiment: The experiment.
        labels: The entries that are meant. None (the default): all.
    """
    n, tuned = len(_counted(experiment, labels)), n_tuned(experiment, labels)
    return "tuned " if tuned == n else "" if tuned else "fixed "


def configurations_text(experiment: ComparedExperiment, labels: Collection[str]) -> str:
    """Return `4 tuned configurations`, or `16 configurations (8 tuned, 8 fixed)`.

    Args:
        experiment: The experiment.
        labels: The entries that are counted, at least one.
    """
    n, tuned = len(labels), n_tuned(experiment, labels)
    noun = f"configuration{'s' if n > 1 else ''}"
    apart = f" ({tuned} tuned, {n - tuned} fixed)" if 0 < tuned < n else ""
    return f"{n} {kinds_text(experiment, labels)}{noun}{apart}"


def _counted(experiment: ComparedExperiment, labels: Collection[str] | None) -> list[Entry]:
    return [entry for entry in experiment.entries if labels is None or entry.label in labels]
