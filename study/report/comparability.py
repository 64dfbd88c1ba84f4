"""Check that studies can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from study.config.metric_facts import LOSS, recorded_facts
from study.config.task import name_of
from study.core.records import StudyRecord
from study.report.comparable_groups import NotComparableError, differing_settings, groups_of
from study.report.marked_text import joined
from study.report.objective_metric import metric_of
from study.report.recorded_task import recorded_task

# Values, studies and answers that a sentence lists; of more, the number is said.
_MOST_LISTED = 3


def check_comparable(
    experiment: str, records: Sequence[StudyRecord], *, digests: Mapping[str, str], force: bool
) -> tuple[str, ...]:
    """Return the reasons why studies are not comparable, each a sentence; empty if they are comparable.

    Args:
        experiment: Name of the experiment.
        records: The experiment's studies.
        digests: Digests of the data, by id of the study's run.
        force: Return the reasons instead of raising.

    Raises:
        NotComparableError: They are not comparable, and `force` is False.
    """
    questions: dict[str, Callable[[StudyRecord], str]] = {
        "metrics": lambda record: "{0.name}, {0.direction}d".format(metric_of(record.params, record.tags)),
        "data digests": lambda record: digests.get(record.run_id, "unknown"),
        "models": lambda record: _described(record, "model."),
        "losses": lambda record: _described(record, "dataset.task.loss."),
        "weights of losses": lambda record: _described(record, "dataset.task.loss_weights."),
        "class weights": lambda record: _described(record, "dataset.task.class_weight"),
        "code of data set, model or loss": lambda record: record.tags.get("workload_code", "unknown"),
        "architectures": lambda record: record.tags.get("architecture", "unknown"),
    }
    reasons = [*_turned(records)]
    found = {what: [ask(record) for record in records] for what, ask in questions.items()}
    differing = {what: answers for what, answers in found.items() if len({*answers}) > 1}
    reasons += [_reason(what, answers, records) for what, answers in differing.items()]
    if reasons and not force:
        raise _error(experiment, records, differing, turned=list(_turned(records)), digests=digests)
    return tuple(reasons)


def _reason(what: str, answers: Sequence[str], records: Sequence[StudyRecord]) -> str:
    """Return a sentence on one thing in which studies differ, with some of the answers and some of the studies."""
    names: dict[str, list[str]] = {}
    for record, told in zip(records, _without_common(answers), strict=True):
        names.setdefault(told, []).append(record.name)
    listed = [f"{answer} of {_some(sorted(of))}" for answer, of in names.items()]
    return f"The studies have different {what}: {_some(listed, gap='; ')}."


def _without_common(answers: Sequence[str]) -> list[str]:
    """Return answers without the settings that all of them have."""
    words = [answer.split(" ") for answer in answers]
    common = {word for word in set.intersection(*map(set, words)) if "=" in word}
    return [" ".join(word for word in each if word not in common) or "none" for each in words]


def _some(texts: Sequence[str], *, gap: str = ", ") -> str:
    """Return a few texts, and the number of the others."""
    more = len(texts) - _MOST_LISTED
    return gap.join([*texts[:_MOST_LISTED], *([f"{more} more"] if more > 0 else [])])


def _error(
    experiment: str,
    records: Sequence[StudyRecord],
    differing: Mapping[str, Sequence[str]],
    *,
    turned: Sequence[str],
    digests: Mapping[str, str],
) -> NotComparableError:
    signatures = list(zip(*differing.values(), strict=True)) or [()] * len(records)
    settings = differing_settings(records, signatures, digests=digests)
    groups = groups_of(records, signatures, list(settings), digests=digests)
    told = [*turned]
    if differing:
        by = [f"{key} ({_some([value or 'none' for value in values])})" for key, values in settings.items()]
        told.append(f"Its {len(records)} studies have different {joined([*differing])}, by {_some(by)}.")
    return NotComparableError(
        f"EXPERIMENT={experiment}: expected studies with one metric, data set, model and loss, and one code for "
        f"them. {' '.join(told)} Run them again, each under its own experiment name, or compare them anyway with "
        "--force; the comparison page then says so.",
        experiment=experiment,
        differing=settings,
        groups=groups,
    )


def _turned(records: Sequence[StudyRecord]) -> Iterator[str]:
    """Say which studies chose the worst points: earlier versions maximized a cost whose name they did not know."""
    for record in records:
        metric = metric_of(record.params, record.tags)
        watched = recorded_task(record.params).find_watched(metric.name)
        if watched is None:  # cut by MLflow's limit
            continue
        facts = LOSS if watched.metric is None else recorded_facts(name_of(watched.metric), [watched.metric])
        if facts.direction not in (None, metric.direction):
            better = "smaller" if facts.direction == "minimize" else "larger"
            yield (
                f"{record.name} {metric.direction}d {metric.name}, of which a {better} value is better: an earlier "
                "version guessed the direction by the metric's name. So its best trial is its worst."
            )


def _described(record: StudyRecord, prefix: str) -> str:
    own = (
        (key.removeprefix(prefix).removeprefix("."), value)
        for key, value in sorted(record.params.items())
        if key.startswith(prefix)
    )
    return " ".join(f"{key}={value}" if key else value for key, value in own) or "none"
