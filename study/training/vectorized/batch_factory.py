"""Make batches of lanes: choose the program, put the data on the devices, build initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.trees import mapped
from study.datasets import Dataset
from study.training.backend import set_seeds
from study.training.checkpoint_files import CheckpointFiles
from study.training.model_setup import N_LOSS_EXAMPLES
from study.training.vectorized.capacity import are_abreast, n_devices
from study.training.vectorized.compiler import everywhere
from study.training.vectorized.lane import Carried, DeviceData, Lane
from study.training.vectorized.lane_batch import LaneBatch
from study.training.vectorized.lane_functions import Shape
from study.training.vectorized.lane_scheduler import same_order
from study.training.vectorized.pieces import PiecedSplit
from study.training.vectorized.program import VectorizedProgram
from study.training.vectorized.structure import VectorizedStructure


class BatchFactory:
    """Maker of a study's batches, which keeps their programs and the data on the devices.

    Args:
        config: The study's config.
        dataset: The study's data set.
        eval_batch_size: Number of examples of a step of evaluation.
        max_bytes: Largest memory that a program may take on a device, in bytes; None: the device itself refuses.
        piece_bytes: Largest size of a piece of data that the devices cannot hold, in bytes.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        eval_batch_size: int,
        max_bytes: float | None,
        piece_bytes: int,
    ) -> None:
        self._config, self._dataset, self._eval_batch_size = config, dataset, eval_batch_size
        self._max_bytes, self._piece_bytes = max_bytes, piece_bytes
        self._in_pieces = not all(split.is_in_memory for split in dataset.splits.values())
        self._programs: dict[tuple[int, Shape], VectorizedProgram] = {}
        self._compiled_ahead: list[VectorizedProgram] = []
        self._data: dict[int, DeviceData] = {}

    def make(
        self,
        structure: VectorizedStructure,
        lanes: Sequence[Lane],
        n_lanes: int,
        *,
        carried: Carried | None,
        may_be_left: bool,
        checkpoints: CheckpointFiles | None,
    ) -> LaneBatch:
        """Make a batch.

        Args:
            structure: The parts that the batch's trials share.
            lanes: The lanes of the batch.
            n_lanes: Number of places, at least as many as there are lanes.
            carried: Variables of the first lanes, if they come from another batch; None: all lanes begin here.
            may_be_left: Stop the batch as soon as its lanes should move to another batch.
            checkpoints: The files for the batch's state; None: the state is not saved.
        """
        starts_without_replay = structure.replay is None and carried is None
        weights = self._built_weights(lanes) if starts_without_replay else None
        program = self._program(structure, lanes, n_lanes)
        return LaneBatch(
            program,
            self._data_on(program.shape.n_devices, structure),
            lanes,
            initial_weights=weights,
            carried=carried,
            may_be_left=may_be_left,
            checkpoints=checkpoints,
        )

    def compile_confirmations(self, structure: VectorizedStructure, lane: Lane, n_lanes: int) -> None:
        """Compile the program of a search's confirmations during the search, so that it is ready when they start.

        Args:
            structure: The structure of the search's trials.
            lane: One of these trials.
            n_lanes: Number of places of a batch of confirmations.
        """
        if lane.trial.test or not self._config.budget.n_confirmations or structure.replay is None:
            return
        confirmation = replace(lane, trial=replace(lane.trial, test=True))
        program = self._program(structure, [confirmation], n_lanes)
        if program in self._compiled_ahead:
            return
        self._compiled_ahead.append(program)
        LaneBatch(program, self._data_on(program.shape.n_devices, structure), [confirmation]).compile_ahead()

    def forget_compiled(self) -> None:
        """Free the memory of all compiled functions."""
        for program in self._programs.values():
            program.compiler.forget()

    def free_data(self) -> None:
        """Free the data on the devices."""
        self._data.clear()

    def _program(self, structure: VectorizedStructure, lanes: Sequence[Lane], n_lanes: int) -> VectorizedProgram:
        shape = Shape(
            n_lanes=n_lanes,
            n_devices=n_devices(n_lanes),
            abreast=are_abreast(),
            # All trials of a search have the same batches; confirmations do not. Lanes that run one after the other
            # use the program for mixed orders: sharing one program saves more time than gathering each batch once. For
            # data in pieces it does not, since one piece for all lanes is read only once.
            one_order=(are_abreast() or self._in_pieces) and not lanes[0].trial.test and same_order(lanes),
            batch_size=structure.batch_size,
            eval_batch_size=self._eval_batch_size,
            n_examples=len(self._dataset.train),
            n_evaluated=N_LOSS_EXAMPLES if self._config.task.train_metrics == "evaluated" else 0,
            in_pieces=self._in_pieces,
        )
        key = (id(structure), shape)
        if key not in self._programs:
            self._programs[key] = VectorizedProgram(structure, shape, max_bytes=self._max_bytes)
        return self._programs[key]

    def _built_weights(self, lanes: Sequence[Lane]) -> list[NDArray[np.generic]]:
        """Build the model for every trial, as `trainer=fit` does, and stack the weights by variable."""
        built = []
        for lane in lanes:
            keras.utils.clear_session(free_memory=False)
            set_seeds(lane.trial.run_seed)
            model = lane.build_model()
            if not model.built:
                model(self._dataset.train.first(1).x)
            built.append([np.asarray(variable) for variable in model.variables])
        return [np.stack(values) for values in zip(*built, strict=True)]

    def _data_on(self, n_devices: int, structure: VectorizedStructure) -> DeviceData:
        """Return the data: copied once to each of the first devices, or to be read in pieces."""
        if n_devices not in self._data:
            train, validation, test, loss = self._in_pieces_or_on(n_devices)
            self._data[n_devices] = DeviceData(
                train=train,
                validation=validation,
                test=test,
                loss=loss,
                n_steps=structure.n_steps,
                every_n_steps=self._config.tracking.every_n_steps,
                shuffle=self._config.task.shuffle,
                has_test=len(self._dataset.test) > 0,
            )
        return replace(self._data[n_devices], n_steps=structure.n_steps)

    def _in_pieces_or_on(self, n_devices: int) -> list[Any]:
        """Return the training, validation and test splits, and the training examples for the loss."""
        splits = self._dataset.splits.values()
        if self._in_pieces:
            sizes = [(split, len(split)) for split in splits]
            sizes.append((self._dataset.train, min(len(self._dataset.train), N_LOSS_EXAMPLES)))
            return [PiecedSplit(split=split, n_examples=n, most_bytes=self._piece_bytes) for split, n in sizes]
        found = [mapped(lambda array: everywhere(array, n_devices), split.parts) for split in splits]
        few = len(self._dataset.train) <= N_LOSS_EXAMPLES
        return [*found, found[0] if few else mapped(lambda array: array[:N_LOSS_EXAMPLES], found[0])]
