"""S8: the rates of the ellipse on a landscape whose axes are not aligned: divergence, its reason, and tuned rates."""

from __future__ import annotations

from dataclasses import dataclass

from study.config.instantiate import locate
from study.gallery import About, Material, PageContents, Table
from study.gallery.analysis.landscape_walks import (
    landscape_walked,
    last_loss,
    number,
    pictures_of,
    run_of,
    scene_of,
    studies_of,
)
from study.gallery.analysis.reference_walks import article_rule, walk
from study.gallery.analysis.run_scores import listed
from study.gallery.analysis.verdicts import fact, in_short
from study.gallery.figures.paths import rate_of
from study.optimizers.landscape import Landscape
from study.optimizers.stability import Descent, as_quadratic
from study.report.studies import ComparedStudy

ABOUT = About(
    title="Five optimizers on a rotated valley",
    question="What becomes of the rates that were published for the ellipse where the valley lies along no axis, and "
    "of the optimizers once each rate is tuned?",
    source="The rates are those of K. Saitoh, Deep Learning from Scratch (O'Reilly Japan, 2016), section 6.1; the "
    "surface 0.1 (x1 + x2)² + 2 (x1 - x2)² is the same kind of valley, turned by 45 degrees and four times as steep.",
    claim="On a quadratic surface SGD converges below a rate of 2/λ and momentum below 2(1 + β)/λ, λ the largest "
    "eigenvalue of the Hessian: here 8, on the ellipse 2.",
    traps=(
        "A rate belongs to a surface: what is published for one says nothing about another.",
        "AdaGrad, RMSProp and Adam scale each coordinate by itself. A valley along no axis has gradients of like size "
        "in both, so there is nothing for them to tell apart.",
        "Tuned means the rate alone, by the value after as many steps from this one start; RMSProp and AdaGrad keep "
        "Keras's other arguments there (decay 0.9, accumulator from 0.1).",
    ),
)
_ORDER = ("sgd", "momentum", "adagrad", "adam", "rmsprop")
_PUBLISHED, _TUNED = "published", "tuned"


@dataclass(frozen=True, kw_only=True)
class _PublishedAndTuned:
    """The result of an optimizer at its published rate and at its tuned one.

    Attributes:
        name: Name of the optimizer.
        rates: The published and the tuned rate.
        losses: The last loss at each rate.
        diverged: For each rate, true if the trial was recorded as diverged.
        limit: The rate from which on the optimizer diverges here; None if no closed form is known.
        on_ellipse: The value at the published rate on the ellipse, in NumPy.
    """

    name: str
    rates: tuple[float, float]
    losses: tuple[float, float]
    diverged: tuple[bool, bool]
    limit: float | None
    on_ellipse: float


def show(material: Material) -> PageContents:
    """Return the paths at both rates, the values with those of the ellipse, and the reasons of divergence.

    Args:
        material: The data of the page.
    """
    published = studies_of(material, setting=_PUBLISHED, order=_ORDER)
    tuned = studies_of(material, setting=_TUNED, order=_ORDER)
    results = [_published_and_tuned(material, *pair) for pair in zip(published, tuned, strict=True)]
    scenes = [scene_of(material, studies) for studies in (published, tuned)]
    pictures = [
        *pictures_of(scenes[0], name="published", title="At the published rates"),
        *pictures_of(scenes[1], name="tuned", title="At the tuned rates"),
    ]
    curvature = _curvature(landscape_walked(material, published))
    findings = _findings(results, curvature)
    return PageContents(
        pictures=tuple(pictures),
        tables=(_table(results, n_steps=max(path.n_steps for path in scenes[1].paths)),),
        findings=findings,
        headline=in_short(findings[0], capital=False),
    )


def _published_and_tuned(material: Material, published: ComparedStudy, tuned: ComparedStudy) -> _PublishedAndTuned:
    runs = run_of(published), run_of(tuned)
    section = material.configs[published.record.name]["optimizer"]
    landscape = landscape_walked(material, [published])
    momentum = section.get("momentum")
    limit = None
    if published.record.optimizer in ("sgd", "momentum"):
        descent = Descent(learning_rate=float(section["learning_rate"]), momentum=float(momentum or 0.0))
        limit = descent.limit(_curvature(landscape))
    ellipse = Landscape(
        height=locate("study.models.landscape_functions.ellipse"), start=landscape.start, domain=landscape.domain
    )
    quadratic = as_quadratic(ellipse)
    assert quadratic is not None
    n_steps = len(material.history(runs[1], "loss"))
    there, _ = walk(quadratic, article_rule(section), landscape.start, n_steps=n_steps)
    return _PublishedAndTuned(
        name=published.record.optimizer,
        rates=(rate_of(material, published, runs[0]), rate_of(material, tuned, runs[1])),
        losses=(last_loss(material, runs[0]), last_loss(material, runs[1])),
        diverged=(runs[0].state == "diverged", runs[1].state == "diverged"),
        limit=limit,
        on_ellipse=float(ellipse.heights(there[-1])),
    )


def _curvature(landscape: Landscape) -> float:
    """Return the largest eigenvalue of the Hessian.

    Raises:
        LookupError: The landscape is not quadratic.
    """
    quadratic = as_quadratic(landscape)
    if quadratic is None:
        raise LookupError("a quadratic landscape")
    return float(quadratic.curvatures[-1])


def _table(results: list[_PublishedAndTuned], *, n_steps: int) -> Table:
    return Table(
        caption=f"f after {n_steps} steps, and the limit that the closed form names. On the ellipse: the published "
        "rule at the published rate from the same start, in NumPy.",
        header=("optimizer", "published rate", "f", "on the ellipse", "limit", "tuned rate", "f tuned"),
        rows=tuple(
            (
                result.name,
                f"{result.rates[0]:g}",
                number(result.losses[0]) + (" (diverged)" if result.diverged[0] else ""),
                number(result.on_ellipse),
                "-" if result.limit is None else f"{result.limit:g}",
                f"{result.rates[1]:.3g}",
                number(result.losses[1]) + (" (diverged)" if result.diverged[1] else ""),
            )
            for result in results
        ),
    )


def _findings(results: list[_PublishedAndTuned], curvature: float) -> tuple[str, ...]:
    with_limit = [result for result in results if result.limit is not None]
    as_told = [result for result in with_limit if (result.rates[0] > (result.limit or 0.0)) == result.diverged[0]]
    holds: bool | None = len(as_told) == len(with_limit)
    if holds and len({result.rates[0] > (result.limit or 0.0) for result in with_limit}) < 2:
        holds = None  # one side of the limits was not run
    reasons = []
    for result in with_limit:
        side = "above" if result.rates[0] > (result.limit or 0.0) else "below"
        seen = "diverged" if result.diverged[0] else "did not diverge"
        reasons.append(f"{result.name} at {result.rates[0]:g}, {side} its limit of {result.limit:g}, {seen}")
    best = min(results, key=lambda result: result.losses[1])
    tuned = [result.name for result in results if result.diverged[1]]
    gains = [f"{result.name} from {number(result.losses[0])} to {number(result.losses[1])}" for result in results]
    diverged = [result.name for result in results if result.diverged[0]]
    return (
        f"{fact(holds)}, with λ = {curvature:.4g}: {'; '.join(reasons) or 'no rule with a limit ran'}.",
        f"At the published rates {listed(diverged)} diverged; once tuned, {listed(tuned)}.",
        f"Tuning moves the last value of {'; '.join(gains)}. The lowest is that of {best.name}, at rate "
        f"{best.rates[1]:.3g}.",
    )
