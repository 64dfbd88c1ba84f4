"""An experiment as the stores have it at one time. Each part is read when it is first needed, and then kept."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cached_property

from study.cli.actions.read_comparison import ReadComparison, read_comparison
from study.core.errors import StudyError
from study.core.names import mended
from study.core.records import StudyRecord, latest_of_settings
from study.report.comparison import Comparison
from study.report.labelled_studies import studies_of_label
from study.report.recorded_task import recorded_task
from study.reproduction.recorded_run import RecordedRun, find_best_run, read_recorded_run
from study.tracking.connection import Connections
from study.tracking.read_studies import History, read_histories, read_studies

NOTHING_YET = "No result yet: no trial has begun."


class ExperimentSnapshot:
    """An experiment in MLflow's store.

    Args:
        name: Name of the experiment.
        tracking_uri: Address of the store.
        force: Compare studies that are not comparable.
    """

    def __init__(self, name: str, *, tracking_uri: str, force: bool) -> None:
        self.name = name
        self.tracking_uri = tracking_uri
        self._force = force
        self._connections = Connections()
        self._histories: dict[str, dict[str, dict[str, History]]] = {}

    @cached_property
    def records(self) -> tuple[StudyRecord, ...]:
        """The studies with their trials and confirmations, the oldest first."""
        return tuple(read_studies(self.tracking_uri, self.name, connections=self._connections))

    @cached_property
    def compared(self) -> ReadComparison:
        """The comparison, as `study compare` shows it.

        Raises:
            StudyError: No trial has begun, or the studies are not comparable.
        """
        return read_comparison(
            self.tracking_uri,
            self.name,
            connections=self._connections,
            force=self._force,
            records=self.records,
        )

    @cached_property
    def _compared_records(self) -> tuple[StudyRecord, ...]:
        """The studies without those whose settings a later one has with other data or code."""
        return self.records if self._force else tuple(latest_of_settings(self.records))

    @property
    def comparison(self) -> Comparison | None:
        """The comparison; None while no trial has begun, so that there is nothing to compare.

        Raises:
            StudyError: The studies are not comparable.
        """
        has_begun = any(record.trials or record.confirmations for record in self.records)
        return self.compared.comparison if has_begun else None

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentences of the answer; one that says so while no trial has begun.

        Raises:
            StudyError: The studies are not comparable.
        """
        return (NOTHING_YET,) if self.comparison is None else self.comparison.answer.sentences

    def histories(self, metrics: Sequence[str]) -> dict[str, dict[str, History]]:
        """Return metrics by epoch of all trials and confirmations, by run and metric.

        Args:
            metrics: Names of the metrics.
        """
        missing = [metric for metric in metrics if metric not in self._histories]
        if missing:
            runs = [run.run_id for record in self.records for run in (*record.trials, *record.confirmations)]
            read = read_histories(self.tracking_uri, runs, missing, connections=self._connections)
            for metric in missing:
                self._histories[metric] = {run: {metric: each[metric]} for run, each in read.items() if metric in each}
        found: dict[str, dict[str, History]] = {}
        for metric in metrics:
            for run_id, history in self._histories[metric].items():
                found.setdefault(run_id, {}).update(history)
        return found

    def select(self, study: str | None, *, call: str) -> list[StudyRecord]:
        """Return all studies, the study of a name or of a comparison's label, or all studies of an optimizer.

        After a change of data or code, the comparison leaves the studies of before out. The name of one of them means
        the study in its place, if that is the only one of the optimizer.

        Args:
            study: The name of a study or an optimizer; None: all studies.
            call: Name of the method, for the message.

        Raises:
            StudyError: There is no study of this name.
        """
        if study is None:
            return list(self.records)
        named = [record for record in self.records if study in (record.name, mended(record.name))]
        of_optimizer = [record for record in self.records if record.optimizer == study]
        current = [record for record in of_optimizer if record in self._compared_records]
        is_before = bool(named) and not any(record in self._compared_records for record in named)
        found = current if is_before and len(current) == 1 else named or current or of_optimizer
        found = found or studies_of_label(study, self.records)
        if not found:
            raise self._unknown(study, call)
        return found

    def find(self, study: str, *, call: str) -> StudyRecord:
        """Return the study of a name, or the only study of an optimizer.

        Args:
            study: The name of the study or the optimizer.
            call: Name of the method, for the message.

        Raises:
            StudyError: There is no study of this name, or there are several.
        """
        found = self.select(study, call=call)
        if len(found) > 1:
            listed = ", ".join(record.name for record in found)
            raise StudyError(
                f"{call}({study!r}): expected one study, and {len(found)} have this name or optimizer. Choose one of "
                f"{listed}."
            )
        return found[0]

    def best_run(self, study: str, *, call: str) -> RecordedRun:
        """Return the run of a study's best configuration: its first confirmation, or the best trial without one.

        Args:
            study: The name of the study or the optimizer.
            call: Name of the method, for the message.

        Raises:
            StoreError: The study's config cannot be read.
            StudyError: There is no such study, or no trial has completed.
        """
        record = self.find(study, call=call)
        run = find_best_run(record)
        return read_recorded_run(self.tracking_uri, record, run, connections=self._connections)

    def title(self, study: str, *, call: str) -> str:
        """Return a study's name with that of its experiment, as commands take it.

        Args:
            study: The name of the study or the optimizer.
            call: Name of the method, for the message.

        Raises:
            StudyError: There is no such study, or there are several.
        """
        exact = [record for record in self.records if record.name == study]  # a command changes what its name says
        return f"{self.name}/{(exact or [self.find(study, call=call)])[0].name}"

    def _unknown(self, study: str, call: str) -> StudyError:
        names = [record.name for record in self.records]
        words = dict.fromkeys([*names, *(record.optimizer for record in self.records)])
        near = difflib.get_close_matches(study, [*words], n=3, cutoff=0.4)
        advice = f"Did you mean {' or '.join(near)}?" if near else "Choose one of them."
        return StudyError(f"{call}({study!r}): expected one of {', '.join(names) or '(no study yet)'}. {advice}")


def metric_names(records: Sequence[StudyRecord]) -> list[str]:
    """Return the metrics that studies record after each epoch, such as `loss` and `val_accuracy`.

    Args:
        records: The studies.
    """
    return list(dict.fromkeys(name for record in records for name in recorded_task(record.params).metric_names))
