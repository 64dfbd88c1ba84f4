"""The action of `study plan`: the price of each open pair, and the command that pays it."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from study.cli.actions.read_comparison import check_experiments
from study.cli.paragraphs import Paragraph, write_paragraphs, write_typed
from study.cli.stores import find_stores
from study.cli.text_table import render_table
from study.core.records import StudyRecord
from study.core.status_line import status_line
from study.report.decision_text import duration_text, equality_note, plan_sentence
from study.report.json_export import pair_price
from study.report.marked_text import plain
from study.report.pairing import Outcome, decide_outcome
from study.report.planning import FurtherSeeds, PairPlan, check_pilot, check_plan_values, further_seeds
from study.report.studies import ComparedExperiment, gather
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_experiments, read_studies

_CHANGED = ("budget.confirm", "budget.n_confirmations")


def show_plan(options: argparse.Namespace) -> int:
    """Print the price of what is open in an experiment.

    Args:
        options: The parsed options of `study plan`.

    Returns:
        The exit status.

    Raises:
        StudyError: There is no pilot, or a value cannot be.
    """
    stores, connections, name = find_stores(options), Connections(), options.experiment
    with status_line("study plan: reading the studies"):
        experiment = _read(stores.tracking_uri, name, connections)
    check_plan_values(options.margin, options.power, experiment)
    with status_line("study plan: computing the price of each open pair"):
        outcome = decide_outcome(experiment, margin=options.margin)
        check_pilot(experiment, outcome)
        found = further_seeds(experiment, outcome, power=options.power)
        commands = _commands(experiment, found, margin=options.margin)
        first = plain(answer(experiment, outcome, summarize(experiment)).marked[0])
    if options.json:
        sys.stdout.write(f"{json.dumps(_numbers(name, outcome, found, commands, answered=first), indent=1)}\n")
        return 0
    margin_key = "objective.margin" if options.margin is None else "--margin"
    note = plain(equality_note(outcome))
    told = [*([note] if note else []), plain(plan_sentence(experiment.metric, outcome, margin_key=margin_key))]
    told += [] if found.pairs else ["Nothing is open that decides who is best: more seeds are not needed."]
    write_paragraphs([Paragraph(text=f"{name}: {first}", look="answer"), *told], stream=sys.stdout)
    if found.pairs:
        _show_pairs(experiment, outcome, found)
        _show_command(found, commands, outcome)
    return 0


def _read(uri: str, name: str, connections: Connections) -> ComparedExperiment:
    check_experiments([name], list(read_experiments(uri, connections=connections)))
    digests = read_context(uri, name, connections=connections).digests
    records = read_studies(uri, name, connections=connections)
    return gather(name, records, digests=digests, read_histories=lambda *_: {})


def _show_pairs(experiment: ComparedExperiment, outcome: Outcome, found: FurtherSeeds) -> None:
    metric, has_margin = experiment.metric, found.margin is not None
    margin = plain(metric.change(found.margin, signed=False)) if found.margin is not None else ""
    headers = ["open pair", f"{outcome.units_text} now", "ruled out beyond", "decided at", "more training time"]
    headers += [f"finds {margin}", f"shows equality within {margin}"] if has_margin else []
    rows = [_cells(pair, plain(metric.change(pair.cost.ruled_out, signed=False)), has_margin) for pair in found.pairs]
    sys.stdout.write("\n")
    render_table(headers, rows, stream=sys.stdout)
    told = "Decided at: seeds in all, with the 80 % range, if the differences go on as so far."
    if has_margin:
        power = f"{100 * found.power:g} % probability"
        told += (
            f" Finds {margin}: seeds in all at which a true difference of that size is found with {power}. Shows "
            f"equality: the same, if there is no difference."
        )
    write_paragraphs([told], stream=sys.stdout)


def _cells(pair: PairPlan, ruled_out: str, has_margin: bool) -> list[str]:
    cost, seeds = pair.cost, pair.cost.seeds
    high = f"over {seeds.horizon}" if seeds.high is None else str(seeds.high)
    at = f"over {seeds.horizon}" if seeds.typical is None else f"{seeds.typical} ({seeds.low} to {high})"
    seconds = cost.seconds(seeds.typical or seeds.horizon)
    time = "unknown" if seconds is None else f"{'over ' if seeds.typical is None else ''}{duration_text(seconds)}"
    cells = [f"{cost.first}, {cost.second}", str(cost.n_seeds), ruled_out, at, time.replace("over about", "over")]
    equality = "not possible, one diverged" if cost.one_diverged else _number(pair.for_equality)
    return [*cells, _number(pair.for_margin), equality] if has_margin else cells


def _number(n_seeds: int | None) -> str:
    return "over a million" if n_seeds is None else str(n_seeds)


def _show_command(found: FurtherSeeds, commands: Sequence[str], outcome: Outcome) -> None:
    time = f", {duration_text(found.seconds)}" if found.seconds else ""
    if outcome.unit == "study":
        again = f"Type the command that made the studies again, with -m and study_seed=range({found.n_seeds})"
        fixed = "Fix that number now: the error of looking at the answer after fewer study seeds is not counted."
        sys.stdout.write("\n")
        write_paragraphs([f"Up to {found.n_seeds} study seeds{time} more. {again}", fixed], stream=sys.stdout)
        return
    words = f"budget.confirm=sequential budget.n_confirmations={found.n_seeds}"
    if found.error > outcome.error:
        told = (
            f"Seeds beyond the recorded looks spend more error: a claim is then wrong in at most "
            f"{100 * found.error:.4g} % of comparisons."
        )
        sys.stdout.write("\n")
        write_paragraphs([told], stream=sys.stdout)
    sys.stdout.write("\n")
    more = "Type:" if commands else f"Type the command that made the studies again, with {words}"
    write_paragraphs([f"Up to {found.n_seeds} seeds{time} more. {more}"], stream=sys.stdout)
    write_typed(commands, stream=sys.stdout)


def _commands(experiment: ComparedExperiment, found: FurtherSeeds, *, margin: float | None) -> list[str]:
    """Return the commands that train the further confirmations; none if a study does not know its command."""
    records = [record for record in experiment.records if record.name in found.studies]
    lines = [_words(record, found.studies[record.name], margin) for record in records]
    known = [line for line in lines if line is not None]
    if len(known) != len(lines) or not known:
        return []
    # Studies that differ in the optimizer alone are one command.
    groups: dict[tuple[str, ...], list[str]] = {}
    for optimizer, rest in known:
        groups.setdefault(rest, []).append(optimizer)
    return [
        shlex.join(["study", "run", *(["-m"] if len(names) > 1 else []), f"optimizer={','.join(names)}", *rest])
        for rest, names in groups.items()
    ]


def _words(record: StudyRecord, n_seeds: int, margin: float | None) -> tuple[str, tuple[str, ...]] | None:
    """Return the optimizer's name and the other words of a study's command, with another number of confirmations."""
    try:
        study, run, *words = shlex.split(record.tags.get("command", ""))
    except ValueError:
        return None
    if (study, run) != ("study", "run"):
        return None
    changed = {*_CHANGED, "optimizer", *(["objective.margin"] if margin is not None else [])}
    kept = [word for word in words if word.lstrip("+").partition("=")[0] not in changed]
    names = [word.partition("=")[2] for word in words if word.startswith("optimizer=")]
    more = ["budget.confirm=sequential", f"budget.n_confirmations={n_seeds}"]
    more += [f"objective.margin={margin:g}"] if margin is not None else []
    return (names or [record.optimizer])[-1], (*kept, *more)


def _numbers(
    name: str, outcome: Outcome, found: FurtherSeeds, commands: Sequence[str], *, answered: str
) -> Mapping[str, Any]:
    return {
        "experiment": name,
        "answer": answered,
        "margin": found.margin,
        "power": found.power,
        "unit": outcome.unit,
        "pairs": [
            {
                "first": pair.cost.first,
                "second": pair.cost.second,
                "n_seeds": pair.cost.n_seeds,
                "price": pair_price(pair.cost),
                "seeds_for_margin": pair.for_margin,
                "seeds_for_equality": pair.for_equality,
            }
            for pair in found.pairs
        ],
        "n_seeds": found.n_seeds,
        "seconds": found.seconds,
        "error": found.error,
        "studies": dict(found.studies),
        "commands": list(commands),
    }
