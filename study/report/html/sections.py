"""Data of the sections on one experiment; `experiment.html.j2` lays them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.report.comparison import Comparison
from study.report.html import tables
from study.report.html.tables import ReportTable

_VERSIONS = ("python", "keras", "tensorflow", "jax", "torch", "optuna", "mlflow", "numpy", "optimizer-study")


@dataclass(frozen=True, kw_only=True)
class ExperimentSections:
    """Data of an experiment's sections.

    Attributes:
        comparison: The comparison.
        prefix: Prefix of every anchor and figure; it keeps the experiments of one page apart.
        tables: The tables by name; None for a table without rows.
        parallel: Labels of the entries that have parallel coordinates, by the figure's name.
        versions: Versions of packages by name; of several, up to four.
        settings: Settings by name, without those of the optimizers; of several values, up to four.
        commands: The commands that make the page and repeat the studies.
    """

    comparison: Comparison
    prefix: str
    tables: Mapping[str, ReportTable | None]
    parallel: Mapping[str, str]
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    commands: Sequence[str]


def sections(comparison: Comparison, *, prefix: str, link: str, command: str) -> ExperimentSections:
    """Return the data of one experiment's sections.

    Args:
        comparison: The comparison.
        prefix: Prefix of every anchor and figure.
        link: A link to a run, with `{}` for its id.
        command: The command that makes the page.
    """
    experiment = comparison.experiment
    labels = {f"parallel-{index}": entry.label for index, entry in enumerate(experiment.entries)}
    settings = [
        {key: value for key, value in record.params.items() if not key.startswith("optimizer")}
        for record in experiment.records
    ]
    return ExperimentSections(
        comparison=comparison,
        prefix=prefix,
        tables={
            "summary": tables.summary_table(comparison, link=link),
            "differences": tables.differences_table(comparison),
            "sensitivity": tables.sensitivity_table(comparison),
            "target": tables.target_table(comparison),
            "studies": tables.studies_table(comparison, link=link),
        },
        parallel={name: label for name, label in labels.items() if name in comparison.figures},
        versions=_shared(
            [{k: record.tags[k] for k in _VERSIONS if k in record.tags} for record in experiment.records]
        ),
        settings=_shared(settings),
        commands=[command, *(f"study reproduce {experiment.name}/{record.name}" for record in experiment.records)],
    )


def _shared(of_each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return each setting with its value, or with up to four different values."""
    values = {
        key: sorted({each.get(key, "none") for each in of_each})
        for key in sorted({k for each in of_each for k in each})
    }
    return {key: found[0] if len(found) == 1 else " or ".join(found[:4]) for key, found in values.items()}
