"""The model and the data of `compare`: names of conf/, importable functions, or objects of this Python session."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from study.api.task import GUESS, GUESS_OF_CLASSES, loss_name, several_losses, task_section
from study.cli.launch.from_python import choice_with, offer
from study.config.loaded_source import changed_since_import
from study.config.own_source import own_file
from study.config.session_source import identify, is_importable
from study.core.errors import NO_VALUE, ConfigError, Fault
from study.core.session_objects import PREFIX, SessionObject, is_of_session, keep, keep_new
from study.core.trees import leaves
from study.datasets import Dataset, Split
from study.pipeline.workload_facts import kind_of_targets

_FORMS = "(x, y), a Dataset of study.datasets, a function that returns one, a stream, or a name of conf/dataset"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GivenPart:
    """A model or a data set: a name of conf/, or a section that no file has.

    Attributes:
        group: `model` or `dataset`.
        choice: The name in conf/; empty for a section.
        section: The section. Default: empty.
        allow: Package of an importable function, which a config may name then. Default: empty.
        loss_is_open: True if the task is a guess that the model decides. Default False.
    """

    group: str
    choice: str = ""
    section: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    allow: str = ""
    loss_is_open: bool = False

    def word(self) -> str:
        """Return the word that chooses it, after offering its section to Hydra."""
        return f"{self.group}={self.choice}" if self.choice else offer(self.group, self.section)


def model_part(model: Any, faults: list[Fault]) -> GivenPart | None:
    """Return the model of the arguments of `compare`; None with faults.

    Args:
        model: The model.
        faults: Faults are added here.
    """
    if isinstance(model, str) and model.strip():
        return GivenPart(group="model", choice=model)
    if isinstance(model, Mapping) and len(model) == 1:
        advice = 'Set its arguments with overrides, such as overrides=["model.hidden=[64]"].'
        faults.append(Fault(key="model", value=model, allowed="a function or a name of conf/model", advice=advice))
        return None
    if not callable(model) or any(each.__name__ == "Model" for each in type(model).__mro__):
        what = "a model of Keras" if callable(model) else described(model)
        allowed = "a function that builds a fresh model for each training, or a name of conf/model"
        advice = "Write def build(): return keras.Sequential([...]), and model=build."
        faults.append(Fault(key="model", value=what, allowed=allowed, advice=advice))
        return None
    return _function("model", model, "model", faults)


def _function(group: str, called: Callable[..., Any], key: str, faults: list[Fault]) -> GivenPart | None:
    """Return the part of a function: by its module and name if another process finds it there, else of the session."""
    name = _name_of(called, default=key)
    if is_importable(called):
        target = f"{called.__module__}.{called.__qualname__}"
        faults += _unlike_files(key, [target])
        choice = choice_with(group, target)
        if choice is not None:
            return GivenPart(group=group, choice=choice)
        package = "" if target.startswith("study.") else target.partition(".")[0]
        if package and own_file(called.__module__) is None:
            package = called.__module__
        return GivenPart(group=group, section={"name": name, "_target_": target}, allow=package)
    found, wrong = identify(called, key=key)
    wrong += _unlike_files(key, found.imported)
    faults += wrong
    target = keep_new(name, found, role=group)
    return None if wrong else GivenPart(group=group, section={"name": name, "_target_": target})


def _unlike_files(key: str, targets: Sequence[str]) -> list[Fault]:
    """Return a fault for each definition of the user's modules that is not as in its file."""
    allowed = "a function whose modules are as in their files, which identify it"
    advice = "Restart Python, or reload the module and define the function again."
    changed = changed_since_import(targets)
    return [Fault(key=f"{key} uses {name}", value=NO_VALUE, allowed=allowed, advice=advice) for name in changed]


def _name_of(called: Any, *, default: str) -> str:
    name = getattr(getattr(called, "func", called), "__name__", default)
    return name if name.isidentifier() else default


