"""Records of past studies, independent of the library that stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from study.core.search_space import Value
from study.core.trainer_interface import Kind, State, run_words

Role = Literal["study", "trial", "confirmation", "comparison"]
# Time between two studies of a command, in seconds: the next one opens its data and stores.
_GAP_S = 60.0
# Params of a trial or a confirmation that are no hyperparameters; earlier confirmations have a `trial_number` too.
NOT_HYPERPARAMETERS = ("optimizer", "trial_number", "repetition", "run_seed", "order_seed")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A trial or a confirmation as the store holds it.

    Attributes:
        run_id: The run's id in the store.
        role: `trial` or `confirmation`.
        config: The setting that a confirmation trained: `best`, `default` or `fixed`; None for a trial.
        number: The trial's index in its study, from 0; of a confirmation, its repetition, from 0.
        state: The state in which it ended; None while it runs, and if it was cut off.
        status: The store's status: RUNNING, FINISHED, FAILED or KILLED.
        superseded: True for a confirmation of a point that, after a continued search, is no longer the best.
        params: Hyperparameters under Keras's argument names, and those of `NOT_HYPERPARAMETERS`.
        metrics: The last value of each metric.
        started: Time of the start, in seconds since 1970.
        ended: Time of the end, in seconds since 1970; None while it runs.
        contents: Digest of the data, code and architecture with which it trained. Default: empty, not recorded.
    """

    run_id: str
    role: Role
    config: str | None
    number: int
    state: State | None
    status: str
    superseded: bool
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    started: float
    ended: float | None
    contents: str = ""

    @property
    def kind(self) -> Kind:
        """The run's part in its study: `trial`, or the setting that it confirms."""
        return cast(Kind, self.config) if self.role == "confirmation" else "trial"

    @property
    def words(self) -> str:
        """The run in words: `trial 3`, or `confirmation 0 (tuned)`."""
        return run_words(self.kind, self.number)

    @property
    def finished(self) -> bool:
        """True if the run ended by itself, in whatever state; false if it runs or was cut off."""
        return self.state is not None and self.status in ("FINISHED", "FAILED")

    @property
    def has_result(self) -> bool:
        """True if the run finished with its objective in the store; a failed or diverged one has none to lose."""
        return self.finished and (self.state in ("failed", "diverged") or "objective" in self.metrics)


@dataclass(frozen=True, kw_only=True)
class SearchedTrial:
    """A trial that has ended, as both stores know it.

    Attributes:
        number: Index of the trial in its study, from 0.
        hyperparameters: The optimizer's arguments, by name.
        run_seed: Seed of the initial weights.
        state: The state in which it ended.
        objective: The objective, in the metric's units; NaN if it is unknown, as that of a failed trial.
        error: Last line of the error of a failed trial. None (the default): it did not fail.
        reports: The objective by epoch, from 0, of a study with a pruner. Default: empty.
    """

    number: int
    hyperparameters: Mapping[str, Value]
    run_seed: int
    state: State
    objective: float
    error: str | None = None
    reports: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """A study as the store of searches holds it.

    Attributes:
        namesakes: Names of the other studies with the same digest. Default: none.
        ended: Trials that ended, in the order of their numbers. Default: none.
        contents: Data, code and architecture of the study, as JSON: the first ones and those accepted later. Default:
            none.
    """

    namesakes: frozenset[str] = frozenset()
    ended: tuple[SearchedTrial, ...] = ()
    contents: tuple[str, ...] = ()


# A study that no store of searches knows.
NO_RECORD = SearchRecord()


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """A study and its runs as the store holds them.

    Attributes:
        run_id: The id of the study's own run.
        experiment: The experiment's name.
        name: The study's name in its experiment.
        optimizer: The optimizer's YAML name.
        dataset: The data set's YAML name.
        model: The model's YAML name.
        study_id: The digest that identifies the study.
        status: The store's status: RUNNING, FINISHED, FAILED or KILLED.
        n_trials: Number of trials planned.
        tags: All tags of the study's run.
        params: The resolved config, flattened, without the keys whose values may grow.
        metrics: The last value of each metric of the study's run.
        trials: Trials in the order of their numbers.
        confirmations: Confirmations in the order of their configs and repetitions, superseded ones included.
        started: Time of the start, in seconds since 1970.
        ended: Time of the end, in seconds since 1970; None while it runs.
    """

    run_id: str
    experiment: str
    name: str
    optimizer: str
    dataset: str
    model: str
    study_id: str
    status: str
    n_trials: int
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    trials: tuple[RunRecord, ...]
    confirmations: tuple[RunRecord, ...]
    started: float
    ended: float | None

    @property
    def settings_id(self) -> str:
        """Digest of the settings as typed; studies on other data or code may have the same one."""
        return self.tags.get("settings_id", self.study_id)

    @property
    def opened(self) -> float:
        """Time of the last command that started or continued the study, in seconds since 1970."""
        return int(self.tags.get("opened_ms", 1000 * self.started)) / 1000


def latest_of_settings(records: Iterable[StudyRecord]) -> list[StudyRecord]:
    """Return one study for each digest of settings: the one started or continued last.

    Args:
        records: The studies; the result has their order.
    """
    given = list(records)
    latest: dict[str, StudyRecord] = {}
    for record in sorted(given, key=lambda record: record.opened):
        latest[record.settings_id] = record
    return [record for record in given if latest[record.settings_id] is record]


def n_to_come(records: Iterable[StudyRecord], *, begun: Iterable[StudyRecord], now_s: float) -> int:
    """Return the number of studies that running commands have not begun yet.

    A study records the studies of its command as it begins. Between two of them none runs for some seconds.

    Args:
        records: The studies, without those whose process has died.
        begun: All studies.
        now_s: The time, in seconds since 1970.
    """
    there = {record.settings_id for record in begun}
    planned = {
        digest
        for record in records
        if record.status == "RUNNING"
        or (record.status == "FINISHED" and record.ended is not None and now_s - record.ended < _GAP_S)
        for digest in filter(None, record.tags.get("command_studies", "").split(","))
    }
    return len(planned - there)
