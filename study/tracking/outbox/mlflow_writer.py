"""Deliver entries to MLflow so that an entry that is delivered twice is stored once."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from mlflow.entities import Metric, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from study.tracking import mlflow_schema
from study.tracking.outbox.entries import File, Finish, Log, RunEntry, Start
from study.tracking.outbox.resumed_run import ResumedStudy, ResumedTrial, forget_outcome, resume_trial
from study.tracking.packed_tags import all_tags, packed

# The tag with our own key of a run, since MLflow's answer with the run's id may be lost.
RECORD = "record"
# The start of keys of runs that are not in the store yet; no id of MLflow starts like this.
NEW = "new-"
# The tag with the machine and the process that write a run.
_PROCESS = "process"
# Tags that may differ between a run that was cut off and the one that continues it.
_OF_A_PROCESS = (RECORD, _PROCESS, mlflow_schema.COLOR)
# Largest number of metrics that MLflow accepts in one call.
_METRICS_PER_CALL = 1000
# Refusals that may pass: not logged in, no rights yet, too slow, too many calls.
_RETRIED = (401, 403, 408, 429)
# What SQLite, and PostgreSQL or MySQL, say of a value that was written twice; it is written again up to so many times.
_DOUBLED, _TRIES = ("UNIQUE constraint failed: metrics.", "metric_pk"), 8


def is_passing(error: BaseException) -> bool:
    """Return whether the same delivery may succeed later: the server is away, failing, overloaded or locked.

    Args:
        error: The error of the delivery.
    """
    if isinstance(error, MlflowException):
        status = int(error.get_http_status_code())
    else:
        status = getattr(getattr(error, "response", None), "status_code", 500 if isinstance(error, OSError) else 0)
    return status >= 500 or status in _RETRIED


class MlflowWriter:
    """Writer of entries to a store in their order, which keeps the ids of their runs there.

    Args:
        client: A client of the store.
        experiment_id: MLflow's id of the experiment of new runs.
        resumed: Studies' runs that continue, by id. None (the default): none.
    """

    def __init__(
        self, client: MlflowClient, experiment_id: str, *, resumed: Mapping[str, ResumedStudy] | None = None
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._ids: dict[str, str] = {}
        self._resumed: dict[str, ResumedStudy | ResumedTrial] = dict(resumed or {})
        self._doubtful: set[str] = set()
        self._processes: dict[str, str] = {}

    def deliver(self, entry: RunEntry, *, again: bool = False) -> None:
        """Write an entry.

        Args:
            entry: The entry.
            again: The entry may have been stored before: by a server whose answer was lost, or by a process that was
                killed. Default False.
        """
        if isinstance(entry, Start):
            self._start(entry, again=again)
        elif (run_id := self.find(entry.run)) is not None:
            try:
                self._add(entry, run_id)
            except MlflowException:
                if not self._was_deleted(entry.run, run_id):
                    raise

    def find(self, run: str) -> str | None:
        """Return the id of a run in the store; None if another process has deleted the run.

        Args:
            run: Our key of the run, or its id.
        """
        if run not in self._ids:
            if not run.startswith(NEW):
                return run
            found = self._standing(run)
            if not found:
                return None
            self._ids[run] = found[0].info.run_id
        return self._ids[run]

    def know(self, ids: Mapping[str, str]) -> None:
        """Add the ids of runs that something else wrote.

        Args:
            ids: MLflow's ids, by our keys.
        """
        self._ids |= ids

    def remove_doubles(self) -> None:
        """Delete runs that a server created twice, since a call had timed out and was repeated."""
        for run in list(self._doubtful):
            kept = self.find(run)
            for double in self._standing(run):
                if double.info.run_id != kept:
                    self._client.delete_run(double.info.run_id)
            self._doubtful.discard(run)

    def withdraw(self, runs: Collection[str]) -> None:
        """Delete runs that were cut off here and that no other process continues, as far as the store answers.

        Args:
            runs: Our keys of the runs.
        """
        for run in runs:
            with contextlib.suppress(MlflowException):  # such as one that another process has deleted already
                run_id = self.find(run)
                if run_id is not None and not self._is_continued(run, run_id):
                    self._client.delete_run(run_id)

    def _add(self, entry: Log | File | Finish, run_id: str) -> None:
        resumed = self._resumed.get(entry.run)
        if isinstance(resumed, ResumedStudy):
            self._continue_study(entry, run_id, resumed)
        elif isinstance(resumed, ResumedTrial):
            self._continue_trial(entry, run_id, resumed)
        else:
            self._write(entry, run_id)

    def _was_deleted(self, run: str, run_id: str) -> bool:
        """Return whether a run of a trial is deleted: by a worker that took this one for dead, or by a person.

        The study goes on; at its end it says which trials have no run.
        """
        return run.startswith(NEW) and self._client.get_run(run_id).info.lifecycle_stage == "deleted"

    def _start(self, start: Start, *, again: bool) -> None:
        self._processes[start.run] = start.tags.get(_PROCESS, "")
        if again:
            self._doubtful.add(start.run)
            self._ids.pop(start.run, None)
        run_id = self.find(start.run) if again else None
        if run_id is not None:
            self._resume(run_id, start, afresh=bool(start.before))
        elif (run_id := self._take_up(start)) is None:
            self._create(start)
            return
        self._ids[start.run] = run_id
        self._log_params(start, run_id)

    def _take_up(self, start: Start) -> str | None:
        """Return the earlier run that continues: one of the same training, or a failed one; delete the others."""
        kept = None
        before = [self.find(run) for run in reversed(start.before)]
        for position, run_id in enumerate(run_id for run_id in before if run_id is not None):
            run = self._client.get_run(run_id)
            if run.info.lifecycle_stage != "active":
                continue
            if position == 0 and (_has_failed(run, start) or (start.goes_on and _is_same(run, start))):
                kept = run
            else:
                self._client.delete_run(run_id)
        if kept is None:
            return None
        found: str = kept.info.run_id
        if has_failed := _has_failed(kept, start):
            forget_outcome(self._client, found)
        tags = packed(start.tags, recorded=kept.data.tags)
        mlflow_schema.log_in_batches(self._client, found, params=[], tags=tags)
        self._client.update_run(found, status="RUNNING")
        self._resume(found, start, afresh=has_failed)
        return found

    def _resume(self, run_id: str, start: Start, *, afresh: bool) -> None:
        """Read the metrics of a run that continues; `afresh`: without those of its end, which it reports again.

        The tag of its failure is deleted last. So if the process is killed before, the next one repeats all of this.
        """
        self._resumed[start.run] = resumed = resume_trial(self._client, run_id, start)
        if afresh:
            resumed.values = {place: value for place, value in resumed.values.items() if place[1] > 0}
        if "state" in self._client.get_run(run_id).data.tags:
            self._client.delete_tag(run_id, "state")

    def _create(self, start: Start) -> str:
        tags = {tag.key: tag.value for tag in mlflow_schema.to_tags(start.tags)}
        made = self._client.create_run(self._experiment_id, start.started, tags, run_name=start.name)
        self._ids[start.run] = run_id = made.info.run_id
        self._log_params(start, run_id)
        return str(run_id)

    def _log_params(self, start: Start, run_id: str) -> None:
        mlflow_schema.log_in_batches(self._client, run_id, params=mlflow_schema.to_params(start.params), tags={})

    def _continue_study(self, entry: RunEntry, run_id: str, resumed: ResumedStudy) -> None:
        """Write the metrics that are missing in the run of a study."""
        self._write_missing(entry, run_id, resumed)
        if isinstance(entry, Log):
            resumed.wrote(entry.metrics)

    def _continue_trial(self, entry: RunEntry, run_id: str, resumed: ResumedTrial) -> None:
        """Write the metrics that are missing in the run of a trial, or replace a run that another training wrote."""
        if not resumed.contradicts(entry):
            self._write_missing(entry, run_id, resumed)
            resumed.passes(entry)
            return
        # The old run is deleted last: if the server fails before, all of this is repeated.
        self._doubtful.add(entry.run)
        own = self._create(resumed.start)
        for passed in (*resumed.passed, entry):
            self._write(passed, own)
        self._client.delete_run(run_id)
        del self._resumed[entry.run]

    def _write_missing(self, entry: RunEntry, run_id: str, resumed: ResumedStudy | ResumedTrial) -> None:
        if not isinstance(entry, Log):
            self._write(entry, run_id)
            return
        missing = resumed.missing(entry.metrics)
        if missing or entry.tags:
            self._write(Log(run=entry.run, metrics=missing, tags=entry.tags), run_id)

    def _write(self, entry: RunEntry, run_id: str) -> None:
        if isinstance(entry, Log):
            for first in range(0, len(entry.metrics), _METRICS_PER_CALL):
                last = first + _METRICS_PER_CALL >= len(entry.metrics)
                tags = mlflow_schema.to_tags(entry.tags) if last else []
                some = entry.metrics[first : first + _METRICS_PER_CALL]
                self._log_metrics(run_id, list(some), tags)
            if not entry.metrics:
                self._client.log_batch(run_id, tags=mlflow_schema.to_tags(entry.tags))
        elif isinstance(entry, File):
            place = PurePosixPath(entry.path)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / place.name
                path.write_bytes(entry.content)
                self._client.log_artifact(run_id, str(path), None if place.parent.name == "" else str(place.parent))
        elif isinstance(entry, Finish) and not (entry.status == "KILLED" and self._is_continued(entry.run, run_id)):
            self._client.set_terminated(run_id, entry.status, end_time=entry.ended)

    def _is_continued(self, run: str, run_id: str) -> bool:
        """Return whether another process continues a run that was cut off here, since it took this one for dead."""
        own = self._processes.get(run)
        return own is not None and self._client.get_run(run_id).data.tags.get(_PROCESS, "") != own

    def _log_metrics(self, run_id: str, metrics: list[Metric], tags: list[RunTag]) -> None:
        """Write metrics, again if another worker wrote some of the same values at the same moment.

        MLflow leaves out values that a database has already, and fails if further ones come in between.
        """
        for n_left in reversed(range(_TRIES)):
            try:
                self._client.log_batch(run_id, metrics=metrics, tags=tags)
            except MlflowException as error:
                if not n_left or not any(name in str(error) for name in _DOUBLED):
                    raise
            else:
                return

    def _standing(self, run: str) -> list[Run]:
        """Return the active runs with a key, the run with most metrics first."""
        found = self._client.search_runs([self._experiment_id], f"tags.{RECORD} = '{run}'")
        return sorted(found, key=lambda run: (-len(run.data.metrics), run.info.start_time, run.info.run_id))


def _is_same(run: Run, start: Start) -> bool:
    """Return whether a stored run is the same training as one that starts: same point, seeds and package versions."""
    own = all_tags({tag.key: tag.value for tag in mlflow_schema.to_tags(start.tags)})
    tags = {key: value for key, value in own.items() if key not in _OF_A_PROCESS}
    return bool(tags.items() <= all_tags(run.data.tags).items() and _is_at(run, start))


def _has_failed(run: Run, start: Start) -> bool:
    """Return whether a stored run is a failed attempt at the same trial, with any code and packages."""
    return run.data.tags.get("state") == "failed" and _is_at(run, start)


def _is_at(run: Run, start: Start) -> bool:
    params = {param.key: param.value for param in mlflow_schema.to_params(start.params)}
    return bool(run.data.params.items() <= params.items())
