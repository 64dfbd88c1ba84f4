"""S18: gradient descent on a bowl at four rates, and on a curve with two minima, with and without momentum."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.landscape_walks import (
    landscape_walked,
    last_loss,
    number,
    pictures_of,
    run_of,
    scene_of,
    studies_of,
)
from study.gallery.analysis.run_scores import listed
from study.gallery.analysis.verdicts import all_of, fact
from study.gallery.figures.paths import build_scene, rate_of, still, walked
from study.optimizers.stability import Descent, as_quadratic
from study.report.studies import ComparedStudy

ABOUT = About(
    title="What the rate does, and what momentum does",
    question="How does gradient descent go at a rate that is too small, right, at its limit and above it, and what "
    "does momentum change?",
    source="What textbooks draw, such as I. Goodfellow, Y. Bengio and A. Courville, Deep Learning (MIT Press, 2016), "
    "section 8.3; the limits are B. Polyak's (1964).",
    claim="Below 2/λ gradient descent converges, at it it goes to and fro for ever, above it it diverges; momentum "
    "raises the limit to 2(1 + β)/λ, and can carry over a local minimum where plain descent stays.",
    traps=(
        "Momentum 0.9 moves ten times as far for a steady gradient, so at the same rate it is not the same speed.",
        "Whether momentum passes a local minimum depends on start and rate: it is no property of the rule. Here both "
        "have the same rate and start.",
        "The limit belongs to a curvature. Only a quadratic surface has the same one everywhere; the curve with two "
        "minima has none.",
    ),
)
# The smallest sweep that has a page.
SMALLEST = ("model=bowl,double_well", "optimizer=sgd", "setting=right")
_SETTINGS = ("too_small", "right", "at_limit", "above")
_ORDER = ("sgd", "momentum")
_BOWL, _WELL = "bowl", "double_well"
_AS_FAR = 0.01


@dataclass(frozen=True, kw_only=True)
class _BowlRun:
    """Descent with one rate on the bowl.

    Attributes:
        label: Names of the optimizer and the setting.
        descent: The rule.
        limit: The limit of the rate.
        factor: Factor by which the distance from the minimum grows in a step.
        loss: The last loss.
        start: The loss at the start.
        diverged: True if it was recorded as diverged.
        swing: The last distance from the minimum over the one before.
    """

    label: str
    descent: Descent
    limit: float
    factor: float
    loss: float
    start: float
    diverged: bool
    swing: float

    @property
    def as_told(self) -> bool:
        """True if the run went as the limit says; at the limit itself, to and fro as far each time."""
        if self.is_at_limit:
            return math.isclose(self.swing, -1, abs_tol=_AS_FAR)
        if self.is_above:
            return self.diverged
        return not self.diverged and self.loss < self.start

    @property
    def is_above(self) -> bool:
        """True for a rate above the limit."""
        return self.descent.learning_rate > self.limit and not self.is_at_limit

    @property
    def is_at_limit(self) -> bool:
        """True for a rate at the limit, up to rounding."""
        return math.isclose(self.descent.learning_rate, self.limit)


def show(material: Material) -> PageContents:
    """Return the paths on both curves, the limits with the recorded results, and the end of the runs with momentum.

    Args:
        material: The data of the page.
    """
    bowls = studies_of(material, model=_BOWL, order=_ORDER)
    bowls.sort(key=lambda study: _SETTINGS.index(material.configs[study.record.name]["setting"]))
    runs = [_bowl_run(material, study) for study in bowls]
    wells = studies_of(material, model=_WELL, setting="right", order=_ORDER)
    pictures = [_bowl(material, bowls, name) for name in _ORDER if name in {s.record.optimizer for s in bowls}]
    pictures += pictures_of(
        scene_of(material, wells), name="double-well", title="A local minimum on the way", apart=False
    )
    findings = _findings(material, runs, wells)
    return PageContents(
        pictures=tuple(pictures), tables=(_table(runs),), findings=findings, headline=_headline(runs, findings[0])
    )


def _headline(runs: Sequence[_BowlRun], finding: str) -> str:
    """Return the number of runs that went as the limit says, and the end of momentum if it was run."""
    passed = re.search("Momentum (passed|did not pass) the local minimum", finding)
    told = f"{sum(run.as_told for run in runs)} of {len(runs)} ways on the bowl went as the limit says"
    return f"{told}; momentum {passed[1]} the local minimum." if passed else f"{told}."


def _bowl(material: Material, studies: Sequence[ComparedStudy], optimizer: str) -> Picture:
    chosen = [study for study in studies if study.record.optimizer == optimizer]
    paths = []
    for study in chosen:
        setting = str(material.configs[study.record.name]["setting"]).replace("_", " ")
        rate = rate_of(material, study, run_of(study))
        paths.append(walked(material, study, label=f"{setting}: rate {rate:g}"))
    scene = build_scene(landscape_walked(material, chosen), paths)
    return Picture(
        name=f"bowl-{optimizer}",
        caption=f"{optimizer} on x1² at four rates, from the {scene.start_text}.",
        data=still(scene, title=f"{optimizer} on x1²", apart=True, columns=2),
        suffix="svg",
    )


def _bowl_run(material: Material, study: ComparedStudy) -> _BowlRun:
    config, run = material.configs[study.record.name], run_of(study)
    landscape = landscape_walked(material, [study])
    quadratic = as_quadratic(landscape)
    if quadratic is None:
        raise LookupError(f"model={study.record.model} is not quadratic")
    curvature = float(quadratic.curvatures[-1])
    distances = walked(material, study).positions[-2:, 0] - quadratic.center[0]
    momentum = float(config["optimizer"].get("momentum") or 0.0)
    descent = Descent(learning_rate=rate_of(material, study, run), momentum=momentum)
    return _BowlRun(
        label=f"{study.record.optimizer}, {str(config['setting']).replace('_', ' ')}",
        descent=descent,
        limit=descent.limit(curvature),
        factor=descent.factor(curvature),
        loss=last_loss(material, run),
        start=float(landscape.heights(landscape.start)),
        diverged=run.state == "diverged",
        swing=float(distances[-1] / distances[0]) if distances[0] else math.nan,
    )


def _table(runs: Sequence[_BowlRun]) -> Table:
    return Table(
        caption="On the bowl: the rate, the limit that the closed form names, by how much the distance from the "
        "minimum grows in a step in the long run, and the last value.",
        header=("", "rate", "limit", "factor a step", "f at the start", "f at the end", "state"),
        rows=tuple(
            (
                run.label,
                f"{run.descent.learning_rate:g}",
                f"{run.limit:g}",
                f"{run.factor:.4g}",
                number(run.start),
                number(run.loss),
                _state(run),
            )
            for run in runs
        ),
    )


def _state(run: _BowlRun) -> str:
    if run.is_at_limit:
        return "to and fro" if run.as_told else "at the limit"
    return "diverged" if run.diverged else "complete"


def _findings(material: Material, runs: Sequence[_BowlRun], wells: Sequence[ComparedStudy]) -> tuple[str, ...]:
    n_as_told = sum(run.as_told for run in runs)
    kinds = {"above" if run.is_above else "at" if run.is_at_limit else "below" for run in runs}
    holds: bool | None = n_as_told == len(runs)
    if holds and kinds != {"above", "at", "below"}:
        holds = None  # a part of it was not run
    limit = (
        f"{n_as_told} of {len(runs)} ways on the bowl went as the limit says: towards the minimum below it, to and "
        f"fro at it, away above it; run were rates {listed(sorted(kinds))} the limit."
    )
    swings = [
        f"{run.label.capitalize()}: the swing does not grow any more, but it is wider than at the start "
        f"({number(run.loss)} from {number(run.start)}), so the trial is recorded as diverged."
        for run in runs
        if _state(run) == "to and fro" and run.diverged
    ]
    ends = {study.record.optimizer: walked(material, study).positions[-1, 0] for study in wells}
    losses = {study.record.optimizer: last_loss(material, run_of(study)) for study in wells}
    told = "; ".join(f"{name} ended at x1 = {ends[name]:.4g}, f = {number(losses[name])}" for name in ends)
    passed = None
    if {"sgd", "momentum"} <= set(losses):
        passed = losses["momentum"] < losses["sgd"] and ends["momentum"] * ends["sgd"] < 0
        verdict = "Momentum passed the local minimum" if passed else "Momentum did not pass the local minimum"
        limit += f" {verdict} at this rate and from this start: {told}."
    return (f"{all_of([fact(holds), fact(passed)])}: {limit}", *swings)
