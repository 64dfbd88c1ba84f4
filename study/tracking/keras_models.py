"""Log a Keras model as an MLflow model that can be loaded and served, also by a process without this project."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities import LoggedModel, LoggedModelOutput
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.tracking import MlflowClient

from study.config.own_code import NO_CODE, ModelCode
from study.core.packages import installed_version
from study.core.trees import named_leaves
from study.tracking import own_classes_loader
from study.tracking.artifact_places import is_whole, local_folder
from study.tracking.mlflow_internals import without_requirements_check

_NAME, _FILE = "model", "model.keras"
# Files of a logged model without which it cannot be served.
_FILES = ("MLmodel", "requirements.txt", "data/keras_module.txt", f"data/{_FILE}")
# Tag of a logged model: digest of the name of the training.
_OF = "study.training"
# Keras loads TensorFlow by default, also if another backend trained the model, on a machine without TensorFlow.
_SERVED_WITH = ("keras", "numpy", "tensorflow")
# Tags of a logged model with classes that Keras does not have: these, files kept with it, modules of this project.
_CLASSES, _CODE, _OF_PROJECT = "study.own_classes", "study.code", "study.project_modules"
# Tag of a logged model that a later one replaced and that is registered, and MLflow's own of its versions.
_REPLACED, _VERSIONS = "study.replaced", "mlflow.modelVersions"
_CODE_FOLDER = "code"
_LONGEST_TAG = 5000  # characters


def log_keras_model(
    client: MlflowClient,
    model: Any,
    *,
    example_x: Any,
    experiment_id: str,
    run_id: str,
    of: str = "",
    code: ModelCode = NO_CODE,
) -> None:
    """Store a model as a logged model of a run.

    Args:
        client: A client of the store.
        model: A Keras model. It is not compiled, so that the server does not need our optimizers and losses.
        example_x: Inputs, shape (n_examples, *input_shape), or a tree of them, for the signature.
        experiment_id: MLflow's id of the run's experiment.
        run_id: Id of the run that trained the model.
        of: Name of the training; `has_model` finds the model by it. Default: empty.
        code: The code that the model needs beside Keras. Its files are kept with the model, and
            `mlflow.pyfunc.load_model` imports them. Default: none.
    """
    signature = infer_signature(_by_name(example_x), _by_name(model.predict(example_x, verbose=0)))
    tags = {_OF: _digest(of), **_code_tags(code)}
    logged = client.create_logged_model(experiment_id, name=_NAME, source_run_id=run_id, tags=tags)
    status = "FAILED"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _NAME
            description = Model(
                artifact_path=logged.artifact_location,
                run_id=run_id,
                model_uuid=logged.model_id,
                model_id=logged.model_id,
            )
            description.signature = signature
            _save(model, path, description, code)
            client.log_model_artifacts(logged.model_id, str(path))
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])


def _save(model: Any, path: Path, description: Model, code: ModelCode) -> None:
    """Save a model as a folder of MLflow, with its code."""
    import mlflow.keras

    requirements = [*map(_requirement, _SERVED_WITH), *code.packages]
    with without_requirements_check():
        mlflow.keras.save_model(
            model, str(path), mlflow_model=description, signature=description.signature, pip_requirements=requirements
        )
    if not code.objects:
        return
    loader = Path(own_classes_loader.__file__)
    for name, file in {**code.files, loader.name: loader}.items():
        target = path / _CODE_FOLDER / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    places = {each.key: each.place for each in code.objects}
    description.metadata = {own_classes_loader.METADATA: places}
    loaded_by = {"loader_module": loader.stem, "code": _CODE_FOLDER}
    description.add_flavor("python_function", **{**description.flavors["python_function"], **loaded_by})
    description.save(str(path / "MLmodel"))


def _by_name(tree: Any) -> Any:
    """Return an array as it is, and several arrays by their names, as a signature of MLflow has them."""
    arrays = named_leaves(tuple(tree) if isinstance(tree, list) else tree, "")
    named = {place.removeprefix("."): np.asarray(array) for place, array in arrays}
    return named.get("", named)


def _requirement(package: str) -> str:
    """Return a package with its version here. One that is not installed here may have any version."""
    version = installed_version(package)
    return package if version is None else f"{package}=={version}"


def has_model(client: MlflowClient, run_id: str, *, of: str, or_any: bool) -> bool:
    """Return whether a run has a model whose files are whole; files on a server are taken to be whole.

    A logged model whose files were lost or damaged is marked as failed.

    Args:
        client: A client of the store.
        run_id: Id of the run.
        of: Name of the training, as given to `log_keras_model`.
        or_any: Take also a model that an earlier version logged, without the name of its training.
    """
    found = False
    for logged in _logged_models(client, run_id):
        if _lost_file(logged):
            client.finalize_logged_model(logged.model_id, "FAILED")
        elif logged.tags.get(_OF, _digest(of) if or_any else None) == _digest(of):
            found = True
    folder = local_folder(client.get_run(run_id).info.artifact_uri)
    return found or (folder is not None and is_whole(folder / _FILE))


def kept_models(client: MlflowClient, run_id: str) -> tuple[str, ...]:
    """Return MLflow's ids of the models that a run has, those without whole files too.

    Args:
        client: A client of the store.
        run_id: Id of the run.
    """
    return tuple(logged.model_id for logged in _logged_models(client, run_id))


def drop_replaced_models(client: MlflowClient, run_id: str, model_ids: Collection[str], *, of: str) -> None:
    """Delete earlier models of a run, if it has the whole one of the training that replaces them.

    A model that was registered stays, since its versions load these files; it gets the tag `study.replaced`. MLflow
    keeps the files of a deleted model until `mlflow gc`.

    Args:
        client: A client of the store.
        run_id: Id of the run.
        model_ids: Ids of the models that may be deleted. Others stay, such as one that another worker logged since.
        of: Name of the training whose model stays, as given to `log_keras_model`.
    """
    if not model_ids:
        return
    found = list(_logged_models(client, run_id))
    if not any(logged.tags.get(_OF) == _digest(of) and not _lost_file(logged) for logged in found):
        return
    for logged in found:
        if logged.model_id not in model_ids or logged.tags.get(_OF) == _digest(of):
            continue
        if _is_registered(client, logged):
            client.set_logged_model_tags(logged.model_id, {_REPLACED: "true"})
        else:
            client.delete_logged_model(logged.model_id)


def _is_registered(client: MlflowClient, logged: LoggedModel) -> bool:
    """Return whether a registered model has a version that loads a logged model."""
    own = (f"models:/{logged.model_id}", logged.artifact_location)
    return _VERSIONS in logged.tags or any(
        version.source in own or version.model_id == logged.model_id
        for version in client.search_model_versions(f"run_id = '{logged.source_run_id}'")
    )


@dataclass(frozen=True, kw_only=True)
class KeptModel:
    """A model of a study as MLflow has it.

    Attributes:
        model_id: MLflow's id of the logged model.
        own_classes: Its classes and functions that Keras does not have, such as `nets.parts:Scale`. Only
            `mlflow.pyfunc.load_model` imports them.
        code: Paths of the modules that are kept with the model and that it needs, such as `nets/parts.py`.
        project_modules: Modules of this project that it needs.
        lost: Path of a file that was lost or damaged; empty if all are whole, or are on a server.
    """

    model_id: str
    own_classes: tuple[str, ...]
    code: tuple[str, ...]
    project_modules: tuple[str, ...]
    lost: str


def find_model(client: MlflowClient, run_id: str, *, of: str) -> KeptModel | None:
    """Return the model of a training that a run has, the latest whole one; None without any. Nothing is written.

    A model of an earlier version, without the name of its training, is taken if no other one is found.

    Args:
        client: A client of the store.
        run_id: Id of the study's run.
        of: Name of the training, as given to `log_keras_model`.
    """
    found = sorted(_logged_models(client, run_id), key=lambda logged: logged.creation_timestamp)
    own = [logged for logged in found if logged.tags.get(_OF) == _digest(of)]
    kept = [_kept(logged) for logged in own or [logged for logged in found if _OF not in logged.tags]]
    return next((each for each in reversed(kept) if not each.lost), kept[-1] if kept else None)


def load_kept_model(client: MlflowClient, kept: KeptModel) -> Any:
    """Load a kept model into this process with Keras, ready to predict.

    A model with classes of its own gets them from the modules that are kept with it, or from this process.

    Args:
        client: A client of the store.
        kept: The model.

    Raises:
        MlflowException: The files cannot be read.
        Exception: Keras cannot load the model, or a class of its own cannot be imported.
    """
    import mlflow.keras  # imports Keras

    location = client.get_logged_model(kept.model_id).artifact_location
    with tempfile.TemporaryDirectory() as into:
        folder = local_folder(location)
        place = mlflow.artifacts.download_artifacts(artifact_uri=location, dst_path=into) if folder is None else folder
        if kept.own_classes:
            import mlflow.pyfunc

            return mlflow.pyfunc.load_model(str(place), suppress_warnings=True).get_raw_model()
        return mlflow.keras.load_model(str(place))


def has_file_of_model(client: MlflowClient, run_id: str) -> bool:
    """Return whether a run has a model as a file alone, written while its server was away.

    Args:
        client: A client of the store.
        run_id: Id of the study's run.
    """
    return any(each.path == _FILE for each in client.list_artifacts(run_id))


def _kept(logged: LoggedModel) -> KeptModel:
    own, code, project = (tuple(_named_in(logged, tag)) for tag in (_CLASSES, _CODE, _OF_PROJECT))
    return KeptModel(
        model_id=logged.model_id, own_classes=own, code=code, project_modules=project, lost=_lost_file(logged)
    )


def _code_tags(code: ModelCode) -> dict[str, str]:
    """Return the names of a model's code as tags, of each kind as many whole ones as a tag has room for."""
    names = {_CLASSES: [each.place for each in code.objects], _CODE: code.files, _OF_PROJECT: code.project_modules}
    tags = {}
    for tag, given in names.items():
        text = ""
        for name in given:
            longer = f"{text}, {name}" if text else name
            text = longer if len(longer) <= _LONGEST_TAG else text
        if text:
            tags[tag] = text
    return tags


