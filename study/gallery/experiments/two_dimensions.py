"""S7: five optimizers on an ellipse at their published rates, compared with the published recursions in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.landscape_walks import (
    detour,
    landscape_walked,
    last_loss,
    number,
    pictures_of,
    run_of,
    studies_of,
)
from study.gallery.analysis.reference_walks import EPSILON, article_rule, walk
from study.gallery.analysis.run_scores import listed
from study.gallery.analysis.verdicts import fact
from study.gallery.figures.paths import OptimizerPath, build_scene, still, walked
from study.optimizers.stability import as_quadratic
from study.report.studies import ComparedStudy

ABOUT = About(
    title="Five optimizers on an ellipse",
    question="How do SGD, momentum, AdaGrad, Adam and RMSProp go down f(x1, x2) = x1²/20 + x2², each at the rate that "
    "was published for it?",
    source="K. Saitoh, Deep Learning from Scratch (O'Reilly Japan, 2016), section 6.1; RMSProp joins the four of its "
    "figure with rate 0.1 and decay 0.99.",
    claim="SGD goes zigzag, since the gradient does not point at the minimum, and is the least efficient; the others "
    "reach the minimum on more direct ways.",
    traps=(
        "The figure of the source is drawn with optimizers that already hold the state of a first pass of 30 steps. "
        "Here each optimizer is fresh; the carried state is shown beside it.",
        f"Epsilon: the source adds {EPSILON:g} to the root for AdaGrad and RMSProp, Keras adds it inside the root. "
        "Adam is the same rule in both.",
        "Keras starts AdaGrad's accumulator at 0.1 unless told otherwise; here it starts at 0, as published.",
        "One rate was picked for each optimizer by hand, so the picture compares rates as much as rules.",
    ),
)
_ORDER = ("sgd", "momentum", "adagrad", "adam", "rmsprop")
_TOLERANCE = 1e-6
# Of the figure. The ways of fewer steps are other ones.
_STEPS = 30


@dataclass(frozen=True, kw_only=True)
class _EllipseWalk:
    """One optimizer's path, recorded and by the published rule.

    Attributes:
        name: Name of the optimizer.
        path: The recorded path.
        again: The path of the published rule that starts with the state of a first pass.
        recorded: The last recorded loss.
        by_rule: The last loss by the published rule in NumPy.
        by_rule_again: The last loss of the second pass.
    """

    name: str
    path: OptimizerPath
    again: OptimizerPath
    recorded: float
    by_rule: float
    by_rule_again: float

    @property
    def difference(self) -> float:
        """Distance of the recorded value from that of the published rule."""
        return abs(self.recorded - self.by_rule)


def show(material: Material) -> PageContents:
    """Return the five paths, the values after the last step with those of the recursions, and a kept state's effect.

    Args:
        material: The data of the page.
    """
    studies = studies_of(material, order=_ORDER)
    landscape = landscape_walked(material, studies)
    walks = [_walk(material, study) for study in studies]
    scene = build_scene(landscape, [each.path for each in walks])
    second = build_scene(landscape, [each.again for each in walks])
    carried = Picture(
        name="ellipse-carried-state",
        caption="The same in NumPy with optimizers that hold the state of a first pass, as in the source's figure.",
        data=still(second, title="second pass, state carried over", apart=True),
        suffix="svg",
    )
    headline, *findings = _findings(walks)
    return PageContents(
        pictures=(*pictures_of(scene, name="ellipse", title="x1²/20 + x2²"), carried),
        tables=(_table(walks),),
        findings=tuple(findings),
        headline=headline,
    )


def _walk(material: Material, study: ComparedStudy) -> _EllipseWalk:
    """Read one optimizer's path, and compute it again by the published rule.

    Raises:
        LookupError: The landscape is not quadratic, or the optimizer is not one of the published ones.
    """
    landscape = landscape_walked(material, [study])
    quadratic = as_quadratic(landscape)
    if quadratic is None:
        raise LookupError(f"model={study.record.model} is not quadratic")
    path = walked(material, study)
    rule = article_rule(material.configs[study.record.name]["optimizer"])
    first, state = walk(quadratic, rule, landscape.start, n_steps=path.n_steps)
    second, _ = walk(quadratic, rule, landscape.start, n_steps=path.n_steps, state=state)
    return _EllipseWalk(
        name=study.record.optimizer,
        path=path,
        again=replace(path, positions=second, diverged=False),
        recorded=last_loss(material, run_of(study)),
        by_rule=float(landscape.heights(first[-1])),
        by_rule_again=float(landscape.heights(second[-1])),
    )


def _table(walks: Sequence[_EllipseWalk]) -> Table:
    n_steps = max(each.path.n_steps for each in walks)
    return Table(
        caption=f"f after {n_steps} steps: as Keras trained it, by the published rule in NumPy, and by that rule with "
        "the state of a first pass. Detour: the length of the way over that of the straight line between its ends.",
        header=("optimizer", "Keras", "published rule", "difference", "with carried state", "detour"),
        rows=tuple(
            (
                each.path.label,
                f"{each.recorded:.9g}",
                f"{each.by_rule:.9g}",
                f"{each.difference:.1e}",
                f"{each.by_rule_again:.9g}",
                f"{detour(each.path.positions):.3g}",
            )
            for each in walks
        ),
    )


def _findings(walks: Sequence[_EllipseWalk]) -> tuple[str, ...]:
    n_steps = max(each.path.n_steps for each in walks)
    worst = max(walks, key=lambda each: each.difference)
    agree = "agree" if worst.difference <= _TOLERANCE else "do not agree"
    ranked = sorted(walks, key=lambda each: each.recorded)
    changed = sorted(walks, key=lambda each: each.by_rule_again)
    return (
        *_claim(walks),
        f"After {n_steps} steps Keras and the published rules {agree} to {_TOLERANCE:g}; the largest difference is "
        f"{worst.difference:.1e}, of {worst.name}.",
        f"By the value after {n_steps} steps the order is {_order(ranked)}.",
        f"With the state of a first pass it is {_order(changed, again=True)}.",
    )


def _claim(walks: Sequence[_EllipseWalk]) -> tuple[str, ...]:
    """Return a headline, and the verdicts that SGD took the longest way and that it ended highest."""
    sgd = next((each for each in walks if each.name == "sgd"), None)
    if sgd is None or len(walks) < 2:
        return "", f"{fact(None)}: SGD and another optimizer did not both run."
    detours = {each.name: detour(each.path.positions) for each in walks}
    longest = max(detours, key=lambda name: detours[name])
    others = sorted(value for name, value in detours.items() if name != "sgd")
    lower = [each.name for each in walks if each is not sgd and each.recorded < sgd.recorded]
    higher = [each.name for each in walks if each.recorded > sgd.recorded]
    span = f"{others[0]:.3g} to {others[-1]:.3g}" if len(others) > 1 else f"{others[0]:.3g}"
    way = f"{detours['sgd']:.3g} times the straight line, the others' {span} times"
    way += "" if longest == "sgd" else f"; the longest is that of {longest}"
    ended = f"SGD ends at {number(sgd.recorded)}, {f'lower than {listed(higher)}' if higher else 'the highest of all'}"
    is_short = max(each.path.n_steps for each in walks) < _STEPS
    direct, least = (None if is_short else holds for holds in (longest == "sgd", len(lower) == len(walks) - 1))
    return (
        f"SGD's way is {way}; at these rates {ended}.",
        f"{fact(direct)}, that SGD goes zigzag and the others more directly: its way is {way}. "
        f"{fact(least)}, that SGD is the least efficient: at these rates {ended}.",
    )


def _order(walks: Sequence[_EllipseWalk], *, again: bool = False) -> str:
    return ", ".join(f"{each.name} ({number(each.by_rule_again if again else each.recorded)})" for each in walks)
