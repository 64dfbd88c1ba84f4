"""The action of `study reproduce`, with the printed result."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from study.cli.launch.overrides import parse_changes
from study.cli.stores import find_stores
from study.cli.text_table import render_table
from study.config.allowlist import own_modules
from study.core.log_capture import captured_unseen
from study.core.trainer_interface import TrialResult
from study.report.confirmed import ConfirmedScores, confirmed_text
from study.reproduction.recorded_run import RecordedRun, find_recorded_run
from study.reproduction.reproduce import MetricComparison, Repetition, Reproduction, repeat, reproduce
from study.reproduction.retrain import Difference


def reproduce_target(options: argparse.Namespace) -> int:
    """Reproduce a run, or repeat its configuration.

    Args:
        options: The parsed options of `study reproduce`.

    Returns:
        The exit status: 0 only on success.
    """
    changes, folder = parse_changes(options.changes), options.folder.resolve()
    target = find_recorded_run(find_stores(options).tracking_uri, options.target, folder=Path.cwd())
    target = target.translated(folder=folder)
    sys.stdout.write(f"{target.title}\n{target.moved_text}")
    files = own_modules({**target.raw, "exported": target.exported}, folder=folder, allow=options.allow)
    if files:
        sys.stdout.write(f"runs code that its config names: {', '.join(map(str, files))}\n")
    sys.stdout.flush()
    with captured_unseen():
        if options.seeds is None:
            outcome: Reproduction | Repetition = reproduce(
                target,
                folder=folder,
                changes=changes,
                tolerance=options.tolerance,
                force=options.force,
                allow=options.allow,
            )
        else:
            outcome = repeat(
                target,
                n_seeds=options.seeds,
                folder=folder,
                changes=changes,
                force=options.force,
                allow=options.allow,
            )
    return _show_reproduction(target, outcome) if isinstance(outcome, Reproduction) else _show_repetition(outcome)


def _show_reproduction(target: RecordedRun, outcome: Reproduction) -> int:
    """Print the result of a reproduction and return the exit status."""
    write = sys.stdout.write
    if not outcome.trained:
        return _show_stopped(outcome.differences)
    write(f"trained again on {outcome.device}\n\n")
    headers = ("metric", "epochs", "largest difference", "at epoch", "recorded", "again")
    render_table(headers, [_row(comparison) for comparison in outcome.comparisons], stream=sys.stdout)
    allowed = "bit for bit" if outcome.tolerance == 0 else f"within {outcome.tolerance:g} (relative)"
    if outcome.reproduced:
        exact = all(comparison.largest == 0 for comparison in outcome.comparisons)
        write(f"\nreproduced {'bit for bit' if exact else allowed}\n")
        _list("although these differ from the recording", outcome.differences)
        return 0
    write(f"\nNOT reproduced: expected equality {allowed}\n")
    if outcome.state != outcome.recorded_state:
        write(f"  the recorded run ended as {outcome.recorded_state}, this one as {outcome.state}\n")
    if outcome.differences:
        _list("likely causes", outcome.differences)
    else:
        mode = "" if target.raw.get("deterministic") else " It was recorded with deterministic=false."
        write(f"  Data, versions, device and config are as recorded.{mode}\n")
        write("  Something else differs, such as the number of threads or an environment variable of a library.\n")
    return 1


def _show_repetition(outcome: Repetition) -> int:
    """Print the result of a repetition and return the exit status."""
    if not outcome.trained:
        return _show_stopped(outcome.differences)
    sys.stdout.write(f"trained on {outcome.device}\n\n")
    seeds = [str(result.trial.run_seed) for result in outcome.results]
    names = sorted(outcome.fresh)
    rows = [
        (seed, result.state, *(_score(result, name) for name in names))
        for seed, result in zip(seeds, outcome.results, strict=True)
    ]
    render_table(("run_seed", "state", *names), rows, stream=sys.stdout)
    sys.stdout.write("\nmean [95 % t interval]\n")
    render_table(("metric", "fresh seeds", "recorded confirmations"), _estimate_rows(outcome), stream=sys.stdout)
    _list("differences from the recording", outcome.differences)
    return 0 if all(result.state == "complete" for result in outcome.results) else 1


def _show_stopped(differences: Sequence[Difference]) -> int:
    stopping = [difference for difference in differences if difference.stops]
    _list("NOT reproduced, and not trained, since these differences change the training", stopping)
    _list("also", [difference for difference in differences if not difference.stops])
    sys.stdout.write("Add --force to train anyway.\n")
    return 1


def _list(heading: str, differences: Sequence[Difference]) -> None:
    if differences:
        sys.stdout.write(f"{heading}:\n" + "".join(f"  {difference}\n" for difference in differences))


def _row(comparison: MetricComparison) -> tuple[str, ...]:
    at = "" if comparison.at is None else str(comparison.at)
    largest = "0" if comparison.largest == 0 else f"{comparison.largest:.3g}"
    is_test = comparison.metric.startswith("test_")
    return (
        comparison.metric,
        "end" if is_test else str(comparison.n_compared),
        largest,
        "" if is_test else at,
        repr(comparison.recorded),
        repr(comparison.again),
    )


def _score(result: TrialResult, name: str) -> str:
    """Return a score; empty for a training that was cut off, whose last epoch was not its last."""
    metrics = {} if "diverged_at_step" in result.summary else result.last_metrics
    return f"{metrics[name]:.4f}" if name in metrics else ""


def _estimate_rows(outcome: Repetition) -> list[tuple[str, str, str]]:
    names = sorted({*outcome.fresh, *outcome.recorded})
    return [(name, _estimate(outcome.fresh, name), _estimate(outcome.recorded, name)) for name in names]


def _estimate(estimates: Mapping[str, ConfirmedScores], name: str) -> str:
    return confirmed_text(estimates[name], digits=".4f") if name in estimates else "none"
