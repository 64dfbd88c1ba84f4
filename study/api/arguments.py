"""The arguments of `compare`, as the words of a command line and as sections that no file has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from study.api.task import GUESS, GUESS_OF_CLASSES, loss_name, task_section
from study.cli.launch.from_python import choice_with, offer
from study.config.own_source import own_file
from study.config.session_source import identify, is_importable
from study.core.errors import NO_VALUE, ConfigError, Fault
from study.core.names import hydra_text
from study.core.session_objects import SessionObject, keep
from study.core.trees import leaves
from study.datasets import Dataset, Split
from study.pipeline.workload_facts import kind_of_targets

# Groups whose argument is a name, or a mapping of keys.
_GROUPS = ("budget", "trainer", "sampler", "schedule")
_WHERE = "in the arguments of compare(), nothing was started"
_FORMS = (
    "(x, y), a Dataset of study.datasets, a function that returns one, a stream of batches, or a name of conf/dataset"
)


class ArgumentsError(ConfigError):
    """Arguments of `compare` with one or more faults, all of them at once.

    Args:
        faults: The faults, at least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults, where=_WHERE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of `compare`, read.

    Attributes:
        model: The model.
        data: The data set.
        entries: For each optimizer: its name, and the words of its arguments.
        shared: The words of all studies.
    """

    model: Part
    data: Part
    entries: tuple[tuple[str, tuple[str, ...]], ...]
    shared: tuple[str, ...]

    def lines(self) -> list[list[str]]:
        """Return the words of a command line for each optimizer."""
        parts = [self.data.word(), self.model.word()]
        allowed = sorted({part.allow for part in (self.model, self.data) if part.allow})
        trusted = [f"allow_targets=[{','.join(allowed)}]"] if allowed else []
        return [[f"optimizer={name}", *words, *parts, *trusted, *self.shared] for name, words in self.entries]


def read_arguments(
    *,
    model: Any,
    data: Any,
    optimizers: Any,
    validation: Any,
    test: Any,
    loss: Any,
    metrics: Any,
    groups: Mapping[str, Any],
    experiment: str | None,
    overrides: Sequence[str],
) -> Arguments:
    """Read the arguments of `compare`.

    Args:
        model: The model.
        data: The data.
        optimizers: The optimizers.
        validation: The validation split or its rule; None: not given.
        test: The test split or its rule; None: not given.
        loss: The loss; None: not given.
        metrics: The metrics; None: not given.
        groups: Budget, trainer, sampler and schedule, by name; None for one that was not given.
        experiment: Name of the experiment; None: not given.
        overrides: Further words, as on the command line.

    Raises:
        ArgumentsError: Some have faults.
    """
    faults: list[Fault] = []
    part = _model(model, faults)
    dataset = _data(data, validation, test, loss, metrics, faults)
    entries = tuple(_entries(optimizers, faults))
    words = [word for group, given in groups.items() for word in _group(group, given, faults)]
    if experiment is not None:
        words.append(f"experiment_name={hydra_text(str(experiment))}")
    given = {"model": model, "dataset": data, "optimizer": optimizers, "experiment_name": experiment, **groups}
    words += _overrides(overrides, {key for key, value in given.items() if value is not None}, faults)
    if faults:
        raise ArgumentsError(faults)
    assert part is not None
    assert dataset is not None
    return Arguments(model=part, data=dataset, entries=entries, shared=tuple(words))


def words_of(prefix: str, given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a word for each value of nested mappings, such as `optimizer.search.learning_rate.low=0.001`.

    Args:
        prefix: The dotted key of the mapping.
        given: The mapping.
    """
    for key, value in given.items():
        dotted = f"{prefix}.{key}"
        if isinstance(value, Mapping) and value:
            yield from words_of(dotted, value)
        else:
            yield f"{dotted}={_text(value)}"