def data_part(
    data: Any, *, validation: Any, test: Any, loss: Any, metrics: Any, faults: list[Fault]
) -> GivenPart | None:
    """Return the data set of the arguments of `compare`; None with faults.

    Args:
        data: The data.
        validation: The validation split or its rule; None: not given.
        test: The test split or its rule; None: not given.
        loss: The loss; None: not given.
        metrics: The metrics; None: not given.
        faults: Faults are added here.
    """
    given = {"validation": validation, "test": test}
    is_function = callable(data) and not isinstance(data, Dataset) and not hasattr(data, "__iter__")
    if isinstance(data, str | Dataset) or is_function:
        has = f"data={data!r}" if isinstance(data, str) else f"{described(data)}, which has its own"
        given = {"loss": loss, "metrics": metrics, **given} if isinstance(data, str) else given
        advice = "Leave it out, or give arrays as data."
        for key, value in given.items():
            if value is not None:
                faults.append(
                    Fault(key=key, value=described(value), allowed=f"no value together with {has}", advice=advice)
                )
    if isinstance(data, str):
        if not data.strip():
            faults.append(Fault(key="data", value="", allowed=_FORMS, advice="Give data or a name."))
        return GivenPart(group="dataset", choice=data)
    task, is_open = _task(data, loss, metrics, faults)
    if is_function:
        part = _function("dataset", data, "data", faults)
        if part is None or part.choice:
            return part
        return dataclasses.replace(part, section={**part.section, "task": task}, loss_is_open=is_open)
    dataset = _dataset(data, given, faults)
    if dataset is None:
        return None
    target = keep_new("data", _kept_data(dataset), role="dataset")
    return GivenPart(group="dataset", section={"name": "data", "_target_": target, "task": task}, loss_is_open=is_open)


def define_again(raw: Mapping[str, Any], *, model: Any, data: Any, validation: Any, test: Any) -> None:
    """Keep functions and data of this session under the names that a recorded config has for them.

    Args:
        raw: The recorded config.
        model: The function that builds the model; None: not given.
        data: The data; None: not given.
        validation: The validation split or its rule; None: not given.
        test: The test split or its rule; None: not given.

    Raises:
        ConfigError: What was given cannot be identified, or the config has an importable function in its place.
    """
    faults: list[Fault] = []
    for key, given in (("model", model), ("dataset", data)):
        target = str(raw[key].get("_target_"))
        if given is None:
            continue
        if not is_of_session(target):
            advice = f"Leave it out: {target} is imported."
            name = "data" if key == "dataset" else key
            faults.append(Fault(key=name, value=described(given), allowed="no value", advice=advice))
            continue
        if key == "model" or callable(given):
            found, wrong = identify(given, key="model" if key == "model" else "data")
            faults += wrong
        else:
            dataset = _dataset(given, {"validation": validation, "test": test}, faults)
            if dataset is None:
                continue
            found = _kept_data(dataset)
        keep(target.removeprefix(f"{PREFIX}."), found)
    if faults:
        raise ConfigError(faults, where="in the arguments, nothing was started")


def _kept_data(dataset: Dataset) -> SessionObject:
    """Return an object of the session that hands out a data set, which the digest of its arrays identifies."""
    return SessionObject(called=lambda: dataset, digest="")


def _dataset(data: Any, given: Mapping[str, Any], faults: list[Fault]) -> Dataset | None:
    if isinstance(data, Dataset):
        return data
    is_pair = isinstance(data, tuple) and len(data) in (2, 3)
    if is_pair and _is_train_and_test(data):
        advice = "Write (x, y), test = keras.datasets.mnist.load_data(), then data=(x, y), test=test."
        faults.append(Fault(key="data", value="((x, y), (x_test, y_test))", allowed=_FORMS, advice=advice))
        return None
    is_stream = hasattr(data, "__iter__") and not isinstance(data, tuple | list | dict | np.ndarray)
    if not (
        is_pair or isinstance(data, Split) or ((is_stream or hasattr(data, "__getitem__")) and not _is_array(data))
    ):
        advice = "Give inputs and targets, such as data=(x, y)."
        faults.append(Fault(key="data", value=described(data), allowed=_FORMS, advice=advice))
        return None
    splits = {name: value for name, value in given.items() if value is not None}
    return Dataset(train=data, source="the arguments of compare()", **splits)


def _is_array(data: Any) -> bool:
    return isinstance(data, tuple | list | dict | np.ndarray) or hasattr(data, "__array__")


