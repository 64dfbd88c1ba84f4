"""Cautions about the model that a study will keep, said before it trains: models that others could not load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from study.config.own_code import ModelCode, model_code
from study.config.schema import StudyConfig

_REGISTER = "@keras.saving.register_keras_serializable()"


def kept_model_cautions(config: StudyConfig, model: Any) -> Iterator[str]:
    """Yield the reasons why the best model will not be kept, or cannot be loaded without this project.

    Args:
        config: The study's config.
        model: The study's model, built.
    """
    if not config.tracking.log_model:
        return
    from study.training.architecture import unserializable  # imports Keras
    from study.training.custom_objects import custom_objects, load_fault

    key = f"tracking.log_model=true: the model of model={config.model.name}"
    if reason := unserializable(model):
        yield (
            f"{key} will not be kept, since Keras cannot save it ({reason}). Give its class get_config(), as in the "
            "guide of keras.Model, or set tracking.log_model=false. Everything else is recorded."
        )
        return
    objects = custom_objects(model)
    code = model_code(objects)
    if fault := load_fault(model, objects):
        used = f" It uses {_listed(each.described for each in objects)}." if objects else ""
        yield (
            f"{key} will be kept, but no other process can load it: {fault}.{used} Define its classes and functions "
            f"at the top of a module, each with get_config() and {_REGISTER}; or set tracking.log_model=false."
        )
    else:
        yield from _needed(key, code)


def _needed(key: str, code: ModelCode) -> Iterator[str]:
    """Yield the code that must be found where the model is loaded, unless it is kept with the model and registered."""
    unregistered = [each for each in code.objects if not each.is_registered and not _is_of_project(each.module)]
    if unregistered:
        yield (
            f"{key} uses {_listed(each.described for each in unregistered)}, not registered with Keras. "
            "mlflow.pyfunc.load_model will import it from the modules that are kept with the model. So that an import "
            f"is enough for mlflow.keras.load_model too, put {_REGISTER} above it."
        )
    if code.project_modules:
        yield (
            f"{key} can be loaded only where this project is installed, since it needs "
            f"{_listed(code.project_modules)}. Copy the parts that it needs into a module of your own to avoid this."
        )


def _is_of_project(module: str) -> bool:
    return module.partition(".")[0] == "study"


def _listed(names: Any) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else str(last)
