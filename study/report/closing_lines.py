"""The answer of a comparison and its price, in the few lines that a terminal shows after a command."""

from __future__ import annotations

from study.core.names import typed_command
from study.report.decision_text import equality_note, error_sentence, price_sentence, ruled_out_sentence
from study.report.marked_text import plain
from study.report.pair_prices import prices
from study.report.pairing import decide_outcome
from study.report.plan_caveats import plan_cautions
from study.report.studies import ComparedExperiment
from study.report.summary_rows import summarize
from study.report.verdict_text import answer


def answer_lines(experiment: ComparedExperiment) -> list[str]:
    """Return the answer, the price of what is open and who is ruled out; nothing without a pair that was tested.

    A claim of equality has the rates of divergence beside it, which it does not cover.

    Args:
        experiment: The experiment; its histories are not needed.
    """
    outcome = decide_outcome(experiment)
    found = answer(experiment, outcome, summarize(experiment))
    if found.kind == "open":
        return []
    priced = prices(experiment, outcome)
    cost = price_sentence(experiment.metric, outcome, priced)
    sentences = [
        found.marked[0],
        equality_note(outcome),
        cost,
        ruled_out_sentence(outcome),
        error_sentence(outcome),
    ]
    told = [plain(sentence) for sentence in sentences if sentence]
    if cost:
        told.append(f"{typed_command('plan', experiment.name)}: the price of each pair, and the command to type")
    told += [f"{each.topic}: {each.text}" for each in plan_cautions(experiment, outcome) if each.serious]
    return told
