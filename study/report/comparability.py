"""Check that studies can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from study.core.errors import StudyError
from study.core.records import StudyRecord
from study.report.objective_metric import metric_of


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
        "metrics": lambda record: "{0.name}, {0.direction}d".format(metric_of(record.params)),
        "data digests": lambda record: digests.get(record.run_id, "unknown"),
        "models": lambda record: _described(record, "model."),
        "losses": lambda record: _described(record, "dataset.task.loss."),
    }
    reasons = []
    for what, ask in questions.items():
        answers: dict[str, list[str]] = {}
        for record in records:
            answers.setdefault(ask(record), []).append(record.name)
        if len(answers) > 1:
            listed = "; ".join(f"{answer} of {', '.join(sorted(names))}" for answer, names in answers.items())
            reasons.append(f"The studies have different {what}: {listed}.")
    if reasons and not force:
        raise StudyError(
            f"EXPERIMENT={experiment}: expected studies with one metric, data set, model and loss. "
            f"{' '.join(reasons)} Run them again, each under its own experiment name, or compare them anyway with "
            "--force; the page then says so."
        )
    return tuple(reasons)


def _described(record: StudyRecord, prefix: str) -> str:
    own = ((key.removeprefix(prefix), value) for key, value in sorted(record.params.items()) if key.startswith(prefix))
    return " ".join(f"{key}={value}" for key, value in own)
