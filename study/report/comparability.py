"""Check that studies can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from study.config.metric_facts import LOSS, recorded_facts
from study.config.task import name_of
from study.core.errors import StudyError
from study.core.records import StudyRecord
from study.report.objective_metric import metric_of
from study.report.recorded_task import recorded_task


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
        StudyError: They are not comparable, and `force` is False.
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
    for what, ask in questions.items():
        answers: dict[str, list[str]] = {}
        for record in records:
            answers.setdefault(ask(record), []).append(record.name)
        if len(answers) > 1:
            listed = "; ".join(f"{answer} of {', '.join(sorted(names))}" for answer, names in answers.items())
            reasons.append(f"The studies have different {what}: {listed}.")
    if reasons and not force:
        raise StudyError(
            f"EXPERIMENT={experiment}: expected studies with one metric, data set, model and loss, and one code for "
            "them. "
            f"{' '.join(reasons)} Run them again, each under its own experiment name, or compare them anyway with "
            "--force; the comparison page then says so."
        )
    return tuple(reasons)


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
