"""The cost of a study with each trainer: recorded by this project, or measured on this machine by `study doctor`.

Costs are ratios that hold across machines: fixed work in units of the machine's start-up, arithmetic in units of its
matrix product. So two numbers of a machine turn the costs of another one into seconds.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from study.config.schema import BACKENDS, KINDS
from study.core.errors import StudyError
from study.core.machine import cache_folder, machine, n_cores

# The environment variable that names a file of measurements, instead of the file in the user's cache folder.
VARIABLE = "OPTIMIZER_STUDY_MEASURED"
DEVICES = ("cpu", "gpu")
Device = Literal["cpu", "gpu"]
_RECORDED = Path(__file__).with_name("recorded_costs.json")


@dataclass(frozen=True, kw_only=True)
class StudySize:
    """The size of a study: what its costs depend on.

    Attributes:
        kind: The kind of network, one of `study.config.schema.KINDS`.
        flops: Multiplications and additions of one training, its validation included.
        n_weights: Number of trainable weights.
        n_steps: Number of steps of one training.
        batches: Numbers of trainings that can go on side by side: the trials that are proposed at once, and the
            confirmations of each setting.
        n_structures: Number of programs that train trials of all searched values side by side. Default 1.
        n_configs: Number of different configs, each of which is traced anew one by one. Default 1.
    """

    kind: str
    flops: float
    n_weights: int
    n_steps: int
    batches: tuple[int, ...]
    n_structures: int = 1
    n_configs: int = 1


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The two numbers of a machine that turn ratios into seconds.

    Attributes:
        start_s: Time of a fresh process until Keras is imported on JAX, in seconds.
        gflops: Rate of the product of two large float32 matrices on all cores, in 1e9 operations a second.
        n_cores: Number of cores of the machine that was measured.
    """

    start_s: float
    gflops: float
    n_cores: int

    @property
    def here(self) -> Speed:
        """The speed of this machine, if it differs from the measured one in the number of cores alone."""
        return Speed(start_s=self.start_s, gflops=self.gflops * n_cores() / self.n_cores, n_cores=n_cores())


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The costs of one kind of network with one trainer and backend.

    Attributes:
        trainer: Name of the trainer.
        backend: Name of the backend.
        compiling: Time of the first training beyond that of a later one, in start-ups.
        training: Time of a training that depends neither on its steps nor on the network, in start-ups.
        step: Time of a step that does not depend on the network, in start-ups.
        flop: Time of an operation, in times of an operation of the matrix product.
        weight: Time of a weight in a step (its update, its gradient), in times of an operation of the matrix product.
    """

    trainer: str
    backend: str
    compiling: float
    training: float
    step: float
    flop: float
    weight: float

    def seconds(self, size: StudySize, speed: Speed, *, side_by_side: bool, device: Device = "cpu") -> float:
        """Return the duration of a study's trainings, without the start of the process, in seconds.

        Side by side on a CPU, each core trains a trial of its own, so a batch takes a multiple of the cores. On a GPU
        all trials of a batch take a step together.

        Args:
            size: The size of the study.
            speed: The machine's speed.
            side_by_side: The trainer trains the trials of a batch side by side.
            device: The device. Default `cpu`.
        """
        n_trainings = float(sum(size.batches))
        n_stepping = n_trainings
        if side_by_side and device == "gpu":
            n_stepping = float(sum(n > 0 for n in size.batches))
        elif side_by_side:
            n_trainings = n_stepping = float(sum(-(-n // speed.n_cores) * speed.n_cores for n in size.batches))
        per_training = self.flop * size.flops + self.weight * size.n_weights * size.n_steps
        compiling = self.compiling * (size.n_structures if side_by_side else size.n_configs)
        starts = compiling + n_trainings * self.training + n_stepping * size.n_steps * self.step
        return starts * speed.start_s + n_trainings * per_training / (speed.gflops * 1e9)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The durations of a study's parts, in seconds, and its size.

    Attributes:
        start_s: From the start of the process to the first training: imports, data, and the trainer.
        compiling_s: The additional time of the first trainings.
        training_s: One training once everything is compiled.
        size: The size of the study, with the timed trainings as its only batch.
    """

    start_s: float
    compiling_s: float
    training_s: float
    size: StudySize


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The known costs on one device, and their source.

    Attributes:
        speed: The speed of this machine.
        starts: Time from the start of a process to its first training, in start-ups, by backend.
        costs: The costs by kind of network, one for each trainer and backend that was measured.
        source: Where the costs are from, in words.
        unread: The reason why this machine's measurements cannot be read. Default: empty, they can, or there are none.
    """

    speed: Speed
    starts: Mapping[str, float]
    costs: Mapping[str, tuple[Cost, ...]]
    source: str
    unread: str = ""


def find_facts(device: Device) -> Facts | None:
    """Return the costs measured on this machine, else those that this project records; None if there are none.

    Kinds that were not measured here have the recorded costs. Measurements that cannot be read are left out, and the
    source says so.

    Args:
        device: The device that trains.
    """
    path, entry, unread = measured_path(), None, ""
    try:
        entry = _read(path).get(machine(), {}).get(device)
    except StudyError as error:
        unread = str(error)
    recorded = _read(_RECORDED)["recorded"].get(device)
    if entry is not None:
        return _completed(entry, recorded or {"costs": {}, "starts": {}})
    if recorded is None:
        return None
    source = "costs recorded on another machine" + (f" ({unread})" if unread else "")
    return _facts(recorded, source=source, unread=unread)


def measured_path() -> Path:
    """Return the path of the file with the measurements of this user's machines."""
    return Path(os.environ.get(VARIABLE) or cache_folder() / "measured.json")


