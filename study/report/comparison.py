"""All results of the comparison of one experiment, computed once for the page, the figures and the JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from study.report import curve_data
from study.report.caution import Caution
from study.report.caveats import cautions, pruned_or_adaptive
from study.report.choice_order import in_order
from study.report.figures.curves import target_figure, training_figure, tuning_figure
from study.report.figures.figure import Figure
from study.report.figures.hyperparameters import importance_figure, parallel_figure, sensitivity_figure
from study.report.figures.luck import luck_figure
from study.report.figures.results import differences_figure, scores_figure
from study.report.figures.sensitivity import value_figure
from study.report.figures.style import Style, styles
from study.report.figures.trials import trials_figure
from study.report.importance_shares import ImportanceShare, importance_shares
from study.report.luck import EntryLuck, luck_of
from study.report.pair_prices import PairPrice, prices
from study.report.pairing import Outcome, decide_outcome
from study.report.price_of_all import PriceOfAll, price_of_all
from study.report.studies import ComparedExperiment, ComparedStudy, Entry
from study.report.summary_rows import Row, summarize
from study.report.trial_rows import trial_rows
from study.report.value_sensitivity import ValueSensitivity, value_sensitivities
from study.report.verdict_text import Answer, answer

# It has a figure of its own, with diverged trials.
LEARNING_RATE = "learning_rate"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of one experiment.

    Attributes:
        experiment: The experiment with its studies.
        outcome: The scores compared, and the verdict.
        rows: The summary table.
        answer: The answer in sentences.
        prices: The price of each open pair.
        price_of_all: The price until all pairs that matter are decided; None where none is open.
        cautions: The warnings.
        tuning: Tuning curves, by label; empty if none can be drawn.
        no_tuning: The reason for missing tuning curves; empty if there are some.
        training: Training curves, by label.
        rates: Searches over the learning rate, by label.
        targets: Times to the target, by label.
        values: Sensitivity to each searched value, by its name and by label.
        luck: Sources of the luck, by label; only of entries with several study seeds.
    """

    experiment: ComparedExperiment
    outcome: Outcome
    rows: tuple[Row, ...]
    answer: Answer
    prices: tuple[PairPrice, ...]
    price_of_all: PriceOfAll | None
    cautions: tuple[Caution, ...]
    tuning: Mapping[str, curve_data.BestOfTrials]
    no_tuning: str
    training: Mapping[str, curve_data.TrainingQuartiles]
    rates: Mapping[str, curve_data.LearningRates]
    targets: Mapping[str, curve_data.TimesToTarget]
    values: Mapping[str, Mapping[str, ValueSensitivity]]
    luck: Mapping[str, EntryLuck]

    @property
    def look(self) -> dict[str, Style]:
        """Style of each entry in the figures, by label."""
        entries = self.experiment.entries
        return dict(
            zip([e.label for e in entries], styles([entry.optimizer for entry in entries]), strict=True),
        )

    @property
    def importances(self) -> dict[str, Mapping[str, ImportanceShare]]:
        """Importances with their intervals, by label and argument; without entries that have none."""
        return _each(self.experiment, list(self.places), lambda entry: importance_shares(self.experiment, entry.label))

    @property
    def places(self) -> dict[str, int]:
        """Place of each entry in the order of the summary table, from 0, by label."""
        return {row.label: place for place, row in enumerate(self.rows)}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries in the order of the summary table."""
        found = {entry.label: entry for entry in self.experiment.entries}
        return tuple(found[row.label] for row in self.rows)

    @property
    def studies(self) -> tuple[ComparedStudy, ...]:
        """All studies, entry by entry in the order of the summary table."""
        return tuple(study for entry in self.entries for study in entry.studies)

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """Figures by name, without those that have no data; drawn once for the page and the files."""
        experiment, look, metric = self.experiment, self.look, self.experiment.metric
        candidate = self.outcome.candidate
        # With batches of one size, a curve over examples is that over steps.
        of_sizes = self.training if len(curve_data.batch_sizes(experiment)) > 1 else {}
        drawn = [
            scores_figure(experiment, self.rows, look),
            tuning_figure(self.tuning, metric, look, candidate=candidate) if self.tuning else None,
            training_figure(self.training, metric, look, split="validation", over="steps"),
            training_figure(self.training, metric, look, split="validation", over="seconds"),
            training_figure(of_sizes, metric, look, split="validation", over="examples"),
            training_figure(self.training, metric, look, split="training", over="steps"),
            training_figure(self.training, metric, look, split="training", over="seconds"),
            sensitivity_figure(self.rates, metric, look) if self.rates else None,
            differences_figure(self.outcome, metric, look, labels=list(self.places)),
            luck_figure(self.luck, metric),
            target_figure(self.targets, metric, look, over="steps"),
            target_figure(self.targets, metric, look, over="seconds"),
            importance_figure(self.importances, look),
            *(value_figure(name, found, metric, look) for name, found in self.values.items() if name != LEARNING_RATE),
            trials_figure(trial_rows(self.entries, metric), metric, look),
            *(parallel_figure(entry, metric, index=index) for index, entry in enumerate(experiment.entries)),
        ]
        return {figure.name: figure for figure in drawn if figure is not None}


def compare(experiment: ComparedExperiment) -> Comparison:
    """Compare the entries of an experiment; the same records give the same numbers.

    Args:
        experiment: The experiment, with its studies.
    """
    outcome = decide_outcome(experiment)
    rows = summarize(experiment)
    labels = [row.label for row in rows]
    priced = prices(experiment, outcome)
    of_all = price_of_all(experiment, outcome, priced)
    reasons = pruned_or_adaptive(experiment)
    values = value_sensitivities(experiment)
    has_results = any(study.best is not None for study in experiment.studies)
    tuning = (
        {}
        if reasons or not has_results
        else _each(experiment, labels, lambda entry: curve_data.best_of_trials(entry, experiment.metric))
    )
    no_tuning = ""
    if reasons:
        told = "; ".join(f"{name} used {reason}" for name, reason in sorted(reasons.items()))
        no_tuning = f"A tuning curve is valid only for independent random search without a pruner: {told}."
    elif not tuning:
        no_tuning = "There are too few trials for a tuning curve."
    return Comparison(
        experiment=experiment,
        outcome=outcome,
        rows=rows,
        answer=answer(experiment, outcome, rows, priced, of_all=of_all),
        prices=priced,
        price_of_all=of_all,
        cautions=cautions(experiment, outcome, rows),
        tuning=tuning,
        no_tuning=no_tuning,
        training=_each(experiment, labels, lambda entry: curve_data.training_quartiles(entry, experiment)),
        rates=_each(experiment, labels, lambda entry: curve_data.learning_rates(entry, experiment.metric)),
        targets=_each(experiment, labels, lambda entry: curve_data.times_to_target(entry, experiment)),
        values={name: in_order(found, found.values(), wanted=labels) for name, found in values.items()},
        luck=_each(
            experiment, labels, lambda entry: luck_of(entry, experiment.metric, tuning=tuning.get(entry.label))
        ),
    )


def _each(experiment: ComparedExperiment, labels: Sequence[str], of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the result of a function for each entry, by label in the given order, without those that are None."""
    found = in_order([entry.label for entry in experiment.entries], map(of, experiment.entries), wanted=labels)
    return {label: each for label, each in found.items() if each is not None}
