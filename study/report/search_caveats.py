"""Warnings about what the studies searched besides the arguments of their optimizers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from study.core.search_space import Range
from study.report.caution import Caution
from study.report.studies import BATCH_SIZE, ComparedExperiment, ComparedStudy, at_target, batch_size_of
from study.statistics.search_size import advised_trials


def search_cautions(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield the serious cautions: studies that searched different keys, and trials that saw different examples.

    Args:
        experiment: The experiment.
    """
    yield from _different(experiment)
    yield from _at_target(experiment)
    yield from _examples(experiment)


def few_trials(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution if studies have fewer trials than are advised for the number of values that they searched.

    Args:
        experiment: The experiment.
    """
    few: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for study in experiment.studies:
        if study.ranges and study.n_spent < advised_trials(len(study.ranges)):
            few.setdefault((study.n_spent, tuple(study.ranges)), []).append(experiment.label_of(study))
    if few:
        listed = "; ".join(
            f"{', '.join(names)}: {n} trials for {len(ranges)} values searched at once ({', '.join(ranges)}), at "
            f"least {advised_trials(len(ranges))} are advised"
            for (n, ranges), names in few.items()
        )
        text = (
            f"{listed}. With fewer, importances and widths are partly chance, and a search of fewer values may find a "
            "better point."
        )
        yield Caution(topic="Few trials", text=text)


def _at_target(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution if searches ended at a target, so that optimizers had other numbers of trials."""
    ended = [(study.record, n) for study in experiment.studies if (n := at_target(study.record)) is not None]
    if ended:
        listed = ", ".join(f"{record.name} after {n} of {record.n_trials} trials" for record, n in ended)
        spent = {study.n_spent for study in experiment.studies if study.ranges}
        unequal = " So the searches have unequal numbers of trials." if len(spent) > 1 else ""
        text = (
            f"Searches that ended when a confirmed configuration reached budget.until.target: {listed}.{unequal} An "
            "optimizer that reaches the target early is searched less. The first confirmations, which ended the "
            "search, count in the comparison as well. So good luck on them can make the optimizer look better than it "
            "is: near the target, up to about 7 % of comparisons of equal configurations claim a difference, not 5 % "
            "(simulated). For equal budgets and unseen seeds, leave out budget.until."
        )
        yield Caution(topic="Ended at a target", text=text, serious=bool(unequal))


def _keys(study: ComparedStudy) -> Mapping[str, Range]:
    """Return the ranges of keys besides the arguments of the optimizer."""
    return {name: searched for name, searched in study.ranges.items() if "." in name}


def _different(experiment: ComparedExperiment) -> Iterator[Caution]:
    found: dict[str, list[str]] = {}
    for study in (study for study in experiment.studies if study.ranges):
        told = "; ".join(f"{name} ({_described(searched)})" for name, searched in sorted(_keys(study).items()))
        found.setdefault(told or "nothing", []).append(experiment.label_of(study))
    if len(found) > 1:
        listed = ". ".join(f"{', '.join(sorted(names))}: {told}" for told, names in sorted(found.items()))
        n = experiment.n_trials
        counted = "" if n is None else f" All searches have the same number of trials, {n}."
        text = (
            f"Besides arguments of the optimizers, the studies searched different keys. {listed}.{counted} A "
            "difference can come from these keys as well as from the optimizer. To compare optimizers alone, search "
            "the same keys in all."
        )
        yield Caution(topic="Different searches", text=text, serious=True)


def _described(searched: Range) -> str:
    if searched.choices is not None:
        return searched.described
    scale = "" if searched.scale == "linear" else f", {searched.scale}"
    return f"{searched.low:g} to {searched.high:g}{scale}"


def _examples(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution if trainings of as many steps have batches of different sizes."""
    sizes, names = set[int](), []
    for study in experiment.studies:
        if "budget.n_steps" in study.record.params:
            found = (batch_size_of(study.record, run) for run in (*study.trials, *study.tuned))
            sizes |= {size for size in found if size is not None}
            names += [experiment.label_of(study)] if BATCH_SIZE in study.ranges else []
    if len(sizes) > 1:
        searched = f" {', '.join(names)} searched the batch size, so trials of one study differ." if names else ""
        text = (
            f"With a budget of steps (budget.n_steps), trainings of a larger batch see more examples: {min(sizes)} to "
            f"{max(sizes)} examples a step, {max(sizes) / min(sizes):g} times as many.{searched} With "
            "budget.n_epochs all see the same number of examples."
        )
        yield Caution(topic="Unequal examples", text=text, serious=True)
