"""S1: four optimizers written from scratch in NumPy, with the slips of the published code on and off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous
from study.gallery.analysis.grid import gap_text
from study.gallery.analysis.rankings import by_setting, ranking, rankings_table, rate_text
from study.gallery.analysis.run_scores import Seed, last_values, listed, mean_of, mean_text, seed_of
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater
from study.gallery.figures.loss_curves import Curve, loss_curves, stacked
from study.report.figures.style import styles
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry

ABOUT = About(
    title="Four optimizers from scratch in NumPy",
    question="How do mini-batch descent, momentum, RMSprop and Adam rank on a small net written in NumPy: at one "
    "rate, with the slips of the published code and without them, and tuned?",
    source="A course's network in NumPy: 12288-100-1, 259 images of 64x64x3, batches of 32, 499 passes, rate 0.01 for "
    "all. Its images are not public. Patches of two photographs that scikit-learn bundles stand in, as many and as "
    "large, of equal brightness and contrast: orders can be compared with the published one, accuracies cannot.",
    claim="Train accuracy at the rate 0.01: mini-batch 0.849, momentum 0.873, RMSprop 0.961, Adam 0.985.",
    traps=(
        "Dropout was not off at keep 1: a unit stayed where a standard normal draw was below keep, and at 1 that "
        "keeps 84 % of them, with nothing to make up for the rest.",
        "The output layer started with its fan-out in the place of its fan-in: weights of a spread of 1.41 instead of "
        "0.14.",
        "The cost that was plotted is the loss of the last batch of a pass, which has 3 images.",
        "Adam's t counted passes, not updates: all nine updates of the first pass were corrected as if each were the "
        "first one. Its epsilon stood inside the root, RMSprop's outside.",
        "Momentum was a running average, v = 0.9 v + 0.1 g, which at one rate takes a tenth of the step of the "
        "velocity v = 0.9 v + g: it needs ten times the rate.",
        "One rate for all ranks rates; and train accuracy says nothing about other images.",
    ),
)
SMALLEST = ("setting=published,corrected", "dataset.side=8")

_PUBLISHED: Mapping[str, float] = {
    "sgd": 0.849,
    "averaged_momentum": 0.873,
    "paper_rmsprop": 0.961,
    "paper_adam": 0.985,
}
_NAMES = {
    "sgd": "mini-batch",
    "averaged_momentum": "momentum",
    "paper_rmsprop": "RMSprop",
    "paper_adam": "Adam",
}
# Optimizers whose colors the rules get, in their order.
_LOOKS = ("sgd", "momentum", "rmsprop", "adam")
_SETTINGS: Mapping[str, str] = {
    "published": "all slips",
    "rules": "slips of the rules",
    "dropout": "slip of dropout",
    "spread": "slip of the spread",
    "corrected": "no slip",
    "tuned": "no slip, tuned rate",
}
_TRAIN = "accuracy"
# As published. The order after fewer passes is another question.
_PASSES = 499
_N_IMAGES = 259
Entries = Mapping[str, Mapping[str, Entry]]


def show(material: Material) -> PageContents:
    """Return the rankings with the published one, the effect of each slip, and the plotted cost with the whole loss.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    given = by_setting(material)
    # The rule of mini-batch descent has no slip, so one study has both settings, under one of their names.
    for here, there in (("corrected", "rules"), ("rules", "corrected")):
        if here in given and "sgd" in given.get(there, {}):
            given[here].setdefault("sgd", given[there]["sgd"])
    entries = {setting: given[setting] for setting in _SETTINGS if setting in given}
    pictures = [_losses(material, setting, own) for setting, own in entries.items() if setting in _PICTURED]
    pictures.append(_plotted_cost(material, entries))
    # In the tables, settings and rules have the names that the page uses; "published" is the source's own result.
    named = {
        _SETTINGS[setting]: {_NAMES[optimizer]: entry for optimizer, entry in entries[setting].items()}
        for setting in entries
        if setting in _PICTURED
    }
    rankings = [ranking(setting, own, metric) for setting, own in named.items()]
    return PageContents(
        pictures=tuple(pictures),
        tables=(
            _slips_table(entries, metric),
            _published_table(entries, metric),
            rankings_table(rankings, named, metric, rows_are="rule"),
        ),
        findings=(
            *_claim(material, entries, metric),
            *_slips(entries, metric),
            *_momentum(entries, metric),
            *_last_batch(material, entries),
        ),
        headline=_headline(entries),
    )


def _headline(entries: Entries) -> str:
    """Return the order by training accuracy under the first setting, beside the published one."""
    setting, own = next(iter(entries.items()))
    there = [o for o in sorted(_PUBLISHED, key=lambda optimizer: -_PUBLISHED[optimizer]) if o in own]
    orders = [", ".join(_NAMES[optimizer] for optimizer in order) for order in (_order(own), there)]
    return f"By mean train accuracy with {_SETTINGS[setting]}: {orders[0]}; published: {orders[1]}."


_PICTURED = ("published", "corrected", "tuned")


