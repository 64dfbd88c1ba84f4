"""Train many trials side by side in one compiled program of Keras's own training step, on JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.config.instantiate import Section
from study.config.schema import StudyConfig
from study.config.task import CLASS_WEIGHT
from study.core.errors import StudyError
from study.core.failure_text import failure_text
from study.core.trainer_interface import UNWATCHED, OnEpoch, Together, Trial, TrialResult
from study.datasets import Dataset
from study.training.backend import select_backend, set_determinism
from study.training.checkpoint_files import CheckpointFiles
from study.training.devices import select_device
from study.training.epoch_rules import check_more_epochs, epoch_rules
from study.training.initial_weights import Replay
from study.training.keras_internals import use_stand_ins
from study.training.model_setup import examples_seen, fresh_model, steps_per_epoch
from study.training.optimizer_numbers import RATE
from study.training.precision import use_precision
from study.training.trainer_check import check_capacity, check_device, check_is_jax, check_no_callbacks
from study.training.vectorized.batch_factory import BatchFactory
from study.training.vectorized.capacity import are_abreast, most_at_once, room, shared_out
from study.training.vectorized.class_weighting import weigh_classes, with_sample_weights
from study.training.vectorized.compiler import NoRoomError, keep_compiled_programs
from study.training.vectorized.held_data import held, piece_bytes
from study.training.vectorized.lane import CallerError, Carried, Lane, call
from study.training.vectorized.lane_batch import LaneBatch
from study.training.vectorized.lane_scheduler import LaneScheduler
from study.training.vectorized.point_numbers import PointNumbers
from study.training.vectorized.structure import (
    VectorizedStructure,
    compiled_without_values,
    read_settings,
    traced_steps,
)
from study.training.vectorized.trial_groups import GroupKey, TrialGroups, failed

# Largest number of programs for one batch: more cost more than they save.
_MAX_PROGRAMS = 8


class VectorizedTrainer:
    """Trainer that trains trials side by side in one compiled program, on JAX.

    The number of lanes depends on the study's config only, not on the number of trials that remain. So the last digits
    of
    a trial's results depend neither on the time of its training nor on the other trials of its batch. The trials of
    the
    search are divided into batches of equal size, as few as `capacity` allows; the last batch is padded. The same
    applies to the confirmations. On a CPU, where a free place costs nothing, both have the same number of lanes.

    Arrays on disk that do not fit into the memory are read in pieces, anew in each epoch, while the device computes. A
    stream is read once.

    Args:
        config: The study's config.
        dataset: The study's data set.
        backend: `jax`, the only backend allowed.
        batch_size: Number of examples of a training step.
        eval_batch_size: Number of examples of a step of evaluation.
        precision: `float32`; `bfloat16`: computations in bfloat16, weights in float32; or `float64`.
        capacity: Number of trials at once. `auto`: at most 64 on a CPU and 256 on a GPU, and as many as fit into half
            of the memory, or into 80 % of the GPU's.
        device: `cpu`, `gpu`, or `auto` (the default): a GPU if the backend sees one.
        checkpoint_every_n_epochs: Save the state of a batch after every n-th epoch. A batch that may change is not
            saved. None (the default): never.
        early_stopping: The section of early stopping, which the config has read. Default: none.
        callbacks: Empty: callbacks of Keras need `trainer=fit`. Default: none.

    Raises:
        BackendError: The backend is not JAX, or this process has loaded another one, or cannot compute on the device.
        StudyError: `capacity`, `device` or `checkpoint_every_n_epochs` is not allowed, or a stream is too large.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        backend: str,
        batch_size: int,
        eval_batch_size: int,
        precision: str,
        capacity: int | str,
        device: str = "auto",
        checkpoint_every_n_epochs: int | None = None,
        early_stopping: Mapping[str, Any] | None = None,  # noqa: ARG002 - the config has read it
        callbacks: Sequence[Section] = (),
    ) -> None:
        check_is_jax(backend)
        check_no_callbacks(callbacks)
        check_capacity(capacity)
        check_device(device)
        self._checkpoints = CheckpointFiles(config, checkpoint_every_n_epochs)
        select_backend(backend)
        select_device(backend, device)
        set_determinism(config.deterministic)
        use_stand_ins()
        keep_compiled_programs()
        if config.searches(CLASS_WEIGHT):
            dataset = with_sample_weights(dataset)
        dataset = held(dataset)
        self._config, self._dataset, self._precision = config, dataset, precision
        self._batch_size = min(batch_size, len(dataset.train))  # as in fit, a step takes at most all examples
        check_more_epochs(config, n_epochs=-(-self.n_steps // self._steps_per_epoch))
        self._most = most_at_once() if capacity == "auto" else int(capacity)
        self._structures: list[VectorizedStructure] = []
        self._batches = BatchFactory(
            config,
            dataset,
            eval_batch_size=eval_batch_size,
            max_bytes=room() if capacity == "auto" else None,
            piece_bytes=piece_bytes(),
        )

    @property
    def capacity(self) -> int:
        """Number of trials that train at once."""
        return max(self._n_lanes(test=False) * self._n_kinds, self._n_lanes(test=True))

    @property
    def n_steps(self) -> int:
        """Number of steps of a whole training."""
        return self._config.budget.total_steps(self._steps_per_epoch)

    def train(self, trials: Sequence[Trial], on_epoch: OnEpoch, together: Together = UNWATCHED) -> list[TrialResult]:
        """Train trials side by side.

        An exception of the model or the optimizer makes a trial `failed`. An exception of the training makes all
        trials of
        its program `failed`. An exception of `on_epoch` or `together` passes through.

        Args:
            trials: The trials.
            on_epoch: Called after every epoch of every trial. Returning False stops the trial, which becomes `pruned`.
            together: The calls for a batch as a whole. Default: calls that do nothing.

        Returns:
            The results in the order of the trials, without those that `together.more` has taken.

        Raises:
            StudyError: The trials need too many programs.
        """
        use_precision(self._precision)
        results: list[TrialResult] = []
        groups = TrialGroups(self._prepare)
        groups.add(trials)
        while (key := groups.next_key()) is not None:
            trained = self._train_group(key, groups, on_epoch, together)
            results += [*groups.take_failures(), *trained]
        results += groups.take_failures()
        places = {id(trial): index for index, trial in enumerate(trials)}
        ordered = sorted(results, key=lambda result: places.get(id(result.trial), len(places)))
        constants = [name for structure in self._structures for name in structure.constants]
        if ordered and (told := self._points.messages(constants)):
            ordered[0] = replace(ordered[0], messages=(*ordered[0].messages, *told))
        return ordered

    def build_model(self, weights: Sequence[NDArray[np.generic]] | None = None) -> Any:
        """Return a fresh, uncompiled Keras model.

        Args:
            weights: Weights in the order of `model.get_weights()`. None (the default): the initial weights.
        """
        return fresh_model(self._config, self._dataset, precision=self._precision, weights=weights)

    def free_devices(self) -> None:
        """Free the data on the devices; it is copied there again when a batch trains."""
        self._batches.free_data()

    @property
    def _steps_per_epoch(self) -> int:
        return steps_per_epoch(len(self._dataset.train), batch_size=self._batch_size)

    @property
    def _n_kinds(self) -> int:
        return min(self._config.n_structures, self._config.n_trials)

    @cached_property
    def _points(self) -> PointNumbers:
        trace = partial(traced_steps, dataset=self._dataset)
        return PointNumbers(self._config, build=self._compiled, trace=trace, n_steps=self._n_steps_of)

    def _batch_size_of(self, config: StudyConfig) -> int:
        if config is self._config:
            return self._batch_size
        return min(int(config.trainer.section["batch_size"]), len(self._dataset.train))

    def _n_steps_of(self, config: StudyConfig) -> int:
        n = steps_per_epoch(len(self._dataset.train), batch_size=self._batch_size_of(config))
        return config.budget.total_steps(n)

    def _build(self, config: StudyConfig) -> Any:
        model = fresh_model(config, self._dataset, precision=self._precision)
        if self._config.searches(CLASS_WEIGHT):
            weigh_classes(config, model)
        return model

    def _compiled(self, config: StudyConfig) -> tuple[Any, Replay | None]:
        return compiled_without_values(config, self._dataset, partial(self._build, config))

    def _n_lanes(self, *, test: bool) -> int:
        n_confirmations = self._config.budget.n_confirmations
        of_structure = -(-self._config.n_trials // self._n_kinds)
        trials = self._in_batches(of_structure, at_once=self._config.n_at_once)
        confirmations = self._in_batches(n_confirmations, at_once=n_confirmations)
        if not are_abreast():
            return max(trials, confirmations)
        return confirmations if test else trials

    def _in_batches(self, n: int, *, at_once: int) -> int:
        most = max(1, min(self._most, at_once))
        return shared_out(-(-n // -(-n // most)) if n else 1, most=self._most)

    def _prepare(self, trial: Trial) -> tuple[Lane, VectorizedStructure]:
        """Find or make the structure that can train a trial."""
        point = self._points.at(trial.hyperparameters)
        config, n_steps = point.config, self._n_steps_of(point.config)
        settings = read_settings(config, trial.hyperparameters, n_steps=n_steps).with_others(
            point.numbers, point.structure
        )
        rules = epoch_rules(config, first_rate=float(np.float32(settings.numbers[RATE])))
        lane = Lane(trial=trial, settings=settings, rules=rules, build_model=partial(self._build, config))
        for structure in self._structures:
            if structure.serves(settings):
                return lane, structure
        if len(self._structures) >= _MAX_PROGRAMS * self._n_kinds:
            raise StudyError(
                f"trainer=vectorized optimizer={self._config.optimizer.name}: expected trials that need at most "
                f"{_MAX_PROGRAMS * self._n_kinds} programs, and these need more. The program depends on: "
                f"{self._structures[-1].decided_by}. Use trainer=fit trainer.backend=jax, which trains one by one."
            )
        structure = VectorizedStructure(
            config,
            self._dataset,
            build_model=partial(self._build, config),
            hyperparameters=trial.hyperparameters,
            settings=settings,
            batch_size=self._batch_size_of(config),
            n_steps=n_steps,
        )
        self._structures.append(structure)
        return lane, structure

    def _train_group(
        self, key: GroupKey, groups: TrialGroups, on_epoch: OnEpoch, together: Together
    ) -> list[TrialResult]:
        """Train the trials of a group; if memory runs out, again with fewer at once."""
        due, results = groups.take(key), list[TrialResult]()
        with_begun = replace(together, begun=partial(self._on_begun, key[0], due[0], together))
        while due:
            scheduler = self._scheduler(key, groups, due, together)
            try:
                scheduler.train(on_epoch, with_begun)
            except NoRoomError as error:
                self._most = error.n_lanes
                self._batches.forget_compiled()
                due[:0] = scheduler.lanes
            except CallerError as error:
                raise error.__cause__ or error from None
            except Exception as error:
                results += self._failures(key[0], scheduler.lanes, failure_text(error))
            results += scheduler.results
        return results

    def _scheduler(self, key: GroupKey, groups: TrialGroups, due: list[Lane], together: Together) -> LaneScheduler:
        """Return the scheduler of a group. Its batches may change only if the caller offers more trials."""
        structure, test = key
        can_change = together.more is not None
        # Lanes at different epochs take equally many steps in each epoch only if all epochs have the same length.
        of_epoch = steps_per_epoch(len(self._dataset.train), batch_size=structure.batch_size)
        has_whole_epochs = structure.n_steps % of_epoch == 0
        can_refill = can_change and has_whole_epochs and structure.replay is not None
        checkpoints = None if can_change else self._checkpoints
        return LaneScheduler(
            due,
            n_lanes=self._n_lanes(test=test),
            make_batch=partial(self._make_batch, structure, checkpoints),
            more_lanes=partial(self._more_lanes, key, groups, together) if can_refill else None,
            shrinks=can_change and are_abreast(),
        )

    def _make_batch(
        self,
        structure: VectorizedStructure,
        checkpoints: CheckpointFiles | None,
        lanes: Sequence[Lane],
        n_lanes: int,
        carried: Carried | None,
        may_be_left: bool,
    ) -> LaneBatch:
        return self._batches.make(
            structure, lanes, n_lanes, carried=carried, may_be_left=may_be_left, checkpoints=checkpoints
        )

    def _more_lanes(
        self, key: GroupKey, groups: TrialGroups, together: Together, n: int, ended: Sequence[TrialResult]
    ) -> list[Lane]:
        """Ask the caller for trials, and return the lanes of those that belong to the group."""
        if together.more is None:
            return []
        call(groups.add, call(together.more, n, ended))
        return groups.take(key)

    def _on_begun(self, structure: VectorizedStructure, lane: Lane, together: Together) -> None:
        """Use the time in which the device trains the first epoch of a batch."""
        self._batches.compile_confirmations(structure, lane, self._n_lanes(test=True))
        call(together.begun)

    def _failures(self, structure: VectorizedStructure, lanes: Sequence[Lane], error: str) -> list[TrialResult]:
        """Return the results of lanes that an exception ended."""
        sizes = {"n_examples": len(self._dataset.train), "batch_size": structure.batch_size}
        return [failed(lane.trial, error, lane, n_examples=examples_seen(lane.step, **sizes)) for lane in lanes]
