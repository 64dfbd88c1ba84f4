"""Read `optimizer.exclude`: layers that a second optimizer trains."""

from __future__ import annotations

from collections.abc import Mapping

from study.config.arguments import section_faults
from study.config.epoch_rules import PLATEAU
from study.config.reader import Reader
from study.config.schema import Exclusion
from study.core.search_space import Value

_KEY = "optimizer.exclude"
_FORM = "Write {layers: [embedding], optimizer: {_target_: keras.optimizers.SGD, learning_rate: 0.1}}."


def read_exclusion(read: Reader, fixed: Mapping[str, Value]) -> Exclusion | None:
    """Read the layers and their optimizer; None without any.

    Args:
        read: The reader, which collects faults.
        fixed: The fixed arguments of the main optimizer, by name.
    """
    given = read.value(_KEY, default=None)
    if given is None:
        return None
    before = len(read.faults)
    if not isinstance(given, Mapping) or set(given) != {"layers", "optimizer"}:
        read.fault(_KEY, given, allowed="a section with layers and optimizer alone", advice=_FORM)
        return None
    layers = read.texts(f"{_KEY}.layers")
    if not layers and len(read.faults) == before:
        read.fault(f"{_KEY}.layers", given["layers"], allowed="names of layers", advice=_FORM)
    section = given["optimizer"]
    if not isinstance(section, Mapping) or not section.get("_target_"):
        read.fault(f"{_KEY}.optimizer", section, allowed="a section with a _target_", advice=_FORM)
    else:
        read.faults += section_faults(f"{_KEY}.optimizer", section)
    if fixed.get("use_ema"):
        allowed = f"false beside {_KEY}, since Keras's evaluations would not use the averages"
        read.fault("optimizer.use_ema", True, allowed=allowed, advice="Leave out one of them.")
    if read.value("schedule._target_", default=None) == PLATEAU:
        allowed = f"another schedule beside {_KEY}: a plateau lowers one rate"
        read.fault("schedule", "plateau", allowed=allowed, advice="Leave out one of them.")
    return Exclusion(layers=layers, optimizer=section) if len(read.faults) == before else None
