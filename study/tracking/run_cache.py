"""A process's own copy of its study's runs, for times when the store is away."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlflow.entities import Metric

from study.config.schema import StudyConfig
from study.core.records import Role, RunRecord
from study.core.trainer_interface import Kind, State, Trial
from study.tracking import mlflow_schema, study_summary
from study.tracking.outbox.bulk_insert import Draft
from study.tracking.outbox.entries import Start
from study.tracking.outbox.mlflow_writer import NEW, RECORD
from study.tracking.packed_tags import packed

Key = tuple[Kind, int]


@dataclass(kw_only=True)
class RunInProgress:
    """A run that has started and has not ended.

    Attributes:
        start: The entry of the run's start.
        last: The last value of each metric. Default: empty.
        draft: The run to write once it has ended. None (the default): it is written while it runs.
    """

    start: Start
    last: dict[str, float] = field(default_factory=dict)
    draft: Draft | None = None

    def saw(self, metrics: Collection[Metric]) -> None:
        """Keep the last values of metrics.

        Args:
            metrics: New metrics of the run.
        """
        self.last |= {metric.key: metric.value for metric in metrics}


class RunCache:
    """The runs of a study as of its opening, with the changes that this process has made since.

    Args:
        config: The study's config.
        children: The study's runs at its opening.

    Attributes:
        trials: The summary of the study's trials.
    """

    def __init__(self, config: StudyConfig, children: Collection[RunRecord]) -> None:
        self._runs: dict[Key, list[RunRecord]] = {}
        self._open: dict[Key, RunInProgress] = {}
        self.learn(children)
        self.trials = study_summary.StudySummary(config, outcomes_of(children))

    def run_ids(self, key: Key) -> list[str]:
        """Return the ids of all runs of a trial or confirmation, the oldest first.

        Args:
            key: Kind and number.
        """
        return [run.run_id for run in self._runs.get(key, ())]

    def starts(self, key: Key, run: RunInProgress) -> None:
        """Add a run that starts, and drop the runs before it.

        Args:
            key: Kind and number.
            run: The run.
        """
        self._open[key] = run
        self._runs[key] = [_record(key, run, state=None, status="RUNNING")]

    def started(self, key: Key) -> RunInProgress:
        """Return a run that has started and has not ended.

        Args:
            key: Kind and number.

        Raises:
            ValueError: There is no such run.
        """
        try:
            return self._open[key]
        except KeyError:
            raise ValueError(f"{key[0]} {key[1]} was not started; call start() first") from None

    def ends(self, key: Key, *, state: State, status: str, ended: int) -> None:
        """Record the end of a run.

        Args:
            key: Kind and number.
            state: The state in which it ended.
            status: MLflow's status: FINISHED or FAILED.
            ended: Time of the end, in milliseconds since 1970.
        """
        record = replace(_record(key, self._open.pop(key), state=state, status=status), ended=ended / 1000)
        self._runs[key] = [record]
        if key[0] == "trial" and (outcome := study_summary.outcome_of(record)) is not None:
            self.trials.add(key[1], outcome)

    def lose(self, key: Key) -> tuple[list[str], RunInProgress | None]:
        """Drop a run that another worker has taken over.

        Args:
            key: Kind and number.

        Returns:
            The run's ids here, and the run if it had not ended.
        """
        return [run.run_id for run in self._runs.pop(key, ())], self._open.pop(key, None)

    def lacks_trials(self) -> bool:
        """Return whether a trial before the last one is neither known nor in progress here: another worker has it."""
        numbers = {*self.trials.outcomes, *(number for kind, number in self._open if kind == "trial")}
        return len(numbers) <= max(numbers, default=-1)

    def open_runs(self) -> list[RunInProgress]:
        """Return the runs that have started and have not ended."""
        return list(self._open.values())

    def learn(self, children: Collection[RunRecord]) -> None:
        """Take the runs that are not in progress here from the store, those of other workers included.

        Args:
            children: The study's runs, read from the store.
        """
        stored: dict[Key, list[RunRecord]] = {}
        for child in children:
            if not child.superseded and (child.kind, child.number) not in self._open:
                stored.setdefault((child.kind, child.number), []).append(child)
        self._runs |= stored

    def supersede(self, kind: Kind, run_ids: Collection[str]) -> None:
        """Remove confirmations.

        Args:
            kind: The setting that they confirm.
            run_ids: Ids of their runs.
        """
        for key in [key for key in self._runs if key[0] == kind]:
            if any(run.run_id in run_ids for run in self._runs[key]):
                del self._runs[key]

    def finished(self, role: Role | None) -> list[RunRecord]:
        """Return the runs that finished with a result, not those that were cut off or lost their metrics.

        Args:
            role: Return only runs of this role; None: all.
        """
        return [
            run
            for runs in self._runs.values()
            for run in runs
            if run.has_result and (role is None or run.role == role)
        ]


def outcomes_of(children: Collection[RunRecord]) -> dict[int, study_summary.TrialOutcome]:
    """Return the outcomes of the trials among runs, by number.

    Args:
        children: The runs.
    """
    trials = {child.number: study_summary.outcome_of(child) for child in children if child.kind == "trial"}
    return {number: outcome for number, outcome in trials.items() if outcome is not None}


def start_of(
    trial: Trial,
    *,
    kind: Kind,
    config: StudyConfig,
    name: str,
    tags: Mapping[str, str],
    is_spooled: bool,
    origin: str,
    before: Sequence[str],
    goes_on: bool,
) -> Start:
    """Return the entry of a run that starts now, under a key of its own.

    Args:
        trial: The trial or confirmation.
        kind: `trial`, or the setting that is confirmed.
        config: The study's config.
        name: Name of the run.
        tags: Tags of the run.
        is_spooled: The run waits on the disk for a server, and has its key as a tag.
        origin: The store from which the run is written again; empty: it is trained now.
        before: Ids of earlier runs of the trial.
        goes_on: Continue the last one of these also if it was cut off.
    """
    run = f"{NEW}{uuid.uuid4().hex}"
    params = mlflow_schema.trial_params(trial, kind=kind, optimizer=config.optimizer.name)
    point = {key: params[key] for key in trial.hyperparameters}
    if told := study_summary.point_text(point, searched=config.ranges):
        tags = {**tags, "point": told[: mlflow_schema.TAG_LENGTH]}
    own = {**({RECORD: run} if is_spooled else {}), **({"origin": origin} if origin else {})}
    return Start(
        run=run,
        name=name,
        tags=packed({**tags, **own}),
        params=params,
        started=mlflow_schema.now_ms(),
        before=before,
        goes_on=goes_on,
    )


def _record(key: Key, run: RunInProgress, *, state: State | None, status: str) -> RunRecord:
    kind, number = key
    params: Mapping[str, str] = run.start.params
    return RunRecord(
        run_id=run.start.run,
        role="trial" if kind == "trial" else "confirmation",
        config=None if kind == "trial" else kind,
        number=number,
        state=state,
        status=status,
        superseded=False,
        params=params,
        metrics=dict(run.last),
        started=run.start.started / 1000,
        ended=None,
    )
