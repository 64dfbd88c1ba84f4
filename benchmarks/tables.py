"""The measurements as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OURS = ("vectorized", "vectorized, again", "fit-tensorflow", "fit-jax")


def throughput_table(found: Mapping[str, Any], n: int) -> str:
    """Return a row for each contender; the columns on the right have the speed of our trainers relative to it."""
    rows, rate = found["studies"][str(n)], found["machine"]["gflops"]
    headers = ["contender", "seconds", "trials/min", "compiling, s", "peak, MiB", "s a trial", "GFLOP/s", "of product"]
    headers += [f"`{name}` is" for name in OURS if name in rows]
    body = []
    for name, row in rows.items():
        cells = [f"`{name}`", f"{row['seconds']:.1f}", f"{60 * n / row['seconds']:.1f}"]
        cells += [f"{max(0.0, row['compile']):.1f}" if "compile" in row else "unknown", f"{row['peak_mib']:.0f}"]
        cells += [f"{row['a_trial']:.3g}", f"{row['gflops']:.3g}", f"{row['gflops'] / rate:.0%}"]
        body.append(cells + [times(row["seconds"] / rows[our]["seconds"]) for our in OURS if our in rows])
    return markdown(headers, body)


def throughput_notes(found: Mapping[str, Any], n: int) -> str:
    """Return notes on measurements that are not in the table."""
    rows, lines = found["studies"][str(n)], [machine_line(found["machine"])]
    for name in ("vectorized", "vectorized, again"):
        if row := rows.get(name):
            computed = row["compute_after_first_step"]
            lines.append(
                f"`{name}`: from the first compiled step to the end of the process {row['after_first_step']:.2f} s, "
                f"{row['after_first_step'] / computed:.2f} times the {computed:.2f} s in which its programs computed."
            )
    for backend in ("tensorflow", "jax"):
        fit, plain = rows.get(f"fit-{backend}"), rows.get(f"plain-{backend}")
        if fit and plain:
            lines.append(
                f"`fit` with {backend}, a trial after the first: {fit['a_trial']:.3g} s, the plain loop "
                f"{plain['a_trial']:.3g} s, so {times(plain['a_trial'] / fit['a_trial'])} as fast."
            )
    lines += [f"Not measured: {why}" for why in found.get("no_slope", [])]
    if found.get("not_installed"):
        lines.append(f"Not installed, so not measured: {', '.join(found['not_installed'])}.")
    return "\n".join(f"- {line}" for line in lines)


def machine_line(machine: Mapping[str, Any]) -> str:
    """Describe the machine in a sentence."""
    accelerator = f"GPU {machine['gpu']}" if machine.get("gpu") else "no GPU"
    text = (
        f"{machine['processor']}, {machine['n_cores']} cores, {machine['memory_gib']} GiB, {accelerator}; "
        f"{machine['system']}, Python {machine['python']}; {machine['date']}, "
        f"load {machine['load_before']} to {machine['load_after']}"
    )
    if "gflops" in machine:
        text += f"; its own float32 matrix product: {machine['gflops']:.0f} GFLOP/s"
    if "burst" in machine:
        text += f" sustained for a second, {machine['burst']:.0f} at best"
    return text + "."


def capacity_table(rows: Sequence[Mapping[str, float]]) -> str:
    """Return the cost of a trial at each capacity."""
    headers = ["capacity", "trials", "program, ms a trial", "study from the first step on", "whole process"]
    headers += ["compiling, s", "peak, MiB"]
    keys = ("program_ms", "study_ms", "whole_ms", "compile", "peak_mib")
    body = [[f"{r['capacity']:.0f}", f"{r['n_trials']:.0f}", *(f"{_short(r[key])}" for key in keys)] for r in rows]
    return markdown(headers, body)


def store_table(samplers: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return the cost of a trial by the number of trials in the store, for each sampler."""
    headers = ["sampler", "trials in the store", "one by one, ms", "processor, ms", "in a batch, ms", "processor, ms"]
    keys = ("alone_ms", "alone_cpu_ms", "batch_ms", "batch_cpu_ms")
    body = []
    for sampler, rows in samplers.items():
        for row in rows:
            costs = [_short(row[key]) if key in row else "" for key in keys]
            body.append([sampler, f"{row['n_trials']:.0f}", *costs, f"{row['mib']:.0f}"])
    return markdown([*headers, "memory, MiB"], body)


def store_notes(samplers: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Return the cost of the last trial relative to the 100th, and the growth of memory between them."""
    lines = []
    for sampler, rows in samplers.items():
        last, early = rows[-1], next((row for row in rows if row["n_trials"] == 100), rows[0])
        parts = [
            f"{words} {last[key] / early[key]:.2f} times"
            for key, words in (
                ("alone_ms", "one by one"),
                ("alone_cpu_ms", "in processor time"),
                ("batch_ms", "in a batch"),
                ("batch_cpu_ms", "in processor time"),
            )
            if key in early and key in last
        ]
        growth = f"{last['mib'] - early['mib']:+.0f} MiB ({last['mib'] / early['mib'] - 1:+.1%})"
        beside = f"cost of trial {last['n_trials']:.0f} relative to trial {early['n_trials']:.0f}"
        lines.append(f"- {sampler}, {beside}: {', '.join(parts)}; memory {growth}.")
    return "\n".join(lines)


def times(ratio: float) -> str:
    """Return a ratio with two digits, more where it is large."""
    return f"{ratio:.0f} x" if ratio >= 9.95 else f"{ratio:.2g} x"


def markdown(headers: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table; all columns but the first are aligned to the right."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def folded(title: str, content: str) -> str:
    """Return Markdown that a reader opens, on a code host and on the site.

    Args:
        title: Its title, which is always seen.
        content: The Markdown inside.
    """
    return f'<details markdown="1"><summary>{title}</summary>\n\n{content}\n</details>\n'
