"""The action of `study plan`: the price of each open pair, and the command that pays it."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from study.cli.actions.read_comparison import check_experiments
from study.cli.paragraphs import Paragraph, write_paragraphs, write_typed
from study.cli.stores import find_stores
from study.cli.text_table import render_table
from study.core.records import StudyRecord
from study.core.status_line import status_line
from study.core.terminal import is_screen
from study.report.decision_text import duration_text, equality_note, plan_sentence, price_text
from study.report.json_export import pair_price
from study.report.marked_text import plain
from study.report.not_ended import not_begun, not_ended
from study.report.objective_metric import ObjectiveMetric
from study.report.pairing import Outcome, decide_outcome
from study.report.planning import FurtherSeeds, PairPlan, check_pilot, check_plan_values, further_seeds
from study.report.studies import ComparedExperiment, gather
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_experiments, read_studies

_CHANGED = ("budget.confirm", "budget.n_confirmations")
# A terminal shows so many pairs, the cheapest ones.
_MOST_PAIRS = 5


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
    note = plain(equality_note(experiment.metric, outcome))
    told = [*([note] if note else []), plain(plan_sentence(experiment.metric, outcome, margin_key=margin_key))]
    told += [] if found.pairs else ["Nothing is open that decides who is best: more seeds are not needed."]
    cautions = [
        Paragraph(text=f"{each.topic}: {each.text}", look="caution")
        for each in (*not_begun(experiment), *not_ended(experiment))
    ]
    write_paragraphs([Paragraph(text=f"{name}: {first}", look="answer"), *cautions, *told], stream=sys.stdout)
    if found.pairs:
        _show_pairs(experiment, outcome, found, shows_all=options.all)
        _show_command(found, commands, outcome)
    return 0


def _read(uri: str, name: str, connections: Connections) -> ComparedExperiment:
    check_experiments([name], list(read_experiments(uri, connections=connections)))
    digests = read_context(uri, name, connections=connections).digests
    records = read_studies(uri, name, connections=connections)
    return gather(name, records, digests=digests, read_histories=lambda *_: {})


def _show_pairs(experiment: ComparedExperiment, outcome: Outcome, found: FurtherSeeds, *, shows_all: bool) -> None:
    """Print the table of open pairs, the cheapest first; a terminal gets the first few unless all are wanted."""
    pairs = sorted(found.pairs, key=_expense)
    shown = pairs if shows_all or not is_screen(sys.stdout) or len(pairs) <= _MOST_PAIRS + 1 else pairs[:_MOST_PAIRS]
    columns = _columns(experiment, outcome, found)
    # The second line of a narrow terminal gets as many of these as must go there.
    below = ["against", "ruled out beyond", f"{outcome.units_text} now", *list(columns)[:6:-1]]
    if is_screen(sys.stdout) and len({pair.cost.n_seeds for pair in pairs}) == 1:
        columns.pop(f"{outcome.units_text} now")  # a sentence says it once
    sys.stdout.write("\n")
    rows = [[cell(pair) for cell in columns.values()] for pair in shown]
    render_table(list(columns), rows, stream=sys.stdout, below=[name for name in below if name in columns])
    left = len(pairs) - len(shown)
    told = [f"{left} more pairs are open, which take longer: --all shows them."] if left else []
    sys.stdout.write("\n")
    write_paragraphs([*told, *_legend(pairs, experiment.metric, outcome, found)], stream=sys.stdout)


def _legend(pairs: Sequence[PairPlan], metric: ObjectiveMetric, outcome: Outcome, found: FurtherSeeds) -> list[str]:
    """Return what the columns mean, and which of them to follow."""
    now = {pair.cost.n_seeds for pair in pairs}
    have = f" Each pair has {next(iter(now))} so far." if len(now) == 1 else ""
    by = "Go by this column; the command below does."
    if len(pairs) > 1:
        by = "The command below goes by all pairs together."
    told = [
        f"Decided at: {outcome.units_text} in all until the pair, by itself, is decided either way, if the "
        f"differences go on as so far; beside it the range in 8 of 10 cases. {by}{have} Ruled out beyond: a larger "
        "difference is excluded already."
    ]
    if found.margin is not None:
        finds, equal = _of_margin(metric, found)
        told += [
            f"{finds.capitalize()}, {equal}: {outcome.units_text} in all that suffice with {100 * found.power:g} % "
            "probability if the true difference is of that size, and if the two are equal. They do not use the "
            "difference seen so far: plan a new experiment by them."
        ]
    if found.margin is not None and any(pair.cost.one_diverged for pair in pairs):
        told.append("Not possible: one of the two diverged, so they cannot be called equal.")
    return told


def _of_margin(metric: ObjectiveMetric, found: FurtherSeeds) -> tuple[str, str]:
    """Return the headers of the columns about the margin."""
    assert found.margin is not None
    return f"finds {plain(metric.change(found.margin, signed=False))}", "shows equality"


def _columns(
    experiment: ComparedExperiment, outcome: Outcome, found: FurtherSeeds
) -> dict[str, Callable[[PairPlan], str]]:
    """Return the headers of the table, each with a function that writes the cell of a pair."""
    metric = experiment.metric
    columns: dict[str, Callable[[PairPlan], str]] = {
        "open pair": lambda pair: pair.cost.first,
        "against": lambda pair: pair.cost.second,
        f"{outcome.units_text} now": lambda pair: str(pair.cost.n_seeds),
        "ruled out beyond": lambda pair: plain(metric.change(pair.cost.ruled_out, signed=False)),
        "decided at": _decided_at,
        "8 of 10 cases": _range,
        "more time": _time,
    }
    if found.margin is not None:
        finds, equal = _of_margin(metric, found)
        columns[finds] = lambda pair: _number(pair.for_margin)
        columns[equal] = lambda pair: "not possible" if pair.cost.one_diverged else _number(pair.for_equality)
    return columns


def _expense(pair: PairPlan) -> tuple[bool, float, int]:
    """Return a key that orders pairs by the time until they are decided, those without an end in sight last."""
    seeds = pair.cost.seeds
    seconds = pair.cost.seconds(seeds.typical or seeds.horizon)
    return seeds.typical is None, seconds or 0.0, seeds.typical or seeds.horizon


def _decided_at(pair: PairPlan) -> str:
    seeds = pair.cost.seeds
    return f"over {seeds.horizon}" if seeds.typical is None else str(seeds.typical)


def _range(pair: PairPlan) -> str:
    seeds = pair.cost.seeds
    if seeds.typical is None:
        return ""
    return f"{seeds.low} to {f'over {seeds.horizon}' if seeds.high is None else seeds.high}"


def _time(pair: PairPlan) -> str:
    seeds = pair.cost.seeds
    seconds = pair.cost.seconds(seeds.typical or seeds.horizon)
    if seconds is None:
        return "unknown"
    text = f"{'over ' if seeds.typical is None else ''}{duration_text(seconds).removeprefix('about ')}"
    for word, short in (("minutes", "min"), ("a second", "1 s"), ("seconds", "s"), ("hours", "h")):
        text = text.replace(word, short)
    return text


def _number(n_seeds: int | None) -> str:
    return "over a million" if n_seeds is None else str(n_seeds)


def _show_command(found: FurtherSeeds, commands: Sequence[str], outcome: Outcome) -> None:
    time = f", {duration_text(found.seconds)}" if found.seconds else ""
    together = (
        [plain(price_text(outcome, found.of_all, with_error=False))] if found.of_all and len(found.pairs) > 1 else []
    )
    if outcome.unit == "study":
        again = f"Type the command that made the studies again, with -m and study_seed=range({found.n_seeds})"
        fixed = "Fix that number now: the error of looking at the answer after fewer study seeds is not counted."
        sys.stdout.write("\n")
        write_paragraphs(
            [*together, f"Up to {found.n_seeds} study seeds{time} more. {again}", fixed], stream=sys.stdout
        )
        return
    words = f"budget.confirm=sequential budget.n_confirmations={found.n_seeds}"
    if found.error > outcome.error:
        together.append(
            f"Seeds beyond the recorded looks spend more error: a claim is then wrong in at most "
            f"{100 * found.error:.3g} % of comparisons."
        )
    if together:
        sys.stdout.write("\n")
        write_paragraphs(together, stream=sys.stdout)
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
