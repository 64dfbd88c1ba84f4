"""The best configuration of a study: its hyperparameters, its config and its model."""

from __future__ import annotations

import copy
import os
from typing import Any

from study.api.files import config_text
from study.api.python_words import python_call
from study.core.errors import StudyError
from study.core.number_text import short_number
from study.core.search_space import Value, text_of
from study.reproduction.export import selected_objective
from study.reproduction.recorded_run import RecordedRun
from study.reproduction.register import find_best_model
from study.tracking.connection import Connections
from study.tracking.keras_models import KeptModel, load_kept_model
from study.training.backend import loaded_backend, start_backend


class BestRun:
    """The best configuration of a study, which `ExperimentView.best` returns.

    Its run is the first confirmation of the configuration, as for `study export` and `study reproduce`. A study
    without a confirmation has the best trial so far in its place, whose objective the luck of the search biases.

    Example:
        >>> from study import open_experiment
        >>> best = open_experiment("digits-mlp").best("adam")  # doctest: +SKIP
        >>> best.hyperparameters  # doctest: +SKIP
        >>> best.model().predict(x_test)  # doctest: +SKIP

    Args:
        target: The run with the recorded conditions of its training.
        called: The call that made it, such as `best('adam')`, for messages.

    Attributes:
        study: Name of the study.
        experiment: Name of the experiment.
        run_id: Id of the run in MLflow.
        kind: `best` or `fixed` for a confirmation of the searched or the fixed setting; `trial` without one.
        number: The confirmation's repetition or the trial's number, from 0.
    """

    def __init__(self, target: RecordedRun, *, called: str) -> None:
        self._target = target
        self._called = called
        self.study = target.study.name
        self.experiment = target.study.experiment
        self.run_id = target.run.run_id
        self.kind = target.run.kind
        self.number = target.run.number

    def __repr__(self) -> str:
        """Return the configuration in a line."""
        values = ", ".join(f"{key}={_short(value)}" for key, value in self.hyperparameters.items())
        objective = "none" if self.objective is None else f"{self.objective:.6g}"
        return f"<best of {self.experiment}/{self.study}: {values or 'no arguments'}; {self._metric} {objective}>"

    @property
    def hyperparameters(self) -> dict[str, Value]:
        """The arguments of the optimizer by name, and other searched values by dotted key, with their types.

        An argument that is missing had Keras's default.
        """
        return self._target.hyperparameters

    @property
    def objective(self) -> float | None:
        """The validation objective by which it was selected, in the units of the metric; None if it was removed."""
        return selected_objective(self._target)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config that trained it, as a new dictionary, with the values that the search found.

        Its keys are those that `study run` takes, such as `config["trainer"]["batch_size"]`.
        """
        raw = copy.deepcopy(self._target.at_point)
        arguments = self._target.arguments
        found = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}
        raw["optimizer"] = {**raw["optimizer"], **found}
        return raw

    def yaml(self) -> str:
        """Return the text that `study export` writes: `study run best=FILE` trains it.

        Example:
            >>> Path("best.yaml").write_text(best.yaml())  # doctest: +SKIP
        """
        with python_call(f"{self._called}.yaml()"):
            return config_text(self._target)

    def model(self) -> Any:
        """Load the Keras model that MLflow keeps for the study, ready to predict.

        A study keeps the model of its best confirmation, with the weights after training. The model is not compiled
        with the study's optimizer and loss. Its inputs are those of the study's data, already scaled as there.

        If this process has not imported Keras yet, Keras gets the backend of the study, or that of the variable
        KERAS_BACKEND.

        Returns:
            A `keras.Model`.

        Raises:
            StoreError: The store cannot be read.
            StudyError: No model was kept, or Keras cannot load it here.

        Example:
            >>> model = best.model()  # doctest: +SKIP
            >>> classes = model.predict(x_test).argmax(axis=-1)  # doctest: +SKIP
        """
        call = f"{self._called}.model()"
        with python_call(call):
            connections = Connections()
            named = f"{self.experiment}/{self.study}"
            _, kept = find_best_model(self._target, typed=named, connections=connections)
            client = connections.client(self._target.tracking_uri)
            if loaded_backend() is None:
                start_backend(os.environ.get("KERAS_BACKEND") or self._backend)
            try:
                return load_kept_model(client, kept)
            except Exception as error:
                raise self._refused(call, kept, error) from error

    @property
    def _metric(self) -> str:
        return str(self._target.raw["objective"]["metric"])

    @property
    def _backend(self) -> str:
        """The Keras backend that trained it."""
        return str(self._target.raw["trainer"]["backend"])

    def _refused(self, call: str, kept: KeptModel, error: Exception) -> StudyError:
        """Return the error of a model that was kept and cannot be loaded."""
        here = loaded_backend()
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        advice = "Load it where it was trained, with the versions in MLflow's requirements.txt of the model."
        if kept.own_classes:
            advice = (
                f"It has classes that Keras does not have: {', '.join(kept.own_classes)}. Define or import them in "
                "this session first, each with get_config() and @keras.saving.register_keras_serializable()."
            )
        elif here != self._backend:
            advice = (
                f"It was trained with the backend {self._backend}, and this process holds {here}. Start a new one "
                f"with KERAS_BACKEND={self._backend}."
            )
        return StudyError(
            f"{call}: expected a model that Keras can load here, and that raises {type(error).__name__}: {reason}. "
            f"{advice}"
        )


def _short(value: Value) -> str:
    if isinstance(value, tuple):
        return text_of(value)
    return short_number(str(value)) if isinstance(value, float) else repr(value)
