"""The action of `study plan`: read the experiment, and print what more certainty costs."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

from study.cli.actions.read_comparison import check_experiments
from study.cli.stores import find_stores
from study.cli.text_table import render_table
from study.report.certainty_plan import CertaintyPlan, PlannedPair, plan_certainty
from study.report.decision_text import duration_text, plan_sentence
from study.report.marked_text import plain
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import ComparedExperiment, gather
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from study.statistics.looks import ERROR
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.mlflow_schema import COMMAND
from study.tracking.read_studies import read_experiments, read_studies

_CONFIRM, _N_CONFIRMATIONS = "budget.confirm", "budget.n_confirmations"
_MARGIN = "objective.margin"
_SEED, _MODE = "study_seed", "hydra.mode"
_PLAIN_VALUE = re.compile(r"[\w.+-]+")


def show_plan(options: argparse.Namespace) -> int:
    """Print the plan of an experiment.

    Args:
        options: The parsed options of `study plan`.

    Returns:
        The exit status.
    """
    stores, connections = find_stores(options), Connections()
    uri, name = stores.tracking_uri, options.experiment
    check_experiments([name], list(read_experiments(uri, connections=connections)))
    records = read_studies(uri, name, connections=connections)
    digests = read_context(uri, name, connections=connections).digests
    experiment = gather(name, records, digests=digests, read_histories=lambda *_: {})
    plan = plan_certainty(experiment, margin=options.margin, power=options.power)
    commands = _commands(experiment, plan, is_own_margin=options.margin is not None)
    if options.json:
        sys.stdout.write(f"{json.dumps(_numbers(experiment, plan, commands), indent=1)}\n")
    else:
        _show(experiment, plan, commands)
    return 0


def _show(experiment: ComparedExperiment, plan: CertaintyPlan, commands: Sequence[str]) -> None:
    metric, outcome = experiment.metric, plan.outcome
    told = [answer(experiment, outcome, summarize(experiment)).sentences[0], plan_sentence(metric, outcome)]
    sys.stdout.write(f"{experiment.name}: {' '.join(plain(each) for each in told if each)}\n\n")
    margin = "" if outcome.margin is None else f"{plain(metric.change(outcome.margin, signed=False))}"
    headers = ["pair", "state", "difference", f"{outcome.units_text} so far", "in all, to decide", "time left"]
    if margin:
        headers += [f"to find {margin}", "to show it is less"]
    render_table(headers, [_cells(metric, plan, pair) for pair in plan.pairs], stream=sys.stdout)
    if margin:
        sys.stdout.write(
            f"\nThe last two columns: {outcome.units_text} in all, with which a true difference of {margin} is found, "
            f"and a true difference of 0 is shown to be less than {margin}, each with a probability of "
            f"{100 * plan.power:g} %.\n"
        )
    else:
        sys.stdout.write("\nWithout a margin (objective.margin), --margin M also plans for a difference of M.\n")
    sys.stdout.write(f"\n{_advice(plan)}{_error(plan)}\n" + "".join(f"  {command}\n" for command in commands))


def _advice(plan: CertaintyPlan) -> str:
    if plan.n_studies is not None:
        return f"About {plan.n_studies} study seeds in all decide who is best:"
    if plan.n_confirmations is None:
        return "Nothing is open that could change who is best."
    if plan.is_planned:
        return "The looks that are planned probably decide who is best; the same command goes on:"
    return f"About {plan.n_confirmations} seeds in all decide who is best:"


def _error(plan: CertaintyPlan) -> str:
    if plan.error <= ERROR:
        return ""
    return (
        f"\nThe looks so far have spent their {100 * ERROR:g} % of error, so with more seeds the probability of any "
        f"false claim is at most {100 * plan.error:.4g} %. In a new experiment (experiment_name=...) it is "
        f"{100 * ERROR:g} % again."
    )


def _cells(metric: ObjectiveMetric, plan: CertaintyPlan, pair: PlannedPair) -> list[str]:
    price, decision = pair.price, pair.decision
    states = {"first": f"{pair.first} is better", "second": f"{pair.second} is better"}
    states |= {"equal": "equal within the margin", "open": "open"}
    state = states[decision.claim]
    if decision.within_margin and decision.claim != "equal":
        state += ", by less than the margin"
    if price is not None and not price.matters:
        state, price = "cannot change who is best", None
    span = metric.change_span(decision.low, decision.high)
    cells = [
        f"{pair.first} - {pair.second}",
        state,
        plain(f"{metric.change(decision.mean)} ({span})"),
        str(decision.n_units),
        "" if price is None else _range(pair),
        "" if price is None else _time(pair),
    ]
    return cells if plan.outcome.margin is None else [*cells, _seeds(pair.to_find), _seeds(pair.to_equal)]


def _range(pair: PlannedPair) -> str:
    assert pair.price is not None
    seeds = pair.price.seeds
    if seeds.low is None:
        return f"more than {seeds.horizon}"
    if seeds.high is None:
        return f"{seeds.low} to more than {seeds.horizon}"
    return str(seeds.low) if seeds.low == seeds.high else f"{seeds.low} to {seeds.high}"


def _time(pair: PlannedPair) -> str:
    assert pair.price is not None
    seeds = pair.price.seeds
    ends = [pair.price.seconds(end or seeds.horizon) for end in (seeds.low, seeds.high)]
    texts = [duration_text(end).removeprefix("about ") for end in ends if end is not None]
    if len(texts) < len(ends):
        return "unknown"
    low, high = texts
    more = "more than " if seeds.high is None else ""
    if seeds.low is None:
        return f"more than {high}"
    return f"{more}{high}" if low == high else f"{low} to {more}{high}"


def _seeds(number: int | None) -> str:
    return "more than a million" if number is None else str(number)


def _commands(experiment: ComparedExperiment, plan: CertaintyPlan, *, is_own_margin: bool) -> list[str]:
    """Return the commands to type: those that made the studies of open pairs, with the wanted numbers and margin."""
    if plan.n_confirmations is None and plan.n_studies is None:
        return []
    labels = {label for pair in plan.pairs if pair.price and pair.price.matters for label in (pair.first, pair.second)}
    records = [study.record for entry in experiment.entries if entry.label in labels for study in entry.studies]
    words = [shlex.split(record.tags.get(COMMAND, "")) for record in records]
    if not all(words):
        key = "n_confirmations" if plan.n_studies is None else _SEED
        number = plan.n_confirmations if plan.n_studies is None else f"range({plan.n_studies})"
        return [f"(the command that made these studies, or the call of compare(), with {key}={number})"]
    margin = {_MARGIN: f"{plan.outcome.margin:g}"} if is_own_margin else {}
    return [_typed(one) for one in _merged([{**_with_numbers(each[2:], plan), **margin} for each in words])]


def _with_numbers(words: Sequence[str], plan: CertaintyPlan) -> dict[str, str]:
    """Return the words of a command by key, with the numbers of the plan."""
    values = dict(word.removeprefix("++").split("=", 1) for word in words if "=" in word)
    if plan.n_studies is not None:
        return {**values, _SEED: f"range({plan.n_studies})"}
    if plan.is_planned:
        return values
    return {**values, _CONFIRM: "sequential", _N_CONFIRMATIONS: str(plan.n_confirmations)}


def _merged(commands: Sequence[dict[str, str]]) -> list[dict[str, list[str]]]:
    """Return one command for those that differ in plain values and are all their combinations, else each by itself."""
    unique = [dict(each) for each in dict.fromkeys(tuple(each.items()) for each in commands)]
    keys = set(unique[0])
    if all(set(each) == keys for each in unique):
        values = {key: list(dict.fromkeys(each[key] for each in unique)) for key in unique[0]}
        swept = {key: found for key, found in values.items() if len(found) > 1}
        is_plain = all(_PLAIN_VALUE.fullmatch(value) for found in swept.values() for value in found)
        if is_plain and len(list(product(*swept.values()))) == len(unique):
            return [{key: found for key, found in values.items() if not (swept and key == _MODE)}]
    return [{key: [value] for key, value in each.items()} for each in unique]


def _typed(values: dict[str, list[str]]) -> str:
    many = ["-m"] if any(len(found) > 1 or found[0].startswith("range(") for found in values.values()) else []
    return shlex.join(["study", "run", *many, *(f"{key}={','.join(found)}" for key, found in values.items())])


def _numbers(experiment: ComparedExperiment, plan: CertaintyPlan, commands: Sequence[str]) -> dict[str, Any]:
    outcome = plan.outcome
    made = 0 if outcome.decisions is None else outcome.decisions.n_looks_made
    return {
        "experiment": experiment.name,
        "margin": outcome.margin,
        "power": plan.power,
        "unit": outcome.unit,
        "looks": {"plan": [asdict(look) for look in outcome.looks], "n_made": made, "error": outcome.error},
        "pairs": [_pair(pair) for pair in plan.pairs],
        "n_confirmations": plan.n_confirmations,
        "error": plan.error,
        "n_studies": plan.n_studies,
        "commands": list(commands),
    }


def _pair(pair: PlannedPair) -> dict[str, Any]:
    price, decision = pair.price, pair.decision
    claims = {"first": pair.first, "second": pair.second}
    return {
        "first": pair.first,
        "second": pair.second,
        "claim": claims.get(decision.claim, decision.claim),
        "within_margin": decision.within_margin,
        "mean": decision.mean,
        "low": decision.low,
        "high": decision.high,
        "n_seeds": decision.n_units,
        "spread": pair.spread,
        "to_find": pair.to_find,
        "to_equal": pair.to_equal,
        "price": None
        if price is None
        else {
            **asdict(price.seeds),
            "seconds_low": price.seconds(price.seeds.low),
            "seconds_typical": price.seconds(price.seeds.typical),
            "seconds_high": price.seconds(price.seeds.high),
            "ruled_out": price.ruled_out,
            "matters": price.matters,
        },
    }
