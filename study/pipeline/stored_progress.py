"""The progress of a study that runs elsewhere, from what the stores have of it."""

from __future__ import annotations

import re

from study.core.records import StudyRecord
from study.core.trainer_interface import BestTrial
from study.pipeline.live_text import Progress
from study.report.objective_metric import metric_of
from study.report.studies import n_planned

# A range of the optimizer's arguments, or of another key.
_RANGE = re.compile(r"(?P<section>optimizer\.)?search\.(?P<name>.+)\.(low|choices)")


# A study that was opened so long after its start was continued, in seconds.
_CONTINUED_S = 60.0


def progress_of(record: StudyRecord, *, now: float, now_s: float) -> Progress:
    """Return the progress of a study since its last start, of which `update` fills in the rest.

    Args:
        record: The study, with its confirmations.
        now: The time, in seconds of the monotonic clock.
        now_s: The same time, in seconds since 1970.
    """
    metric = metric_of(record.params, record.tags)
    n = n_planned(record)
    n_default = n if _searches(record) else 0
    progress = Progress(
        name=f"{record.experiment}/{record.name}",
        metric=metric.name,
        direction=metric.direction,
        n_trials=record.n_trials,
        n_confirmations=n + n_default,
        n_default=n_default,
        place=_place(record),
        compiles=_compiles(record),
        started=now - max(now_s - record.opened, 0.0),
    )
    _fill(progress, record)
    if _is_continued(record):  # it had trials before, and no store tells how many
        progress.pace.skips(now, work=progress.done)
    elif progress.done:
        progress.pace.begins(now, work=progress.done)
    return progress


def update(progress: Progress, record: StudyRecord, *, now: float) -> None:
    """Bring the progress of a study up to date.

    Args:
        progress: The progress, which is changed.
        record: The study as the store has it now, with its confirmations.
        now: The time, in seconds of the monotonic clock.
    """
    before = progress.done
    _fill(progress, record)
    if progress.done > before:
        # The time of the first work has a compilation in it, which no store tells of.
        note = progress.pace.trains if before else progress.pace.begins
        note(now, work=progress.done)


def _place(record: StudyRecord) -> tuple[int, int]:
    """Return the place of the study in its command; (1, 1) of a continued study, after which none may follow."""
    studies = record.tags.get("command_studies", "").split(",")
    if record.settings_id not in studies or _is_continued(record):
        return 1, 1
    return studies.index(record.settings_id) + 1, len(studies)


def _is_continued(record: StudyRecord) -> bool:
    return record.opened - record.started > _CONTINUED_S


def _compiles(record: StudyRecord) -> bool:
    target, backend = (record.params.get(f"trainer.{key}", "") for key in ("_target_", "backend"))
    return backend != "torch" and not target.startswith("study.training.numpy")


def _searches(record: StudyRecord) -> bool:
    """Return whether a study searches anything: a range that its config does not fix, and that is always searched."""
    params = record.params
    for key in params:
        if found := _RANGE.fullmatch(key):
            is_fixed = found["section"] and f"optimizer.{found['name']}" in params
            is_optional = params.get(f"{found['section'] or ''}search.{found['name']}.optional") == "true"
            if not is_fixed and not is_optional:
                return True
    return False


def _fill(progress: Progress, record: StudyRecord) -> None:
    current = [run for run in record.confirmations if not run.superseded]
    done = record.tags.get("progress", "0").partition("/")[0]
    progress.n_trials = record.n_trials
    progress.n_ended = int(done) if done.isdecimal() else 0
    progress.n_confirmed = sum(run.finished for run in current)
    progress.n_default_confirmed = sum(run.finished for run in current if run.config == "default")
    # As in the command itself, a kind of confirmations that has not begun may compile a program of its own.
    progress.built = {run.kind for run in current} | ({"trial"} if progress.n_ended or current else set())
    best, number = (record.metrics.get(name) for name in ("best_objective", "best_trial_number"))
    if best is not None and number is not None:
        progress.best = BestTrial(number=int(number), point={}, objective=best)
