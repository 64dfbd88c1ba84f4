"""Write docs/benchmarks.md and its pictures from the stored results.

    python benchmarks/publish.py

It reads benchmarks/results/{throughput,scaling}-cpu.json, which `throughput.py --out` and `scaling.py --out` write,
and benchmarks/results/gpu.jsonl of `gpu.py --out`. For missing results the page says that they were not measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.auto import summary
from benchmarks.gpu_rows.page import Line, NotPublishableError, read_lines, section
from benchmarks.pictures import draw_capacity, draw_store, draw_throughput
from benchmarks.tables import (
    capacity_table,
    machine_line,
    store_notes,
    store_table,
    throughput_notes,
    throughput_table,
)
from benchmarks.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[1]
NOT_MEASURED = "Not measured."
_HEAD = """# Benchmarks

`python benchmarks/publish.py` writes this page from the measurements of `benchmarks/throughput.py`,
`benchmarks/scaling.py` and `benchmarks/gpu.py`. Their docstrings describe the method, and you can run them yourself.
Compare numbers within a table only: those were measured side by side on one machine.

- *seconds*: the time of a whole study as a user starts it: process, imports, compilation, search and every record. For
  this project's trainers it includes the confirmations, which the others do not have. For contenders that train one by
  one it is computed from two runs of different length.
- *compiling*: tracing, lowering and compiling by JAX; tracing alone by TensorFlow.
- *peak*: resident memory of the process and its children together.
- *s a trial*: the time of a trial without start-up. For `vectorized` it is the time of the compiled programs alone,
  for the others the whole time of a trial after the first.
- *GFLOP/s*: the multiplications and additions in the matrix products of a trial, divided by the time of a trial. They
  include the forward pass, the backward pass and the validation. For dense layers they are 6 operations for each
  weight and example, but 4 in the first layer, since the gradient of the data is not needed.
- *of product*: the GFLOP/s as a share of the rate that the machine's own fastest float32 matrix product sustains for a
  second, measured before and after in the same run. If the machine's line gives no rate `at best`, it is a share of
  the rate of the quickest single product.
- *`vectorized` is*: the trials a minute of `vectorized`, divided by those of the row.
- *again*: a second study in the same home, where JAX has cached the compiled programs.
"""


def document(results: Mapping[str, Mapping[str, Any]], pictures: Path, *, gpu: Sequence[Line] = ()) -> str:
    """Draw the pictures and return the page.

    Args:
        results: The stored results, by `throughput-cpu`, `scaling-cpu` and `auto-cpu`.
        pictures: The folder of the pictures.
        gpu: The lines that were measured on a GPU. Default: none.
    """
    parts = [_HEAD, "## Without a GPU\n"]
    if throughput := results.get("throughput-cpu", {}):
        draw_throughput(throughput, pictures / "throughput-cpu.svg")
        parts.append("![Trials a minute](pictures/throughput-cpu.svg)\n")
    parts += [_workload(name, throughput.get(name)) for name, workload in WORKLOADS.items() if workload.published]
    parts += _scaling(results.get("scaling-cpu", {}), pictures)
    parts += ["## The default trainer beside each trainer\n", *_auto(results.get("auto-cpu", {}))]
    parts += ["## On a GPU\n", section(gpu)]
    return "\n".join(parts).rstrip() + "\n"


def _workload(name: str, found: Mapping[str, Any] | None) -> str:
    workload = WORKLOADS[name]
    arguments = ", ".join(f"{key} {value}" for key, value in {**workload.arguments, **workload.data}.items())
    what = f"{workload.model} on {workload.dataset}{f' ({arguments})' if arguments else ''}"
    lines = [f"### {name}\n", f"{what}, batches of {workload.batch_size}, epochs: {workload.n_epochs}.\n"]
    if found is None:
        return "\n".join([*lines, f"{NOT_MEASURED}\n"])
    for n in found["studies"]:
        lines += [f"{n} trials:\n", throughput_table(found, int(n)), "", throughput_notes(found, int(n)), ""]
    return "\n".join(lines)


def _scaling(found: Mapping[str, Any], pictures: Path) -> list[str]:
    lines = ["### Cost of a trial against the number trained at once\n"]
    if capacity := found.get("capacity"):
        draw_capacity(capacity["rows"], pictures / "capacity-cpu.svg")
        lines += [f"{capacity['workload']}, `trainer=vectorized`.\n", "![Capacity](pictures/capacity-cpu.svg)\n"]
        lines += [capacity_table(capacity["rows"]), "", f"- {machine_line(capacity['machine'])}\n"]
    else:
        lines.append(f"{NOT_MEASURED}\n")
    lines.append("### Cost of a trial against the number in the store\n")
    if store := found.get("store"):
        draw_store(store["samplers"], pictures / "store.svg")
        lines += ["Search and records alone: the trainer returns at once.\n", "![Store](pictures/store.svg)\n"]
        lines += [store_table(store["samplers"]), "", store_notes(store["samplers"])]
        lines.append(f"- {machine_line(store['machine'])}\n")
    else:
        lines.append(f"{NOT_MEASURED}\n")
    return lines


def _auto(found: Mapping[str, Any]) -> list[str]:
    if not found:
        return [f"{NOT_MEASURED}\n"]
    told = (
        "`trainer=auto` chooses before anything is trained. Beside it stands the trainer that was the quickest in "
        "hindsight. Seconds are those of whole commands; from 10 trials on, most are computed from two commands of "
        "different length (`benchmarks/auto.py`).\n"
    )
    notes = [f"- {note}" for note in filter(None, (found.get("note", ""), machine_line(found["machine"])))]
    return [told, summary(found["grid"]), "", *notes, ""]


def main() -> None:
    """Write the page and the pictures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    stored = ROOT / "benchmarks" / "results"
    results = {path.stem: json.loads(path.read_text()) for path in stored.glob("*.json")}
    try:
        gpu = read_lines(stored / "gpu.jsonl")
    except NotPublishableError as error:
        raise SystemExit(f"benchmarks/publish.py: {error}") from error
    page = ROOT / "docs" / "benchmarks.md"
    page.write_text(document(results, ROOT / "docs" / "pictures", gpu=gpu))
    read = [*sorted(results), *(["gpu"] if gpu else [])]
    print(f"written: {page.relative_to(ROOT)}; read: {', '.join(read) or 'nothing'}")


if __name__ == "__main__":
    main()