def _losses(material: Material, setting: str, own: Mapping[str, Entry]) -> Picture:
    """Draw the loss on all training images after each pass."""
    looks = styles(_LOOKS)
    curves = [
        Curve(
            label=_NAMES[optimizer],
            values=stacked([material.history(run, "loss") for run in own[optimizer].tuned]),
            style=looks[index],
        )
        for index, optimizer in enumerate(_PUBLISHED)
        if optimizer in own and own[optimizer].tuned
    ]
    rates = ", ".join(f"{_NAMES[name]} {rate_text(own[name])}" for name in _PUBLISHED if name in own)
    return Picture(
        name=f"loss-{setting}",
        caption=f"Loss on all training images after each pass, {_SETTINGS[setting]}: median and quartiles over seeds. "
        f"Rates: {rates}.",
        data=loss_curves(curves, x="pass", y="training loss", title=_SETTINGS[setting]),
        suffix="svg",
    )


def _plotted_cost(material: Material, entries: Entries) -> Picture:
    """Draw the loss of the last batch of each pass, and of all images, for one run of mini-batch descent."""
    run = entries["published"]["sgd"].tuned[0]
    whole, last = material.history(run, "loss"), material.history(run, "step_loss")
    looks = styles(["sgd", "momentum"])
    curves = [
        Curve(label="last batch of the pass, 3 images (plotted there)", values=stacked([last]), style=looks[1]),
        Curve(label="all training images", values=stacked([whole]), style=looks[0]),
    ]
    return Picture(
        name="plotted-cost",
        caption="One run of mini-batch descent with all slips: the cost that the source plots, and the loss.",
        data=loss_curves(curves, x="pass", y="loss"),
        suffix="svg",
    )


def _train(entry: Entry) -> float:
    """Return the mean training accuracy over seeds; NaN without a value."""
    interval = mean_of(last_values(entry.tuned, _TRAIN))
    return np.nan if interval is None else interval.estimate


def _order(own: Mapping[str, Entry]) -> list[str]:
    """Return the optimizers by training accuracy, the best first, and those without a value last."""
    return sorted(own, key=lambda optimizer: (not np.isfinite(_train(own[optimizer])), -_train(own[optimizer])))


def _published_table(entries: Entries, metric: ObjectiveMetric) -> Table:
    """Return training accuracies with the published ones, and their places."""
    there = sorted(_PUBLISHED, key=lambda optimizer: -_PUBLISHED[optimizer])
    shown = [setting for setting in _PICTURED if setting in entries]
    rows = []
    for optimizer in there:
        row = [_NAMES[optimizer], str(there.index(optimizer) + 1), f"{100 * _PUBLISHED[optimizer]:.1f}"]
        for setting in shown:
            own = entries[setting]
            known = optimizer in own
            row.append(str(_order(own).index(optimizer) + 1) if known else "")
            row.append(mean_text(last_values(own[optimizer].tuned, _TRAIN), metric) if known else "")
        rows.append(tuple(row))
    header = ["rule", "published: place", "published: train accuracy, %"]
    for setting in shown:
        header += [f"{_SETTINGS[setting]}: place", "train accuracy [95 % interval]"]
    caption = "Train accuracy after the last pass, nothing dropped, beside the published one of other images."
    return Table(caption=caption, header=tuple(header), rows=tuple(rows))


def _slips_table(entries: Entries, metric: ObjectiveMetric) -> Table:
    """Return training and test accuracy of each rule under each set of slips, at the shared rate."""
    rows = []
    for setting, own in entries.items():
        row = [_SETTINGS[setting]]
        for optimizer in _PUBLISHED:
            if optimizer not in own:
                row.append("")
                continue
            runs = own[optimizer].tuned
            train, test = (mean_of(last_values(runs, name)) for name in (_TRAIN, metric.confirmed))
            diverged = sum(run.state == "diverged" for run in runs)
            cell = " / ".join("none" if mean is None else metric.text(mean.estimate) for mean in (train, test))
            row.append(cell + (f", {diverged} of {len(runs)} diverged" if diverged else ""))
        rows.append(tuple(row))
    caption = (
        "Each slip on and off: train / test accuracy, means over seeds. Momentum without its slip is the average "
    )
    caption += "at ten times the rate, which is the velocity at 0.01; mini-batch descent has no slip of its rule."
    if any("diverged" in cell for row in rows for cell in row[1:]):
        caption += " Runs that diverged are in the means with the last accuracies that were measured."
    return Table(caption=caption, header=("setting", *_NAMES.values()), rows=tuple(rows))


