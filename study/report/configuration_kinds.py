"""The subject of a comparison in words: tuned and fixed configurations. Only one that a search found is tuned."""

from __future__ import annotations

from collections.abc import Collection

from study.report.marked_text import marked_command
from study.report.pairing import Outcome
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


def scope_sentence(experiment: ComparedExperiment, outcome: Outcome) -> str:
    """Return what the result is about, and what its intervals include.

    Args:
        experiment: The experiment.
        outcome: The scores that are compared.
    """
    tuned = n_tuned(experiment, outcome.labels)
    if outcome.unit == "study":
        n = len(outcome.units)
        if not tuned:
            return f"Nothing was searched: each configuration was trained under {n} study seeds."
        who = "every optimizer" if tuned == len(outcome.labels) else "every tuned one"
        return (
            f"The intervals include the luck of the search: {who} was searched under {n} study seeds, each "
            "with its own initial weights and batch orders of the confirmations. The split of the data and the batch "
            "order of the search are the same in all."
        )
    orders = {run.params.get("order_seed") for entry in experiment.entries for run in entry.tuned}
    vary = "initial weights and batch orders" if len(orders) > 1 else "initial weights"
    fixed = "the split of the data is" if len(orders) > 1 else "the split of the data and the batch order are"
    luck = f": {'it depends on' if tuned == len(outcome.labels) else 'those tuned depend on'} the luck of the search"
    command = marked_command("study run -m study_seed=0,1,2")
    more = f" To compare the optimizers, use three study seeds or more ({command})."
    return (
        f"This result is about these {kinds_text(experiment, outcome.labels)}configurations, not about the "
        f"optimizers{luck if tuned else ''}. The seeds vary {vary}; {fixed} the same in all.{more if tuned else ''}"
    )


def _counted(experiment: ComparedExperiment, labels: Collection[str] | None) -> list[Entry]:
    return [entry for entry in experiment.entries if labels is None or entry.label in labels]
