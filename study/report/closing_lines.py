"""The answer of a comparison and its price, in the few sentences that a terminal shows after a command."""

from __future__ import annotations

from dataclasses import dataclass

from study.report.brief_lines import brief_answer, brief_price, brief_ruled_out, brief_untuned
from study.report.caution import Caution
from study.report.decision_text import (
    equality_note,
    error_sentence,
    going_on_sentence,
    price_sentence,
    ruled_out_sentence,
)
from study.report.marked_text import plain
from study.report.pair_prices import prices
from study.report.pairing import Outcome
from study.report.plan_caveats import plan_cautions
from study.report.price_of_all import price_of_all
from study.report.studies import ComparedExperiment
from study.report.verdict_text import Answer


@dataclass(frozen=True, kw_only=True)
class ClosingLines:
    """The sentences about a comparison that stand under its table.

    Attributes:
        answer: The page's sentence. Empty for studies that cannot be compared.
        sentences: The sentences that belong to it: where tuning is not shown to help, what equality does not cover,
            the looks to come and the price of what is open, who is ruled out, and the error.
        cautions: The serious cautions on the plan of looks and on margins.
        is_open: Some pairs are open, and `study plan` prices them.
        brief_answer: The answer in fewer words. Empty (the default): those of `answer`.
        brief: The sentences in fewer words, for a low terminal. Default: none.
    """

    answer: str = ""
    sentences: tuple[str, ...] = ()
    cautions: tuple[Caution, ...] = ()
    is_open: bool = False
    brief_answer: str = ""
    brief: tuple[str, ...] = ()


def closing_lines(experiment: ComparedExperiment, outcome: Outcome, found: Answer) -> ClosingLines:
    """Return the answer, the price of what is open and who is ruled out; the answer alone if no pair was tested.

    A claim of equality has the rates of divergence beside it, which it does not cover.

    Args:
        experiment: The experiment; its histories are not needed.
        outcome: What was decided of its pairs.
        found: Its answer.
    """
    if found.kind == "open":
        return ClosingLines(answer=plain(found.marked[0]))
    priced, going_on = prices(experiment, outcome), going_on_sentence(experiment, outcome)
    # `study plan` says the error of the seeds beyond the plan, beside the command that trains them.
    of_all = price_of_all(experiment, outcome, priced)
    cost = price_sentence(experiment.metric, outcome, priced, of_all=of_all, going_on=going_on, with_error=False)
    equality, error = equality_note(experiment.metric, outcome), error_sentence(outcome)
    sentences = [found.on_tuning, equality, cost, ruled_out_sentence(outcome), error]
    in_brief = [brief_untuned(found.leads), equality, brief_price(outcome, priced, of_all=of_all, going_on=going_on)]
    # Behind a winner all others are ruled out.
    in_brief += ["" if found.winner else brief_ruled_out(outcome), error]
    return ClosingLines(
        answer=plain(found.marked[0]),
        sentences=tuple(plain(sentence) for sentence in sentences if sentence),
        cautions=tuple(each for each in plan_cautions(experiment, outcome) if each.serious),
        is_open=any(each.matters for each in priced),
        brief_answer=plain(brief_answer(experiment.metric, outcome, found)),
        brief=tuple(plain(sentence) for sentence in in_brief if sentence),
    )
