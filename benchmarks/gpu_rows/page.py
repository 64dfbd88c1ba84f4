"""The section of docs/benchmarks.md on a GPU, made of the lines that benchmarks/gpu.py has written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu_rows.rows import KINDS, ROWS
from benchmarks.tables import markdown

Line = Mapping[str, Any]
COMMAND = "python benchmarks/gpu.py --out benchmarks/results/gpu.jsonl"
_PRECISIONS = {"default": "JAX's default", "float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16"}
# Two runs belong to one table if these facts are the same.
_SAME = ("card", "driver", "platform_version", "versions")


class NotPublishableError(Exception):
    """Raised if a file has other lines than those of a GPU."""


def read_lines(path: Path) -> list[Line]:
    """Read the lines of a file; none if there is no file. A line that an interruption cut off is left out.

    Args:
        path: The file that `benchmarks/gpu.py --out` has written.

    Raises:
        NotPublishableError: A line is not one of a measurement on a GPU.
    """
    if not path.exists():
        return []
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if not (isinstance(line, dict) and {"row", "state", "run", "device"} <= set(line)):
            raise NotPublishableError(f"{path}, line {number}: expected what `{COMMAND}` writes. Delete the line.")
        if line["device"] != "gpu":
            raise NotPublishableError(
                f"{path}, line {number}: expected a measurement on a GPU, found device={line['device']!r}. Delete the "
                f"file, and measure on a GPU: {COMMAND}"
            )
        lines.append(line)
    return lines


def section(lines: Sequence[Line]) -> str:
    """Return the section, without its heading.

    Args:
        lines: The lines of the file.
    """
    found = _of_last_card(lines)
    if not found:
        return f"Not measured. Measure it on a node with an NVIDIA GPU, in nine minutes:\n\n```\n{COMMAND}\n```\n"
    shown = {row.name: found[row.name] for row in ROWS if _worth(found.get(row.name)) > 1}
    return "\n".join([*_parts(found["machine"], shown), _not_shown(found, shown)]).rstrip() + "\n"


def _of_last_card(lines: Sequence[Line]) -> dict[str, Line]:
    """Return the last measured line of each row, of runs on the card and with the versions of the last run."""
    machines = [line for line in lines if line["row"] == "machine" and line["state"] == "measured"]
    runs = {line["run"] for line in machines if all(line.get(key) == machines[-1].get(key) for key in _SAME)}
    found: dict[str, Line] = {}
    for line in lines:
        if line["run"] in runs and _worth(line) >= _worth(found.get(line["row"])):
            found[line["row"]] = line
    return found


def _worth(line: Line | None) -> int:
    """Return 3 for a measured row, 2 for a cut one with the time of a trial, 1 for another one, and 0 for no line."""
    if line is None:
        return 0
    return 3 if line["state"] == "measured" else 2 if "trial_s" in line else 1


def _parts(machine: Line, shown: Mapping[str, Line]) -> Iterator[str]:
    yield f"`{COMMAND}`; its docstring describes the columns. {_machine(machine)}\n"
    if product := shown.get("product"):
        yield f"### Matrix product\n\n{_product_table(product)}\n"
    kinds = {f"auto/{kind}/{trainer}": (kind, trainer) for kind in KINDS for trainer in ("fit", "vectorized")}
    if trained := {name: line for name, line in shown.items() if "trial_s" in line and name not in kinds}:
        yield (
            "### Trainings\n\n"
            "All numbers are of a whole batch, once it is compiled. *predicted*: the memory that the compiler "
            "predicts, by which `capacity: auto` decides; *peak*: the memory that was used.\n\n"
            f"{_training_table(trained)}\n"
        )
    if small := {name: line for name, line in shown.items() if name in kinds}:
        yield (
            "### Fixed seconds and seconds a training, for `trainer=auto`\n\n"
            "*again*: in another process, with the compiled programs cached.\n\n"
            f"{_auto_table({kinds[name]: line for name, line in small.items()})}\n"
        )


def _machine(machine: Line) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    memory = machine.get("memory_mib")
    parts = [
        str(machine["card"]),
        f"driver {machine.get('driver') or 'unknown'}",
        *([] if memory is None else [f"{memory / 1024:.0f} GiB"]),
        str(machine["platform_version"]),
        versions,
        f"Python {machine['python']}",
        f"{machine['processor']}, {machine['n_cores']} cores",
        machine["run"].split("T")[0],
    ]
    if commit := machine.get("git_commit"):
        parts.append(f"commit {commit[:12]}")
    others = machine.get("processes") or []
    busy = f" {len(others)} other processes computed on the card." if others else ""
    return f"{'; '.join(parts)}.{busy}"


def _product_table(line: Line) -> str:
    body = [
        [words, f"{line[f'{key}_gflops']:.0f}", f"{line[f'{key}_side']}", f"{line[f'{key}_relative_error']:.1e}"]
        for key, words in _PRECISIONS.items()
    ]
    return markdown(["precision", "GFLOP/s", "rows and columns", "relative error"], body)


def _training_table(lines: Mapping[str, Line]) -> str:
    headers = ["row", "trials at once", "s a trial", "trials a second", "GFLOP/s", "of product", "predicted, MiB"]
    headers += ["peak, MiB", "J a trial", "first batch, s", "compiling, s", "same bits again"]
    body = [
        [
            name if line["state"] == "measured" else f"{name} ({line['state']})",
            str(line["n_at_once"]),
            _number(line["trial_s"]),
            _number(line["trials_a_second"]),
            _number(line["gflops"]),
            _share(line.get("share_of_product")),
            _mib(line.get("predicted_bytes")),
            _mib(line.get("peak_bytes")),
            _number(line.get("joules_a_trial")),
            _number(line["first_s"]),
            _number(line["compile_s"]),
            _yes(line.get("same_bits")),
        ]
        for name, line in lines.items()
    ]
    return markdown(headers, body)


def _auto_table(lines: Mapping[tuple[str, str], Line]) -> str:
    headers = ["network", "trainer", "fixed s", "of which compiling", "fixed s, again", "s a training"]
    headers += ["same bits again", "same bits in two processes"]
    body = [
        [
            kind,
            trainer,
            _number(line["fixed_s"]),
            _number(line["compile_s"]),
            _number(line.get("again_fixed_s")),
            _number(line["trial_s"]),
            _yes(line.get("same_bits")),
            _yes(line.get("same_bits_in_two_processes")),
        ]
        for (kind, trainer), line in lines.items()
    ]
    return markdown(headers, body)


def _not_shown(found: Mapping[str, Line], shown: Mapping[str, Line]) -> str:
    """Return a list of the rows that have no place in the tables, with the reasons."""
    lines = []
    for row in ROWS:
        line = found.get(row.name)
        if line is None:
            lines.append(f"- {row.name}: not measured")
        elif row.name not in shown:
            why = line.get("why") or str(line.get("error", "")).split("\n")[0][:200]
            lines.append(f"- {row.name}: {line['state']}{f' ({why})' if why else ''}")
    return "Not in the tables:\n\n" + "\n".join(lines) if lines else ""


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value / 2**20:.0f}"


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"
