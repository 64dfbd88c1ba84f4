"""Everything that a comparison of one experiment says, computed once for the page, the figures and the JSON."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from study.report import curves
from study.report.caveats import Caution, cautions, pruned_or_adaptive
from study.report.figures.curves import target_figure, training_figure, tuning_figure
from study.report.figures.figure import Figure
from study.report.figures.results import differences_figure, scores_figure
from study.report.figures.search import importance_figure, parallel_figure, sensitivity_figure
from study.report.figures.style import Style, styles
from study.report.pairing import Outcome, decide_outcome
from study.report.studies import Evidence
from study.report.summary_rows import Row, summarize
from study.report.verdict_text import Answer, answer


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison of one experiment.

    Attributes:
        evidence: What the store says.
        outcome: Who was compared, and the verdict.
        rows: The summary table.
        answer: The sentence.
        cautions: What must be known.
        tuning: Tuning curves by label; empty where there are none.
        no_tuning: Why there are no tuning curves; empty where there are some.
        training: Training curves by label.
        rates: Searches over the learning rate by label.
        targets: Times to the target by label.
    """

    evidence: Evidence
    outcome: Outcome
    rows: tuple[Row, ...]
    answer: Answer
    cautions: tuple[Caution, ...]
    tuning: Mapping[str, curves.Tuning]
    no_tuning: str
    training: Mapping[str, curves.Training]
    rates: Mapping[str, curves.LearningRates]
    targets: Mapping[str, curves.Target]

    @property
    def look(self) -> dict[str, Style]:
        """How each entry is drawn, by label."""
        entries = self.evidence.entries
        return dict(
            zip([e.label for e in entries], styles([entry.optimizer for entry in entries]), strict=True),
        )


def compare(evidence: Evidence) -> Comparison:
    """Compare the entries of an experiment; the same evidence gives the same numbers."""
    outcome = decide_outcome(evidence)
    rows = summarize(evidence, rng=np.random.default_rng(zlib.crc32(evidence.experiment.encode())))
    reasons = pruned_or_adaptive(evidence)
    tuning = {} if reasons else _each(evidence, lambda entry: curves.tuning(entry, evidence.measure))
    no_tuning = ""
    if reasons:
        told = "; ".join(f"{name} used {reason}" for name, reason in sorted(reasons.items()))
        no_tuning = f"A tuning curve is valid for independent random search without a pruner alone: {told}."
    elif not tuning:
        no_tuning = "There are too few trials for a tuning curve."
    return Comparison(
        evidence=evidence,
        outcome=outcome,
        rows=rows,
        answer=answer(evidence, outcome, rows),
        cautions=cautions(evidence, outcome, rows),
        tuning=tuning,
        no_tuning=no_tuning,
        training=_each(evidence, lambda entry: curves.training(entry, evidence)),
        rates=_each(evidence, lambda entry: curves.learning_rates(entry, evidence.measure)),
        targets=_each(evidence, lambda entry: curves.target(entry, evidence)),
    )


def figures(comparison: Comparison) -> dict[str, Figure]:
    """Return the figures of a comparison by name, those that there is something to draw for."""
    evidence, look, measure = comparison.evidence, comparison.look, comparison.evidence.measure
    candidate = comparison.outcome.candidate
    drawn = [
        scores_figure(evidence, comparison.rows, look),
        tuning_figure(comparison.tuning, measure, look, candidate=candidate) if comparison.tuning else None,
        training_figure(comparison.training, measure, look, split="validation", over="steps"),
        training_figure(comparison.training, measure, look, split="validation", over="seconds"),
        training_figure(comparison.training, measure, look, split="training", over="steps"),
        training_figure(comparison.training, measure, look, split="training", over="seconds"),
        sensitivity_figure(comparison.rates, measure, look) if comparison.rates else None,
        differences_figure(evidence, comparison.outcome, look),
        target_figure(comparison.targets, measure, look, over="steps"),
        target_figure(comparison.targets, measure, look, over="seconds"),
        importance_figure({label: shares for label, shares in evidence.importances.items() if shares}, look),
        *(parallel_figure(entry, measure, index=index) for index, entry in enumerate(evidence.entries)),
    ]
    return {figure.name: figure for figure in drawn if figure is not None}


def _each(evidence: Evidence, of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what a function finds for each entry, by label, but for those without."""
    return {entry.label: found for entry in evidence.entries if (found := of(entry)) is not None}
