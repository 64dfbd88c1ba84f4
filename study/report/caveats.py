"""Warnings to read before trusting the comparison."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from study.core.records import RunRecord, StudyRecord
from study.optimizers.keras_cautions import UsedOptimizer, keras_cautions
from study.report.caution import Caution
from study.report.confirmed import confirmed, divergence_text
from study.report.early_stops import stopping_text
from study.report.not_ended import not_begun, not_ended
from study.report.pairing import Outcome
from study.report.plan_caveats import plan_cautions
from study.report.search_caveats import few_trials, search_cautions
from study.report.searched_ranges import range_key
from study.report.studies import ComparedExperiment, ComparedStudy
from study.report.summary_rows import Row
from study.report.training_conditions import unequal_conditions, unequal_lengths

_FEW_SEEDS = 10
# Name and class of the sampler and the pruner with which trials are an independent random search.
_INDEPENDENT = (
    ("sampler", "random", "optuna.samplers.RandomSampler"),
    ("pruner", "none", "optuna.pruners.NopPruner"),
)


def cautions(experiment: ComparedExperiment, outcome: Outcome, rows: Sequence[Row]) -> tuple[Caution, ...]:
    """Return all cautions, the serious ones first."""
    found = [
        *_forced(experiment),
        *_of_experiment(experiment),
        *_unshared(experiment, outcome),
        *_few(outcome),
        *plan_cautions(experiment, outcome),
        *_unknown_steps(experiment),
        *_stopped(experiment, rows),
        *_edges(rows),
        *few_trials(experiment),
        *_diverged(rows),
        *_samplers(experiment),
        *_rules(experiment),
        *_data(experiment),
    ]
    return tuple(sorted(found, key=lambda caution: not caution.serious))


def serious_cautions(experiment: ComparedExperiment) -> tuple[Caution, ...]:
    """Return the serious cautions, without that of a forced comparison; the terminal shows them after a run.

    Args:
        experiment: The experiment; its histories are not needed.
    """
    return tuple(caution for caution in _of_experiment(experiment) if caution.serious)


def _of_experiment(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield the cautions that need no scores."""
    yield from _without_test(experiment)
    yield from _left_out(experiment)
    yield from _missing(experiment)
    yield from not_begun(experiment)
    yield from not_ended(experiment)
    yield from unequal_lengths(experiment)
    yield from search_cautions(experiment)
    yield from unequal_conditions(experiment)
    yield from _budgets(experiment)
    yield from _superseded(experiment)
    yield from _accepted(experiment)
    yield from _diverged_confirmations(experiment)
    yield from _untrained(experiment)
    yield from _not_finite(experiment)


def pruned_or_adaptive(experiment: ComparedExperiment) -> dict[str, str]:
    """Return why trials are not an independent random search, by study; empty where all of them are."""
    reasons = {}
    for study in experiment.studies:
        if not study.ranges:
            continue
        parts = [
            f"the {kind} {name}"
            for kind, plain, target in _INDEPENDENT
            if (name := _other_than(study.record, kind, name=plain, target=target))
        ]
        parts += ["an enqueued point"] if any(key.startswith("enqueue.") for key in study.record.params) else []
        if parts:
            reasons[experiment.label_of(study)] = " and ".join(parts)
    return reasons


def _other_than(record: StudyRecord, kind: str, *, name: str, target: str) -> str:
    """Return the sampler or pruner of a study, unless it is the named one; a user may change the class alone."""
    own, own_target = record.params.get(f"{kind}.name", name), record.params.get(f"{kind}._target_", target)
    if own_target != target:
        return own if own != name else own_target
    return "" if own == name else own


def _forced(experiment: ComparedExperiment) -> Iterator[Caution]:
    for why in experiment.differing:
        yield Caution(topic="Not comparable", text=f"{why} Compared anyway because of --force.", serious=True)


def _without_test(experiment: ComparedExperiment) -> Iterator[Caution]:
    if experiment.metric.confirmed_on == "validation":
        text = (
            "The data has no test split, so confirmations are measured on the validation split at the last epoch. "
            "The settings were selected on these same examples, so the results are optimistic, and more so the more "
            "was searched. For results on examples that no choice has seen, let the data set have a test split."
        )
        yield Caution(topic="No test split", text=text, serious=True)


def _left_out(experiment: ComparedExperiment) -> Iterator[Caution]:
    if experiment.left_out:
        text = (
            f"{', '.join(experiment.left_out)}: later studies have the same settings with changed data, code or "
            "architecture, or only another name. Only the later ones are compared; --force compares all."
        )
        yield Caution(topic="Left out", text=text, serious=True)


