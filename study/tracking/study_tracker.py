"""Record one study while it runs, without delaying its training."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from mlflow.entities import Metric

from study.config.schema import StudyConfig
from study.core.errors import StoreError
from study.core.records import NO_RECORD, Role, RunRecord, SearchRecord
from study.core.redaction import redact
from study.core.trainer_interface import EpochReport, Kind, Trial, TrialResult
from study.datasets import Dataset
from study.tracking import mlflow_schema, study_summary
from study.tracking.connection import store_errors
from study.tracking.mlflow_internals import check_system_metrics
from study.tracking.open_runs import StudyRuns, open_runs
from study.tracking.outbox import bulk_insert
from study.tracking.outbox.entries import File, Finish, Log
from study.tracking.outbox.server_wait import wait_for_server
from study.tracking.outbox.spool import RecordsWaitError
from study.tracking.outbox.writer_thread import WriterThread
from study.tracking.read_studies import child_runs
from study.tracking.run_cache import RunCache, RunInProgress, outcomes_of, start_of
from study.tracking.search_history import SearchHistory
from study.tracking.study_models import StudyModels
from study.tracking.system_metrics import SystemMetricsThread

# Time between two samples of the system's metrics, and two reads of the trials of other workers, in seconds.
_INTERVAL_S, _READ_INTERVAL_S = 5, 10
_NO_TESTS: study_summary.Tests = MappingProxyType({})


def open_study(
    config: StudyConfig,
    *,
    study_name: str,
    dataset: Dataset,
    environment: Mapping[str, str],
    search: SearchRecord = NO_RECORD,
) -> StudyTracker:
    """Open the record of a study: a new record, or the one with the same digest to continue.

    Args:
        config: The study's config.
        study_name: Name of the study in its experiment.
        dataset: The data set, described as an MLflow input.
        environment: Versions by package, and `git_commit`; each becomes a tag of the study and of every trial.
        search: The study in the store of searches; trials deleted in MLflow are restored. Default: no trials.

    Raises:
        StoreAwayError: The store's server is away.
        StoreError: The store cannot be opened or written to, or this MLflow cannot record system metrics.
    """
    if config.tracking.system_metrics:
        check_system_metrics()
    opened = wait_for_server(
        config.stores.tracking_uri,
        lambda: open_runs(config, study_name=study_name, dataset=dataset, environment=environment, search=search),
    )
    return StudyTracker(config, opened, study_name=study_name, environment=environment)


class StudyTracker:
    """The open record of a study; as a context manager, it records the study's final status at the end of the block.

    Args:
        config: The study's config.
        opened: The study's runs.
        study_name: Name of the study in its experiment.
        environment: Versions by package, and `git_commit`.

    Attributes:
        run_id: Id of the study's MLflow run.
        experiment_id: Id of the study's MLflow experiment.
        tags_before: Tags of the study's run as an earlier process left them; empty for a new study.
        opened: The study's runs as they were found at the opening.
        models: The models that the study keeps.
    """

    def __init__(
        self, config: StudyConfig, opened: StudyRuns, *, study_name: str, environment: Mapping[str, str]
    ) -> None:
        self.run_id, self.experiment_id = opened.run_id, opened.experiment_id
        self.opened, self.tags_before = opened, opened.tags_before
        self._config, self._study_name = config, study_name
        shared = mlflow_schema.workload_tags(config, study_name=study_name)
        self._shared_tags = shared | dict(environment) | mlflow_schema.source_tags(color=opened.color)
        self._client, self._uri = opened.client, config.stores.tracking_uri
        self._cache, self._history = RunCache(config, opened.children), SearchHistory(config.objective, opened.course)
        self._ended: list[bulk_insert.Draft] = []
        self._mlflow_writer, self._spool = opened.mlflow_writer, opened.spool
        self._bulk_insert = bulk_insert.BulkInsert(opened.client, opened.mlflow_writer, opened.experiment_id)
        self._writer = WriterThread(opened.mlflow_writer, where=redact(self._uri), spool=opened.spool)
        self.models = StudyModels(opened, uri=self._uri, settle=self.settle, put=self._writer.put)
        self._reads_next, self._told_ms, self._is_last = 0.0, 0, True
        own: Any = {"interval_s": _INTERVAL_S, "put": self._writer.put, "is_told": lambda: self._told_ms > 0}
        self._sampler = SystemMetricsThread(self.run_id, self._uri, **own) if config.tracking.system_metrics else None

    def start(self, kind: Kind, trial: Trial, *, in_bulk: bool = False, origin: str = "") -> None:
        """Record that a trial or a confirmation starts.

        In a deterministic study, a run that was cut off under the same number continues: metrics that are reported
        again are not written again. The run is replaced if its metrics show that another training wrote it. A failed
        run always continues, without its outcome; on a server it is replaced if it had reported other values.

        Args:
            kind: `trial`, or the setting that is confirmed.
            trial: The trial.
            in_bulk: Write the run only after its end, together with others, at `write` or `flush`. Default False.
            origin: The store from which the run is written again; it becomes a tag. Default: empty, it is trained now.
        """
        key = (kind, trial.number)
        start = start_of(
            trial,
            kind=kind,
            config=self._config,
            name=mlflow_schema.run_name(kind, trial.number, study_name=self._study_name),
            tags=self._shared_tags | mlflow_schema.child_tags(kind, trial.number, parent=self.run_id),
            is_spooled=self._spool is not None,
            origin=origin,
            before=self._cache.run_ids(key),
            goes_on=self._config.deterministic and not in_bulk,
        )
        self._cache.starts(key, RunInProgress(start=start, draft=bulk_insert.Draft(start=start) if in_bulk else None))
        if not in_bulk:
            self._writer.put(start)

    def epoch(self, kind: Kind, trial: Trial, report: EpochReport) -> None:
        """Record an epoch's metrics under the epoch's number, from 1; values of steps under the step's number.

        Args:
            kind: `trial`, or the setting that is confirmed.
            trial: The trial or confirmation.
            report: The report of the epoch.
        """
        run, now = self._cache.started((kind, trial.number)), mlflow_schema.now_ms()
        metrics = mlflow_schema.to_metrics(report.metrics, step=report.epoch + 1, timestamp_ms=now)
        for name in (name for name in report.steps if name != "step"):
            pairs = zip(report.steps["step"], report.steps[name], strict=True)
            metrics += [Metric(name, float(value), now, int(step)) for step, value in pairs]
        run.saw(metrics)
        if run.draft is None:
            self._writer.put(Log(run=run.start.run, metrics=metrics))
        else:
            run.draft.metrics += metrics

    def end(self, kind: Kind, result: TrialResult, *, objective: float) -> None:
        """Record the end of a trial or a confirmation, and the study's progress.

        Args:
            kind: `trial`, or the setting that is confirmed.
            result: The result of the trial or confirmation.
            objective: The objective, in the metric's units.
        """
        key, ended = (kind, result.trial.number), mlflow_schema.now_ms()
        run = self._cache.started(key)
        values = study_summary.end_metrics(self._config, result, objective)
        metrics = mlflow_schema.to_metrics(values, step=0, timestamp_ms=ended)
        run.saw(metrics)
        draft = run.draft or bulk_insert.Draft(start=run.start)
        draft.metrics += metrics
        draft.status = status = "FAILED" if result.state == "failed" else "FINISHED"
        draft.tags, draft.ended, draft.error = {"state": result.state}, ended, result.error
        self._cache.ends(key, state=result.state, status=status, ended=ended)
        if run.draft is not None:
            self._ended.append(draft)
            return
        self._writer.put(*bulk_insert.entries_of(draft)[1:])
        if kind == "trial":
            self._record_own_progress()

    def finished(self, role: Role | None = None) -> Mapping[tuple[Kind, int], RunRecord]:
        """Return the study's finished runs with their results in the store, by kind and number.

        Superseded confirmations are left out. While a server is away, these are the runs as last read from it, with
        the changes that this process has made since.

        Args:
            role: Return only runs of this role. None (the default): all.

        Raises:
            StoreError: The store cannot be read, or an earlier write failed.
        """
        if self.settle():
            try:
                with store_errors(self._uri, "the study's runs cannot be read"):
                    children = child_runs(self._client, self.experiment_id, self.run_id, role=role)
                self._cache.learn(children)
                return {(run.kind, run.number): run for run in children if run.has_result and not run.superseded}
            except StoreError as error:
                if not self.models.may_pass(error):
                    raise
        return {(run.kind, run.number): run for run in self._cache.finished(role)}

    def known_trials(self) -> dict[int, RunRecord]:
        """Return the finished trials by number, as read at the opening, with the changes of this process since."""
        return {run.number: run for run in self._cache.finished("trial")}

    def supersede(self, kind: Kind, run_ids: Collection[str]) -> None:
        """Mark confirmations of a point that is no longer the best; their numbers become free again.

        Args:
            kind: The setting that they confirm.
            run_ids: Ids of their runs.
        """
        self._cache.supersede(kind, run_ids)
        self._writer.put(*(Log(run=run_id, tags={"superseded": "true"}) for run_id in run_ids))

    def summarize(
        self,
        *,
        best: int | None,
        tests: study_summary.Tests = _NO_TESTS,
        untuned: study_summary.Tests = _NO_TESTS,
        ended: Mapping[int, str] | None = None,
    ) -> None:
        """Record the study's summary; if other workers have added trials, read the trials from the store again.

        Args:
            best: Number of the trial that the search selected; None if no trial completed.
            tests: Mean and interval of each metric over the best point's confirmations. Default: none.
            untuned: The same over the confirmations of the untuned optimizer. Default: none.
            ended: States of the trials that ended, by number. None (the default): unknown.

        Raises:
            StoreError: The store cannot be read or written.
        """
        if self._cache.trials.states != ended:
            self._cache.trials = study_summary.StudySummary(self._config, outcomes_of(self.finished().values()))
        self._record_progress(best=best, tests=tests, untuned=untuned)
        self.flush()

    def leave(self) -> None:
        """Leave the study's run to other workers: it goes on after this process."""
        self._is_last = False

    def lose(self, numbers: Collection[int]) -> None:
        """Leave trials of this worker, and the study's run, to the other workers that have taken the trials over.

        A run that was cut off here is deleted, unless another worker continues it: it has, or makes, one of its own.

        Args:
            numbers: Numbers of the trials.
        """
        self.leave()
        found = [self._cache.lose(("trial", number)) for number in numbers]
        lost = {run_id for run_ids, _ in found for run_id in run_ids}
        self._ended = [draft for draft in self._ended if draft.start.run not in lost]
        cut_off = [run.start.run for _, run in found if run is not None and run.draft is None]
        with contextlib.suppress(StoreError):  # the end of the record says so
            self._writer.act(lambda: self._mlflow_writer.withdraw(cut_off))

    def accept(self, change: str) -> None:
        """Record a change that the user accepted.

        Args:
            change: What was recorded, and what is so now.
        """
        told = ", ".join(filter(None, (self.tags_before.get(mlflow_schema.ACCEPTED), change)))
        self._writer.put(Log(run=self.run_id, tags={mlflow_schema.ACCEPTED: told}))

    def artifact_text(self, text: str, path: str, *, run_id: str | None = None) -> None:
        """Keep a text as an artifact.

        Args:
            text: The text.
            path: Path of the artifact in the run.
            run_id: Id of a trial's run. None (the default): the study's run.
        """
        self._writer.put(File(run=run_id or self.run_id, path=path, content=text.encode()))

    def artifact_file(self, local_path: Path) -> None:
        """Copy a file in its present state into the study's artifacts.

        Args:
            local_path: Path of the file.
        """
        self._writer.put(File(run=self.run_id, path=local_path.name, content=local_path.read_bytes()))
        self.flush()

    def write(self) -> None:
        """Begin to write the runs that ended since the last call, all together, and the study's progress."""
        drafts, self._ended = self._ended, []
        if not drafts:
            return
        if self._spool is not None:
            self._writer.put(*(entry for draft in drafts for entry in bulk_insert.entries_of(draft)))
        else:
            self._writer.act(lambda: self._bulk_insert.write(drafts))
        self._record_own_progress()

    def flush(self) -> None:
        """Wait until all entries so far are in the store, or in the spool of a server.

        Raises:
            StoreError: A write failed.
        """
        self.write()
        self._writer.flush()

    def settle(self) -> bool:
        """Wait until other workers can see all entries so far; return False if a server is away.

        Raises:
            StoreError: A write failed.
        """
        self.write()
        return self._writer.settle()

    def __enter__(self) -> StudyTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        status = "FINISHED" if error is None else "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        try:
            self._close(status)
        except StoreError as failure:
            if error is None:
                raise
            if str(failure) != str(error):
                error.add_note(f"And the study's record could not be closed: {failure}")

    def _close(self, status: str) -> None:
        """Write the remaining entries, and mark the study and its trials that were cut off as ended."""
        if self._sampler is not None:
            self._sampler.stop()
        now = mlflow_schema.now_ms()
        cut_off = [run.start.run for run in self._cache.open_runs() if run.draft is None]
        try:
            try:
                self.write()
                self._writer.put(*(Finish(run=run, status="KILLED", ended=now) for run in cut_off))
                if self._is_last:
                    self._writer.put(Finish(run=self.run_id, status=status, ended=now))
            finally:
                n_waiting = self._writer.close()
        except StoreError as failure:
            self._mark_as_failed(cut_off, failure)
            raise
        if n_waiting:
            raise RecordsWaitError(redact(self._uri), self._spool.path if self._spool else None, n_waiting)

    def _mark_as_failed(self, cut_off: Collection[str], failure: StoreError) -> None:
        """Mark the study as failed in a store that refused a write, if it accepts that."""
        try:
            with store_errors(self._uri, "the study cannot be marked as ended"):
                for run in cut_off:
                    if (run_id := self._mlflow_writer.find(run)) is not None:
                        self._client.set_terminated(run_id, "KILLED")
                if self._is_last:
                    self._client.set_terminated(self.run_id, "FAILED")
        except StoreError as error:
            failure.add_note(str(error))

    def _record_own_progress(self) -> None:
        """Record the study's progress; with trials of other workers, only now and then, since they must be read."""
        if self._cache.lacks_trials():
            if time.monotonic() < self._reads_next:
                return
            self._reads_next = time.monotonic() + _READ_INTERVAL_S
            self._cache.trials = study_summary.StudySummary(self._config, outcomes_of(self.finished().values()))
        self._record_progress(best=self._cache.trials.best, tests=_NO_TESTS, untuned=_NO_TESTS)

    def _record_progress(self, *, best: int | None, tests: study_summary.Tests, untuned: study_summary.Tests) -> None:
        # Of two values of one step and one millisecond, MLflow takes the larger one.
        trials, now = self._cache.trials, max(mlflow_schema.now_ms(), self._told_ms + 1)
        values = study_summary.study_metrics(trials, best=best, tests=tests, stored=self.opened.names_before)
        step = len(trials.outcomes) * self.opened.counts_steps
        metrics = mlflow_schema.to_metrics(values, step=step, timestamp_ms=now)
        metrics += self._history.take(trials.outcomes, timestamp_ms=now)
        means: Any = {"tests": tests, "untuned": untuned}
        tags = study_summary.study_tags(self._config, trials, best=best, describes=self.opened.describes, **means)
        self._writer.put(Log(run=self.run_id, metrics=metrics, tags=tags))
        self._told_ms = now
