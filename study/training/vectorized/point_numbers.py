"""Separate what a trial's config changes in its program: numbers, which are arguments, and structure.

A range of `search` can change any number of the model, the loss, the schedule or the augmentation. Two trials share
one program if they differ in numbers only. Where a number of the config stands is found by building everything at a
few points, and comparing. Losses, schedules and layers of augmentation are made again for every trial, since that is
quick. A number of the model stands in a layer as it is, or as a linear function of it, such as l2 / 2: the function is
found from two builds, and must hold at a third one. Then the step is traced at two points, with the numbers of the one
put into the places of the other: both traces must be the same, so that no other value depends on the point. A key for
which this fails is part of the structure, and each of its values needs a program of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import keras

from study.config.at_point import at
from study.config.schema import StudyConfig
from study.core.search_space import Range, Value, of_config
from study.training.augmentation import AUGMENTATION
from study.training.initial_weights import Replay
from study.training.keras_internals import all_layers, functional_class, losses_of
from study.training.vectorized.class_weighting import WEIGHTS
from study.training.vectorized.number_places import Found, NumberPlace, find_numbers
from study.training.vectorized.remade_parts import PARTS, PartChecks, remade

_MODEL = "model."
# Shares of a range, on its scale, at which models are built: the base, another value of each key, a third of all.
_BASE, _OTHER, _THIRD = 0.5, 0.29, 0.83
# A model that changes its rule somewhere in a range has another one near one of the ends.
_NEAR_ENDS = (0.01, 0.99)
# Some regularizers keep their number in the precision of the training. Its rounding is no other number.
_TOLERANCE = 3e-7

_OF_PARTS = (*PARTS.values(), _MODEL)
_RULES = "trainer.early_stopping."

# Builds the compiled model of a config without values, and their replay. Traces the steps of such a model, as text.
Build = Callable[[StudyConfig], tuple[Any, Replay | None]]
Trace = Callable[[Any], str]


@dataclass(frozen=True, kw_only=True)
class PointOfTrial:
    """A trial's config, and its values in the program.

    Attributes:
        config: The config of the trial.
        structure: The values that are part of the program, by key, as text.
        numbers: The numbers that are arguments of the program, by place.
    """

    config: StudyConfig
    structure: tuple[tuple[str, str], ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Dependence:
    """Dependence of a place of the model on a key: `factor` times the value of a key, plus `offset`."""

    key: str
    factor: float
    offset: float

    def at(self, value: float) -> float:
        return value * self.factor + self.offset if self.offset or self.factor != 1.0 else value


@dataclass(kw_only=True)
class _Model:
    """The rules of the models of one structure.

    Attributes:
        base: The config at which the first of them was built.
        found: What that model is made of.
        rules: The rule of each place that depends on the point.
        structural: Keys whose values are part of the structure after all.
        known: Whether the rules hold at a special value of a key.
    """

    base: StudyConfig
    found: Found
    rules: Mapping[str, _Dependence]
    structural: frozenset[str]
    known: dict[tuple[str, Value], bool] = field(default_factory=dict)


class PointNumbers:
    """The numbers of a study's trials.

    Args:
        config: The study's config.
        build: Builds the compiled model of a config, without values, and their replay.
        trace: Traces the steps of such a model, as text.
        n_steps: Returns the number of steps of a whole training by a config.
    """

    def __init__(self, config: StudyConfig, build: Build, trace: Trace, n_steps: Callable[[StudyConfig], int]) -> None:
        self._config, self._build, self._trace, self._n_steps = config, build, trace, n_steps
        self._lanes = {key: _interval(r) for key, r in config.searched.items() if not r.is_of_structures}
        self._models: dict[tuple[tuple[str, str], ...], _Model] = {}
        self._told: set[str] = set()
        self._parts = [part for part, prefix in PARTS.items() if config.searches(prefix)]

    def at(self, hyperparameters: Mapping[str, Value]) -> PointOfTrial:
        """Return what a trial's config changes.

        Args:
            hyperparameters: The trial's hyperparameters.
        """
        if not self._config.searched:
            return PointOfTrial(config=self._config)
        config, values = at(self._config, hyperparameters), of_config(hyperparameters)
        numbers = dict[str, float]()
        structure = {
            key: repr(value is None if key.startswith(_RULES) else value)
            for key, value in values.items()
            if not key.startswith(_OF_PARTS)
        }
        for part in self._parts:
            found = remade(config, part, n_steps=self._n_steps(config))
            numbers |= {name: float(value) for name, value in found.numbers.items()}
            structure |= found.fixed
        structure |= {key: repr(values[key]) for key in self._hidden}
        named, of_model = self._of_model(config, {k: v for k, v in values.items() if k.startswith(_MODEL)})
        whole = tuple(sorted({**structure, **named}.items()))
        return PointOfTrial(config=config, structure=whole, numbers={**numbers, **of_model})

    @cached_property
    def _hidden(self) -> frozenset[str]:
        """Keys on which parts that are made again depend by more than numbers in attributes."""
        checks = PartChecks(self._config, self._steps_with, self._n_steps, self._points_of_parts)
        return frozenset[str]().union(*map(checks.hidden, self._parts))

    def _steps_with(self, config: StudyConfig, numbers: Mapping[str, float]) -> str:
        """Trace the steps of the model of a config, with numbers put into its places."""
        model, _ = self._build(config)
        places = places_of(model)
        for name, number in numbers.items():
            places[name].put(number)
        return self._trace(model)

    def _points_of_parts(self, keys: Collection[str]) -> list[dict[str, Value]]:
        """Return points along the ranges of numeric keys, the middle first."""
        ranges = {key: _interval(self._config.searched[key]) for key in keys}
        shares = (_BASE, _OTHER, _THIRD, *_NEAR_ENDS)
        return [{key: _value(searched, share) for key, searched in ranges.items()} for share in shares]

    def _points(self, keys: Sequence[str]) -> list[dict[str, Value]]:
        """Return points: one in the middle, one for each key that only it changes, one at which all differ."""
        ranges = {key: self._lanes[key] for key in keys}
        base = {key: _value(searched, _BASE) for key, searched in ranges.items()}
        alone = [{**base, key: _value(searched, _OTHER)} for key, searched in ranges.items()]
        return [base, *alone, {key: _value(searched, _THIRD) for key, searched in ranges.items()}]

    def messages(self, constants: Collection[str]) -> list[str]:
        """Return lines for the user on keys whose values each need a program of their own, each key once.

        Args:
            constants: Names of numbers that a program could not take as arguments.
        """
        of_place = {name: rule.key for model in self._models.values() for name, rule in model.rules.items()}
        keys = {of_place.get(name, name) for name in constants if "." in name}
        keys |= {key for model in self._models.values() for key in model.structural}
        keys |= self._hidden
        new = sorted(keys - self._told)
        self._told |= keys
        return [
            f"{key}: trainer=vectorized compiles a program for each of its values, since they are more than a number "
            "of a layer, as in an initializer, a closure or a function that JAX cannot trace. trainer=fit "
            "trainer.backend=jax may be quicker."
            for key in new
        ]

    def _of_model(self, config: StudyConfig, values: Mapping[str, Value]) -> tuple[dict[str, str], dict[str, float]]:
        """Return the structure of a trial's model, and its numbers."""
        special = {key for key, value in values.items() if key not in self._lanes or type(value) is not float}
        while True:
            structure = {key: repr(values[key]) for key in sorted(special)}
            model = self._model(config, values, structure)
            more = {key for key in values.keys() - special if not self._holds(model, key, values[key])}
            if not more:
                break
            special |= more
        placed = ((name, rule) for name, rule in model.rules.items() if rule.key not in special)
        return structure, {name: rule.at(_number(values[rule.key])) for name, rule in placed}

    def _model(self, config: StudyConfig, values: Mapping[str, Value], structure: Mapping[str, str]) -> _Model:
        key = tuple(structure.items())
        if key not in self._models:
            lanes = [name for name in values if name not in structure]
            self._models[key] = self._find_rules(config, lanes)
        return self._models[key]

    def _holds(self, model: _Model, key: str, value: Value) -> bool:
        """Return whether the rules hold for a value of a key; checked only for those where a model often differs."""
        if key in model.structural:
            return False
        searched = self._lanes[key]
        if value not in (0.0, 1.0, searched.low, searched.high, self._config.own_values[key]):
            return True
        if (key, value) not in model.known:
            model.known[key, value] = self._follows(model.base, model.found, {key: value}, model.rules)
        return model.known[key, value]

    def _find_rules(self, config: StudyConfig, lanes: Sequence[str]) -> _Model:
        """Build models at several points, and find where the numbers of each key stand."""
        first, *alone, third = self._points(lanes)
        base = at(config, first)
        model, found = self._built(base)
        rules, structural = dict[str, _Dependence](), set[str]()
        for key, other in zip(lanes, alone, strict=True):
            there = self._built(at(base, {key: other[key]}))[1]
            of_key = _dependences(key, found, there, _number(first[key]), _number(other[key]))
            if not of_key or rules.keys() & of_key.keys():
                structural |= {key, *(rules[name].key for name in rules.keys() & of_key.keys())}
            rules |= of_key
        structural |= {
            key
            for key in lanes
            for share in _NEAR_ENDS
            if not self._follows(base, found, {key: _value(self._lanes[key], share)}, rules)
        }
        structural |= self._unlike_rules(
            (model, found), base, {k: third[k] for k in lanes if k not in structural}, rules
        )
        kept = {name: rule for name, rule in rules.items() if rule.key not in structural}
        return _Model(base=base, found=found, rules=kept, structural=frozenset(structural))

    def _follows(
        self, base: StudyConfig, found: Found, point: Mapping[str, Value], rules: Mapping[str, _Dependence]
    ) -> bool:
        """Return whether the numbers of a model at another point are those that the rules say."""
        return _is_as_expected(found, self._built(at(base, point))[1], point, rules)

    def _built(self, config: StudyConfig) -> tuple[Any, Found]:
        """Return the model of a config, and what it is made of, the rules of its initial weights included."""
        model, replay = self._build(config)
        found = _of_layers(model)
        initial = {} if replay is None else replay.described()  # without a replay every trial's model is built
        return model, Found(places=found.places, fixed={**found.fixed, **initial})

    def _unlike_rules(
        self,
        of_base: tuple[Any, Found],
        base: StudyConfig,
        point: Mapping[str, Value],
        rules: Mapping[str, _Dependence],
    ) -> set[str]:
        """Return the keys whose rules do not say all that changes at another point."""
        if not point or self._agree(of_base, base, point, rules):
            return set()
        alone = {key for key, value in point.items() if not self._agree(of_base, base, {key: value}, rules)}
        return alone or set(point)

    def _agree(
        self,
        of_base: tuple[Any, Found],
        base: StudyConfig,
        point: Mapping[str, Value],
        rules: Mapping[str, _Dependence],
    ) -> bool:
        """Return whether a model at another point differs from the one at the base as the rules say, and only so."""
        model, found = of_base
        other, there = self._built(at(base, point))
        if not _is_as_expected(found, there, point, rules):
            return False
        for name, rule in rules.items():
            if rule.key in point:
                there.places[name].put(found.numbers[name])
        return self._trace(other) == self._trace(model)