def keep_measured(
    device: Device, speed: Speed, starts: Mapping[str, float], costs: Mapping[str, Sequence[Cost]]
) -> Path:
    """Save what was measured on this machine, in place of earlier measurements; return the path of the file.

    Args:
        device: The device that trained.
        speed: The machine's speed.
        starts: Time from the start of a process to its first training, in start-ups, by backend.
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
    entry = {"date": time.strftime("%Y-%m-%d"), "speed": asdict(speed), "starts": dict(starts), "costs": listed}
    machines[machine()] = {**machines.get(machine(), {}), device: entry}
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


def _completed(entry: Mapping[str, Any], recorded: Mapping[str, Any]) -> Facts:
    """Return the facts of an entry of this machine; kinds that it lacks have the recorded costs."""
    source = f"`study doctor --measure` on {entry['date']}"
    measured = {kind: known for kind, known in entry["costs"].items() if known}
    added = {kind: known for kind, known in recorded["costs"].items() if kind not in measured}
    if not added:
        return _facts(entry, source=source)
    starts = {**recorded["starts"], **entry["starts"]}
    return _facts(
        {**entry, "costs": {**measured, **added}, "starts": starts},
        source=f"{source}; {', '.join(added)}: recorded on another machine",
    )


def _facts(entry: Mapping[str, Any], *, source: str, unread: str = "") -> Facts:
    costs = {kind: tuple(Cost(**each) for each in known) for kind, known in entry["costs"].items()}
    return Facts(speed=Speed(**entry["speed"]).here, starts=entry["starts"], costs=costs, source=source, unread=unread)


def _read(path: Path) -> dict[str, Any]:
    """Return the contents of a file by machine; empty if there is no file."""
    try:
        found = json.loads(path.read_text("utf-8"))["machines"]
        for devices in found.values():
            if not set(devices) <= set(DEVICES):
                raise ValueError(f"found {', '.join(map(str, devices))}; an earlier version measured other numbers")
            for entry in devices.values():
                _check(entry)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise StudyError(
            f"{path}: expected what `study doctor --measure` writes ({type(error).__name__}: {reason}). Measure "
            "again, or delete the file"
        ) from error
    return dict(found)


def _check(entry: Mapping[str, Any]) -> None:
    """Refuse an entry of a device that is not what `keep_measured` writes.

    Raises:
        ValueError: It is not; the message quotes the part.
    """
    if not isinstance(entry["date"], str) or not set(entry["costs"]) <= set(KINDS):
        raise ValueError(f"found {entry!r}")
    _check_numbers(entry["speed"], names={*Speed.__dataclass_fields__}, above_zero=True)
    _check_numbers(entry["starts"], names={*entry["starts"]} & {*BACKENDS}, above_zero=True)
    numbers = {*Cost.__dataclass_fields__} - {"trainer", "backend"}
    for cost in (each for known in entry["costs"].values() for each in known):
        if not isinstance(cost["trainer"], str) or cost["backend"] not in entry["starts"]:
            raise ValueError(f"found {cost!r}")
        rest = {name: value for name, value in cost.items() if name not in ("trainer", "backend")}
        _check_numbers(rest, names=numbers, above_zero=False)


def _check_numbers(values: Mapping[str, Any], *, names: set[str], above_zero: bool) -> None:
    """Refuse values that are not finite numbers of at least zero under the expected names."""
    finite = all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in values.values())
    well = finite and not (above_zero and 0 in values.values())
    if {*values} != names or not well:
        raise ValueError(f"found {values!r}")
