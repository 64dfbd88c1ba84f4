"""Conditions of training in which studies of a comparison may differ: their lengths, batches, trainers and stops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from study.core.records import StudyRecord
from study.report.caution import Caution
from study.report.early_stops import callbacks_of, stopping_rule
from study.report.searched_ranges import searched_ranges
from study.report.studies import BATCH_SIZE, ComparedExperiment, ComparedStudy


def unequal_lengths(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution if the studies trained for different lengths.

    Args:
        experiment: The experiment; its histories are not needed.
    """
    lengths: dict[str, list[str]] = {}
    for study in experiment.studies:
        lengths.setdefault(length(study), []).append(experiment.label_of(study))
    if len(lengths) > 1:
        told = "; ".join(f"{many} for {', '.join(sorted(names))}" for many, names in sorted(lengths.items()))
        text = f"The studies trained for different lengths: {told}. Longer training is an advantage in itself."
        yield Caution(topic="Unequal training", text=text, serious=True, brief=_counted(lengths))


def length(study: ComparedStudy) -> str:
    """Return how long a study trained each trial, with the unit.

    Args:
        study: The study.
    """
    params = study.record.params
    steps = params.get("budget.n_steps")
    return f"{steps} steps" if steps is not None else f"{params.get('budget.n_epochs', 'unknown')} epochs"


def unequal_conditions(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution for each condition of training, besides its length, in which studies differ.

    Args:
        experiment: The experiment; its histories are not needed.
    """
    for topic, told, ask, text in (
        ("Unequal batch sizes", "batch sizes", _batch_size, "An epoch then has another number of steps."),
        ("Unequal trainers", "trainers", _trainer, "Each computes other numbers for the same seed."),
        ("Unequal stopping", "rules of early stopping", stopping_rule, "Who stops early trains for less time."),
        ("Unequal callbacks", "callbacks", callbacks_of, "A callback can change a training."),
    ):
        found: dict[str, list[str]] = {}
        for study in experiment.studies:
            if answer := ask(study.record):
                found.setdefault(answer, []).append(experiment.label_of(study))
        if len(found) > 1:
            listed = "; ".join(f"{value} for {', '.join(sorted(names))}" for value, names in sorted(found.items()))
            text = f"The studies have different {told}: {listed}. {text}"
            yield Caution(topic=topic, text=text, serious=True, brief=_counted(found))


def _counted(found: Mapping[str, Sequence[str]]) -> str:
    """Return the number of studies with each value, such as `2 epochs in 1 study, 3 epochs in 5 studies`."""
    counts = ((value, len(names)) for value, names in sorted(found.items()))
    return ", ".join(f"{value} in {n} {'study' if n == 1 else 'studies'}" for value, n in counts)


def _batch_size(record: StudyRecord) -> str:
    """Return the batch size; empty if it was searched, which another caution tells."""
    return "" if BATCH_SIZE in searched_ranges(record) else record.params.get(BATCH_SIZE, "unknown")


def _trainer(record: StudyRecord) -> str:
    params = record.params
    name, backend, precision = (params.get(f"trainer.{key}", "") for key in ("name", "backend", "precision"))
    return f"{name} on {backend} in {precision}" if precision else f"{name} on {backend}"