def _claim(material: Material, entries: Entries, metric: ObjectiveMetric) -> list[str]:
    """Judge the published order by the seeds: with all slips, without them, and tuned."""
    there = sorted(_PUBLISHED, key=lambda optimizer: -_PUBLISHED[optimizer])
    told: list[str] = []
    for setting in _PICTURED:
        if setting not in entries:
            continue
        own = entries[setting]
        pairs = list(combinations([o for o in there if o in own], 2))
        scores = [(_train_scores(own[a]), _train_scores(own[b])) for a, b in pairs]
        apart = simultaneous(scores, step=1 / _N_IMAGES, bounds=(0.0, 1.0))
        n_passes = min(int(material.configs[e.studies[0].record.name]["budget"]["n_epochs"]) for e in own.values())
        judged = all_of(greater(each) for each in apart)
        told.append(
            f"{judged if n_passes >= _PASSES else ClaimVerdict.INCONCLUSIVE} with {_SETTINGS[setting]}: "
            f"{_passes(n_passes)}train accuracy is {_accuracies(own, metric)}. {_counted(pairs, apart, metric)}"
        )
    return told


def _passes(n_passes: int) -> str:
    """Return the part of a sentence on a training shorter than the published one, or nothing."""
    return f"after {n_passes} of the {_PASSES} passes the claim is open; " if n_passes < _PASSES else ""


def _accuracies(own: Mapping[str, Entry], metric: ObjectiveMetric) -> str:
    return ", ".join(f"{_NAMES[o]} {mean_text(last_values(own[o].tuned, _TRAIN), metric)}" for o in _order(own))


def _counted(
    pairs: Sequence[tuple[str, str]], apart: Sequence[CorrectedDifference | None], metric: ObjectiveMetric
) -> str:
    """Say which pairs differ significantly in the published order, and which in the opposite one."""
    found: dict[ClaimVerdict, list[str]] = {word: [] for word in ClaimVerdict}
    for (a, b), each in zip(pairs, apart, strict=True):
        shown = f" {gap_text(each, metric)}" if each is not None else ""
        found[greater(each)].append(f"{_NAMES[a]} above {_NAMES[b]}{shown}")
    if len(found[ClaimVerdict.INCONCLUSIVE]) == len(pairs):
        return f"Of the {len(pairs)} pairs none can be tested: fewer than three shared seeds trained."
    against = found[ClaimVerdict.CONTRADICTED]
    sentence = (
        f"Of the {len(pairs)} pairs, {len(found[ClaimVerdict.HELD])} differ significantly in the published order and "
        f"{len(against)} in the opposite one (paired t intervals, Holm over all pairs)"
    )
    listing = against or found[ClaimVerdict.NOT_SHOWN]
    return (
        f"{sentence}; {'against it' if against else 'not shown'}: {'; '.join(listing)}." if listing else f"{sentence}."
    )


def _train_scores(entry: Entry) -> dict[Seed, float]:
    return {seed_of(run): run.metrics.get(_TRAIN, np.nan) for run in entry.tuned}


def _slips(entries: Entries, metric: ObjectiveMetric) -> list[str]:
    """Say what each slip alone changes in train accuracy, with intervals over the shared seeds."""
    told = []
    clean = entries.get("corrected", {})
    for setting in ("rules", "dropout", "spread"):
        both = [name for name in _PUBLISHED if name in clean and name in entries.get(setting, {})]
        if setting == "rules":
            both = [name for name in both if name != "sgd"]  # it has no slip
        pairs = [(_train_scores(entries[setting][name]), _train_scores(clean[name])) for name in both]
        changes = [
            f"{_NAMES[name]} {gap_text(change, metric)}{'' if change.is_significant else ' (not significant)'}"
            for name, change in zip(both, simultaneous(pairs, step=1 / _N_IMAGES, bounds=(0.0, 1.0)), strict=True)
            if change is not None
        ]
        if changes:
            told.append(
                f"Train accuracy with the {_SETTINGS[setting]} minus that without (Holm's intervals): "
                f"{listed(changes)}."
            )
    return told


def _momentum(entries: Entries, metric: ObjectiveMetric) -> list[str]:
    """Return a sentence on the accuracies with the running average and with the velocity, at the rate 0.01."""
    pair = [entries.get(setting, {}).get("averaged_momentum") for setting in ("rules", "corrected")]
    if pair[0] is None or pair[1] is None:
        return []
    average, velocity = (metric.text(_train(entry)) for entry in pair if entry is not None)
    return [
        f"Momentum as a running average comes to {average} at the rate {rate_text(pair[0])}; with the velocity, which "
        f"is the average at the rate {rate_text(pair[1])}, it comes to {velocity}."
    ]


def _last_batch(material: Material, entries: Entries) -> list[str]:
    """Return a sentence on the jumps of the plotted cost, relative to those of the loss on all images."""
    ratios = []
    for run in entries.get("published", {})["sgd"].tuned:
        whole, last = material.history(run, "loss"), material.history(run, "step_loss")
        n = min(len(whole), len(last))
        jumps = [float(np.std(np.diff(losses[:n]))) if n > 1 else 0.0 for losses in (last, whole)]
        if jumps[1] > 0:
            ratios.append(jumps[0] / jumps[1])
    if not ratios:
        return []
    return [
        f"From one pass to the next, the loss of the last batch of 3 jumps {np.median(ratios):.1f} times as far as "
        "the loss on all training images (mini-batch descent, median over seeds)."
    ]
