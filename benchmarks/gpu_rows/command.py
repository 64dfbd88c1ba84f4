"""The command benchmarks/gpu.py: measure the chosen rows one after the other, each as a line of JSON."""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import signal
import site
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.gpu_rows.card import MeasuredCard, NoCardError, find_card, first_selector, refusal
from benchmarks.gpu_rows.rows import ROWS, Row
from benchmarks.gpu_rows.worker_process import Answer, WorkerProcess
from benchmarks.machine import ROOT, child_environment
from study.core.machine import VISIBLE_CARDS

_LIMIT_S, _ROW_LIMIT_S = 540.0, 75.0
# One device, like one card, and programs that are compiled quickly.
_MINIATURE = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=1 --xla_backend_optimization_level=1",
}
# The facts of the machine belong to every run.
_ALWAYS = "machine"


class RefusedError(Exception):
    """Raised if nothing can be measured; the message has the next step."""


def main(arguments: Sequence[str] | None = None, *, description: str | None = None) -> int:
    """Measure, and return the exit status: 0, also if rows were cut or left out; 1 if one failed or all was refused.

    Args:
        arguments: The arguments of the command. Default: those of this process.
        description: Text of the help.
    """
    options = _options(arguments, description)
    if options.list:
        for row in ROWS:
            print(f"{row.name:28} {row.title}")
        return 0
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # remove the temporary folder
    try:
        return Run(options).measure()
    except RefusedError as error:
        print(f"benchmarks/gpu.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        signal.signal(signal.SIGTERM, before)


class Run:
    """A run of the command.

    Args:
        options: Its arguments.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self._options, self._began = options, time.monotonic()
        self._id = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._product: float | None = None
        self._card = None if options.cpu else _find_card()

    def measure(self) -> int:
        """Measure the rows, and return the exit status.

        Raises:
            RefusedError: There is no GPU, it is full, or the output cannot be written.
        """
        self._check_output()
        if self._card is not None and (refused := refusal(self._card)):
            raise RefusedError(refused)
        if self._card is not None and self._card.card.processes:
            print("Other processes compute on this card, so these times are not reliable.", file=sys.stderr)
        n_failed = 0
        with tempfile.TemporaryDirectory() as name:
            worker = self._worker(Path(name))
            try:
                for row in self._options.rows:
                    n_failed += self._row(row, worker) == "error"
            finally:
                worker.kill()
        return 1 if n_failed else 0

    def _row(self, row: Row, worker: WorkerProcess) -> str:
        """Measure a row, write its line, and return its state."""
        small = self._options.cpu
        left, least = self._left(), (row.miniature() if small else row).least_s
        if left < least:
            why = f"{max(0.0, left):.0f} s of --limit {self._options.limit:g} are left, and it needs about {least:g} s"
            return self._write(row, Answer(state="left out", values={"why": why}), took_s=0.0)
        began = time.monotonic()
        until = began + min(left, self._options.row_limit)
        values: dict[str, Any] = {}
        for part in row.parts:
            if not small:  # each part has its own peak of memory, and starts as a command does
                worker.close()
            request = {"row": row.name, "part": part, "miniature": small}
            answer = worker.ask(request, timeout_s=max(0.0, until - time.monotonic()))
            values |= answer.values
            if row.name == _ALWAYS and "no_gpu" in answer.values:
                raise RefusedError(_no_gpu_message(values, worker.last_words()))
            if answer.state != "measured":
                break
        values.pop("no_gpu", None)
        return self._write(row, Answer(state=answer.state, values=values), took_s=time.monotonic() - began)

    def _write(self, row: Row, answer: Answer, *, took_s: float) -> str:
        values = answer.values
        if row.measures == "product":
            self._product = values.get("default_gflops")
        line = {
            "row": row.name,
            "state": answer.state,
            "device": "cpu" if self._options.cpu else "gpu",
            "run": self._id,
            "took_s": took_s,
            **values,
            **_derived(values, product=self._product),
        }
        text = json.dumps(_finite(line), allow_nan=False)
        if self._options.out is not None:
            with self._options.out.open("a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        print(text, flush=True)
        return answer.state

    def _left(self) -> float:
        return float(self._options.limit) - (time.monotonic() - self._began)

    def _check_output(self) -> None:
        out = self._options.out
        if out is None:
            return
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            is_new = not out.exists()
            # A line that an earlier run left unfinished must not swallow the first one of this run.
            there = b"" if is_new else out.read_bytes()
            with out.open("ab") as file:
                file.write(b"\n" if there and not there.endswith(b"\n") else b"")
            if is_new:  # a run that is refused leaves no empty file
                out.unlink()
        except OSError as error:
            allowed = f"expected a file that can be written ({error.strerror})"
            raise RefusedError(f"--out {out}: {allowed}. Choose another file.") from error

    def _worker(self, folder: Path) -> WorkerProcess:
        """Return the worker of all rows; its home is empty, so that nothing is compiled yet."""
        home = folder / "home"
        home.mkdir()
        environment = child_environment(home=home, backend="jax")
        environment["PYTHONPATH"] = os.pathsep.join([environment["PYTHONPATH"], str(ROOT / ".ci" / "editable")])
        # Packages that were installed with `pip install --user` are not in the empty home.
        environment["PYTHONUSERBASE"] = site.getuserbase()
        if self._options.cpu:
            return WorkerProcess(folder, environment | _MINIATURE, ("cpu",))
        # One card, the one that this command has found: with NVML's order of the cards.
        environment |= {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", VISIBLE_CARDS: first_selector()}
        environment["JAX_PLATFORMS"] = "cuda,cpu"  # with `cuda` alone, JAX would have no device for the host's part
        return WorkerProcess(folder, environment, ("gpu",))


def _find_card() -> MeasuredCard | None:
    try:
        return find_card()
    except NoCardError:  # the worker records the reason, or JAX sees no GPU either
        return None


def _no_gpu_message(values: Mapping[str, Any], last_words: str) -> str:
    said = " ".join(f"{values['error']} {last_words}".split())
    return (
        f"expected a GPU that JAX sees, found none{': ' if values['no_gpu'] else '.'}{values['no_gpu']}\n"
        f"JAX said: {said}\n"
        "To try this program without a GPU: python benchmarks/gpu.py --cpu"
    )


def _derived(values: Mapping[str, Any], *, product: float | None) -> dict[str, Any]:
    """Return the values that are computed from several parts or rows."""
    found: dict[str, Any] = {}
    for prefix in ("", "again_"):
        with suppress(KeyError):
            whole = values[f"{prefix}start_s"] + values[f"{prefix}first_s"]
            found[f"{prefix}fixed_s"] = max(0.0, whole - values["n_first"] * values["trial_s"])
    with suppress(KeyError):
        found["compiling_s"] = max(0.0, values["first_s"] - values["n_first"] * values["trial_s"])
    if "again_digest" in values:
        found["same_bits_in_two_processes"] = values["again_digest"] == values["digest"]
    if product and "gflops" in values:
        found["share_of_product"] = values["gflops"] / product
    return found


def _finite(value: Any) -> Any:
    """Return a value with None in place of every number that JSON does not have, and five digits of the others."""
    if isinstance(value, Mapping):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(member) for member in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value


def _options(arguments: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu.py", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", metavar="A,B", help="default: all; the row `machine` is always measured")
    parser.add_argument("--list", action="store_true", help="show the rows")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append each line to this file too")
    parser.add_argument(
        "--limit", type=_seconds, default=_LIMIT_S, metavar="S", help="of the whole; default %(default)g"
    )
    parser.add_argument(
        "--row-limit", type=_seconds, default=_ROW_LIMIT_S, metavar="S", help="of each row; default %(default)g"
    )
    parser.add_argument("--cpu", action="store_true", help="measure all of it in miniature on the CPU")
    options = parser.parse_args(arguments)
    known = {row.name: row for row in ROWS}
    names = options.rows.split(",") if options.rows is not None else list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--rows {','.join(unknown)}: expected rows of {', '.join(known)}. Choose among them.")
    options.rows = [row for row in ROWS if row.name in (_ALWAYS, *names)]
    options.out = None if options.out is None else options.out.absolute()
    return options


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: expected seconds above 0. Write for example 540")
    return value
