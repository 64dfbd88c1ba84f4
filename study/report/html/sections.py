"""Data of the sections on one experiment; `experiment.html.j2` lays them out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.core.names import typed_command
from study.report.choice_order import order_rule
from study.report.comparison import Comparison
from study.report.curve_data import shares_time
from study.report.early_stops import kept_epoch
from study.report.figures.curves import has_band
from study.report.html import tables
from study.report.html.figure_table import MOST_ROWS, FigureTable, figure_table
from study.report.html.pair_tables import differences_table, pairs_table
from study.report.html.search_tables import best_values_table, envelope, sensitivity_table, values_table
from study.report.html.tables import ReportTable
from study.report.html.trial_table import MOST_TRIALS, TrialTable, trial_table
from study.report.luck import luck_text
from study.report.value_sensitivity import ENOUGH_FOR_A_WIDTH

_MOST_VALUES = 4
# Titles of the sections by anchor, in the order of the page.
_TITLES = {
    "summary": "Summary",
    "tuning-curves": "Tuning curves",
    "training-curves": "Training curves",
    "learning-rate": "Sensitivity to the learning rate",
    "paired": "Paired differences",
    "luck": "Where the luck is",
    "time-to-target": "Time to target",
    "hyperparameters": "Importance of hyperparameters",
    "values": "Best values and sensitivity",
    "parallel-coordinates": "Parallel coordinates",
    "trials": "All trials",
    "warnings": "Warnings",
    "making": "How it was made",
}
_VERSIONS = ("python", "keras", "tensorflow", "jax", "torch", "optuna", "mlflow", "numpy", "optimizer-study")


@dataclass(frozen=True, kw_only=True)
class ExperimentSections:
    """Data of an experiment's sections.

    Attributes:
        comparison: The comparison.
        prefix: Prefix of every anchor and figure; it keeps the experiments of one page apart.
        titles: Titles of the sections that have something to say, by anchor, in the order of the page.
        rule: The rule of the order of entries.
        tables: The tables by name; None for a table without rows.
        trials: The table of trials; None without a trial.
        numbers: The numbers of each figure, by its name, without those of single trials, which are in `trials`.
        values: Names of the searched values that have a figure, by the figure's name.
        parallel: Labels of the entries that have parallel coordinates, by the figure's name.
        has_band: Whether a tuning curve has a band.
        envelope: `upper` or `lower`: the side on which good trials lie.
        time_notes: Sentences on the seconds of the time to the target.
        curve_notes: Sentences on the training curves: seconds, the training split, diverged confirmations.
        luck_notes: Sentences on the luck of each entry, and on what the next minutes are best spent.
        luck_sources: Sources of the luck that are apart.
        trials_each: Number of trials behind each importance.
        least_trials: Number of trials from which importances and widths are estimated.
        versions: Versions of packages by name; of several, up to four.
        settings: Settings by name, without those of the optimizers; of several values, up to four.
        commands: The commands that make the page and repeat the studies.
    """

    comparison: Comparison
    prefix: str
    titles: Mapping[str, str]
    rule: str
    tables: Mapping[str, ReportTable | None]
    trials: TrialTable | None
    numbers: Mapping[str, FigureTable]
    values: Mapping[str, str]
    parallel: Mapping[str, str]
    has_band: bool
    envelope: str
    time_notes: Sequence[str]
    curve_notes: Sequence[str]
    luck_notes: Sequence[str]
    luck_sources: Sequence[str]
    trials_each: str
    least_trials: int
    versions: Mapping[str, str]
    settings: Mapping[str, str]
    commands: Sequence[str]


def sections(
    comparison: Comparison, *, prefix: str, link: str, command: str, n_experiments: int = 1, is_live: bool = False
) -> ExperimentSections:
    """Return the data of one experiment's sections.

    Args:
        comparison: The comparison.
        prefix: Prefix of every anchor and figure.
        link: A link to a run, with `{}` for its id.
        command: The command that makes the page.
        n_experiments: Number of experiments on the page, which share its room. Default 1.
        is_live: Studies run, so the columns of the summary do not change. Default False.
    """
    experiment = comparison.experiment
    laid_out = _tables(comparison, link=link, is_live=is_live)
    trials = trial_table(comparison, link=link, most_rows=MOST_TRIALS // n_experiments)
    return ExperimentSections(
        comparison=comparison,
        prefix=prefix,
        titles=_titles(comparison, laid_out, trials=trials),
        rule=order_rule(experiment.metric),
        tables=laid_out,
        trials=trials,
        numbers=_numbers(comparison, most_rows=MOST_ROWS // n_experiments),
        values={figure: name for name in comparison.values if (figure := f"sensitivity-{name}") in comparison.figures},
        parallel=_parallel(comparison),
        has_band="tuning" in comparison.figures and has_band(comparison.figures["tuning"]),
        envelope=envelope(experiment.metric),
        time_notes=_time_notes(comparison),
        curve_notes=_curve_notes(comparison),
        luck_notes=luck_text(comparison.luck, experiment.metric),
        luck_sources=sorted({part.source for each in comparison.luck.values() for part in each.luck.parts}),
        trials_each=", ".join(
            f"{entry.label} {len(entry.trials)}"
            for entry in comparison.entries
            if entry.label in comparison.importances
        ),
        least_trials=ENOUGH_FOR_A_WIDTH,
        versions=_shared(
            [{k: record.tags[k] for k in _VERSIONS if k in record.tags} for record in experiment.records]
        ),
        settings=_shared([_without_optimizer(record.params) for record in experiment.records]),
        commands=[
            command,
            *(typed_command("reproduce", f"{experiment.name}/{study.record.name}") for study in comparison.studies),
        ],
    )


def _numbers(comparison: Comparison, *, most_rows: int) -> dict[str, FigureTable]:
    of_trials = {"trials", *_parallel(comparison)}
    found = {name: figure_table(figure, most_rows=most_rows) for name, figure in comparison.figures.items()}
    return {name: table for name, table in found.items() if table is not None and name not in of_trials}


def _tables(comparison: Comparison, *, link: str, is_live: bool) -> dict[str, ReportTable | None]:
    return {
        "summary": tables.summary_table(comparison, link=link, is_live=is_live),
        "differences": differences_table(comparison),
        "pairs": pairs_table(comparison),
        "sensitivity": sensitivity_table(comparison),
        "target": tables.target_table(comparison),
        "best_values": best_values_table(comparison),
        "searched_values": values_table(comparison),
        "studies": tables.studies_table(comparison, link=link),
    }


def _titles(
    comparison: Comparison, laid_out: Mapping[str, ReportTable | None], *, trials: TrialTable | None
) -> dict[str, str]:
    """Return the titles of the sections that have something to say, by anchor."""
    figures = comparison.figures
    has = {
        "tuning-curves": "tuning" in figures,
        "training-curves": any(name.startswith(("validation-", "training-")) for name in figures),
        "learning-rate": "sensitivity" in figures,
        "paired": "differences" in figures,
        "luck": bool(comparison.luck),
        "time-to-target": laid_out["target"] is not None,
        "hyperparameters": "importance" in figures,
        "values": laid_out["best_values"] is not None,
        "parallel-coordinates": bool(_parallel(comparison)),
        "trials": trials is not None,
        "warnings": bool(comparison.cautions),
    }
    return {anchor: title for anchor, title in _TITLES.items() if has.get(anchor, True)}


def _parallel(comparison: Comparison) -> dict[str, str]:
    """Return the labels of the entries that have parallel coordinates, by the figure's name, in the page's order."""
    names = {entry.label: f"parallel-{index}" for index, entry in enumerate(comparison.experiment.entries)}
    ordered = {names[label]: label for label in comparison.places}
    return {name: label for name, label in ordered.items() if name in comparison.figures}


def _time_notes(comparison: Comparison) -> list[str]:
    if not comparison.targets:
        return []
    told = ["Seconds are training time only, without compilation and evaluation."]
    if "target-seconds" not in comparison.figures:
        told = ["In seconds, all of it takes less than one, which is too little to compare."]
    shared = shares_time(comparison.experiment)
    return [*told, *([shared] if shared else [])]


def _curve_notes(comparison: Comparison) -> list[str]:
    experiment, figures = comparison.experiment, comparison.figures
    told = ["Seconds are training time only, without compilation, spread evenly over the epochs."]
    if "validation-seconds" not in figures:
        told = ["There are no curves over seconds: a training takes less than one, which is too little to compare."]
    if any(record.params.get("dataset.task.train_metrics") != "evaluated" for record in experiment.records):
        told.append(
            f"The training {experiment.metric.spoken} is the mean over an epoch's steps, during which the weights "
            "change; that of validation is taken after the epoch."
        )
    if "validation-examples" in figures:
        told.append("The batch sizes differ, so as many steps are not as many examples.")
    if shared := shares_time(experiment):
        told.append(shared)
    if any(run.state == "diverged" for entry in experiment.entries for run in entry.tuned):
        worst = experiment.metric.worst
        counted = f"counts as {experiment.metric.text(worst)}" if math.isfinite(worst) else "is left out"
        told.append(f"A run that divergence stopped {counted} from there on.")
    if any(kept_epoch(run) is not None for entry in experiment.entries for run in entry.tuned):
        told.append("A run that stopped early continues with the value of the weights that it kept.")
    return told


def _without_optimizer(params: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in params.items() if not key.startswith("optimizer")}


def _shared(of_each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return each setting with its value, or with up to four different values and the number of the others."""
    values = {
        key: sorted({each.get(key, "none") for each in of_each})
        for key in sorted({k for each in of_each for k in each})
    }
    return {
        key: " or ".join(found[:_MOST_VALUES])
        + (f" or {len(found) - _MOST_VALUES} more" if len(found) > _MOST_VALUES else "")
        for key, found in values.items()
    }
