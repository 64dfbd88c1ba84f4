"""S4: seven optimizers on Beale's function and at a saddle point."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.gallery import About, Material, PageContents, Table
from study.gallery.analysis.landscape_walks import number, pictures_of, scene_of, studies_of
from study.gallery.analysis.run_scores import listed
from study.gallery.analysis.verdicts import fact, in_short
from study.gallery.figures.paths import Scene

ABOUT = About(
    title="Optimizers on Beale's function and at a saddle point",
    question="How do seven optimizers walk on a surface with steep corners and a flat valley, and how do they leave a "
    "saddle point?",
    source="The animations by A. Radford that the notes of Stanford's course CS231n made known (Neural networks, "
    "part 3, 2015).",
    claim="At a saddle point SGD has a very hard time and stays on the ridge, while optimizers that divide by the "
    "size of past gradients leave it at once.",
    traps=(
        "The animations name no rates. Those here were chosen by hand so that all seven get somewhere on Beale's "
        "function; another choice makes another race.",
        "The start lies a thousandth beside the ridge. Exactly on it the second gradient is zero, and no optimizer "
        "here would ever leave.",
        "A saddle without a lowest point rewards whoever takes the largest steps; nothing follows for a loss that is "
        "bounded.",
    ),
)
# The smallest sweep that has a page.
SMALLEST = ("model=beale,saddle", "optimizer=sgd,adam")
_ORDER = ("sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam")
_TITLES = {"beale": "Beale's function", "saddle": "The saddle x1² - x2²"}
# Distance along the second axis from which on an optimizer has left the saddle.
_LEFT = 1.0
_ADAPTIVE = ("adagrad", "adadelta", "rmsprop", "adam")
# The share of the steps within which leaving counts as leaving at once.
_AT_ONCE = 0.2
# After fewer steps than these, staying on the saddle shows nothing.
_STEPS = 150


def show(material: Material) -> PageContents:
    """Return the paths on both landscapes, the heights at their ends, and the steps at which the saddle was left.

    Args:
        material: The data of the page.
    """
    names = [study.record.optimizer for study in studies_of(material, model="beale", order=_ORDER)]
    scenes = {model: scene_of(material, studies_of(material, model=model, order=_ORDER)) for model in _TITLES}
    pictures = [
        picture
        for model, scene in scenes.items()
        for picture in pictures_of(scene, name=model, title=_TITLES[model], apart=False)
    ]
    left = {name: _leaves(path.positions) for name, path in zip(names, scenes["saddle"].paths, strict=True)}
    ends = {name: float(heights[-1]) for name, heights in zip(names, scenes["beale"].heights, strict=True)}
    findings = _findings(scenes["saddle"], left, ends)
    return PageContents(
        pictures=tuple(pictures),
        tables=(_table(scenes, names, left),),
        findings=findings,
        headline=in_short(findings[0], capital=False),
    )


def _leaves(positions: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> int | None:
    """Return the first step after which a path is off the saddle; None if it stays."""
    far = np.abs(positions[:, 1]) > _LEFT
    return int(np.argmax(far)) if far.any() else None


def _table(scenes: dict[str, Scene], names: Sequence[str], left: dict[str, int | None]) -> Table:
    beale, saddle = scenes["beale"], scenes["saddle"]
    n_steps = max(path.n_steps for path in saddle.paths)
    rows = []
    for index, name in enumerate(names):
        on_beale = number(float(beale.heights[index][-1])) + (" (diverged)" if beale.paths[index].diverged else "")
        step = left[name]
        when = f"not in {n_steps}" if step is None else str(step)
        rows.append((beale.paths[index].label, on_beale, when, f"{saddle.paths[index].positions[-1, 1]:.3g}"))
    return Table(
        caption=f"After {n_steps} steps: the value on Beale's function, whose minimum is 0; the step after which "
        f"|x2| > {_LEFT:g} on the saddle, and x2 at the end.",
        header=("optimizer", "Beale", "leaves the saddle", "x2 at the end"),
        rows=tuple(rows),
    )


def _findings(saddle: Scene, left: dict[str, int | None], ends: dict[str, float]) -> tuple[str, ...]:
    """Judge the claim by the paths themselves: nothing here is left to chance."""
    n_steps = max(path.n_steps for path in saddle.paths)
    gone = sorted((step, name) for name, step in left.items() if step is not None)
    stayed = [name for name, step in left.items() if step is None]
    adaptive = [left[name] for name in _ADAPTIVE if name in left]
    soon = _AT_ONCE * n_steps
    holds = None
    if adaptive and "sgd" in left and n_steps >= _STEPS:
        holds = left["sgd"] is None and all(step is not None and step <= soon for step in adaptive)
    heights = {name: height if np.isfinite(height) else np.inf for name, height in ends.items()}
    first, last = (pick(heights, key=lambda name: heights[name]) for pick in (min, max))
    return (
        f"{fact(holds)} at these rates: {listed([f'{name} after {step} steps' for step, name in gone])} left the "
        f"saddle, {listed(stayed)} stayed within {n_steps}. At once is within {soon:.0f} steps; to leave is to reach "
        f"|x2| > {_LEFT:g}.",
        f"On Beale's function {first} came lowest, to {number(heights[first])}, and {last} stayed highest, at "
        f"{number(heights[last])}. Rates chosen by hand do not rank rules.",
    )