def _missing(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution for each study with fewer runs than it has recorded: those left were deleted or changed."""
    for study in experiment.studies:
        n_recorded, _, _ = study.record.tags.get("progress", "").partition("/")
        n_ended = int(n_recorded) if n_recorded.isdecimal() else 0
        if study.n_spent < n_ended:
            text = (
                f"{experiment.label_of(study)}: "
                f"{n_ended} trials ended, and MLflow holds {study.n_spent}. The others were "
                "deleted there, or their tags (role, number, state) were changed. They are left out; the command that "
                "began the study writes or trains them again."
            )
            yield Caution(topic="Missing trials", text=text, serious=True)


def _stopped(experiment: ComparedExperiment, rows: Sequence[Row]) -> Iterator[Caution]:
    taken = {row.label: row.epochs for row in rows if row.epochs}
    if taken:
        yield Caution(topic="Early stopping", text=stopping_text(experiment.records, taken))


def _budgets(experiment: ComparedExperiment) -> Iterator[Caution]:
    spent = {experiment.label_of(study): study.n_spent for study in experiment.studies if study.ranges}
    n = experiment.n_trials
    if n is None:
        return
    more = {name: count for name, count in spent.items() if count > n}
    if more:
        told = ", ".join(f"{name} {count}" for name, count in sorted(more.items()))
        yield Caution(
            topic="Unequal budgets",
            text=f"All searches are cut to their first {n} trials, the number that all finished searches have "
            f"({told} had more).",
            serious=True,
        )
    beyond = [experiment.label_of(study) for study in experiment.studies if study.confirmed_beyond]
    if beyond:
        text = (
            f"The confirmed configuration of {', '.join(beyond)} was found beyond the first {n} trials; the best "
            "configuration within them was never confirmed. Give every study the same budget.n_trials."
        )
        yield Caution(topic="Unequal budgets", text=text, serious=True)


def _superseded(experiment: ComparedExperiment) -> Iterator[Caution]:
    for study in experiment.studies:
        if study.n_superseded and "target_tries" in study.record.tags:
            text = (
                f"{experiment.label_of(study)}: "
                f"{study.n_superseded} confirmations are superseded. They were tries to reach "
                "budget.until.target at points that did not stay the best. The validation split alone decided."
            )
            yield Caution(topic="Superseded confirmations", text=text)
        elif study.n_superseded:
            split = experiment.metric.confirmed_on
            text = (
                f"{experiment.label_of(study)}: "
                f"{study.n_superseded} confirmations are superseded. The search continued "
                f"after confirmations on the {split} split, and its best point changed; the decision to continue may "
                "have used their results."
            )
            yield Caution(topic="Superseded confirmations", text=text, serious=True)


def _accepted(experiment: ComparedExperiment) -> Iterator[Caution]:
    for study in experiment.studies:
        runs = (*study.trials, *study.tuned, *study.untuned)
        if len({run.contents for run in runs}) > 1:
            text = (
                f"{experiment.label_of(study)} "
                "went on after its data, code or architecture had changed (accept_changes=true): "
                "its runs do not all come from the same. Run it again from the start, under another experiment name."
            )
            yield Caution(topic="Changed contents", text=text, serious=True)


def _unshared(experiment: ComparedExperiment, outcome: Outcome) -> Iterator[Caution]:
    if outcome.unit == "study" or outcome.verdict is None or len(outcome.looks) > 1:
        return
    entries = [entry for entry in experiment.entries if entry.label in outcome.labels]
    most = max(len(study.tuned) for entry in entries for study in entry.studies)
    if most > len(outcome.units):
        text = (
            f"Of up to {most} confirmation seeds, all entries share only {len(outcome.units)}; the differences leave "
            "out the others."
        )
        yield Caution(topic="Seeds not shared", text=text)


def _few(outcome: Outcome) -> Iterator[Caution]:
    n = len(outcome.units)
    if outcome.unit == "study" and n < _FEW_SEEDS:
        more = f"with {_FEW_SEEDS} a difference is found more often (study_seed=range({_FEW_SEEDS}))"
        text = f"{n} study seeds are few: {more}."
        yield Caution(topic="Few study seeds", text=text)
    if outcome.unit == "seed" and 0 < n < _FEW_SEEDS and len(outcome.looks) == 1:
        are = "seeds are" if n > 1 else "seed is"
        text = f"{n} confirmation {are} few; {_FEW_SEEDS} are recommended (budget.n_confirmations={_FEW_SEEDS})."
        yield Caution(topic="Few seeds", text=text)


def _unknown_steps(experiment: ComparedExperiment) -> Iterator[Caution]:
    metric = experiment.metric
    if metric.counts_examples and metric.n_confirmed is None:
        text = (
            "These studies, of an earlier version, do not record how many test examples there are. The smallest "
            "difference seen between two scores is taken for one example, which is that or more."
        )
        yield Caution(topic="Size of the test split unknown", text=text)


def _diverged_confirmations(experiment: ComparedExperiment) -> Iterator[Caution]:
    metric = experiment.metric
    known = {entry.label: divergence_text(confirmed(entry.tuned, metric)) for entry in experiment.entries}
    found = {label: apart for label, apart in known.items() if apart}
    if not found:
        return
    counted = (
        f"The order, differences and tests count each as {metric.text(metric.worst)}; the means and intervals of "
        f"{metric.confirmed_spoken} in the summary leave them out"
        if metric.is_share
        else f"{'It has' if len(found) == 1 else 'They have'} no mean, so the tests leave "
        f"{'it' if len(found) == 1 else 'them'} out; the means and intervals of {metric.confirmed_spoken} in the "
        "summary are of the others"
    )
    whose = itertools.chain(["of the confirmations of the best configuration, "], itertools.repeat(""))
    told = "; ".join(f"{label}: {of}{apart}" for (label, apart), of in zip(found.items(), whose, strict=False))
    brief = "; ".join(f"{label} {apart.partition(' diverged')[0]}" for label, apart in found.items())
    yield Caution(topic="Diverged confirmations", text=f"{told}. {counted}.", serious=True, brief=brief)


def _untrained(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution for each study in which no training changed the loss in the least."""
    for study in experiment.studies:
        runs = _completed(study)
        ends = [(run.metrics.get("initial_loss"), run.metrics.get("final_loss")) for run in runs]
        if ends and all(first is not None and first == last for first, last in ends):
            text = (
                f"{experiment.label_of(study)}: "
                f"the loss after training is exactly the loss before it, in all {len(ends)} "
                "completed runs. The learning rate is 0, the optimizer changes no weight, or the loss does not depend "
                "on them. In an optimizer of your own, update_step() changes a variable with self.assign, "
                "self.assign_add or self.assign_sub."
            )
            yield Caution(topic="Nothing trained", text=text, serious=True)


def _not_finite(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield a caution for each study with completed runs whose objective is no finite number."""
    name = experiment.metric.name
    for study in experiment.studies:
        runs = _completed(study)
        n = sum(not math.isfinite(run.metrics.get(name, 0.0)) for run in runs)
        if n:
            text = (
                f"{experiment.label_of(study)}: "
                f"{name} is not finite in {n} of {len(runs)} completed runs, although their loss "
                "is. Each counts as the worst value. Look for a division by zero or a logarithm in the metric."
            )
            yield Caution(topic="Objective not finite", text=text, serious=True)


def _completed(study: ComparedStudy) -> list[RunRecord]:
    return [run for run in (*study.trials, *study.tuned, *study.untuned) if run.state == "complete"]


def _edges(rows: Sequence[Row]) -> Iterator[Caution]:
    for row in rows:
        for edge in row.edges:
            key = range_key(edge.argument)
            text = (
                f"{row.label}: the best {edge.argument}, {edge.value:.4g}, is near the {edge.edge} end "
                f"({edge.limit:g}) of its range. "
            )
            if "." in edge.argument and edge.limit == 0:  # below 0 there is no dropout and no penalty
                text += f"If there is nothing to try below 0, search without {key}, or accept it."
            else:
                text += (
                    f"Widen the range ({key}.{edge.edge}) and search {row.optimizer} again, with the new range under "
                    "every study seed."
                )
            yield Caution(topic="Optimum near an edge", text=text)


def _diverged(rows: Sequence[Row]) -> Iterator[Caution]:
    told = [
        f"{row.label} {n} of {row.n_trials} ({100 * n / row.n_trials:.0f} %)"
        for row in rows
        if row.n_trials and (n := row.states.get("diverged", 0))
    ]
    if told:
        yield Caution(topic="Diverged trials", text=f"Counted as the worst result, not left out: {', '.join(told)}.")
    failed = [f"{row.label} {row.states['failed']}" for row in rows if row.states.get("failed")]
    if failed:
        yield Caution(topic="Failed trials", text=f"Ended by an exception; see their error.txt: {', '.join(failed)}.")


def _samplers(experiment: ComparedExperiment) -> Iterator[Caution]:
    for name, reason in sorted(pruned_or_adaptive(experiment).items()):
        text = (
            f"{name} used {reason}: its trials are not independent draws, so there is no tuning curve, and its "
            "budget is of another kind than that of random search."
        )
        yield Caution(topic="Not random search", text=text)


def _rules(experiment: ComparedExperiment) -> Iterator[Caution]:
    names: dict[str, list[str]] = {}
    for study in experiment.studies:
        for caution in keras_cautions(_used(study)):
            names.setdefault(caution.text, []).append(experiment.label_of(study))
    for text, told in names.items():
        yield Caution(topic="Not the paper's rule", text=f"{', '.join(sorted(told))}: {text}")


def _data(experiment: ComparedExperiment) -> Iterator[Caution]:
    """Yield what the studies recorded of their data, such as an order of its own or a test split that was held out."""
    remarks = (study.record.tags.get("data_remarks", "") for study in experiment.studies)
    for remark in dict.fromkeys(line for text in remarks for line in text.splitlines()):
        yield Caution(topic="Data", text=remark)


def _used(study: ComparedStudy) -> UsedOptimizer:
    own = "optimizer."
    params = study.record.params
    return UsedOptimizer(
        target=params.get(f"{own}_target_", ""),
        fixed={key.removeprefix(own): value for key, value in params.items() if key.startswith(own)},
        searched=study.ranges,
        backend=params.get("trainer.backend"),
    )