def _is_as_expected(found: Found, there: Found, point: Mapping[str, Value], rules: Mapping[str, _Dependence]) -> bool:
    """Return whether the model at a point differs from the one at the base as the rules say.

    Args:
        found: The numbers of the model at the base.
        there: Those of the model at the point.
        point: The values that differ from the base.
        rules: The rules.
    """
    if there.fixed != found.fixed or there.places.keys() != found.places.keys():
        return False
    moved = {name: rule.at(_number(point[rule.key])) for name, rule in rules.items() if rule.key in point}
    expected = {**found.numbers, **moved}
    return all(_alike(number, expected[name]) for name, number in there.numbers.items())


def _dependences(key: str, found: Found, there: Found, a: float, b: float) -> dict[str, _Dependence]:
    """Return the rules of the places that a key alone changes; empty if it changes anything else, or nothing.

    Args:
        key: The key.
        found: The numbers of the model at the base.
        there: Those of the model with another value of the key.
        a: The value at the base.
        b: The other value.
    """
    if found.fixed != there.fixed or found.places.keys() != there.places.keys():
        return {}
    rules = {}
    for name, number in found.numbers.items():
        if (moved := there.numbers[name]) == number:
            continue
        if _alike(number, a) and _alike(moved, b):
            rules[name] = _Dependence(key=key, factor=1.0, offset=0.0)
        elif a and b and _alike(number / a, moved / b):
            rules[name] = _Dependence(key=key, factor=_plainest(number / a), offset=0.0)
        else:
            factor = (moved - number) / (b - a)
            rules[name] = _Dependence(key=key, factor=factor, offset=number - factor * a)
    return rules