def _text(value: Any) -> str:
    """Return a value as Hydra's grammar has it."""
    if value is None:
        return "null"
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, np.generic):
        return _text(value.item())
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_text(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    return hydra_text(value) if isinstance(value, str) else str(value)


def _model(model: Any, faults: list[Fault]) -> Part | None:
    if isinstance(model, str):
        return Part(group="model", choice=model)
    if isinstance(model, Mapping) and len(model) == 1:
        advice = 'Set its arguments with overrides, such as overrides=["model.hidden=[64]"].'
        faults.append(Fault(key="model", value=model, allowed="a function or a name of conf/model", advice=advice))
        return None
    if not callable(model) or any(each.__name__ == "Model" for each in type(model).__mro__):
        what = "a model of Keras" if callable(model) else _described(model)
        allowed = "a function that builds a fresh model for each training, or a name of conf/model"
        advice = "Write def build(): return keras.Sequential([...]), and model=build."
        faults.append(Fault(key="model", value=what, allowed=allowed, advice=advice))
        return None
    return _function("model", model, "model", faults)


def _function(group: str, called: Callable[..., Any], key: str, faults: list[Fault]) -> Part | None:
    """Return the part of a function: by its module and name if another process finds it there, else of the session."""
    name = _name_of(called, default=key)
    if is_importable(called):
        target = f"{called.__module__}.{called.__qualname__}"
        choice = choice_with(group, target)
        if choice is not None:
            return Part(group=group, choice=choice)
        package = "" if target.startswith("study.") else target.partition(".")[0]
        if package and own_file(called.__module__) is None:
            package = called.__module__
        return Part(group=group, section={"name": name, "_target_": target}, allow=package)
    found, wrong = identify(called, key=key)
    faults += wrong
    target = keep(name, found)
    return None if wrong else Part(group=group, section={"name": name, "_target_": target})


def _name_of(called: Any, *, default: str) -> str:
    name = getattr(getattr(called, "func", called), "__name__", default)
    return name if name.isidentifier() else default


def _data(data: Any, validation: Any, test: Any, loss: Any, metrics: Any, faults: list[Fault]) -> Part | None:
    given = {"validation": validation, "test": test}
    if isinstance(data, str) or isinstance(data, Dataset) or (callable(data) and not hasattr(data, "__iter__")):
        for key, value in given.items():
            if value is not None:
                allowed = f"no value together with data={data!r}" if isinstance(data, str) else "no value, since "
                allowed += "" if isinstance(data, str) else "the Dataset has its own"
                advice = f"Leave {key} out, or give the arrays themselves as data."
                faults.append(Fault(key=key, value=_described(value), allowed=allowed, advice=advice))
    if isinstance(data, str):
        if loss is not None or metrics is not None:
            allowed = f"no value together with data={data!r}, which has its own"
            advice = 'Change it with overrides=["dataset.task.loss._target_=..."].'
            faults.append(
                Fault(key="loss" if loss is not None else "metrics", value="given", allowed=allowed, advice=advice)
            )
        return Part(group="dataset", choice=data)
    task, is_open = _task(data, loss, metrics, faults)
    if callable(data) and not isinstance(data, Dataset) and not hasattr(data, "__iter__"):
        part = _function("dataset", data, "data", faults)
        if part is None or part.choice:
            return part
        return dataclasses.replace(part, section={**part.section, "task": task}, loss_is_open=is_open)
    dataset = _dataset(data, given, faults)
    if dataset is None:
        return None
    target = keep("data", SessionObject(called=lambda: dataset, digest=""))  # the digest of the arrays identifies it
    return Part(group="dataset", section={"name": "data", "_target_": target, "task": task}, loss_is_open=is_open)


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
        faults.append(Fault(key="data", value=_described(data), allowed=_FORMS, advice=advice))
        return None
    splits = {name: value for name, value in given.items() if value is not None}
    return Dataset(train=data, source="the arguments of compare()", **splits)


def _is_array(data: Any) -> bool:
    return isinstance(data, tuple | list | dict | np.ndarray) or hasattr(data, "__array__")


def _is_train_and_test(data: tuple[Any, ...]) -> bool:
    """Return whether data is what `keras.datasets` returns: two pairs of different lengths."""
    if not (len(data) == 2 and all(isinstance(part, tuple) and len(part) == 2 for part in data)):
        return False
    lengths = [[len(array) if hasattr(array, "__len__") else -1 for array in pair] for pair in data]
    return lengths[0][0] == lengths[0][1] and lengths[1][0] == lengths[1][1] and lengths[0][0] != lengths[1][0]


def _task(data: Any, loss: Any, metrics: Any, faults: list[Fault]) -> tuple[dict[str, Any], bool]:
    """Return the section of the task, and whether its loss is only a guess."""
    if metrics is not None and not isinstance(metrics, list | tuple | Mapping):
        advice = 'Write metrics=["accuracy"].'
        faults.append(Fault(key="metrics", value=_described(metrics), allowed="a list of metrics", advice=advice))
        metrics = None
    if loss is not None:
        section = _loss(loss, faults)
        return task_section(section or GUESS, metrics), False
    y = data.y if isinstance(data, Split) else data[1] if isinstance(data, tuple) and len(data) > 1 else None
    if isinstance(data, Dataset):
        return _task(data.train, None, metrics, faults)
    has_classes = y is not None and kind_of_targets(leaves(y) if isinstance(y, dict | tuple) else [y]) == "classes"
    return task_section(GUESS_OF_CLASSES if has_classes else GUESS, metrics), True


def _loss(loss: Any, faults: list[Fault]) -> dict[str, Any] | None:
    """Return the section of a loss: a name of Keras, a section, one for each output, a function or a class."""
    if isinstance(loss, str):
        return {"_target_": loss_name(loss)}
    if isinstance(loss, Mapping):
        if "_target_" in loss:
            return dict(loss)
        sections = {str(name): _loss(each, faults) for name, each in loss.items()}
        return {name: each for name, each in sections.items() if each is not None}
    if type(loss).__module__.startswith("keras."):
        from study.training.task_facts import section_of  # imports Keras, which has the loss

        section: dict[str, Any] | None = section_of(loss, "keras.losses")
        if section is not None:
            return section
    if callable(loss) and (isinstance(loss, type) or hasattr(loss, "__code__")):
        found, wrong = identify(loss, key="loss")
        faults += wrong
        made = found.called if isinstance(loss, type) else lambda: loss
        return {"_target_": keep(_name_of(loss, default="loss"), dataclasses.replace(found, called=made))}
    allowed = "a name of Keras such as mse, a loss of keras.losses, a function or a class"
    faults.append(Fault(key="loss", value=_described(loss), allowed=allowed, advice='Write loss="mse".'))
    return None


def _entries(optimizers: Any, faults: list[Fault]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the words of each optimizer."""
    given = [optimizers] if isinstance(optimizers, str | Mapping) else optimizers
    if not isinstance(given, list | tuple) or not given:
        advice = 'Write optimizers=["sgd", "adam", {"adamw": {"weight_decay": 0.01}}].'
        faults.append(Fault(key="optimizers", value=_described(optimizers), allowed="a list of names", advice=advice))
        return
    for index, each in enumerate(given):
        if isinstance(each, str):
            yield each, ()
        elif isinstance(each, Mapping) and len(each) == 1 and isinstance(next(iter(each.values())), Mapping):
            ((name, arguments),) = each.items()
            yield str(name), tuple(words_of("optimizer", arguments))
        else:
            allowed = "a name of conf/optimizer, or {name: {argument: value}}"
            advice = 'Write "adam" or {"adam": {"beta_1": 0.9}}; a rule of your own gets a file in conf/optimizer.'
            key = f"optimizers[{index}]"
            faults.append(Fault(key=key, value=_described(each), allowed=allowed, advice=advice))


def _group(group: str, given: Any, faults: list[Fault]) -> Iterator[str]:
    """Yield the words of a group: a name, keys of the default, or a name with keys."""
    if given is None:
        return
    if isinstance(given, str):
        yield f"{group}={given}"
    elif isinstance(given, Mapping) and len(given) == 1 and isinstance(next(iter(given.values())), Mapping):
        ((name, keys),) = given.items()
        if name in ("early_stopping",):  # a section of every trainer
            yield from words_of(group, given)
        else:
            yield f"{group}={name}"
            yield from words_of(group, keys)
    elif isinstance(given, Mapping):
        yield from words_of(group, given)
    else:
        advice = f'Write {group}="NAME", {group}={{"KEY": VALUE}} or {group}={{"NAME": {{"KEY": VALUE}}}}.'
        allowed = f"a name of conf/{group}, or a mapping"
        faults.append(Fault(key=group, value=_described(given), allowed=allowed, advice=advice))


def _overrides(overrides: Any, given: set[str], faults: list[Fault]) -> list[str]:
    """Return further words; those for what another argument has are faults."""
    words = list(overrides) if isinstance(overrides, list | tuple) else []
    if not isinstance(overrides, list | tuple) or not all(isinstance(word, str) for word in words):
        advice = 'Write overrides=["trainer.batch_size=64"].'
        faults.append(Fault(key="overrides", value=_described(overrides), allowed="a list of texts", advice=advice))
        return []
    names = {"dataset": "data", "optimizer": "optimizers", "experiment_name": "experiment"}
    for index, word in enumerate(words):
        key = word.lstrip("+~").partition("=")[0]
        if key in given and key in (*_GROUPS, "model", "dataset", "optimizer", "experiment_name"):
            allowed = f"no {key} in overrides together with {names.get(key, key)}"
            faults.append(Fault(key=f"overrides[{index}]", value=word, allowed=allowed, advice="Give it once."))
        elif key.startswith(("hydra.", "hydra/")) or word.startswith("-"):
            allowed = "KEY=VALUE of a study; launchers and flags are for `study run`"
            faults.append(Fault(key=f"overrides[{index}]", value=word, allowed=allowed, advice="Remove it."))
    return words


def _described(value: Any) -> Any:
    """Return a value as a fault shows it: arrays and objects by their kind."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return f"{kind} of shape {tuple(shape)}" if shape is not None else f"a {kind}" if kind != "tuple" else NO_VALUE
