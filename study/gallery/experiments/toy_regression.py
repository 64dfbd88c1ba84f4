"""S2: four optimizers on a parabola, step by step, with a linear output and with a ReLU at the output."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from study.config.instantiate import instantiate
from study.gallery import About, Material, PageContents, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous, span_text
from study.gallery.analysis.rankings import by_setting, changes, ranking, rankings_table
from study.gallery.analysis.run_scores import Seed, last_values, listed, mean_text, seed_of
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater
from study.gallery.figures.loss_curves import smoothed, step_losses
from study.report.objective_metric import MINUS, ObjectiveMetric
from study.report.studies import Entry

ABOUT = About(
    title="Four optimizers on a parabola",
    question="Which of four optimizers fits a noisy parabola first, and what does a ReLU at the output do to them?",
    source="Tutorials that train a 1-20-1 net on y = x² + 0.1 e, 1000 points in [-1, 1], with four optimizers side by "
    "side: rate 0.01, batches of 32, 5 epochs, momentum 0.9, RMSprop 0.9, Adam (0.9, 0.99).",
    claim="SGD is the slowest; momentum, RMSprop and Adam are far ahead of it.",
    traps=(
        "The output of the source's net is a ReLU too. Where it starts below 0 for all inputs it puts out 0 and has "
        "no gradient: it is dead, and no optimizer brings it back.",
        "The four nets there start from different weights, since nothing is seeded; here all optimizers share theirs.",
        "A curve of single batches shows the noise of the batches as well; so curves are smoothed.",
        "One rate for all, which suits Adam and RMSprop and is small for SGD.",
    ),
)
SMALLEST = ("setting=published,relu_output",)

_TITLES: Mapping[str, str] = {
    "published": "published rates, linear output",
    "relu_output": "published rates, ReLU at the output",
    "tuned": "tuned rates, linear output",
}
_OUTPUTS: Mapping[str, str] = {"published": "a linear output", "relu_output": "a ReLU at the output"}
_WINDOW = 9
# Relative difference of a dead network's loss from the mean square of the targets: a dead network's output is 0.
_DEAD_WITHIN = 1e-4
# An optimizer is far ahead if SGD needs more than this number of times its steps.
_FAR_AHEAD = 2
# Factors on the loss of the noise alone: up to the first a loss is near it, from the second on it is far.
_NEAR, _FAR = 1.5, 4.0


def show(material: Material) -> PageContents:
    """Return the loss of every step on one axis, for each setting, and the number of dead networks.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    given = by_setting(material)
    entries = {setting: given[setting] for setting in _TITLES if setting in given}
    rankings = [ranking(setting, own, metric) for setting, own in entries.items()]
    findings = [*_claim(material, entries), *_deaths(material, entries)]
    if {"published", "tuned"} <= set(entries):
        by_name = {each.setting: each for each in rankings}
        findings += changes(by_name["published"], by_name["tuned"], metric)
    return PageContents(
        pictures=tuple(
            step_losses(
                material, own, name=f"loss-{setting}", told=_TITLES[setting], title=_TITLES[setting], window=_WINDOW
            )
            for setting, own in entries.items()
        ),
        tables=(rankings_table(rankings, entries, metric), _deaths_table(material, entries, metric)),
        findings=tuple(findings),
        headline=_headline(material, entries),
    )