def _plainest(factor: float) -> float:
    """Return the factor with few digits that a factor from rounded numbers stands for, such as 0.01."""
    short = float(f"{factor:.6g}")
    return short if _alike(factor, short) else factor


def _number(value: Value) -> float:
    return float(cast(float, value))


def _alike(a: float, b: float) -> bool:
    return a == b or math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=1e-30)


def _interval(searched: Range) -> Range:
    """Return the interval of the numbers of a range: between the choices, or between the steps."""
    if searched.choices is None:
        return replace(searched, step=None)
    numbers = [cast(float, choice) for choice in searched.choices]
    return Range(argument=searched.argument, low=min(numbers), high=max(numbers))


def _value(searched: Range, share: float) -> Value:
    """Return the value at a share of a range on its scale; of whole numbers and choices one at about this share."""
    points = searched.grid(101)
    return searched.value(points[round(share * (len(points) - 1))])


def places_of(model: Any) -> dict[str, NumberPlace]:
    """Return the places of a compiled model's numbers, by the names that `PointOfTrial.numbers` has for them.

    Args:
        model: The model, compiled; its losses are built if there are several.
    """
    losses, weighted = losses_of(model)
    parts = {
        "loss": losses if isinstance(losses, dict) else {"": losses},
        "augment": getattr(model.train_step, AUGMENTATION, {}),
        "class_weight": getattr(model.train_step, WEIGHTS, []),
    }
    weights = {f"loss_weights.{output}": _weight_place(*where) for output, where in weighted.items()}
    return {**_of_layers(model).places, **find_numbers(parts).places, **weights}


def _weight_place(built: list[Any], index: int) -> NumberPlace:
    def put(value: Any) -> None:
        built[index] = built[index]._replace(loss_weights=value)

    return NumberPlace(value=built[index].loss_weights, put=put)


def _of_layers(model: Any) -> Found:
    layers = {f"model.{index}": layer for index, layer in enumerate(all_layers(model) or ())}
    if not isinstance(model, functional_class() | keras.Sequential):
        layers["model.self"] = model
    found = find_numbers(layers)
    shapes = {f"model variable {index}": f"{v.shape} {v.dtype}" for index, v in enumerate(model.variables)}
    return Found(places=found.places, fixed={**found.fixed, **shapes})
