"""S17: full-batch, mini-batch and single-sample gradient descent over steps, examples and seconds."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.core.records import RunRecord
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous, span_text
from study.gallery.analysis.rankings import rate_text
from study.gallery.analysis.run_scores import Seed, last_values, listed, mean_text, seed_of
from study.gallery.analysis.verdicts import all_of, greater
from study.gallery.figures.drawing import legend, log_axis, new_figure, tidy, to_svg
from study.gallery.figures.loss_curves import smoothed
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry

Floats = NDArray[np.float64]

ABOUT = About(
    title="Full batch, mini-batch, single examples",
    question="Which of full-batch, mini-batch and single-sample gradient descent is ahead by steps, by examples and "
    "by seconds, and how noisy is each?",
    source="The comparison that every course on gradient descent draws: one net and one rate, batches of all "
    "examples, of 32 and of 1.",
    claim="Full batches descend smoothly, a step at a time and slowly; single examples quickly and with much noise; "
    "mini-batches have the best of both.",
    traps=(
        "By steps the full batch looks best, by examples the single one: an axis decides who is ahead.",
        "By seconds it depends on the machine: a step over 32 examples takes little longer than one over a single "
        "example, as long as the arithmetic is done for all at once.",
        "One rate for all three: the noisier the gradient, the smaller the rate that it bears.",
        "The loss of a batch is that of the examples just fitted; its noise is that of the draw, and says little "
        "about the weights.",
    ),
)
SMALLEST = ("setting=shared",)

_NAMES = {"full": "full batch", "mini": "batches of 32", "single": "single examples"}
_COLORS = {"full": "#0072b2", "mini": "#009e73", "single": "#d55e00"}
_AXES = {"steps": "step", "examples": "examples seen", "seconds": "seconds of training"}
_FEWEST = {"steps": "after the fewest steps", "examples": "after the fewest examples", "seconds": "in the least time"}
# Window of the moving average, as a share of the recorded steps.
_SHARE = 0.1
# Number of recorded losses of batches whose mean is the loss at a step.
_N_AVERAGED = 20
# Seconds and noises, as logarithms, are known to a hundredth at best.
_RESOLUTION = 0.01
Entries = Mapping[str, Mapping[str, Entry]]


def show(material: Material) -> PageContents:
    """Return the loss over steps, examples and seconds, at the shared rate and tuned, with the noise of each size.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    entries = _entries(material)
    return PageContents(
        pictures=tuple(_picture(material, setting, own) for setting, own in entries.items()),
        tables=(_table(material, entries, metric),),
        findings=(*_claim(material, entries, metric), *_noise_told(material, entries)),
        headline=next(filter(None, (_headline(material, own) for own in entries.values())), ""),
    )


def _entries(material: Material) -> Entries:
    """Return the entries by setting and by batch, in the order of `_NAMES`."""
    found: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in material.experiment.entries:
        config = material.configs[entry.studies[0].record.name]
        found[str(config.get("setting"))][str(config.get("batch"))] = entry
    return {
        setting: {batch: found[setting][batch] for batch in _NAMES if batch in found[setting]}
        for setting in sorted(found)
    }


def _every(material: Material, entry: Entry) -> int:
    config: Mapping[str, Any] = material.configs[entry.studies[0].record.name]
    return int(config["tracking"]["every_n_steps"])


def _along(material: Material, entry: Entry, run: RunRecord) -> dict[str, Floats]:
    """Return the recorded losses of a run, with their positions on each axis."""
    losses = material.history(run, "step_loss")
    steps = _every(material, entry) * np.arange(1, len(losses) + 1, dtype=np.float64)
    per_step = {name: run.metrics.get(name, np.nan) / run.metrics.get("n_steps", np.nan) for name in _COSTS.values()}
    return {"loss": losses, "steps": steps} | {axis: steps * per_step[metric] for axis, metric in _COSTS.items()}


_COSTS = {"examples": "n_examples", "seconds": "seconds_train"}


