"""Durations of studies by kind of network, trainer and backend: recorded in conf/, or measured on this machine."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from study.config.schema import BACKENDS, KINDS
from study.core.errors import ConfigError, Fault, StudyError
from study.core.machine import cache_folder, cards, machine

# The environment variable that names a file of measurements, instead of the file in the user's cache folder.
VARIABLE = "OPTIMIZER_STUDY_MEASURED"
DEVICES = ("cpu", "gpu")
_FIELDS = ("trainer", "backend", "fixed_s", "trial_s")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Duration of a study with one trainer and backend: `fixed_s + n * trial_s` seconds for n trainings.

    Attributes:
        trainer: Name of the trainer.
        backend: Name of the backend.
        fixed_s: Time that does not depend on the number of trainings, in seconds.
        trial_s: Time of one more training, in seconds.
    """

    trainer: str
    backend: str
    fixed_s: float
    trial_s: float

    def seconds(self, n: int) -> float:
        """Return the duration of a number of trainings, in seconds.

        Args:
            n: Number of trainings.
        """
        return self.fixed_s + n * self.trial_s


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The known costs of one kind of network, and their source.

    Attributes:
        costs: The costs, one for each trainer and backend that was measured.
        source: Name of the file that has the costs.
        unread: The reason why this machine's measurements cannot be read. Default: empty, they can, or there are none.
    """

    costs: tuple[Cost, ...]
    source: str
    unread: str = ""


def find_facts(recorded: object, *, kind: str) -> Facts:
    """Return the costs measured on this machine, else those that conf/trainer/auto.yaml records for the device.

    Measurements that cannot be read are left out, and the source says so.

    Args:
        recorded: The section `facts` of conf/trainer/auto.yaml.
        kind: The kind of network: `dense`, `convolutional` or `recurrent`.

    Raises:
        ConfigError: The section cannot be read.
    """
    path, unread = measured_path(), ""
    try:
        entry = _read(path).get(machine(), {})
        if kind in entry.get("costs", {}):
            return Facts(costs=_costs(entry["costs"][kind], path), source=f"{path} ({entry['date']})")
    except StudyError as error:
        unread = str(error)
    known = check_facts(recorded).get("gpu" if cards() else "cpu", {})
    source = "conf/trainer/auto.yaml" + (f" ({unread})" if unread else "")
    return Facts(costs=known.get(kind, ()), source=source, unread=unread)


def check_facts(recorded: object) -> dict[str, dict[str, tuple[Cost, ...]]]:
    """Return all recorded costs, by device and by kind of network, those of other devices and kinds included.

    Args:
        recorded: The section `facts` of conf/trainer/auto.yaml.

    Raises:
        ConfigError: The section cannot be read.
    """
    node: Any = recorded if recorded is not None else {}
    try:
        for name, allowed_names in (*((device, DEVICES) for device in node), *_kinds_of(node)):
            if name not in allowed_names:
                raise ValueError(f"found {name}, not one of {', '.join(allowed_names)}")
        return {
            device: {kind: read_costs(entries) for kind, entries in (kinds or {}).items()}
            for device, kinds in node.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        allowed = f"for each device and kind a list of {', '.join(_FIELDS)} ({error})"
        advice = "Correct it, or restore the original conf/trainer/auto.yaml."
        raise ConfigError([Fault(key="trainer.facts", value=recorded, allowed=allowed, advice=advice)]) from error


def _kinds_of(node: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of each kind of network, with all known ones."""
    for kinds in node.values():
        yield from ((kind, KINDS) for kind in kinds or {})


def measured_path() -> Path:
    """Return the path of the file with the measurements of this user's machines."""
    return Path(os.environ.get(VARIABLE) or cache_folder() / "measured.json")


def keep_measured(costs: Mapping[str, Sequence[Cost]]) -> Path:
    """Save the costs measured on this machine, in place of earlier ones; return the path of the file.

    Args:
        costs: The costs, by kind of network.

    Raises:
        StudyError: The file cannot be written. A file that cannot be read is replaced.
    """
    path = measured_path()
    try:
        machines = _read(path)
    except StudyError:
        machines = {}
    listed = {kind: [asdict(cost) for cost in known] for kind, known in costs.items()}
    machines[machine()] = {"date": time.strftime("%Y-%m-%d"), "costs": listed}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps({"machines": machines}, indent=1) + "\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise StudyError(
            f"{path}: expected a file that can be written ({error.strerror}). Set {VARIABLE} to another."
        ) from error
    return path


def read_costs(entries: Any) -> tuple[Cost, ...]:
    """Return costs from mappings of their fields.

    Args:
        entries: A list of mappings with the fields of `Cost`.

    Raises:
        ValueError: The entries are not such mappings; the message quotes them.
    """
    if not isinstance(entries, list):
        raise ValueError(f"found {entries!r}")
    return tuple(map(_cost, entries))


def _cost(entry: Any) -> Cost:
    if not isinstance(entry, Mapping) or set(entry) != set(_FIELDS) or entry["backend"] not in BACKENDS:
        raise ValueError(f"found {entry!r}")
    seconds = [entry["fixed_s"], entry["trial_s"]]
    if not all(type(s) in (int, float) and math.isfinite(s) and s >= 0 for s in seconds):
        raise ValueError(f"found {entry!r}")
    return Cost(**{**entry, "fixed_s": float(seconds[0]), "trial_s": float(seconds[1])})


def _costs(entries: Any, path: Path) -> tuple[Cost, ...]:
    try:
        return read_costs(entries)
    except ValueError as error:
        raise _corrupt(path, error) from error


def _read(path: Path) -> dict[str, Any]:
    """Return the contents of a file by machine; empty if there is no file."""
    try:
        found = json.loads(path.read_text("utf-8"))["machines"]
        for entry in found.values():
            if not isinstance(entry["date"], str) or not set(entry["costs"]) <= set(KINDS):
                raise ValueError(f"found {entry!r}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _corrupt(path, error) from error
    return dict(found)


def _corrupt(path: Path, error: Exception) -> StudyError:
    reason = str(error).splitlines()[0][:200]
    return StudyError(
        f"{path}: expected what `study doctor --measure` writes ({type(error).__name__}: {reason}). Measure again, or "
        "delete the file"
    )
