"""The arguments of `compare`, as the words of a command line and as sections that no file has."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from study.api.parts import GivenPart, data_part, described, model_part
from study.api.searched import search_words
from study.cli.launch.overrides import value_text
from study.cli.launch.words import choices
from study.core.errors import ConfigError, Fault
from study.core.names import hydra_text

# Groups whose argument is a name, or a mapping of keys.
_GROUPS = ("budget", "trainer", "sampler", "schedule")
_WHERE = "in the arguments of compare(), nothing was started"


class ArgumentsError(ConfigError):
    """Arguments of `compare` with one or more faults, all of them at once.

    Args:
        faults: The faults, at least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(faults, where=_WHERE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """The arguments of `compare`, read.

    Attributes:
        model: The model.
        data: The data set.
        entries: For each optimizer: its name, and the words of its arguments.
        shared: The words of all studies.
        searched: The keys in the argument `search`, dotted. Default: none.
    """

    model: GivenPart
    data: GivenPart
    entries: tuple[tuple[str, tuple[str, ...]], ...]
    shared: tuple[str, ...]
    searched: frozenset[str] = frozenset()

    @property
    def allow(self) -> list[str]:
        """Packages of the functions that are imported from them."""
        return sorted({part.allow for part in (self.model, self.data) if part.allow})

    def lines(self) -> list[list[str]]:
        """Return the words of a command line for each optimizer."""
        parts = [self.data.word(), self.model.word()]
        trusted = [f"allow_targets=[{','.join(self.allow)}]"] if self.allow else []
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
    search: Any = None,
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
        search: Ranges of any keys. None (the default): not given.

    Raises:
        ArgumentsError: Some have faults.
    """
    faults: list[Fault] = []
    part = model_part(model, faults)
    dataset = data_part(data, validation=validation, test=test, loss=loss, metrics=metrics, faults=faults)
    entries = tuple(_entries(optimizers, faults))
    words = [word for group, given in groups.items() for word in _group(group, given, faults)]
    ranges = list(search_words(search, faults))
    words += ranges
    if experiment is not None:
        words.append(f"experiment_name={hydra_text(str(experiment))}")
    given = {"model": model, "dataset": data, "optimizer": optimizers, "experiment_name": experiment, **groups}
    words += _overrides(overrides, {key for key, value in given.items() if value is not None}, faults)
    if faults:
        raise ArgumentsError(faults)
    assert part is not None
    assert dataset is not None
    searched = frozenset(word.partition("=")[0].split(".", 1)[1].rpartition(".")[0] for word in ranges)
    return Arguments(model=part, data=dataset, entries=entries, shared=tuple(words), searched=searched)


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
            yield f"{dotted}={value_text(value)}"


def _entries(optimizers: Any, faults: list[Fault]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name and the words of each optimizer."""
    given = [optimizers] if isinstance(optimizers, str | Mapping) else optimizers
    if not isinstance(given, list | tuple) or not given:
        advice = 'Write optimizers=["sgd", "adam", {"adamw": {"weight_decay": 0.01}}].'
        faults.append(Fault(key="optimizers", value=described(optimizers), allowed="a list of names", advice=advice))
        return
    for index, each in enumerate(given):
        if isinstance(each, str):
            yield _optimizer(each), ()
        elif isinstance(each, Mapping) and len(each) == 1 and isinstance(next(iter(each.values())), Mapping):
            ((name, arguments),) = each.items()
            yield _optimizer(str(name)), tuple(words_of("optimizer", arguments))
        else:
            allowed = "a name of conf/optimizer, or {name: {argument: value}}"
            advice = 'Write "adam" or {"adam": {"beta_1": 0.9}}; a rule of your own gets a file in conf/optimizer.'
            key = f"optimizers[{index}]"
            faults.append(Fault(key=key, value=described(each), allowed=allowed, advice=advice))


def _optimizer(name: str) -> str:
    """Return the name of an optimizer in conf/, also for the name of its class in Keras, such as `AdamW`."""
    known = choices("optimizer")
    return name.lower() if name not in known and name.lower() in known else name


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
        faults.append(Fault(key=group, value=described(given), allowed=allowed, advice=advice))


def _overrides(overrides: Any, given: set[str], faults: list[Fault]) -> list[str]:
    """Return further words; those for what another argument has are faults."""
    words = list(overrides) if isinstance(overrides, list | tuple) else []
    if not isinstance(overrides, list | tuple) or not all(isinstance(word, str) for word in words):
        advice = 'Write overrides=["trainer.batch_size=64"].'
        faults.append(Fault(key="overrides", value=described(overrides), allowed="a list of texts", advice=advice))
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