def _is_train_and_test(data: Any) -> bool:
    """Return whether data is what `keras.datasets` returns: two pairs of different lengths."""
    if not (
        isinstance(data, tuple) and len(data) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in data)
    ):
        return False
    lengths = [[len(array) if hasattr(array, "__len__") else -1 for array in pair] for pair in data]
    return lengths[0][0] == lengths[0][1] and lengths[1][0] == lengths[1][1] and lengths[0][0] != lengths[1][0]


def _task(data: Any, loss: Any, metrics: Any, faults: list[Fault]) -> tuple[dict[str, Any], bool]:
    """Return the section of the task, and whether its loss is only a guess."""
    named = metric_sections(metrics, faults)
    if loss is not None:
        section = _loss(loss, faults)
        return task_section(section or GUESS, named), False
    if isinstance(data, Dataset):
        data = data.train
    y = data.y if isinstance(data, Split) else data[1] if isinstance(data, tuple) and len(data) > 1 else None
    if isinstance(y, dict | tuple) and len(leaves(y)) > 1 and not _is_train_and_test(data):
        faults.append(several_losses())
    has_classes = y is not None and kind_of_targets(leaves(y) if isinstance(y, dict | tuple) else [y]) == "classes"
    # The given metrics may not fit a guess.
    return task_section(GUESS_OF_CLASSES if has_classes else GUESS, None), True


def metric_sections(metrics: Any, faults: list[Fault]) -> Any:
    """Return metrics as a config has them; None without any.

    Args:
        metrics: Names and metrics of Keras, or lists of them by output; None: none were given.
        faults: Faults are added here.
    """
    if metrics is None:
        return None
    if isinstance(metrics, Mapping):
        return {str(output): metric_sections(each, faults) for output, each in metrics.items()}
    if not isinstance(metrics, list | tuple):
        advice = 'Write metrics=["accuracy"].'
        faults.append(Fault(key="metrics", value=described(metrics), allowed="a list of metrics", advice=advice))
        return None
    found = []
    for index, each in enumerate(metrics):
        section = each if isinstance(each, str | Mapping) else _of_keras(each, "keras.metrics")
        if section is None:
            allowed = "a name or a metric of Keras, or {'_target_': a metric in a module of yours, 'name': ...}"
            advice = "A function of this session can be given as loss, and not as a metric."
            faults.append(Fault(key=f"metrics[{index}]", value=described(each), allowed=allowed, advice=advice))
        found.append(section)
    return found


def _of_keras(part: Any, namespace: str) -> Any:
    """Return a loss or a metric of Keras as a config has it; None for anything else."""
    kind = part if isinstance(part, type) else type(part)
    if not kind.__module__.startswith("keras.") and not getattr(part, "__module__", "").startswith("keras."):
        return None
    from study.training.task_facts import section_of  # imports Keras, which has the part

    return section_of(part, namespace)


def _loss(loss: Any, faults: list[Fault]) -> dict[str, Any] | None:
    """Return the section of a loss: a name of Keras, a section, one for each output, a function or a class."""
    if isinstance(loss, str):
        return {"_target_": loss_name(loss)}
    if isinstance(loss, Mapping):
        if "_target_" in loss:
            return dict(loss)
        sections = {str(name): _loss(each, faults) for name, each in loss.items()}
        return {name: each for name, each in sections.items() if each is not None}
    section: dict[str, Any] | None = _of_keras(loss, "keras.losses")
    if section is not None:
        return section
    if callable(loss) and (isinstance(loss, type) or hasattr(loss, "__code__")):
        found, wrong = identify(loss, key="loss")
        faults += [*wrong, *_unlike_files("loss", found.imported)]
        made = found.called if isinstance(loss, type) else lambda: loss
        return {
            "_target_": keep_new(_name_of(loss, default="loss"), dataclasses.replace(found, called=made), role="loss")
        }
    allowed = "a name of Keras such as mse, a loss of keras.losses, a function or a class"
    faults.append(Fault(key="loss", value=described(loss), allowed=allowed, advice='Write loss="mse".'))
    return None


def described(value: Any) -> Any:
    """Return a value as a fault shows it: arrays and objects by their kind.

    Args:
        value: The value.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | dict) and not value:
        return repr(value)
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"<{kind}>" if shape is None else f"<{kind} of shape {tuple(shape)}>"
