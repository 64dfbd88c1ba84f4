"""The departure of every optimizer of conf/optimizer from its oracle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.update_rules.oracles import ORACLES, Oracle
from benchmarks.update_rules.walks import by_keras, by_rule
from benchmarks.update_rules.weights import Walk, apart
from study.config.instantiate import parameters
from study.optimizers.reference import of_keras
from study.optimizers.reference.keras_differences import held_by_float32

CONF = Path(__file__).parents[2] / "conf" / "optimizer"
LARGE_EPSILON = 0.01
_NOT_ARGUMENTS = {"name", "_target_", "search", "search_only", "untuned"}
_DECAYS = ("weight_decay", "adam_weight_decay")
_REFERENCE = "study.optimizers.reference."


@dataclass(frozen=True, kw_only=True)
class Departures:
    """Largest distance from the oracle over 100 updates, relative to the way that the oracle has come.

    Attributes:
        plain: Without weight decay, at the optimizer's own epsilon.
        large_epsilon: With an epsilon of 0.01; None: the rule has none.
        decayed: With the weight decay of the oracle, 1 for most; None: the optimizer has none.
    """

    plain: float
    large_epsilon: float | None
    decayed: float | None


def read_optimizers() -> dict[str, dict[str, Any]]:
    """Return the YAMLs of conf/optimizer by name."""
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(CONF.glob("*.yaml"))}


def measure_departures(name: str, section: Mapping[str, Any]) -> Departures:
    """Measure an optimizer of conf/optimizer; call it within `double_precision`.

    Args:
        name: Name of its YAML.
        section: The YAML's content.

    Raises:
        KeyError: There is no oracle for it.
    """
    oracle = ORACLES[name]

    def measured(**others: float | None) -> float:
        given = complete(section, oracle, others)
        return apart(walk_of(section["_target_"], given), oracle.build(given))

    decays = {argument: oracle.decay for argument in _DECAYS if argument in section}
    return Departures(
        plain=measured(),
        large_epsilon=None if oracle.epsilon is None else measured(**{oracle.epsilon: LARGE_EPSILON}),
        decayed=None if oracle.decay is None else measured(**decays),
    )


def complete(section: Mapping[str, Any], oracle: Oracle, others: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of an optimizer: the class's defaults, the YAML's values, those of the measurement.

    Numbers are those that float32 holds, and nothing decays unless told.
    """
    target = section["_target_"]
    # The length of the training comes from the trainer.
    known = {name: parameter for name, parameter in parameters(target).items() if name not in ("name", "n_steps")}
    arguments = {name: parameter.default for name, parameter in known.items()}
    arguments |= {name: arguments[name] and 0.0 for name in _DECAYS if name in arguments}
    fixed = {name: value for name, value in section.items() if name not in _NOT_ARGUMENTS and value is not None}
    return held_by_float32(arguments | fixed | section["untuned"] | dict(oracle.settings) | dict(others))


def walk_of(target: str, arguments: Mapping[str, Any]) -> Walk:
    """Return the walk of an optimizer as the project trains with it."""
    if target.startswith(_REFERENCE):
        return by_rule(of_keras(target, arguments))
    return by_keras(target, arguments)
