"""S10: five optimizers on MNIST, at published rates and at tuned ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from study.gallery import About, Material, PageContents, Table
from study.gallery.analysis.grid import ordered
from study.gallery.analysis.rankings import by_setting, changes, ranking, rankings_table
from study.gallery.figures.loss_curves import step_losses
from study.report.studies import Entry
from study.statistics.holm import holm
from study.statistics.intervals import MIN_SEEDS, PairedDifference, paired_difference

ABOUT = About(
    title="Five optimizers on MNIST",
    question="Which of five optimizers learns MNIST fastest, at the published rates and at rates tuned for each?",
    source="K. Saitoh, Deep Learning from Scratch, O'Reilly Japan 2016, section 6.1; RMSprop is in its code.",
    claim="All the other rules learn faster than SGD; AdaGrad a little faster than the rest.",
    traps=(
        "One rate for several rules, 0.01, and another for Adam: a ranking of rates as much as of rules.",
        "The loss of a batch that is just being fitted is noisy, so a curve is smoothed before it is read; test "
        "accuracy is what counts.",
        "The source draws each batch with replacement, from all 60 000 training images. Here an epoch visits every "
        "image once, in an order of its own, and 5000 of them are held out for validation.",
        "Its AdaGrad starts from an accumulator of 0; Keras's default is 0.1. The published setting here has 0.",
    ),
)

_OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
# Share of the steps whose mean loss is the final loss: the last tenth.
_LAST = 0.1
_WINDOW = 21
_LEVEL = 0.05


def show(material: Material) -> PageContents:
    """Return the smoothed training loss under each setting, and the test accuracy at published and tuned rates.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    entries = {
        setting: {name: own[name] for name in ordered(own, _OPTIMIZERS)}
        for setting, own in by_setting(material).items()
    }
    rankings = [ranking(setting, entries[setting], metric) for setting in entries]
    pictures = tuple(
        step_losses(
            material,
            entries[setting],
            name=f"loss_{setting or 'training'}",
            told=_at(setting),
            title=setting,
            window=_WINDOW,
        )
        for setting in entries
    )
    findings: list[str] = []
    for setting in entries:
        findings += _against_sgd(material, setting, entries[setting])
    if len(rankings) == 2:
        findings += changes(rankings[0], rankings[1], metric)
    findings += _workload(material)
    return PageContents(
        pictures=pictures,
        tables=(rankings_table(rankings, entries, metric), _loss_table(material, entries)),
        findings=tuple(findings),
    )


def _at(setting: str) -> str:
    return f"at {setting} rates" if setting else "here"


def _workload(material: Material) -> tuple[str, ...]:
    """Return a sentence on the data set if it is not the published one."""
    name = next(iter(material.configs.values()))["dataset"]["name"]
    return () if name == "mnist" else (f"This was run on {name}, not on MNIST.",)


def _final_losses(material: Material, entry: Entry) -> dict[int, float]:
    """Return the mean loss of the last tenth of the recorded steps, by repetition; infinite if it diverged."""
    found = {}
    for run in entry.tuned:
        losses = material.history(run, "step_loss")
        last = losses[-max(1, round(_LAST * len(losses))) :]
        if run.state == "diverged" or not len(last) or not np.all(np.isfinite(last)):
            found[run.number] = np.inf
        else:
            found[run.number] = float(np.mean(last))
    return found


def _against_sgd(material: Material, setting: str, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Return the verdict on the claim that the others end at a lower training loss than SGD, and the lowest loss."""
    losses = {name: _final_losses(material, entry) for name, entry in entries.items()}
    reference = losses["sgd"]
    if not reference:  # SGD trained at no rate of its search
        return ()
    faster: list[str] = []
    slower: list[str] = []
    untold: list[str] = []
    compared: dict[str, PairedDifference] = {}
    for name, own in losses.items():
        shared = sorted(set(own) & set(reference))
        first, second = (np.array([values[number] for number in shared]) for values in (own, reference))
        if name == "sgd":
            continue
        if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second))) or len(shared) < MIN_SEEDS:
            untold.append(name)
            continue
        compared[name] = paired_difference(first, second)
    adjusted = holm([difference.p for difference in compared.values()])
    for (name, difference), p in zip(compared.items(), adjusted, strict=True):
        told = untold if p > _LEVEL else faster if difference.mean < 0 else slower
        told.append(name)
    means = {name: float(np.mean(list(own.values()))) for name, own in losses.items() if own}
    lowest = min(means, key=lambda name: means[name])
    verdict = "does not hold" if slower else "holds" if faster and not untold else "is not shown"
    parts = [f"lower training loss than SGD at the end: {', '.join(faster) or 'none'}"]
    parts += [f"higher: {', '.join(slower)}"] if slower else []
    parts += [f"no significant difference, or diverged: {', '.join(untold)}"] if untold else []
    return (
        f"That all others learn faster than SGD {verdict} {_at(setting)}: {'; '.join(parts)} (paired t tests, Holm). "
        f"The lowest loss is that of {lowest}.",
    )


def _loss_table(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> Table:
    names = list(dict.fromkeys(name for own in entries.values() for name in own))
    rows = []
    for name in names:
        row = [name]
        for own in entries.values():
            values = list(_final_losses(material, own[name]).values()) if name in own else []
            mean = float(np.mean(values)) if values else np.nan
            row.append(f"{mean:.4f}" if np.isfinite(mean) else "diverged" if values else "-")
        rows.append(tuple(row))
    return Table(
        caption="Training loss at the end: the mean of the last tenth of the recorded steps.",
        header=("optimizer", *(f"{setting or 'training'} loss" for setting in entries)),
        rows=tuple(rows),
    )
