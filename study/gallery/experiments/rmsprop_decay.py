"""S9: RMSprop over its decay, and the step at a decay of exactly 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from study.core.records import RunRecord
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.landscape_walks import landscape_walked, last_loss, number, pictures_of, studies_of
from study.gallery.analysis.reference_walks import EPSILON, walk
from study.gallery.analysis.verdicts import fact, in_short
from study.gallery.figures.drawing import legend, log_axis, new_figure, tidy, to_svg
from study.gallery.figures.heat_map import heat_map
from study.gallery.figures.paths import build_scene, walked
from study.optimizers.reference import RMSprop
from study.optimizers.stability import as_quadratic
from study.report.figures.style import Style, styles
from study.report.studies import ComparedStudy

ABOUT = About(
    title="RMSprop and its decay",
    question="How does RMSprop depend on its decay, and what happens where it is exactly 1?",
    source="The rule and the surface of K. Saitoh, Deep Learning from Scratch (O'Reilly Japan, 2016), section 6.1; "
    "the rule is by T. Tieleman and G. Hinton, Neural networks for machine learning, lecture 6e (Coursera, 2012).",
    claim="RMSProp forgets old gradients, by the decay; at 1 it never learns any, and divides by epsilon alone.",
    traps=(
        "The average starts at 0 and is not corrected for it: the first step is lr/√(1 - decay) long, so a decay near "
        "1 begins with a leap, whatever comes later.",
        "Epsilon is added to the root in the source and inside it in Keras: at decay 1 the step is lr·g/ε there and "
        "lr·g/√ε here, for 1e-7 more than three thousand times apart.",
        "One start and one surface: which decay is best here says little about training a net.",
    ),
)
# Relative distance up to which a path that was recorded in float32 agrees with its rule.
_CLOSE = 1e-4
# Optimizers with different colors, which the lines get.
_COLORED = ("adam", "momentum", "sgd", "rmsprop", "nesterov", "adamax", "adagrad", "nadam")


@dataclass(frozen=True, kw_only=True)
class _DecayTrial:
    """A trial of a decay and a rate.

    Attributes:
        run: The trial's run.
        decay: The decay.
        rate: The rate.
        loss: The last loss; infinite if it diverged.
    """

    run: RunRecord
    decay: float
    rate: float
    loss: float


@dataclass(frozen=True, kw_only=True)
class _FirstStep:
    """The first step along x1 at a decay of 1.

    Attributes:
        trial: The trial.
        article: Length of the step by the published rule, lr·g/ε.
        keras: Length of the step by Keras's rule, lr·g/√ε.
        recorded: Length of the step that Keras took; NaN if nothing was recorded.
    """

    trial: _DecayTrial
    article: float
    keras: float
    recorded: float

    @property
    def as_claimed(self) -> bool:
        """True if Keras divided by its epsilon alone."""
        return math.isclose(self.recorded, self.keras, rel_tol=_CLOSE)


def show(material: Material) -> PageContents:
    """Return the sensitivity to the decay, some of the paths, and the steps at a decay of 1.

    Args:
        material: The data of the page.
    """
    (study,) = studies_of(material)[:1]
    trials = sorted(_trials(material, study), key=lambda trial: (trial.rate, trial.decay))
    rates, decays = sorted({trial.rate for trial in trials}), sorted({trial.decay for trial in trials})
    losses = np.full((len(rates), len(decays)), np.nan)
    for trial in trials:
        losses[rates.index(trial.rate), decays.index(trial.decay)] = trial.loss
    n_steps = max(len(material.history(trial.run, "loss")) for trial in trials)
    named = [f"{rate:g}" for rate in rates], [f"{decay:g}" for decay in decays]
    pictures = (
        Picture(
            name="sensitivity",
            caption=f"The value after {n_steps} steps over the decay, one line for each rate; a pair that diverged "
            "has no point.",
            data=_sensitivity(losses, rates=rates, decays=decays),
            suffix="svg",
        ),
        Picture(
            name="pairs",
            caption=f"The same for every pair: the value after {n_steps} steps.",
            data=heat_map(losses, rows=named[0], columns=named[1], label="f at the end"),
            suffix="svg",
        ),
        *_paths(material, study, trials),
    )
    steps = _first_steps(material, study, [trial for trial in trials if trial.decay == 1.0])
    findings = (*_claim(steps), *_findings(trials, n_steps=n_steps))
    tables = (_table(steps),) if steps else ()
    return PageContents(pictures=pictures, tables=tables, findings=findings, headline=in_short(findings[0]))


def _trials(material: Material, study: ComparedStudy) -> list[_DecayTrial]:
    return [
        _DecayTrial(
            run=run,
            decay=float(run.params["rho"]),
            rate=float(run.params["learning_rate"]),
            loss=float("inf") if run.state == "diverged" else last_loss(material, run),
        )
        for run in study.trials
        if run.state in ("complete", "diverged")
    ]


def _sensitivity(
    losses: np.ndarray[tuple[int, ...], np.dtype[np.float64]], *, rates: Sequence[float], decays: Sequence[float]
) -> bytes:
    """Draw one line for each rate; decays have equal distances, since 1 has no place on the logarithmic axis."""
    figure = new_figure(height=3.6)
    axes = figure.add_subplot()
    looks = _looks(len(rates))
    for row, rate, look in zip(losses, rates, looks, strict=True):
        shown = np.where(np.isfinite(row) & (row > 0), row, np.nan)
        axes.plot(range(len(decays)), shown, marker="o", ms=5, lw=2, color=look.color, label=f"rate {rate:g}")
    if axes.lines and np.isfinite(axes.dataLim.intervaly).all():
        log_axis(axes, "y", *axes.dataLim.intervaly)
    axes.set_xticks(range(len(decays)), [f"{decay:g}" for decay in decays])
    tidy(axes, x="decay", y="f at the end")
    legend(figure, axes)
    return to_svg(figure)


def _looks(n: int) -> list[Style]:
    """Return styles for lines of one optimizer, which differ in color as long as there are enough colors."""
    return styles([_COLORED[index % len(_COLORED)] for index in range(n)])


def _paths(material: Material, study: ComparedStudy, trials: Sequence[_DecayTrial]) -> tuple[Picture, ...]:
    """Draw the paths at the rate of the best pair, at which decays differ most visibly."""
    best = min(trials, key=lambda trial: trial.loss)
    chosen = [trial for trial in trials if trial.rate == best.rate and np.isfinite(trial.loss)]
    if not chosen:
        return ()
    paths = [
        walked(material, study, run=trial.run, label=f"decay {trial.decay:g}, rate {trial.rate:g}", style=look)
        for trial, look in zip(chosen, _looks(len(chosen)), strict=True)
    ]
    scene = build_scene(landscape_walked(material, [study]), paths)
    return pictures_of(scene, name="decays", title=f"RMSprop at rate {best.rate:g}")


def _first_steps(material: Material, study: ComparedStudy, ones: Sequence[_DecayTrial]) -> list[_FirstStep]:
    """Return the first steps at a decay of 1: by both rules, and as recorded.

    Raises:
        LookupError: The landscape is not quadratic.
    """
    landscape = landscape_walked(material, [study])
    quadratic = as_quadratic(landscape)
    if quadratic is None:
        raise LookupError(f"model={study.record.model} is not quadratic")
    steps = []
    for trial in ones:
        firsts = []
        for inside in (False, True):
            rule = RMSprop(learning_rate=trial.rate, rho=1.0, epsilon=EPSILON, epsilon_inside_root=inside)
            positions, _ = walk(quadratic, rule, landscape.start, n_steps=1)
            firsts.append(float(positions[1, 0] - positions[0, 0]))
        recorded = material.history(trial.run, "x1")
        seen = float(recorded[0] - landscape.start[0]) if len(recorded) else float("nan")
        steps.append(_FirstStep(trial=trial, article=firsts[0], keras=firsts[1], recorded=seen))
    return steps


def _table(steps: Sequence[_FirstStep]) -> Table:
    return Table(
        caption=f"Decay 1, epsilon {EPSILON:g}: the first step along x1 by the published rule, lr·g/ε; by Keras's, "
        "lr·g/√ε; and as Keras took it.",
        header=("", "lr·g/ε", "lr·g/√ε", "recorded", "state"),
        rows=tuple(
            (
                f"rate {step.trial.rate:g}",
                *(f"{length:.6g}" for length in (step.article, step.keras, step.recorded)),
                str(step.trial.run.state),
            )
            for step in steps
        ),
    )


def _claim(steps: Sequence[_FirstStep]) -> tuple[str, ...]:
    """Judge the second half of the claim: Keras divides by epsilon alone at a decay of 1; and say what comes of it."""
    if not steps:
        return (f"{fact(None)}: no trial at a decay of 1 ran.",)
    n, n_claimed = len(steps), sum(step.as_claimed for step in steps)
    n_diverged = sum(step.trial.run.state == "diverged" for step in steps)
    unknown = any(math.isnan(step.recorded) for step in steps)
    last = steps[-1]
    return (
        f"{fact(None if unknown else n_claimed == n)}: at a decay of exactly 1 the first step divides by epsilon "
        f"alone at {n_claimed} of {n} "
        f"rates. At rate {last.trial.rate:g} it is {last.recorded:.4g} along x1; Keras's rule, lr·g/√ε, gives "
        f"{last.keras:.4g}, the article's, lr·g/ε, {last.article:.4g}. After such a step {n_diverged} of {n} rates "
        "diverged.",
    )


def _findings(trials: Sequence[_DecayTrial], *, n_steps: int) -> tuple[str, ...]:
    best = min(trials, key=lambda trial: trial.loss)
    sentences = [
        f"The lowest value after {n_steps} steps, {number(best.loss)}, is that of decay {best.decay:g} at rate "
        f"{best.rate:g}.",
    ]
    for rate in sorted({trial.rate for trial in trials}):
        finite = [trial for trial in trials if trial.rate == rate and trial.decay < 1 and np.isfinite(trial.loss)]
        if len(finite) > 1:
            low, high = (pick(finite, key=lambda trial: trial.loss) for pick in (min, max))
            sentences.append(
                f"At rate {rate:g} the decays below 1 move it from {number(low.loss)} (decay {low.decay:g}) to "
                f"{number(high.loss)} (decay {high.decay:g})."
            )
    return tuple(sentences)
