"""S16: the convex online problem on which Adam converges to the wrong end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.rankings import by_setting
from study.gallery.analysis.verdicts import ClaimVerdict, in_short
from study.gallery.figures.loss_curves import Curve, loss_curves
from study.report.figures.style import Style, styles
from study.report.studies import Entry

Floats = NDArray[np.float64]

ABOUT = About(
    title="Adam at the wrong end",
    question="Can Adam go to the wrong end of a convex online problem, and does AMSGrad go to the right one?",
    source="S. J. Reddi, S. Kale and S. Kumar, On the convergence of Adam and beyond (ICLR 2018), section 3.",
    claim="Where the cost is C x at every third step and -x at the others, x in [-1, 1], Adam ends at x = 1, the "
    "worst there is, so that its regret per step does not vanish; AMSGrad ends at x = -1, the best.",
    traps=(
        "The proof takes beta_1 = 0 and beta_2 = 1 / (1 + C²), far from the 0.9 and 0.999 that everybody uses: the "
        "large gradient is forgotten before the next one comes. The usual ones are shown beside.",
        "Keras corrects AMSGrad's bias, which the paper does not. With the betas of the proof this is no difference "
        "after a few steps; at beta_2 = 0.999 the rate is still a quarter smaller after 800 steps.",
        "Adam begins at its worst point here, as in the proof. Staying there is what is shown.",
    ),
)
# Both optimizers: the claim compares them.
SMALLEST = ("setting=theorem",)
# How near counts as at an end, as a share of the way between both.
_NEAR = 0.05
_DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True, kw_only=True)
class _OnlineRun:
    """The positions and the regret of one optimizer under one setting.

    Attributes:
        label: Names of the optimizer and the setting.
        positions: Position after each cycle, shape (n_cycles,).
        regret: Regret per step up to the end of each cycle, shape (n_cycles,).
    """

    optimizer: str
    setting: str
    positions: Floats
    regret: Floats

    @property
    def label(self) -> str:
        return f"{self.optimizer}, {self.setting} betas"


def show(material: Material) -> PageContents:
    """Return the positions and the regret of each optimizer, and the verdict on the claim.

    Args:
        material: The data of the page.
    """
    config = next(iter(material.configs.values()))
    costs = [float(cost) for cost in config["dataset"]["costs"]]
    ends = (float(config["model"]["low"]), float(config["model"]["high"]))
    best = min(ends, key=lambda x: sum(costs) * x)
    settings = by_setting(material)
    runs = [
        _online_run(material, name, setting, entry, costs=costs, best=best)
        for setting, entries in settings.items()
        for name, entry in entries.items()
    ]
    findings = _findings(runs, ends, best)
    return PageContents(
        pictures=_pictures(runs, list(settings), n_costs=len(costs), best=best),
        tables=(_table(runs, best),),
        findings=findings,
        headline=in_short(findings[0]),
    )


def _pictures(
    runs: Sequence[_OnlineRun], settings: Sequence[str], *, n_costs: int, best: float
) -> tuple[Picture, ...]:
    return (
        Picture(
            name="position",
            caption=f"Where x is after each cycle of {n_costs} steps; {best:g} is best. By color the optimizer, by "
            "line the setting.",
            data=_draw(runs, settings, y="x", regret=False),
            suffix="svg",
        ),
        Picture(
            name="regret",
            caption=f"What the steps so far have cost beyond staying at {best:g} throughout, a step: it goes to 0 "
            "where an optimizer learns.",
            data=_draw(runs, settings, y="regret a step", regret=True),
            suffix="svg",
        ),
    )


def _table(runs: Sequence[_OnlineRun], best: float) -> Table:
    return Table(
        caption=f"After {max(len(run.positions) for run in runs)} cycles; the best x is {best:g}.",
        header=("optimizer", "x at the end", "regret a step, half way", "regret a step, at the end"),
        rows=tuple(
            (
                run.label,
                f"{run.positions[-1]:.4f}",
                f"{run.regret[len(run.regret) // 2]:.4f}",
                f"{run.regret[-1]:.4f}",
            )
            for run in runs
        ),
    )


def _online_run(
    material: Material, name: str, setting: str, entry: Entry, *, costs: Sequence[float], best: float
) -> _OnlineRun:
    run = (entry.tuned or entry.trials)[0]
    paid = material.history(run, "loss") * len(costs)  # cost of a cycle; the loss is the mean over its steps
    beyond = np.cumsum(paid - sum(costs) * best)
    steps = len(costs) * np.arange(1, len(paid) + 1)
    return _OnlineRun(
        optimizer=name, setting=setting, positions=material.history(run, "val_x"), regret=np.asarray(beyond / steps)
    )


def _draw(runs: Sequence[_OnlineRun], settings: Sequence[str], *, y: str, regret: bool) -> bytes:
    looks = _styles(runs, settings)
    curves = [
        Curve(label=run.label, values=run.regret if regret else run.positions, style=looks[run.label]) for run in runs
    ]
    return loss_curves(curves, x="cycle", y=y, log=False)


def _styles(runs: Sequence[_OnlineRun], settings: Sequence[str]) -> Mapping[str, Style]:
    plain = {run.optimizer: styles([run.optimizer])[0] for run in runs}
    return {
        run.label: Style(
            color=plain[run.optimizer].color,
            dash=_DASHES[settings.index(run.setting) % len(_DASHES)],
            marker=plain[run.optimizer].marker,
        )
        for run in runs
    }


def _findings(runs: Sequence[_OnlineRun], ends: tuple[float, float], best: float) -> tuple[str, ...]:
    """Return, by setting, the end of each optimizer, with the verdict on the claim."""
    worst = ends[0] if best == ends[1] else ends[1]
    middle = sum(ends) / 2
    sentences: list[str] = []
    for setting in dict.fromkeys(run.setting for run in runs):
        ended = {run.optimizer: run.positions[-1] for run in runs if run.setting == setting}
        if not {"adam", "amsgrad"} <= set(ended):
            continue
        verdict = _judged(ended["adam"], ended["amsgrad"], best=best, worst=worst)
        regret = {run.optimizer: run.regret[-1] for run in runs if run.setting == setting}
        # The claim is about the first betas, so its badge is their verdict: it begins a sentence.
        begin = f"{verdict} with" if not sentences else "With"
        end = f" {verdict[0].lower()}{verdict[1:]}" if sentences else ""
        sentences.append(
            f"{begin} the {setting} betas{end}: Adam ends at "
            f"{ended['adam']:.3f}, AMSGrad at {ended['amsgrad']:.3f} (best {best:g}, worst {worst:g}, middle "
            f"{middle:g}); their regrets a step are {regret['adam']:.3f} and {regret['amsgrad']:.3f}."
        )
    return tuple(sentences) or (
        f"{ClaimVerdict.INCONCLUSIVE}: Adam and AMSGrad did not both run with the same betas.",
    )


def _judged(adam: float, amsgrad: float, *, best: float, worst: float) -> ClaimVerdict:
    """Judge that Adam ends at the worst end and AMSGrad at the best; one between them has not arrived at either."""
    if not np.all(np.isfinite([adam, amsgrad])):
        return ClaimVerdict.INCONCLUSIVE
    near = _NEAR * abs(best - worst)
    if abs(adam - best) <= near or abs(amsgrad - worst) <= near:
        return ClaimVerdict.CONTRADICTED
    if abs(adam - worst) <= near and abs(amsgrad - best) <= near:
        return ClaimVerdict.HELD
    return ClaimVerdict.NOT_SHOWN
