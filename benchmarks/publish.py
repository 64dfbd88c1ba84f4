"""Write docs/benchmarks.md and its pictures from the stored results.

    python benchmarks/publish.py

It reads benchmarks/results/{throughput,scaling}-{cpu,gpu}.json, which `throughput.py --out` and `scaling.py --out`
write. For missing results the page says that they were not measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

ROOT = Path(__file__).parents[1]
NOT_MEASURED = "Not measured."
_HEAD = """# Benchmarks

`python benchmarks/publish.py` writes this page from the measurements of `benchmarks/throughput.py` and
`benchmarks/scaling.py`. Their docstrings describe the method, and you can run them yourself. Compare numbers within a
table only: those were measured side by side on one machine.

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


def document(results: Mapping[str, Mapping[str, Any]], pictures: Path) -> str:
    """Draw the pictures and return the page.

    Args:
        results: The stored results, by `throughput-cpu`, `throughput-gpu`, `scaling-cpu` and `scaling-gpu`.
        pictures: The folder of the pictures.
    """
    parts = [_HEAD]
    for device, title in (("cpu", "Without a GPU"), ("gpu", "On a GPU")):
        parts.append(f"## {title}\n")
        throughput, scaling = results.get(f"throughput-{device}", {}), results.get(f"scaling-{device}", {})
        if throughput:
            draw_throughput(throughput, pictures / f"throughput-{device}.svg")
            parts.append(f"![Trials a minute](pictures/throughput-{device}.svg)\n")
        parts += [_workload(name, throughput.get(name)) for name in WORKLOADS if _belongs(name, device)]
        parts += _scaling(scaling, device, pictures)
    return "\n".join(parts).rstrip() + "\n"


def _belongs(name: str, device: str) -> bool:
    workload = WORKLOADS[name]
    return bool(workload.n_trials_gpu) if device == "gpu" else workload.on_cpu


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


def _scaling(found: Mapping[str, Any], device: str, pictures: Path) -> list[str]:
    lines = ["### Cost of a trial against the number trained at once\n"]
    if capacity := found.get("capacity"):
        draw_capacity(capacity["rows"], pictures / f"capacity-{device}.svg")
        lines += [f"{capacity['workload']}, `trainer=vectorized`.\n", f"![Capacity](pictures/capacity-{device}.svg)\n"]
        lines += [capacity_table(capacity["rows"]), "", f"- {machine_line(capacity['machine'])}\n"]
    else:
        lines.append(f"{NOT_MEASURED}\n")
    if device == "gpu":  # the store does not depend on a GPU
        return lines
    lines.append("### Cost of a trial against the number in the store\n")
    if store := found.get("store"):
        draw_store(store["samplers"], pictures / "store.svg")
        lines += ["Search and records alone: the trainer returns at once.\n", "![Store](pictures/store.svg)\n"]
        lines += [store_table(store["samplers"]), "", store_notes(store["samplers"])]
        lines.append(f"- {machine_line(store['machine'])}\n")
    else:
        lines.append(f"{NOT_MEASURED}\n")
    return lines


def main() -> None:
    """Write the page and the pictures."""
    results = {path.stem: json.loads(path.read_text()) for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    page = ROOT / "docs" / "benchmarks.md"
    page.write_text(document(results, ROOT / "docs" / "pictures"))
    print(f"written: {page.relative_to(ROOT)}; read: {', '.join(sorted(results)) or 'nothing'}")


if __name__ == "__main__":
    main()
