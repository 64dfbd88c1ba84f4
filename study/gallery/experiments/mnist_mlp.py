"""S10: five optimizers on MNIST, at published rates and at tuned ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from study.gallery import About, Material, PageContents, Table
from study.gallery.analysis.differences import CorrectedDifference, simultaneous, span_text
from study.gallery.analysis.grid import ordered
from study.gallery.analysis.rankings import by_setting, changes, ranking, rankings_table
from study.gallery.analysis.run_scores import Seed, listed, seed_of
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, greater
from study.gallery.figures.loss_curves import step_losses
from study.report.objective_metric import MINUS
from study.report.studies import Entry

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

_TUNED = "tuned"
_OPTIMIZERS = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
# Share of the steps whose mean loss is the final loss: the last tenth.
_LAST = 0.1
_WINDOW = 21


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
        headline=_headline(material, entries),
    )


def _headline(material: Material, entries: Mapping[str, Mapping[str, Entry]]) -> str:
    """Name the optimizers that are significantly faster than SGD under each setting, and the others."""
    told = []
    for setting, own in entries.items():
        losses = {name: _final_losses(material, entry) for name, entry in own.items()}
        others = [name for name in losses if name != "sgd"]
        if not losses.get("sgd") or not others:
            continue
        apart = _apart(losses, "sgd", others)
        faster = [name for name in others if greater(apart[name], sign=-1.0) is ClaimVerdict.HELD]
        rest = [name for name in others if name not in faster]
        shown = "all others" if not rest else listed(faster) if faster else "none"
        told.append(f"{_at(setting)} {shown}" + (f", not {listed(rest)}" if rest and faster else ""))
    return f"Significantly faster than SGD: {'; '.join(told)}." if told else ""


def _at(setting: str) -> str:
    return f"at {setting} rates" if setting else "here"


def _workload(material: Material) -> tuple[str, ...]:
    """Return a sentence on the data set if it is not the published one."""
    name = next(iter(material.configs.values()))["dataset"]["name"]
    return () if name == "mnist" else (f"This was run on {name}, not on MNIST.",)


def _final_losses(material: Material, entry: Entry) -> dict[Seed, float]:
    """Return the mean loss of the last tenth of the recorded steps by seed; infinite where it diverged."""
    found = {}
    for run in entry.tuned:
        losses = material.history(run, "step_loss")
        last = losses[-max(1, round(_LAST * len(losses))) :]
        if run.state == "diverged" or not len(last) or not np.all(np.isfinite(last)):
            found[seed_of(run)] = np.inf
        else:
            found[seed_of(run)] = float(np.mean(last))
    return found


def _against_sgd(material: Material, setting: str, entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Judge that the others end at a lower training loss than SGD, and that AdaGrad ends at the lowest.

    The claim is one about the published rates, so its badges are their verdicts: they begin sentences of one finding.
    At other rates the word stands inside of a sentence.
    """
    losses = {name: _final_losses(material, entry) for name, entry in entries.items()}
    if not losses["sgd"]:  # no rate of its search trained
        return ()
    others = [name for name in losses if name != "sgd"]
    word = _judged(losses, "sgd", others, lower=False)
    told = [f"{_worded(word, setting)}, that all others learn faster than SGD: {_told(losses, 'sgd', others)}"]
    if "adagrad" in losses and len(others) > 1:
        rest = [name for name in others if name != "adagrad"]
        word = _judged(losses, "adagrad", rest, lower=True)
        told.append(
            f"{_worded(word, setting)}, that AdaGrad learns faster than the rest: {_told(losses, 'adagrad', rest)}"
        )
    return tuple(told) if setting == _TUNED else (" ".join(told),)


def _worded(word: ClaimVerdict, setting: str) -> str:
    """Begin a sentence with a verdict; at tuned rates, with these rates."""
    if setting == _TUNED:
        return f"At tuned rates {'it is ' if word is ClaimVerdict.INCONCLUSIVE else ''}{word[0].lower()}{word[1:]}"
    return f"{word} {_at(setting)}"


Losses = Mapping[str, Mapping[Seed, float]]


def _judged(losses: Losses, one: str, others: Sequence[str], *, lower: bool) -> ClaimVerdict:
    """Judge that one ends at a lower loss than all others, or at a higher one."""
    apart = _apart(losses, one, others)
    return all_of(greater(each, sign=1.0 if lower else -1.0) for each in apart.values())


def _apart(losses: Losses, one: str, others: Sequence[str]) -> dict[str, CorrectedDifference | None]:
    """Return each other's final loss minus one's, by Holm's procedure."""
    found = simultaneous([(losses[name], losses[one]) for name in others])
    return dict(zip(others, found, strict=True))


def _told(losses: Losses, one: str, others: Sequence[str]) -> str:
    """Name those with a lower and a higher final loss than one, with the intervals of their differences."""
    shown: dict[str, list[str]] = {"lower": [], "higher": [], "no significant difference": [], "not comparable": []}
    for name, each in _apart(losses, one, others).items():
        if each is None:
            shown["not comparable"].append(name)
            continue
        place = "no significant difference"
        if each.is_significant:
            place = "lower" if each.mean < 0 else "higher"
        shown[place].append(f"{name} {each.mean:+.3g} [{span_text(each)}]".replace("-", MINUS))
    parts = [f"{place}: {', '.join(names)}" for place, names in shown.items() if names]
    listing = "; ".join(parts) or "no other to compare"
    return f"final training loss minus that of {one}, {listing} (paired t intervals, Holm)."


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
