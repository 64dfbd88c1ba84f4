"""Build and trace the model of a study's trials once, and reset it for every trial.

A trial's first step takes a second, most of it for tracing a program that an earlier trial has already traced. So the
model is kept, with Keras's traced functions. Everything that a training changes is reset. Weights and seed generators
get the values of a fresh model under the trial's seed, the optimizer's state gets that of a fresh optimizer, and
hyperparameters get the trial's own values. The first trial runs the same program as later ones, so a trial's numbers
do not depend on the trials before it. If the model keeps any state that a reset does not reach, every trial builds a
new model.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np

from study.config.instantiate import parameters
from study.config.schema import StudyConfig
from study.core.trainer_interface import Trial
from study.core.trees import Tree, mapped
from study.datasets import Dataset
from study.training.backend import set_seeds
from study.training.build_optimizer import build_optimizer
from study.training.by_layer import with_second_optimizer
from study.training.compile_task import compile_arguments, measure_once
from study.training.fit.structure import FitStructure
from study.training.initial_weights import NotReplayableError, Replay, build_without_values, numpy_state
from study.training.keras_internals import all_layers, inferred
from study.training.optimizer_numbers import settings_of
from study.training.task_check import like_batch

# Largest number of structures whose traced steps are kept.
_MAX_STRUCTURES = 8
# One name for all optimizers. Keras would number them, and TensorFlow keeps an entry for every new name of a variable:
# 0.3 MiB for each trial.
_NAME = "optimizer"
# Number of trials after which these entries are dropped if an optimizer takes no name. This takes 0.2 s.
_TRIALS_BETWEEN_CLEARINGS = 100


class FitProgram:
    """A compiled model that is prepared for one trial after the other.

    Args:
        config: The study's config.
        dataset: The study's data set.
        build_model: Builds the model, not compiled.
        n_steps: Number of steps of a whole training.
        jit_compile: The argument of `keras.Model.compile`.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        build_model: Callable[[], Any],
        n_steps: int,
        jit_compile: bool | str,
    ) -> None:
        self._config, self._dataset, self._build_model = config, dataset, build_model
        self._n_steps, self._jit_compile = n_steps, jit_compile
        self._replay: Replay | None = None
        self._replay_sought = keras.backend.backend() not in ("tensorflow", "jax")
        self._model: Any = None
        self._train_step: Any = None
        self._reusable = False
        self._hides_state = False
        self._structures: list[FitStructure] = []
        self._plain: Any = None
        self._name = {"name": _NAME} if "name" in parameters(config.optimizer.target) else {}
        self._n_prepared = 0

    def prepare(self, trial: Trial) -> Any:
        """Return the compiled model in the state of a fresh one under the trial's seed, with the trial's optimizer.

        Args:
            trial: The trial.
        """
        if self._model is None:
            self._start(trial.run_seed)
        else:
            assert self._replay is not None
            for variable, value in zip(self._model.variables, self._replay.built(trial.run_seed), strict=True):
                variable.assign(value)
        self._n_prepared += 1
        if not self._name and self._n_prepared % _TRIALS_BETWEEN_CLEARINGS == 0:
            keras.utils.clear_session(free_memory=False)
        before = _random_state()
        structure = self._structure(trial)
        if self._config.callbacks:
            self._compile(self._model, structure.optimizer)
        self._trace(structure)
        self._reusable &= _random_state() == before
        self._plain = self._plain_attributes()
        return self._model

    def rebuild(self, trial: Trial) -> None:
        """Make the optimizer and the compiled steps of a training anew, since other layers train from now on.

        Args:
            trial: The trial.
        """
        self._structures.clear()
        structure = self._structure(trial)
        self._compile(self._model, structure.optimizer)
        self._trace(structure)
        if self._model.train_function is None:
            self._model.make_train_function(force=True)

    def holds(self, name: str) -> bool:
        """Return whether a number of the prepared trial's optimizer is a variable of its step, not a constant.

        Args:
            name: The optimizer's attribute, such as `weight_decay`.
        """
        return self._structures[-1].holds(name)

    @property
    def hides_state(self) -> bool:
        """True if the model has, in training, state besides its variables and those of the optimizer."""
        return self._hides_state or self._plain_attributes() != self._plain

    def settle(self) -> bool:
        """Keep the model for the next trial if a reset reaches everything that the last trial has changed.

        Returns:
            True if the model is kept.
        """
        if not self._reusable or self._plain_attributes() != self._plain:
            self.forget()
            return False
        self._structures[-1].train_function = self._model.train_function
        return True

    def forget(self) -> None:
        """Drop the model, so that the next trial builds a new one."""
        self._hides_state = False
        self._model = self._train_step = None
        self._structures.clear()

    def _start(self, run_seed: int) -> None:
        """Build and compile the model for a trial of this seed."""
        self._seek_replay()
        # Otherwise a discarded model's graphs would stay in memory, and layers' names would get higher numbers.
        keras.utils.clear_session()
        set_seeds(run_seed)
        model = self._built_model()
        self._reusable = self._replay is not None and self._gives_values_of(self._replay, model, run_seed)
        self._train_step = model.train_step
        model.test_step = self._observed(model.test_step)
        self._compile(model, None)
        if (keras.backend.backend() == "jax" and not model.jit_compile) or self._config.callbacks:
            self._reusable = False  # nothing is traced, or a callback may see and change anything
        self._model = model

    def _built_model(self) -> Any:
        """Build the model with its variables, also one that makes them when it is called for the first time.

        Without its variables, a model cannot be kept for other trials. A layer has drawn its seeds before, so the
        variables get the same values.
        """
        before = random.getstate()
        model = self._build_model()
        if model.built:
            return model
        try:
            model(mapped(partial(like_batch, n_examples=None), self._dataset.train.first(1).x))
        except Exception:  # a subclass can need values
            random.setstate(before)
            return self._build_model()
        return model

    def _compile(self, model: Any, optimizer: Any) -> None:
        how = {"jit_compile": self._jit_compile, **compile_arguments(self._config.task)}
        model.compile(optimizer=optimizer, **how)
        self._create_variables(model)

    def _seek_replay(self) -> None:
        """Find out, once, how the initial values of the model's variables follow from a seed."""
        if self._replay_sought:
            return
        self._replay_sought = True
        keras.utils.clear_session(free_memory=False)
        try:
            replay = build_without_values(self._built_model)[1]
        except NotReplayableError:
            return
        # A drawn number that is not a variable's seed may be part of the program.
        self._replay = replay if replay.exhaustive else None

    def _gives_values_of(self, replay: Replay, model: Any, run_seed: int) -> bool:
        """Return whether the replay gives this model's values to the last bit."""
        values = replay.built(run_seed)
        if len(values) != len(model.variables):
            return False
        pairs = zip(model.variables, values, strict=True)
        return all(np.array_equal(_numpy(variable), _numpy(value)) for variable, value in pairs)

    def _create_variables(self, model: Any) -> None:
        """Create the variables of the metrics.

        Keras would create them inside the compiled step. TensorFlow then traces the step a second time and never frees
        the graphs: 4 MiB for each trial of a network with two layers.
        """
        x, *y_and_weight = (mapped(keras.ops.convert_to_tensor, part) for part in self._dataset.train.first(1).parts)
        called = None if model.built else model(x)
        try:
            y_pred = _zero_outputs(model, x)
        except NotImplementedError:  # a subclass with nothing but `call`
            y_pred = keras.ops.zeros_like(model(x) if called is None else called)
        measure_once(model, x, y_and_weight, y_pred, several="" not in self._config.task.losses)
        model.reset_metrics()

    def _structure(self, trial: Trial) -> FitStructure:
        """Return the structure that trains a trial, reset for it, and move it to the end of the list."""
        target, schedule = self._config.optimizer.target, self._config.schedule.section
        arguments = {**self._name, **trial.hyperparameters}
        optimizer = with_second_optimizer(
            build_optimizer(target, arguments, schedule=schedule, n_steps=self._n_steps),
            self._config.optimizer.exclude,
        )
        # Built before its settings are read, since building may derive further numbers.
        optimizer.build(self._model.trainable_variables)
        settings = settings_of(optimizer, target, trial.hyperparameters)
        for structure in self._structures:
            if structure.serves(settings):
                structure.reset(optimizer, settings)
                self._structures.remove(structure)
                break
        else:
            trainable = self._model.trainable_variables
            structure = FitStructure(optimizer, settings, trainable, reusable=self._reusable)
            del self._structures[: 1 - _MAX_STRUCTURES]
        self._structures.append(structure)
        return structure

    def _trace(self, structure: FitStructure) -> None:
        """Give the model the structure's optimizer and traced step; on TensorFlow we trace, otherwise Keras does."""
        model = self._model
        model.optimizer, model.train_function = structure.optimizer, structure.train_function
        if model.train_function is None:
            # A new function for each structure, since JAX would reuse another structure's trace for the same function.
            model.train_step = self._observed(self._train_step)
        if keras.backend.backend() == "tensorflow":
            from study.training.fit.graph import traced

            how = {"jit_compile": model.jit_compile}
            model.train_function = model.train_function or traced(model.train_step, self._widest_batch, **how)
            model.test_function = model.test_function or traced(model.test_step, self._widest_batch, **how)

    @cached_property
    def _widest_batch(self) -> tuple[Tree, ...]:
        """Return an example with its target and, if a split has sample weights, its weight."""
        firsts = (split.first(1).parts for split in self._dataset.splits.values())
        return max(firsts, key=len)

    def _observed(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return a step that looks, whenever it is traced, for state that a reset does not reach."""

        def observed(*arguments: Any) -> Any:
            before = _random_state()
            outcome = step(*arguments)
            self._hides_state |= _random_state() != before
            if keras.backend.backend() == "tensorflow":
                from study.training.fit.graph import keeps_state_elsewhere

                model = self._model
                known = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
                self._hides_state |= keeps_state_elsewhere(known)
            self._reusable &= not self._hides_state
            return outcome

        return observed

    def _plain_attributes(self) -> list[dict[str, Any]]:
        """Return the numbers and texts that layers, metrics and the optimizer keep as Python attributes."""
        model = self._model
        layers = all_layers(model)
        if layers is None:
            self._reusable = False
            return []
        losses = keras.tree.flatten(model.loss)
        things = [*layers, *model.metrics, *losses, self._structures[-1].optimizer]
        kinds, bookkeeping = (bool, int, float, str), vars(keras.layers.Layer())
        return [
            {name: value for name, value in vars(thing).items() if type(value) in kinds and name not in bookkeeping}
            for thing in things
        ]


def _zero_outputs(model: Any, x: Tree) -> Tree:
    """Return zeros of the shapes of a model's outputs.

    Raises:
        NotImplementedError: The model does not tell these shapes.
    """
    if hasattr(x, "shape"):
        shape = model.compute_output_shape(tuple(x.shape))
        if all(isinstance(size, int) for size in shape):
            return keras.ops.zeros(shape)
    like = inferred(model, mapped(lambda array: keras.KerasTensor(array.shape, array.dtype), x))
    return keras.tree.map_structure(lambda output: keras.ops.zeros(output.shape, output.dtype), like)


def _random_state() -> tuple[Any, ...]:
    return random.getstate(), numpy_state()


def _numpy(value: Any) -> Any:
    return keras.ops.convert_to_numpy(value)
