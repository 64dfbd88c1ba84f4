"""Record one study while it runs, without making its training wait."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from mlflow.entities import Metric
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from study.config import StudyConfig
from study.datasets import Dataset
from study.errors import StoreError
from study.records import Role, RunRecord
from study.results import EpochReport, Kind, Trial, TrialResult
from study.space import text_of
from study.tracking import bulk, progress, schema
from study.tracking.background import BackgroundWriter, RunHandle
from study.tracking.opening import OpenedRuns, open_runs
from study.tracking.reader import child_runs
from study.tracking.store import redact, store_errors

_SYSTEM_METRICS_INTERVAL_S = 5
_NO_TESTS: Mapping[str, progress.Estimate] = MappingProxyType({})


def open_study(
    config: StudyConfig, *, study_name: str, dataset: Dataset, environment: Mapping[str, str]
) -> StudyTracker:
    """Open the record of a study: a new one, or the one with the same digest to be continued.

    Args:
        config: The study's config.
        study_name: The study's name in its experiment.
        dataset: The data set, described as an MLflow input.
        environment: Package versions by package, and `git_commit`; each becomes a tag.

    Raises:
        StoreError: The store cannot be opened or written to.
    """
    opened = open_runs(config, study_name=study_name, dataset=dataset, environment=environment)
    return StudyTracker(config, opened, study_name=study_name)


class StudyTracker:
    """The open record of a study; a context manager, which marks how the study ended.

    Attributes:
        run_id: The study's MLflow run.
        experiment_id: Its MLflow experiment.
    """

    def __init__(self, config: StudyConfig, opened: OpenedRuns, *, study_name: str) -> None:
        self.run_id = opened.run_id
        self.experiment_id = opened.experiment_id
        self._config = config
        self._client = opened.client
        self._uri = config.stores.tracking_uri
        self._study_name = study_name
        self._parent = RunHandle(run_id=opened.run_id)
        # All runs that stand under a key; starting a trial again removes what stands there.
        self._runs: dict[tuple[Kind, int], list[RunHandle]] = {}
        self._open: dict[tuple[Kind, int], tuple[RunHandle, Trial]] = {}
        self._note(opened.children)
        self._outcomes = _outcomes(opened.children)
        self._drafts: dict[tuple[Kind, int], bulk.Draft] = {}
        self._ended: list[bulk.Draft] = []
        self._writer = BackgroundWriter(opened.client, where=redact(self._uri))
        self._monitor = self._start_monitor() if config.tracking.system_metrics else None

    def start(self, kind: Kind, trial: Trial, *, in_bulk: bool = False) -> None:
        """Record that a trial or a confirmation starts; a run that already stands under its number is removed.

        Args:
            kind: What is trained.
            trial: The trial.
            in_bulk: Write nothing until it has ended and `flush` is called, then all such runs at once.
        """
        key, run, started = (kind, trial.number), RunHandle(), schema.now_ms()
        before = self._runs.get(key, [])
        self._runs[key], self._open[key] = [run], (run, trial)
        process = f"{platform.node()}:{os.getpid()}"
        tags = schema.workload_tags(self._config, study_name=self._study_name)
        tags |= schema.child_tags(kind, trial.number, parent=self.run_id, process=process) | schema.source_tags()

        name = schema.run_name(kind, trial.number, study_name=self._study_name)
        params = schema.trial_params(trial, optimizer=self._config.optimizer.name)
        if in_bulk:
            replaced = [stale.run_id for stale in before]
            draft = bulk.Draft(run=run, name=name, tags=tags, params=params, started=started, replaced=replaced)
            self._drafts[key] = draft
            return

        def create() -> None:
            for stale in before:
                self._client.delete_run(stale.run_id)
            run.run_id = self._client.create_run(self.experiment_id, started, tags, run_name=name).info.run_id
            schema.log_in_batches(self._client, run.run_id, params=params, tags={})

        self._writer.act(run, create)

    def epoch(self, kind: Kind, trial: Trial, report: EpochReport) -> None:
        """Record an epoch's metrics under the epoch's number, from 1; values per step under the step."""
        run, _ = self._started(kind, trial.number)
        now = schema.now_ms()
        metrics = schema.to_metrics(report.metrics, step=report.epoch + 1, timestamp_ms=now)
        for name, values in report.steps.items():
            if name != "step":
                pairs = zip(report.steps["step"], values, strict=True)
                metrics += [Metric(name, float(value), now, int(step)) for step, value in pairs]
        draft = self._drafts.get((kind, trial.number))
        if draft is None:
            self._writer.metrics(run, metrics)
        else:
            draft.metrics += metrics

    def end(self, kind: Kind, result: TrialResult, *, objective: float) -> None:
        """Record how a trial or a confirmation ended, and the study's progress."""
        number, ended = result.trial.number, schema.now_ms()
        run, trial = self._started(kind, number)
        del self._open[kind, number]
        values = progress.end_metrics(self._config, result, objective)
        metrics = schema.to_metrics(values, step=0, timestamp_ms=ended)
        status = "FAILED" if result.state == "failed" else "FINISHED"
        if kind == "trial":
            point = {key: text_of(value) for key, value in trial.hyperparameters.items()}
            self._outcomes[number] = progress.Outcome(state=result.state, metrics=values, hyperparameters=point)
        draft = self._drafts.pop((kind, number), None)
        if draft is not None:
            draft.metrics += metrics
            draft.tags = {**draft.tags, "state": result.state}
            draft.ended, draft.status, draft.error = ended, status, result.error
            self._ended.append(draft)
            return

        def finish() -> None:
            if result.error is not None:
                self._client.log_text(run.run_id, result.error, "error.txt")
            self._client.log_batch(run.run_id, metrics=metrics, tags=schema.to_tags({"state": result.state}))
            self._client.set_terminated(run.run_id, status, end_time=ended)

        self._writer.act(run, finish)
        if kind == "trial":
            self._record_progress(best=progress.best_of(self._config, self._outcomes), tests=_NO_TESTS)

    def finished(self, role: Role | None = None) -> Mapping[tuple[Kind, int], RunRecord]:
        """Return the runs of the study that came to an end of their own, as the store holds them now.

        Superseded confirmations are left out, and the runs of another role than one that is given.

        Raises:
            StoreError: The store cannot be read, or an earlier write failed.
        """
        self.flush()
        with store_errors(self._uri, "the study's runs cannot be read"):
            children = child_runs(self._client, self.experiment_id, self.run_id, role=role)
        self._note(children)
        return {(run.kind, run.number): run for run in children if run.finished and not run.superseded}

    def supersede(self, kind: Kind, run_ids: Collection[str]) -> None:
        """Mark confirmations whose point a continued search has left behind; their numbers become free again."""
        self.flush()
        for key, handles in list(self._runs.items()):
            if key[0] == kind and any(handle.run_id in run_ids for handle in handles):
                del self._runs[key]

        def mark() -> None:
            for run_id in run_ids:
                self._client.set_tag(run_id, "superseded", "true")

        self._writer.act(None, mark)

    def summarize(self, *, best: int | None, tests: Mapping[str, progress.Estimate] = _NO_TESTS) -> None:
        """Record what the study came to, read anew from the store so that other workers' trials count.

        Args:
            best: The number of the trial that the search selected; None when none completed.
            tests: Mean, lower and upper end of each test metric over the best point's confirmations, such as
                `test_accuracy`.

        Raises:
            StoreError: The store cannot be read or written.
        """
        self._outcomes = _outcomes(self.finished().values())
        self._record_progress(best=best, tests=tests)
        self.flush()

    def artifact_text(self, text: str, path: str) -> None:
        """Keep a text as an artifact of the study."""
        self._writer.act(self._parent, lambda: self._client.log_text(self.run_id, text, path))

    def artifact_json(self, content: Any, path: str) -> None:
        """Keep JSON as an artifact of the study."""
        self.artifact_text(json.dumps(content, indent=2), path)

    def artifact_file(self, local_path: Path, folder: str) -> None:
        """Copy a file into a folder (empty: the root) of the study's artifacts before returning."""
        self._writer.act(self._parent, lambda: self._client.log_artifact(self.run_id, str(local_path), folder or None))
        self.flush()

    def log_model(self, model: Any, *, example_x: Any) -> None:
        """Keep a Keras model as an MLflow model named `model`, ready to be served.

        Args:
            model: The trained model.
            example_x: A few inputs, shape (n_examples, *input_shape), for the signature.

        Raises:
            StoreError: The model cannot be stored.
        """
        from study.tracking.models import log_keras_model

        self.flush()
        with store_errors(self._uri, "the model cannot be stored"):
            log_keras_model(
                self._client, model, example_x=example_x, experiment_id=self.experiment_id, run_id=self.run_id
            )

    def flush(self) -> None:
        """Return when everything so far is written.

        Raises:
            StoreError: A write failed.
        """
        self._write_drafts()
        self._writer.flush()

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
        """Write what is left and mark the study, and the trials that were cut off, as ended."""
        try:
            self._write_drafts()
            self._writer.close()
        except StoreError:
            status = "FAILED"
            raise
        finally:
            if self._monitor is not None:
                self._monitor.finish()
            with store_errors(self._uri, "the study cannot be marked as ended"):
                for run, _ in self._open.values():
                    if run.run_id:
                        self._client.set_terminated(run.run_id, "KILLED")
                self._client.set_terminated(self.run_id, status)

    def _write_drafts(self) -> None:
        """Write the runs that ended since the last time, at once, and the study's progress."""
        drafts, self._ended = self._ended, []
        if drafts:
            self._writer.act(None, lambda: bulk.write_drafts(self._client, self.experiment_id, drafts))
            self._record_progress(best=progress.best_of(self._config, self._outcomes), tests=_NO_TESTS)

    def _note(self, children: Collection[RunRecord]) -> None:
        """Note the runs that stand under the keys that are not open here, those of other workers among them."""
        standing: dict[tuple[Kind, int], list[RunHandle]] = {}
        for child in children:
            if not child.superseded and (child.kind, child.number) not in self._open:
                standing.setdefault((child.kind, child.number), []).append(RunHandle(run_id=child.run_id))
        self._runs |= standing

    def _started(self, kind: Kind, number: int) -> tuple[RunHandle, Trial]:
        try:
            return self._open[kind, number]
        except KeyError:
            raise ValueError(f"{kind} {number} was not started; call start() first") from None

    def _record_progress(self, *, best: int | None, tests: Mapping[str, progress.Estimate]) -> None:
        outcomes = self._outcomes
        values = progress.study_metrics(self._config, outcomes, best=best, tests=tests)
        tags = schema.to_tags(progress.study_tags(self._config, outcomes, best=best, tests=tests))
        metrics = schema.to_metrics(values, step=len(outcomes), timestamp_ms=schema.now_ms())
        self._writer.act(self._parent, lambda: self._client.log_batch(self.run_id, metrics=metrics, tags=tags))

    def _start_monitor(self) -> Any:
        monitor = SystemMetricsMonitor(
            self.run_id,
            sampling_interval=_SYSTEM_METRICS_INTERVAL_S,
            resume_logging=True,
            tracking_uri=self._uri,
        )
        monitor.start()
        return monitor


def _outcomes(children: Collection[RunRecord]) -> dict[int, progress.Outcome]:
    trials = {child.number: progress.outcome_of(child) for child in children if child.kind == "trial"}
    return {number: outcome for number, outcome in trials.items() if outcome is not None}
