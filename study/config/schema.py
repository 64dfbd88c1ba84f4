"""A study's configuration as frozen dataclasses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from study.config.digests import digest_of
from study.config.epoch_rules import EarlyStopping, RateReduction
from study.config.instantiate import Section
from study.config.task import Task
from study.core.contents import Contents
from study.core.interrupt import GRACE_S
from study.core.names import in_file_name
from study.core.search_space import Range, Value, n_grid_points

BACKENDS = ("tensorflow", "jax", "torch")
# Kinds of models, by the operation that takes most time.
KINDS = ("dense", "embedding", "recurrent", "convolutional")
# Keys of the section `optimizer` that are not its arguments.
NOT_ARGUMENTS = ("name", "_target_", "search", "search_only", "untuned", "exclude")
# The sampler that goes through a grid.
GRID = "study.search.samplers.grid_sampler"
# Sections in which whole numbers are no sizes.
_NO_STRUCTURE = ("schedule.", "trainer.early_stopping.")
_MANY = 10_000
_FEWEST_BEFORE_TARGET = 5
_OPTUNA_GRID = "optuna.samplers.GridSampler"
Direction = Literal["maximize", "minimize"]
Confirm = Literal["fixed", "sequential"]
Live = Literal["auto"] | bool


@dataclass(frozen=True, kw_only=True)
class Component:
    """An object that a `_target_` builds.

    Attributes:
        name: The YAML's name.
        section: `_target_` and the arguments for the target; a null target builds nothing.
    """

    name: str
    section: Section


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Layers that a second optimizer trains.

    Attributes:
        layers: Names of the layers, perhaps with `*`.
        optimizer: The second optimizer, as a section.
    """

    layers: tuple[str, ...]
    optimizer: Section


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optimizer, its fixed arguments and its searched ones.

    Attributes:
        name: The YAML's name.
        target: Dotted path of the optimizer's class.
        fixed: Arguments with a given value, by name; all others keep Keras's defaults.
        ranges: Ranges of the searched arguments, by name; empty for a fixed setting.
        exclude: Layers that a second optimizer trains. None (the default): this one trains all.
    """

    name: str
    target: str
    fixed: Mapping[str, Value]
    ranges: Mapping[str, Range]
    exclude: Exclusion | None = None

    def arguments(self, point: Mapping[str, Value]) -> dict[str, Value]:
        """Return the constructor's arguments at a point.

        Args:
            point: Values of searched arguments, by name. An empty point gives the untuned optimizer.
        """
        return {**self.fixed, **point}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The limits of a study; exactly one of `n_epochs` and `n_steps` is set.

    Attributes:
        n_trials: Number of trials of the search, at least 1.
        n_epochs: Epochs of a training; None: `n_steps` is set.
        n_steps: Steps of a training; None: `n_epochs` is set.
        n_confirmations: Number of confirmations of each setting, at least 0; under `sequential` the largest number.
        time_limit_s: Time after which the study proposes no more trials, in seconds; None: no limit.
        confirm: `fixed` for `n_confirmations` at once; `sequential` for rounds, which end when the comparison is
            decided. Default `fixed`.
        until: The search ends when a confirmed configuration reached this value of the objective's metric. None (the
            default): it ends with its trials.
    """

    n_trials: int
    n_epochs: int | None
    n_steps: int | None
    n_confirmations: int
    time_limit_s: float | None
    confirm: Confirm = "fixed"
    until: float | None = None

    def total_steps(self, steps_per_epoch: int) -> int:
        """Return the number of steps of a whole training.

        Args:
            steps_per_epoch: Steps of one pass over the training split.
        """
        return self.n_steps or (self.n_epochs or 0) * steps_per_epoch


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The objective by which a study selects: a metric at the last epoch.

    Attributes:
        metric: Name of the metric, such as `val_accuracy`.
        direction: `maximize` if large values are good, `minimize` if small ones are.
        target: A value of the metric to reach, in the metric's units; None: no target.
        is_share: True for a metric from 0 to 1.
        margin: The smallest difference that matters, in the metric's units. None (the default): no difference is too
            small.
    """

    metric: str
    direction: Direction
    target: float | None
    is_share: bool
    margin: float | None = None

    @property
    def worst(self) -> float:
        """The value that a diverged trial gets: the worst one of a share, or an extreme but finite one otherwise."""
        if self.is_share:
            return 0.0 if self.direction == "maximize" else 1.0
        return -1e9 if self.direction == "maximize" else 1e9

    def better(self, a: float, b: float) -> bool:
        """Return whether one objective is better than another.

        Args:
            a: The first objective, in the metric's units.
            b: The second objective, in the same units.
        """
        return a > b if self.direction == "maximize" else a < b


@dataclass(frozen=True, kw_only=True)
class Stores:
    """The places of results; local paths are absolute.

    Attributes:
        tracking_uri: Address of the MLflow store.
        artifacts: The folder of artifacts for a store without a server; its neighbor `logs` has the logs.
        optuna_journal: The file that holds the search, for workers on one machine. None (the default): there is a
            server.
        optuna_url: Address of the database that holds the search, for workers on many machines. With it, the journal
            is not used. None (the default): there is a journal.
        stale_after_s: Time without a sign of life after which a worker on another machine counts as dead, in seconds.
            Default 60.
        server_patience_s: Longest wait of a worker for a server of the search that is away, in seconds. Default 900.
    """

    tracking_uri: str
    artifacts: Path
    optuna_journal: Path | None = None
    optuna_url: str | None = None
    stale_after_s: float = 60.0
    server_patience_s: float = 900.0


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Records besides results.

    Attributes:
        every_n_steps: Record the training loss of every n-th step; None: do not record steps.
        system_metrics: Record processor, memory and GPU over time.
        log_model: Keep the best confirmed model.
        tensorboard: Write event files for TensorBoard as well. Default False.
    """

    every_n_steps: int | None
    system_metrics: bool
    log_model: bool
    tensorboard: bool = False


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """One study: one optimizer, or one fixed setting of it, on one workload under one `study_seed`.

    Attributes:
        dataset: The data set.
        task: Loss and metrics of the data set.
        model: The model.
        optimizer: The optimizer with its fixed and its searched arguments.
        schedule: The schedule of the learning rate.
        trainer: The trainer.
        backend: The Keras backend that trains.
        sampler: Optuna's sampler.
        pruner: Optuna's pruner.
        budget: Numbers of trials, epochs or steps, and confirmations.
        objective: The metric that selects.
        stores: The places of results.
        tracking: Records besides results.
        experiment_name: Name of the MLflow experiment.
        study_name: Name of the study; None: the first free one of `labels`.
        labels: Names for the study if `study_name` is None, in order of preference.
        study_seed: Seed of the search and of every run seed.
        order_seed: Seed of the batch order.
        split_seed: Seed of the division into training and validation examples.
        deterministic: Compute the same numbers for the same command, bit by bit on one CPU.
        live: Show a live view; `auto`: on a terminal.
        max_failed_trials: Number of trials that may fail in a row before the study stops. None (the default): any
            number.
        shutdown_grace_s: Time from SIGTERM or SIGHUP to the end of the process at the latest, in seconds. Default 25.
        retry_failed: Train again the trials that failed in an earlier run. Default False.
        only_trial: Number of the trial to train alone, without changing a store. None (the default): run the study.
        typed_words: The words of the command `study run` for this study. None (the default): there was no command.
        place: Number of this study among those of its command, from 1, and their number. Default: the only one.
        command_studies: The `typed_digest` of each study of the command in this experiment, this one included.
            Default: empty, not known.
        confirm_up_to: Number of confirmations of the best or fixed setting that this run trains under
            `confirm: sequential`, if that is more than those of the first look. None (the default): those of the first
            look.
        searched: Ranges of searched keys besides the optimizer's arguments, by dotted key. Default: empty.
        own_values: The config's own values of these keys, which the untuned tier has, by dotted key. Default: empty.
        enqueue: Values of searched arguments that the first trial takes; the others are drawn. Default: empty.
        augment: Layers on the inputs of training steps, by input if there are several. Default: none.
        early_stopping: The rule by which a training stops early. None (the default): each trains to its end.
        rate_reduction: The rule by which a rate falls on a plateau. None (the default): the schedule is another one.
        callbacks: Callbacks of Keras, as sections. Default: none.
        raw: The resolved config, from which all other attributes were read.
        folder: The folder where the command was started; relative paths start there.
        accept_changes: Continue a study although its data, code or architecture changed. Default False.
        contents: The data, code and architecture. None (the default): the data is not loaded yet.
        identity: Digest of the study that these settings and contents begin or continue. None (the default): the data
            is not loaded yet.
    """

    dataset: Component
    task: Task
    model: Component
    optimizer: OptimizerConfig
    schedule: Component
    trainer: Component
    backend: str
    sampler: Component
    pruner: Component
    budget: Budget
    objective: Objective
    stores: Stores
    tracking: TrackingConfig
    experiment_name: str
    study_name: str | None
    labels: tuple[str, ...]
    study_seed: int
    order_seed: int
    split_seed: int
    deterministic: bool
    live: Live
    raw: Mapping[str, Any]
    folder: Path
    max_failed_trials: int | None = None
    shutdown_grace_s: float = GRACE_S
    retry_failed: bool = False
    only_trial: int | None = None
    typed_words: tuple[str, ...] | None = None
    place: tuple[int, int] = (1, 1)
    command_studies: tuple[str, ...] = ()
    confirm_up_to: int | None = None
    searched: Mapping[str, Range] = field(default_factory=dict)
    own_values: Mapping[str, Value] = field(default_factory=dict)
    enqueue: Mapping[str, Value] = field(default_factory=dict)
    augment: Sequence[Section] | Mapping[str, Sequence[Section]] = ()
    early_stopping: EarlyStopping | None = None
    rate_reduction: RateReduction | None = None
    callbacks: Sequence[Section] = ()
    accept_changes: bool = False
    contents: Contents | None = None
    identity: str | None = None

    @property
    def ranges(self) -> dict[str, Range]:
        """Ranges of all that is searched: of the optimizer's arguments, and of other keys by dotted key."""
        return {**self.optimizer.ranges, **self.searched}

    def hyperparameters(self, point: Mapping[str, Value]) -> dict[str, Value]:
        """Return the optimizer's arguments and the values of all other searched keys at a point.

        Args:
            point: Values of what is searched, by name. An empty point gives the untuned tier.
        """
        return {**self.optimizer.fixed, **self.own_values, **point}

    def searches(self, prefix: str) -> bool:
        """Return whether a key is searched whose dotted name begins with a text.

        Args:
            prefix: The text.
        """
        return any(key.startswith(prefix) for key in self.searched)

    @property
    def structures(self) -> dict[str, int]:
        """Numbers of values of the searched keys that change the shape or the parts of what is trained, by key."""
        counted = {key: r for key, r in self.searched.items() if r.is_of_structures}
        return {key: len(set(r.grid(_MANY))) for key, r in counted.items() if not key.startswith(_NO_STRUCTURE)}

    @property
    def n_structures(self) -> int:
        """Number of combinations of these values."""
        return math.prod(self.structures.values())

    @property
    def n_trials(self) -> int:
        """Number of trials to run: the budget's number; one if nothing is searched; at most the points of a grid."""
        if not self.ranges:
            return 1
        return min(self.budget.n_trials, self.n_points or self.budget.n_trials)

    @property
    def has_grid(self) -> bool:
        """True if the sampler goes through the points of a grid."""
        return self.sampler.section.get("_target_") == GRID

    @property
    def n_points(self) -> int | None:
        """Number of different points that the sampler proposes; None: there is no limit."""
        n, space = (self.sampler.section.get(key) for key in ("n_points", "search_space"))
        if self.sampler.section.get("_target_") == _OPTUNA_GRID and isinstance(space, Mapping):
            return math.prod(len(values) for values in space.values() if isinstance(values, list | tuple))
        return n_grid_points(self.ranges, n) if self.has_grid and isinstance(n, int) else None

    @property
    def n_startup(self) -> int:
        """Number of trials that a sampler which learns waits for; 0 for another one."""
        return int(self.sampler.section.get("n_startup_trials") or 0)

    @property
    def n_at_once(self) -> int:
        """Largest number of trials proposed at once: all, except for a sampler that learns from finished trials.

        Such a sampler has an argument `n_startup_trials`. Its batches have the size of its start-up or a tenth of the
        trials, whichever is larger, since no trial of a batch can learn from another. A search that ends at a target
        has batches of five trials or a tenth of them, since none of a batch can be saved.
        """
        startup = self.sampler.section.get("n_startup_trials")
        at_once = self.n_trials if startup is None else max(int(startup), self.n_trials // 10, 1)
        if self.budget.until is None:
            return at_once
        return max(min(at_once, max(_FEWEST_BEFORE_TARGET, self.n_trials // 10)), 1)

    @property
    def log_file(self) -> Path:
        """Path of the study's log."""
        return self.stores.artifacts.parent / "logs" / f"{in_file_name(self.experiment_name)}-{self.typed_digest}.log"

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that identify the study; before its data is loaded, its settings as typed."""
        return self.identity or self.typed_digest

    @cached_property
    def typed_digest(self) -> str:
        """Twelve hexadecimal digits of the settings as typed, without the keys that may change.

        Studies of one identity can differ in it: a default may be written out.
        """
        return digest_of(self.raw, experiment_name=self.experiment_name)