def _picture(material: Material, setting: str, own: Mapping[str, Entry]) -> Picture:
    """Draw one seed's loss over the three axes, side by side: the moving average, and the raw losses in pale."""
    figure = new_figure(height=7.2)
    panels = figure.subplots(3, 1)
    lowest = np.inf
    for axes, (axis, told) in zip(panels, _AXES.items(), strict=True):
        for batch, entry in own.items():
            if not entry.tuned:
                continue
            along = _along(material, entry, entry.tuned[0])
            if len(along["loss"]):
                window = max(1, int(_SHARE * len(along["loss"])) // 2 * 2 + 1)
                shown = np.isfinite(along["loss"])
                at, losses = along[axis][shown], along["loss"][shown]
                every = max(1, len(at) // 400)  # more points than pixels are invisible
                axes.plot(at[::every], losses[::every], color=_COLORS[batch], lw=0.5, alpha=0.3)
                averaged = smoothed(losses, window)[::every]
                lowest = min(lowest, float(averaged.min()))
                axes.plot(at[::every], averaged, color=_COLORS[batch], lw=2, label=_NAMES[batch])
        if axes.lines:
            log_axis(axes, "x", *axes.dataLim.intervalx)
        tidy(axes, x=told, y="loss of a batch", grid="both")
    if 0 < lowest < np.inf:
        top = max(axes.dataLim.intervaly[1] for axes in panels)
        for axes in panels:  # otherwise examples that fit perfectly would take all the room
            log_axis(axes, "y", lowest / 3, top)
            axes.set_ylim(lowest / 3, 1.2 * top)
    legend(figure, panels[0])
    rates = ", ".join(f"{_NAMES[batch]} {rate_text(entry)}" for batch, entry in own.items())
    return Picture(
        name=f"loss-{setting}",
        caption=f"Loss of single batches, {setting} rate ({rates}), of one seed: raw and as a moving average, over "
        "steps, over examples seen and over seconds.",
        data=to_svg(figure),
        suffix="svg",
    )


def _noise(losses: Floats) -> float:
    """Return the noise of losses as a share of their mean: the deviation of steps between neighbors, over sqrt(2).

    The last half of the losses counts. The difference of neighbors cancels the trend; its variance is twice that of
    one
    of two independent draws. The noise is a share, since the three batch sizes end at losses of different size.
    """
    last = losses[len(losses) // 2 :]
    return float(np.std(np.diff(last)) / np.sqrt(2) / np.mean(last)) if len(last) > 2 else np.nan


def _noises(material: Material, entry: Entry) -> Floats:
    values: Floats = np.array([_noise(material.history(run, "step_loss")) for run in entry.tuned])
    return values[np.isfinite(values)]


def _table(material: Material, entries: Entries, metric: ObjectiveMetric) -> Table:
    rows = []
    for setting, own in entries.items():
        for batch, entry in own.items():
            steps, seconds = (last_values(entry.tuned, name) for name in ("n_steps", "seconds_train"))
            # Of the same seconds as the column beside it, so that steps times this are those seconds.
            per_step = 1e3 * float(np.median(seconds) / np.median(steps)) if len(steps) and len(seconds) else np.nan
            noise = _noises(material, entry)
            rows.append(
                (
                    f"{_NAMES[batch]}, {setting}",
                    rate_text(entry),
                    f"{np.median(steps):.0f}" if len(steps) else "",
                    _short(per_step) if np.isfinite(per_step) else "",
                    _short(float(np.median(seconds))) if len(seconds) else "",
                    f"{_short(float(np.min(seconds)))} to {_short(float(np.max(seconds)))}" if len(seconds) else "",
                    f"{np.median(noise):.3g}" if len(noise) else "",
                    mean_text(last_values(entry.tuned, metric.confirmed), metric),
                )
            )
    header = (
        *("batches", "rate", "steps", "ms a step", "seconds", "fastest to slowest seed, seconds"),
        *("noise, share of the loss", "test [95 % interval]"),
    )
    caption = (
        "After equally many epochs. Seconds are the time in training steps, without evaluation, of the median seed; "
        "steps times milliseconds a step are these seconds. Other programs on the machine can only slow a training "
        "down, so the fastest seed is closest to the machine's own speed. The noise is that of a batch's loss in the "
        "last half of the training."
    )
    return Table(caption=caption, header=header, rows=tuple(rows))


def _claim(material: Material, entries: Entries, metric: ObjectiveMetric) -> list[str]:
    """Judge that mini-batches are first by seconds and the noise falls with the batch; say who is first elsewhere."""
    told: list[str] = []
    for setting, own in entries.items():
        reached, level = _reached(material, own)
        if level is None:
            continue
        apart = _apart(material, {batch: own[batch] for batch in reached}, level)
        scores = [
            f"{_NAMES[batch]} {mean_text(last_values(own[batch].tuned, metric.confirmed), metric)}" for batch in own
        ]
        told.append(
            f"{all_of(greater(each) for _, each in apart)} with the {setting} rate: {_ratios(apart)}. "
            f"{_firsts_told(material, own)} Test {metric.spoken} after equally many epochs: {', '.join(scores)}."
        )
    return told


def _reached(material: Material, own: Mapping[str, Entry]) -> tuple[list[str], float | None]:
    """Return the batches that trained, and the last loss of the slowest, which all have reached; None without one."""
    reached = {batch: _final(material, entry) for batch, entry in own.items() if entry.tuned}
    known = len(reached) > 1 and all(np.isfinite(list(reached.values())))
    return list(reached), max(reached.values()) if known else None


def _firsts_told(material: Material, own: Mapping[str, Entry]) -> str:
    """Say which batch is first at the loss that all reach, on each axis; empty without such a loss."""
    reached, level = _reached(material, own)
    if level is None:
        return ""
    firsts = []
    for axis, words in _AXES.items():
        times = {batch: _first(material, own[batch], axis, level) for batch in reached}
        first = min(times, key=lambda batch: times[batch])
        or_before = " or before" if times[first] == _earliest(material, own[first], axis) else ""
        at = _duration(times[first]) if axis == "seconds" else _short(times[first])
        firsts.append(f"by {words.split(' ')[0]} {_NAMES[first]} ({at}{or_before})")
    return f"A loss of {_short(level)} is reached first {listed(firsts)}, by the medians over seeds."


def _headline(material: Material, own: Mapping[str, Entry]) -> str:
    """Say which batch comes to the loss that all reach with the fewest steps, examples and seconds."""
    reached, level = _reached(material, own)
    if level is None:
        return ""
    ways: dict[str, list[str]] = defaultdict(list)
    for axis, words in _FEWEST.items():
        times = {batch: _first(material, own[batch], axis, level) for batch in reached}
        first = min(times, key=lambda batch: times[batch])
        at = _duration(times[first]) if axis == "seconds" else _short(times[first])
        ways[first].append(f"{words} ({at})")
    told = "; ".join(f"{_NAMES[batch]} {listed(found)}" for batch, found in ways.items())
    return f"First at a loss of {_short(level)}: {told}."


def _apart(material: Material, own: Mapping[str, Entry], level: float) -> list[tuple[str, CorrectedDifference | None]]:
    """Return the four comparisons that the claim makes, each positive in its favor: differences of logarithms."""
    logs = {}
    for batch, entry in own.items():
        seconds = _firsts_by_seed(material, entry, "seconds", level)
        noise = {seed_of(run): _noise(material.history(run, "step_loss")) for run in entry.tuned}
        logs[batch] = [
            {seed: math.log(value) if 0 < value < math.inf else math.nan for seed, value in values.items()}
            for values in (seconds, noise)
        ]
    asked = [(0, "full", "mini"), (0, "single", "mini"), (1, "mini", "full"), (1, "single", "mini")]
    pairs = [(logs.get(more, [{}, {}])[which], logs.get(fewer, [{}, {}])[which]) for which, more, fewer in asked]
    words = [
        f"{('seconds', 'noise')[which]} of {_NAMES[more]} over that of {_NAMES[fewer]}" for which, more, fewer in asked
    ]
    return list(zip(words, simultaneous(pairs, step=_RESOLUTION), strict=True))


def _ratios(apart: Sequence[tuple[str, CorrectedDifference | None]]) -> str:
    told = []
    for words, each in apart:
        if each is None:
            told.append(f"{words} cannot be tested")
            continue
        span = span_text(each, number=_ratio)
        told.append(f"{words} {_ratio(each.mean)} [{span}]{'' if each.is_significant else ' (not significant)'}")
    return (
        f"{'; '.join(told)} (ratios, paired t intervals of their logarithms, Holm; seconds are those of this machine)"
    )


def _ratio(logarithm: float) -> str:
    return _short(math.exp(logarithm))


def _short(value: float) -> str:
    """Return a number with three digits, without an exponent as long as it is readable."""
    return f"{float(f'{value:.3g}'):g}"


def _duration(seconds: float) -> str:
    """Return a time with its unit."""
    return f"{_short(1e3 * seconds)} ms" if seconds < 1 else f"{_short(seconds)} s"


def _final(material: Material, entry: Entry) -> float:
    """Return the mean of the last tenth of the recorded losses, median over runs."""
    means = []
    for run in entry.tuned:
        losses = material.history(run, "step_loss")
        if len(losses):
            means.append(float(np.mean(losses[-max(1, len(losses) // 10) :])))
    return float(np.median(means)) if means else np.nan


def _window(material: Material, entry: Entry) -> int:
    """Return the number of recorded losses whose mean is the loss at a step: 1 for full batches."""
    config = material.configs[entry.studies[0].record.name]
    return 1 if config.get("batch") == "full" else _N_AVERAGED


def _first(material: Material, entry: Entry, axis: str, level: float) -> float:
    """Return where on an axis the loss is first at most a level, median over runs; infinite for nowhere."""
    firsts = list(_firsts_by_seed(material, entry, axis, level).values())
    return float(np.median(firsts)) if firsts else np.inf


def _firsts_by_seed(material: Material, entry: Entry, axis: str, level: float) -> dict[Seed, float]:
    """Return where on an axis the loss of each run is first at most a level; infinite for nowhere.

    The loss is the mean of `_window` recorded losses; its position is their middle.
    """
    window, firsts = _window(material, entry), {}
    for run in entry.tuned:
        along = _along(material, entry, run)
        if len(along["loss"]) < window:
            continue
        means = np.convolve(along["loss"], np.full(window, 1 / window), mode="valid")
        below = np.flatnonzero(means <= level)
        firsts[seed_of(run)] = float(along[axis][below[0] + window // 2]) if len(below) else np.inf
    return firsts


def _earliest(material: Material, entry: Entry, axis: str) -> float:
    """Return the earliest position that `_first` can return."""
    return _first(material, entry, axis, np.inf)


def _noise_told(material: Material, entries: Entries) -> list[str]:
    told = []
    for setting, own in entries.items():
        noises = {batch: _noises(material, entry) for batch, entry in own.items()}
        parts = [f"{_NAMES[batch]} {np.median(noise):.2g}" for batch, noise in noises.items() if len(noise)]
        if parts:
            told.append(
                f"Noise of the loss from one recorded batch to the next, {setting} rate: {listed(parts)} (deviation, "
                "as a share of the loss, median over seeds)."
            )
    return told
