"""The models that an open study keeps: looked up, logged, and deleted once a better one replaces them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from study.config.own_code import NO_CODE, ModelCode
from study.core.errors import StoreError
from study.tracking.connection import store_errors
from study.tracking.open_runs import StudyRuns
from study.tracking.outbox.entries import File
from study.tracking.outbox.mlflow_writer import is_passing


class StudyModels:
    """The models of a study's run. A study ends with one: that of its best confirmation.

    Args:
        opened: The study's runs.
        uri: Address of the store.
        settle: Waits until all entries so far are in the store, and returns False while a server is away.
        put: Takes an entry for the store.
    """

    def __init__(
        self, opened: StudyRuns, *, uri: str, settle: Callable[[], bool], put: Callable[[File], object]
    ) -> None:
        self._client, self._uri, self._waits = opened.client, uri, opened.spool is not None
        self._run_id, self._experiment_id = opened.run_id, opened.experiment_id
        self._settle, self._put = settle, put

    def has(self, *, of: str, or_any: bool) -> bool:
        """Return whether the study has the whole model of a confirmation; True while a server is away.

        Args:
            of: Name of the confirmation.
            or_any: Take also the model of an earlier version, which did not record the confirmation.
        """
        from study.tracking.keras_models import has_model

        with store_errors(self._uri, "the model cannot be looked up"):
            return not self._settle() or has_model(self._client, self._run_id, of=of, or_any=or_any)

    def ids(self) -> tuple[str, ...]:
        """Return MLflow's ids of the models that the study has; none while a server is away."""
        from study.tracking.keras_models import kept_models

        with store_errors(self._uri, "the models cannot be looked up"):
            return kept_models(self._client, self._run_id) if self._settle() else ()

    def log(
        self,
        model: Any,
        *,
        example_x: Any,
        of: str = "",
        code: ModelCode = NO_CODE,
        replaces: Collection[str] = (),
    ) -> None:
        """Log a Keras model as an MLflow model named `model`, ready to be served, and delete those that it replaces.

        While a server is away, the model becomes an artifact `model.keras` instead, which can be delivered later, and
        nothing is deleted.

        Args:
            model: The trained model.
            example_x: A few inputs, shape (n_examples, *input_shape), for the signature.
            of: Name of the confirmation that trained it. Default: empty.
            code: The code that the model needs beside Keras, which is kept with it. Default: none.
            replaces: MLflow's ids of earlier models; those that are registered stay. Default: none.

        Raises:
            StoreError: The model cannot be stored.
        """
        from study.tracking.keras_models import drop_replaced_models, keras_file, log_keras_model

        ids = {"experiment_id": self._experiment_id, "run_id": self._run_id}
        if self._settle():
            try:
                with store_errors(self._uri, "the model cannot be stored"):
                    log_keras_model(self._client, model, example_x=example_x, of=of, code=code, **ids)
                    drop_replaced_models(self._client, self._run_id, replaces, of=of)
                return
            except StoreError as error:
                if not self.may_pass(error):
                    raise
        self._put(File(run=self._run_id, path="model.keras", content=keras_file(model)))

    def may_pass(self, error: StoreError) -> bool:
        """Return whether an error is of a server, and may pass.

        Args:
            error: The error.
        """
        return self._waits and error.__cause__ is not None and is_passing(error.__cause__)
