"""Classes and functions of a model that Keras does not have, and a trial of loading it elsewhere."""

from __future__ import annotations

import importlib
import tempfile
import types
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras

from study.config.own_code import CustomObject
from study.training.architecture import first_line
from study.training.backend import without_tensorflow
from study.training.keras_internals import all_layers


def custom_objects(model: Any) -> list[CustomObject]:
    """Return the classes and functions that the file of a saved model names and Keras does not have, by name.

    Keras itself imports no module for them. Whoever loads the model has to.

    Args:
        model: A built model that Keras can save.
    """
    with without_tensorflow(), _without_lambda_warning():
        named = dict(_named(keras.saving.serialize_keras_object(model)))
    known = dict(_parts(model))
    found = []
    for key, name in sorted(named.items()):
        part = keras.saving.get_registered_object(key)
        is_registered = part is not None
        part = known.get(key) if part is None else part
        found.append(
            CustomObject(
                key=key,
                module=getattr(part, "__module__", ""),
                name=getattr(part, "__qualname__", name),
                is_class=isinstance(part, type),
                is_registered=is_registered,
            )
        )
    return found


def load_fault(model: Any, objects: Iterable[CustomObject]) -> str:
    """Return the reason why a saved model cannot be loaded in another process that has its modules; empty if it can.

    A model of Keras's own classes is not tried. Another one is saved into a temporary folder and loaded.

    Args:
        model: A built model that Keras can save.
        objects: Its classes and functions that Keras does not have.
    """
    given = list(objects)
    by_key = {}
    for each in given:
        try:
            by_key[each.key] = getattr(importlib.import_module(each.module), each.name)
        except (ImportError, AttributeError, ValueError):
            at = f" of {each.module}" if each.module else ""
            return f"{each.name}{at} is not at the top of a module, where another process could find it"
        if each.module == "__main__":
            return f"{each.name} is in the program that was started, which another process does not import"
    if not given and not _has_lambda(model):
        return ""
    try:
        with tempfile.TemporaryDirectory() as folder, without_tensorflow(), _without_lambda_warning():
            path = Path(folder) / "model.keras"
            model.save(path)
            keras.saving.load_model(path, custom_objects=by_key, compile=False)
    except Exception as error:  # a layer of the user's can fail in any way
        if "safe_mode" in str(error):
            return "a keras.layers.Lambda has a lambda, which Keras loads only with safe_mode=False"
        return first_line(error)
    return ""


def _has_lambda(model: Any) -> bool:
    return any(isinstance(layer, keras.layers.Lambda) for layer in _layers(model))


def _layers(model: Any) -> list[Any]:
    return [model, *(all_layers(model) or model.layers)]


def _named(config: Any) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of each object in a config that Keras does not have."""
    if isinstance(config, list | tuple):
        for each in config:
            yield from _named(each)
    if not isinstance(config, dict):
        return
    kind, module = config.get("class_name"), config.get("module")
    if isinstance(kind, str) and not kind.startswith("__") and "config" in config and not _is_of_keras(module):
        if kind == "function":
            name = str(config["config"])
            yield name, name
        elif config.get("registered_name"):
            yield str(config["registered_name"]), kind
    for each in config.values():
        yield from _named(each)


def _is_of_keras(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == "keras"


def _parts(model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the classes and functions in a model that are not Keras's, by the names under which Keras saves them."""
    for layer in _layers(model):
        for value in (layer, *vars(layer).values()):
            part = value if isinstance(value, types.FunctionType) else type(value)
            if not _is_of_keras(part.__module__):
                yield keras.saving.get_registered_name(part), part


def _without_lambda_warning() -> Any:
    """Return a context without Keras's warning of a lambda, which `load_fault` says in better words."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)