def _headline(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> str:
    """Return the order in which the optimizers come near the noise at the published rates."""
    arrivals = _arrivals(_steps(material, entries))
    told = [f"{name} {_arrival(arrivals[name])}" for name in sorted(arrivals, key=lambda name: arrivals[name])]
    return f"Near the noise at the published rates: {', '.join(told)}." if told else ""


Steps = Mapping[str, Mapping[Seed, float]]


def _steps(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> Steps:
    """Return the step after which each net is near the noise at the published rates; infinite for not at all."""
    level = _NEAR * _noise(material)
    return {
        name: {seed_of(run): _first_below(material.history(run, "step_loss"), level) for run in entry.tuned}
        for name, entry in entries.get("published", {}).items()
    }


def _arrivals(steps: Steps) -> dict[str, float]:
    return {name: float(np.median(list(at.values()))) if at else np.inf for name, at in steps.items()}


def _arrival(step: float) -> str:
    return "not at all" if np.isinf(step) else f"at step {step:.0f}"


def _claim(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> list[str]:
    """Judge by the steps to come near the noise that SGD is the slowest at the published rates, and who is far off."""
    own = entries.get("published", {})
    steps = _steps(material, entries)
    arrivals = _arrivals(steps)
    if "sgd" not in arrivals or len(arrivals) < 2:
        return [f"{ClaimVerdict.INCONCLUSIVE} at the published rates: SGD and another optimizer did not both run."]
    others = [name for name in arrivals if name != "sgd"]
    last = max((len(material.history(run, "step_loss")) for entry in own.values() for run in entry.tuned), default=0)
    # A net that does not arrive would do so after the last step at the earliest.
    capped = {name: {seed: min(at, last + 1.0) for seed, at in found.items()} for name, found in steps.items()}
    pairs = [
        (capped["sgd"], {seed: factor * at for seed, at in capped[name].items()})
        for factor in (1, _FAR_AHEAD)
        for name in others
    ]
    # Both parts of the claim are one family.
    apart = simultaneous(pairs, step=1.0)
    once, twice = (dict(zip(others, part, strict=True)) for part in (apart[: len(others)], apart[len(others) :]))
    n_late = sum(np.isinf(at) for at in steps["sgd"].values())
    late = f", at least, since {n_late} of its {len(steps['sgd'])} nets did not arrive" if n_late else ""
    told = listed([f"{name} {_arrival(at)}" for name, at in arrivals.items()])
    return [
        f"{all_of(map(greater, once.values()))} at the published rates, that SGD is the slowest: the smoothed loss of "
        f"a batch is first within {_NEAR} times the noise's own {_noise(material):.2g} for {told} (median over "
        f"seeds). SGD's steps minus the other's{late}: {_all_later(once)}. {_far_ahead(twice, is_open=bool(n_late))} "
        f"SGD's steps minus twice the other's: {_all_later(twice)} (paired t intervals, Holm over both lists)."
    ]


def _far_ahead(twice: Mapping[str, CorrectedDifference | None], *, is_open: bool) -> str:
    """Judge each optimizer by SGD's steps minus twice its own, and write the verdicts.

    Where SGD does not arrive, its steps are the least that it may need: they can show that another is far ahead, and
    not that it is not.
    """
    found = {name: greater(each) for name, each in twice.items()}
    if is_open:
        found = {
            name: ClaimVerdict.NOT_SHOWN if word is ClaimVerdict.CONTRADICTED else word for name, word in found.items()
        }
    by_word = {word: [name for name in found if found[name] is word] for word in ClaimVerdict}
    return " ".join(
        f"{word} for {listed(names)}, that SGD needs more than twice as many steps."
        for word, names in by_word.items()
        if names
    )


def _all_later(differences: Mapping[str, CorrectedDifference | None]) -> str:
    return ", ".join(f"{name} {_later(each)}" for name, each in differences.items())


def _later(difference: CorrectedDifference | None) -> str:
    if difference is None:
        return "too few seeds"
    return f"{difference.mean:+.0f} [{span_text(difference, '{:.0f}'.format)}]".replace("-", MINUS)


def _noise(material: Material) -> float:
    """Return the best possible loss, the variance of the noise."""
    return float(next(iter(material.configs.values()))["dataset"]["noise"]) ** 2


def _far(material: Material, entry: Entry) -> int:
    """Return the number of an entry's networks that end far from the noise, dead and diverged ones included."""
    losses = [run.metrics.get(material.experiment.metric.confirmed, np.nan) for run in entry.tuned]
    near = [
        run.state != "diverged" and loss <= _FAR * _noise(material)
        for run, loss in zip(entry.tuned, losses, strict=True)
    ]
    return near.count(False)


def _first_below(losses: np.ndarray, level: float) -> float:
    """Return the first step, from 1, with a smoothed loss of at most a level; infinite without such a step."""
    if not len(losses):
        return np.inf
    below = np.flatnonzero(smoothed(losses, _WINDOW) <= level)
    return float(below[0] + 1) if len(below) else np.inf


def _dead(material: Material, entry: Entry) -> int:
    """Return the number of an entry's networks whose output is 0 for all inputs in the end."""
    config = material.configs[entry.studies[0].record.name]
    section = {key: value for key, value in config["dataset"].items() if key not in ("name", "task")}
    zero = float(np.mean(np.square(instantiate(section).test.y.astype(np.float64))))
    losses = last_values(entry.tuned, material.experiment.metric.confirmed)
    return int(np.sum(np.abs(losses - zero) < _DEAD_WITHIN * zero))


def _deaths(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> list[str]:
    """Return sentences on the number of dead networks with a ReLU at the output, and without."""
    told = []
    for setting in ("relu_output", "published"):
        own = entries.get(setting, {}).values()
        dead, far = (sum(count(material, entry) for entry in own) for count in (_dead, _far))
        total = sum(len(entry.tuned) for entry in own)
        if total:
            told.append(
                f"with {_OUTPUTS[setting]} {dead} of {total} nets are dead at the end, and {far - dead} more are far "
                "from the noise"
            )
    if not told:
        return []
    return [
        f"At the published rates, {'; '.join(told)}. Far is a test loss above {_FAR:g} times the noise's variance, "
        "or divergence."
    ]


def _deaths_table(material: Material, entries: Mapping[str, Mapping[str, Entry]], metric: ObjectiveMetric) -> Table:
    """Return test losses of linear and ReLU outputs side by side, with the number of dead networks."""
    chosen = [setting for setting in _OUTPUTS if setting in entries]
    header = ["optimizer"]
    for setting in chosen:
        header += [f"{_OUTPUTS[setting]}: test loss [95 % interval]", "dead", "far"]
    rows = []
    for optimizer in dict.fromkeys(name for setting in chosen for name in entries[setting]):
        row = [optimizer]
        for setting in chosen:
            if optimizer not in entries[setting]:
                row += ["", "", ""]
                continue
            entry = entries[setting][optimizer]
            row.append(mean_text(last_values(entry.tuned, metric.confirmed), metric))
            row += [f"{count(material, entry)} of {len(entry.tuned)}" for count in (_dead, _far)]
        rows.append(tuple(row))
    caption = "At the published rates, the output linear and a ReLU. A dead net puts out 0 for every input; far is a "
    caption += f"test loss above {_FAR:g} times the noise's variance or divergence, the dead ones among them."
    return Table(caption=caption, header=tuple(header), rows=tuple(rows))