def _named_in(logged: LoggedModel, tag: str) -> list[str]:
    return [name for name in logged.tags.get(tag, "").split(", ") if name]


def _logged_models(client: MlflowClient, run_id: str) -> Iterator[LoggedModel]:
    """Yield the models of a run that were written to their end and not deleted in MLflow."""
    outputs = client.get_run(run_id).outputs
    for output in outputs.model_outputs if outputs is not None else ():
        with contextlib.suppress(MlflowException):  # it was deleted in MLflow
            logged = client.get_logged_model(output.model_id)
            if str(logged.status) == "READY":
                yield logged


def _lost_file(logged: LoggedModel) -> str:
    """Return the path of a model's file that was lost or damaged; empty if all are whole, or are on a server."""
    folder = local_folder(logged.artifact_location)
    if folder is None:
        return ""
    code = [f"{_CODE_FOLDER}/{name}" for name in _named_in(logged, _CODE)]
    lost = [name for name in _FILES if not is_whole(folder / name)]
    lost += [name for name in code if not (folder / name).is_file()]  # an __init__.py may be empty
    return str(folder / lost[0]) if lost else ""


def _digest(of: str) -> str:
    return hashlib.sha256(of.encode()).hexdigest()[:16]


def keras_file(model: Any) -> bytes:
    """Return a model as the content of a .keras file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _FILE
        model.save(path)
        return path.read_bytes()
