"""The parts that all trials of a program share: the model, the optimizer's code, the names of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray

from study.config.schema import StudyConfig
from study.core.search_space import Value
from study.core.trees import mapped
from study.datasets import Dataset
from study.training.build_optimizer import ScaledSchedule, build_optimizer
from study.training.compile_task import compile_arguments, measure_once
from study.training.initial_weights import NotReplayableError, Replay, build_without_values
from study.training.keras_internals import rate_of
from study.training.optimizer_numbers import RATE, Settings, settings_of
from study.training.symbolic_numbers import Frame
from study.training.vectorized.number_places import find_numbers
from study.training.vectorized.point_numbers import places_of
from study.training.vectorized.traces import traced


class VectorizedStructure:
    """A model and an optimizer that compute with the weights and numbers of any trial of the same settings.

    Args:
        config: The config of the first trial that needs the structure.
        dataset: The study's data set.
        build_model: Builds the model, not compiled.
        hyperparameters: Hyperparameters of this trial.
        settings: The settings of this trial.
        batch_size: Number of examples of a training step.
        n_steps: Number of steps of a whole training.

    Attributes:
        config: The config of the first trial.
        build_model: Builds the model, not compiled.
        batch_size: Number of examples of a training step.
        n_steps: Number of steps of a whole training.
        frame: The symbols of the optimizer's numbers.
        model: The model, compiled with the optimizer; its variables have no values.
        replay: Computes initial weights from seeds; None if the model must be built for every trial.
    """

    def __init__(
        self,
        config: StudyConfig,
        dataset: Dataset,
        *,
        build_model: Callable[[], Any],
        hyperparameters: Mapping[str, Value],
        settings: Settings,
        batch_size: int,
        n_steps: int,
    ) -> None:
        self.config, self.build_model, self.batch_size, self.n_steps = config, build_model, batch_size, n_steps
        self._dataset, self._hyperparameters = dataset, hyperparameters
        self._fixed = settings.fixed
        self._constants: dict[str, float] = {}  # numbers that JAX cannot trace
        self._numbers = settings.numbers
        self.frame = Frame(values=settings.numbers)
        self.model: Any
        self.replay: Replay | None
        self.model, self.replay = compiled_without_values(config, dataset, build_model)
        self._places = places_of(self.model) if any(_is_of_part(name) for name in settings.numbers) else {}
        self._trace()

    def serves(self, settings: Settings) -> bool:
        """Return whether the same program can train a trial with other settings.

        Args:
            settings: The settings of the trial's optimizer.
        """
        constant = all(settings.numbers[name] == value for name, value in self._constants.items())
        same_names = settings.numbers.keys() == self._numbers.keys()
        return settings.fixed == self._fixed and same_names and constant and self.frame.serves(settings.numbers)

    @property
    def decided_by(self) -> str:
        """Names of the arguments whose values are part of the program."""
        return ", ".join([*self._constants, *(str(question) for question in self.frame.answers)]) or "none"

    @property
    def constants(self) -> tuple[str, ...]:
        """Names of the numbers that JAX cannot trace."""
        return tuple(self._constants)

    @property
    def place_of_rate(self) -> int:
        """Index of the learning rate among the optimizer's variables."""
        rate = rate_of(self.model.optimizer)
        return next(place for place, variable in enumerate(self.model.optimizer.variables) if variable is rate)

    def initial_state(self, seeds: Any, columns: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Return a trial's initial trainable, non-trainable and optimizer variables.

        Args:
            seeds: The seeds drawn under the trial's run seed, shape (n_draws,).
            columns: The value of each formula for this trial.
        """
        initial_values = () if self.replay is None else self.replay.initial_values
        weights = [initial.value(seeds) for initial in initial_values]
        return self.state_from(weights, columns)[0]  # type: ignore[no-any-return]

    def state_from(self, weights: Sequence[Any], columns: Sequence[Any] | None) -> tuple[Any, Any]:
        """Return the variables for given weights, with those of a fresh optimizer, and this optimizer.

        Args:
            weights: The weights, in the order of `model.variables`.
            columns: The value of each formula for this trial; None: collect the formulas instead.
        """
        self.frame.bind(columns)
        optimizer = self._optimizer()
        for variable, value in zip(self.model.variables, weights, strict=True):
            variable.assign(value)
        optimizer.build(self.model.trainable_variables)
        state = (
            [variable.value for variable in self.model.trainable_variables],
            [variable.value for variable in self.model.non_trainable_variables],
            [variable.value for variable in optimizer.variables],
        )
        return state, optimizer

    def weights(self, state: Any, place: int) -> tuple[NDArray[np.generic], ...]:
        """Return a lane's weights in the order of `model.get_weights()`.

        Args:
            state: Trainable, non-trainable and optimizer variables of all lanes.
            place: Index of the lane's place.
        """
        variables = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        values = {id(v): value for v, value in zip(variables, [*state[0], *state[1]], strict=True)}
        return tuple(np.array(np.asarray(values[id(variable)])[place]) for variable in self.model.weights)

    def _optimizer(self) -> Any:
        """Build a fresh optimizer that computes with the numbers of the frame."""
        optimizer = _build(self.config, self._hyperparameters, n_steps=self.n_steps)
        scheduled = find_numbers({"schedule": _factor(optimizer)}, whole_too=True).places
        for name in self._numbers:
            if name in self._constants or name in self._places:
                continue
            if name in scheduled:
                scheduled[name].put(self.frame.number(name))
            elif name != RATE:
                setattr(optimizer, name, self.frame.number(name))
            elif isinstance(schedule := rate_of(optimizer), ScaledSchedule):
                setattr(schedule, "rate", self.frame.number(name))  # noqa: B010 - deliberately not a float
            else:
                optimizer.learning_rate = jnp.asarray(self.frame.number(name))
        return optimizer

    def _trace(self) -> None:
        """Find the formulas of the program; a number that JAX cannot trace becomes part of the program."""
        while True:
            self.frame = Frame(values=self._numbers)
            for name, place in self._places.items():
                if name in self._numbers:
                    put = name not in self._constants
                    place.put(self.frame.number(name) if put else self._numbers[name])
            try:
                jax.eval_shape(self._step_once)
                if self._places:
                    jax.eval_shape(self._whole_steps)
            except Exception as error:  # a layer of the user's can fail in any way
                names = self._untraceable(error)
                if not names:
                    raise
                self._constants |= {name: self._numbers[name] for name in names}
            else:
                return

    def _untraceable(self, error: Exception) -> list[str]:
        """Return the numbers that an exception of a trace may come from: the last one read, else all of the parts."""
        last = self.frame.last
        is_of_number = "__jax_array__" in str(error) or _is_of_part(last)
        if last and is_of_number and last not in self._constants:
            return [last]
        return [name for name in self._numbers if name in self._places and name not in self._constants]

    def _step_once(self) -> Any:
        """Call everything that training calls on the optimizer, to find the numbers that it uses."""
        variables = self.model.variables
        (trainable, _, state), optimizer = self.state_from([jnp.zeros(v.shape, v.dtype) for v in variables], None)
        self.model.optimizer = optimizer
        optimizer.scale_loss(jnp.zeros(()))
        return optimizer.stateless_apply(state, trainable, trainable)

    def _whole_steps(self) -> Any:
        """Call the steps of training and evaluation, to find the numbers of the model and its loss."""
        variables = self.model.variables
        state, self.model.optimizer = self.state_from([jnp.zeros(v.shape, v.dtype) for v in variables], None)
        return steps_of(self.model, state, self._dataset)


def compiled_without_values(
    config: StudyConfig, dataset: Dataset, build_model: Callable[[], Any]
) -> tuple[Any, Replay | None]:
    """Return a compiled model whose variables have no values, and their replay; None if they cannot be replayed.

    Args:
        config: The config of the model.
        dataset: The study's data set.
        build_model: Builds the model, not compiled.
    """
    keras.utils.clear_session(free_memory=False)  # layers' names start again, as in fit
    replay: Replay | None
    try:
        model, replay = build_without_values(lambda: _compiled(config, build_model(), dataset))
    except NotReplayableError:
        keras.utils.clear_session(free_memory=False)
        model, replay = _compiled(config, build_model(), dataset), None
    keras.utils.clear_session(free_memory=False)  # otherwise Keras's next scope would compute all values
    return model, replay


def traced_steps(model: Any, dataset: Dataset) -> str:
    """Return the steps of training and evaluation of a model as text, with every number in them.

    Args:
        model: The model, compiled.
        dataset: The study's data set.
    """

    def steps() -> Any:
        values = [jnp.zeros(v.shape, v.dtype) for v in model.variables]
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        model.optimizer = keras.optimizers.SGD(1.0)
        model.optimizer.build(model.trainable_variables)
        lists = (model.trainable_variables, model.non_trainable_variables, model.optimizer.variables)
        return steps_of(model, tuple([v.value for v in of] for of in lists), dataset)

    return traced(steps)


def steps_of(model: Any, state: Any, dataset: Dataset) -> Any:
    """Take a step of training and one of evaluation with the first example.

    Args:
        model: The model, compiled, with its optimizer.
        state: Trainable, non-trainable and optimizer variables.
        dataset: The study's data set.
    """
    batch = tuple(mapped(jnp.asarray, part) for part in dataset.train.first(1).parts)
    metrics = [jnp.zeros(v.shape, v.dtype) for v in model.metrics_variables]
    logs, after = model.train_step((*state, metrics), batch)
    return logs, after, model.test_step((after[0], after[1], metrics), batch)


def _compiled(config: StudyConfig, model: Any, dataset: Dataset) -> Any:
    model.compile(optimizer=None, **compile_arguments(config.task))
    x, *y_and_weight = (mapped(jnp.asarray, part) for part in dataset.train.first(1).parts)

    def measure() -> Any:
        return measure_once(model, x, y_and_weight, model(x), several="" not in config.task.losses)

    jax.eval_shape(measure)  # creates the variables of the metrics
    return model


def _is_of_part(name: str) -> bool:
    """Return whether a number is one of the model, the loss, the augmentation or the schedule."""
    return "." in name


def _factor(optimizer: Any) -> Any:
    """Return the schedule of factors of an optimizer's rate; None for a constant rate."""
    rate = rate_of(optimizer)
    return rate.factor if isinstance(rate, ScaledSchedule) else None


def read_settings(config: StudyConfig, hyperparameters: Mapping[str, Value], *, n_steps: int) -> Settings:
    """Build a trial's optimizer, and separate its numbers from the settings that are part of a program's code.

    Args:
        config: The study's config.
        hyperparameters: The trial's hyperparameters.
        n_steps: Number of steps of a whole training.
    """
    optimizer = _build(config, hyperparameters, n_steps=n_steps)
    return settings_of(optimizer, config.optimizer.target, hyperparameters)


def _build(config: StudyConfig, hyperparameters: Mapping[str, Value], *, n_steps: int) -> Any:
    schedule = config.schedule.section
    return build_optimizer(config.optimizer.target, hyperparameters, schedule=schedule, n_steps=n_steps)


def state_bytes(optimizer: Any) -> int:
    """Return the size of an optimizer's variables in bytes, without its step counter and rate.

    Args:
        optimizer: A Keras optimizer, built.
    """
    state = [variable for variable in optimizer.variables if variable.name not in ("iteration", "learning_rate")]
    return sum(int(np.prod(variable.shape)) * np.dtype(variable.dtype).itemsize for variable in state)
