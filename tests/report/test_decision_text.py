from dataclasses import replace

import numpy as np
import pytest

from study.report.closing_lines import ClosingLines, closing_lines
from study.report.comparison import compare
from study.report.decision_text import duration_text
from study.report.json_export import numbers
from study.report.pairing import decide_outcome
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from study.statistics.divergence import divergence_limit
from study.statistics.looks import Look


def closed(experiment):
    outcome = decide_outcome(experiment)
    return closing_lines(experiment, outcome, answer(experiment, outcome, summarize(experiment)))


def said(found):
    return " ".join(found.answer.sentences)


def with_diverged(study, n):
    runs = tuple(
        replace(run, state="diverged", metrics={"objective": 0.0}) if run.number < n and run.config == "best" else run
        for run in study.confirmations
    )
    return replace(study, confirmations=runs)


@pytest.fixture
def equal(in_looks):
    return [in_looks("adam", 0.9, 20, noise=0.001), in_looks("nadam", 0.9001, 20, noise=0.001)]


def test_equality_is_said_with_the_margin_and_the_rate_of_divergence_that_is_not_excluded(
    equal, in_looks, make_experiment
):
    found = compare(make_experiment(*equal, in_looks("sgd", 0.8, 5)))
    assert (found.answer.kind, found.answer.winner) == ("equal", None)
    assert found.answer.sentences[0].startswith("adam and nadam are equal within 0.50 points: ")
    n = int(found.outcome.at_looks[-1].n_runs[0])
    limit = int(np.ceil(100 * divergence_limit(0, n)))
    assert f"Neither adam nor nadam diverged in {n} runs." in said(found)
    assert f"a rate of up to {limit} % is not excluded" in said(found)
    assert "Ruled out as the best: sgd (worse than" in said(found)
    assert "Still open" not in said(found)
    assert found.prices == () or not any(each.matters for each in found.prices)


def test_where_one_diverged_and_the_other_did_not_equality_is_never_said(equal, make_experiment):
    found = compare(make_experiment(equal[0], with_diverged(equal[1], 1)))
    assert found.answer.kind == "none"
    assert "are equal" not in said(found)
    assert "They cannot be called equal: one of the two diverged, and the other did not." in said(found)


def test_what_is_open_has_a_price_and_a_difference_that_is_ruled_out(in_looks, make_experiment):
    studies = [in_looks("adam", 0.9, 5, noise=0.01), in_looks("nadam", 0.9, 5, noise=0.01), in_looks("sgd", 0.7, 5)]
    found = compare(make_experiment(*studies))
    (cost,) = [each for each in found.prices if each.matters]
    pair = found.outcome.pair_of(0, 1)
    assert (cost.first, cost.second, cost.n_seeds) == ("adam", "nadam", 5)
    assert cost.ruled_out == max(abs(pair.low), abs(pair.high))
    assert cost.seconds(10) == pytest.approx(5 * (2.0 + 2.0))  # both train for two seconds
    assert cost.seeds.horizon >= 4 * 5
    assert f"({100 * pair.low:.2f} to {100 * pair.high:.2f})".replace("-", "\u2212") in found.answer.sentences[0]
    assert "is ruled out" not in said(found)  # the interval says it
    assert "Still open: adam against nadam." in said(found)
    typical = cost.seeds.typical
    assert (f"takes about {typical} seeds in all" if typical else "probably takes more than 160 seeds") in said(found)


def test_a_winner_by_less_than_the_margin_is_said_to_be_one(in_looks, make_experiment):
    plan = (Look(n_seeds=20, level=0.05),)
    studies = [in_looks(name, level, 20, noise=0.0005, plan=plan) for name, level in (("adam", 0.9), ("sgd", 0.898))]
    found = compare(make_experiment(*studies))
    assert found.answer.winner == "adam"
    assert (
        "configurations, but better by less than the margin of 0.50 points: its lead in" in found.answer.sentences[0]
    )


def test_error_beyond_the_plan_is_said_and_changes_the_level(in_looks, make_experiment):
    plan = (Look(n_seeds=5, level=0.05), Look(n_seeds=10, level=0.025))
    studies = [in_looks(name, 0.9, 10, noise=0.01, plan=plan) for name in ("adam", "sgd")]
    found = compare(make_experiment(*studies))
    assert "any false claim here is at most 7.5 %, not 5 %" in said(found)
    assert "The 92.5 % interval holds for all looks together, if scores are roughly normal." in said(found)
    assert "Tested at 5 and 10 seeds" in said(found)
    assert "as planned" not in said(found)
    inside = [replace(study, tags={**study.tags, "looks": "5:0.02 10:0.03"}) for study in studies]
    within = said(compare(make_experiment(*inside)))
    assert "any false claim here" not in within
    assert "Tested at 5 and 10 seeds, as planned" in within
    assert "Beyond the plan of 10, the probability of any false claim is at most" in within


def test_the_terminal_has_the_answer_and_the_price_and_knows_that_pairs_are_open(in_looks, make_experiment):
    studies = [in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam")]
    experiment = make_experiment(*studies, in_looks("sgd", 0.7, 5))
    closing = closed(experiment)
    cost, ruled_out = closing.sentences
    found = compare(experiment)
    answered, priced = found.answer.sentences[:2]
    assert (closing.answer, cost) == (answered, priced.partition(" Beyond the plan of ")[0])
    assert ruled_out.startswith("Ruled out as the best: sgd")
    assert closing.is_open
    alone = closed(make_experiment(in_looks("adam", 0.9, 5)))
    assert alone == ClosingLines(answer=alone.answer)
    assert alone.answer.endswith("There is nothing to compare it with yet.")


def test_the_json_has_pairs_looks_margin_and_price(in_looks, make_experiment):
    studies = [in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam")]
    found = compare(make_experiment(*studies, in_looks("sgd", 0.7, 5)))
    (told,) = numbers([found])["experiments"]
    assert [look["n_seeds"] for look in told["looks"]["plan"]] == [5, 10, 20]
    assert (told["looks"]["n_made"], told["looks"]["error"], told["margin"]) == (1, 0.05, 0.005)
    assert told["due"] == {"adam": 10, "nadam": 10}
    claims = {(pair["first"], pair["second"]): pair["claim"] for pair in told["pairs"]}
    assert claims[("adam", "nadam")] == "open"
    assert set(claims.values()) - {"open"} <= {"adam", "nadam"}
    assert (told["price"]["n_pairs"], told["price"]["n_seen"], told["price"]["together"]) == (1, 5, True)
    assert told["price"]["low"] <= (told["price"]["typical"] or told["price"]["horizon"])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.2, "about a second"), (40, "about 40 seconds"), (600, "about 10 minutes"), (7200, "about 2 hours")],
)
def test_times_are_said_in_a_unit_that_fits(seconds, told):
    assert duration_text(seconds) == told


def test_the_closing_lines_have_the_rates_of_divergence_beside_equality_and_the_seeds_that_showed_it(
    equal, in_looks, make_experiment
):
    told = closed(make_experiment(*equal, in_looks("sgd", 0.8, 5)))
    found = compare(make_experiment(*equal, in_looks("sgd", 0.8, 5)))
    n = found.outcome.pair_of(0, 1).n_seeds
    assert f" points at {n} seeds (95" in told.answer
    assert told.sentences[0].startswith("Neither adam nor nadam diverged in ")
    assert "is not excluded" in told.sentences[0]


def test_the_closing_lines_say_nothing_of_divergence_without_a_claim_of_equality(in_looks, make_experiment):
    told = closed(make_experiment(in_looks("adam", 0.9, 5, noise=0.001), in_looks("sgd", 0.7, 5, noise=0.001)))
    assert "adam is the best" in told.answer
    assert "diverged" not in " ".join([told.answer, *told.sentences])


def test_looks_that_are_planned_come_before_any_price_and_the_command_is_that_of_the_studies(
    in_looks, make_experiment
):
    studies = [in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam")]
    cost = closed(make_experiment(*studies)).sentences[0]
    told = "The same command, run again, goes on to the planned looks at 10 and 20 seeds. To decide it "
    assert f"Still open: adam against nadam. {told}" in cost
    assert "see study plan" not in said(compare(make_experiment(*studies)))
    running = replace(make_experiment(studies[0], replace(studies[1], status="RUNNING")))
    commands = [
        closed(replace(running, has_worker=known)).sentences[0].partition("nadam. ")[2].partition(" goes")[0]
        for known in ({studies[1].run_id: True}, {studies[1].run_id: False}, {})
    ]
    assert commands == ["The running command", "The same command, run again,", "The command that made the studies"]
    done = [in_looks(name, 0.9, 20, noise=0.01) for name in ("adam", "nadam")]
    after = compare(make_experiment(*done))
    assert "goes on" not in said(after)
    assert after.answer.kind == "none"
    assert "The command to type: see study plan tiny-mlp." in said(after)


def test_the_price_says_the_typical_number_its_range_and_its_cost(in_looks, make_experiment):
    experiment = make_experiment(*(in_looks(name, 0.9, 20, noise=0.02) for name in ("adam", "nadam")))
    found = compare(experiment)
    (cost,) = found.prices
    high = "more than 320" if cost.seeds.high is None else cost.seeds.high
    told = (
        f"To decide it takes about {cost.seeds.typical} seeds in all (in 8 of 10 cases between {cost.seeds.low} and "
    )
    told += f"{high}): "
    assert told in said(found)
    assert f"{cost.seeds.typical - 20} more of each, about " in said(found)
    # In the terminal, `study plan` says the error, beside the command that spends it.
    assert "Beyond the plan of 20, the probability of any false claim is at most" in said(found)
    assert told in " ".join(closed(experiment).sentences)
    assert "Beyond the plan" not in " ".join(closed(experiment).sentences)


def test_several_open_pairs_have_one_limit_that_names_no_side(in_looks, make_experiment):
    found = compare(make_experiment(*(in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam", "lamb"))))
    widest = max(each.ruled_out for each in found.prices)
    assert f"In each pair, a difference of more than {100 * widest:.2f} points is ruled out." in said(found)
    assert "either way" not in said(found)


def test_the_closing_lines_state_an_equality_that_is_not_the_answer_before_what_it_does_not_cover(
    equal, in_looks, make_experiment
):
    told = closed(make_experiment(*equal, in_looks("sgd", 0.9, 20, noise=0.03)))
    assert "equal" not in told.answer
    for sentences in (told.sentences, told.brief):
        (note,) = (each for each in sentences if "divergence" in each)
        assert note.startswith("Equal within 0.50 points: adam and nadam. Neither adam nor nadam diverged in ")
    alone = closed(make_experiment(*equal, in_looks("sgd", 0.8, 5)))
    assert "are equal within 0.50 points" in alone.answer
    assert "Equal within" not in " ".join(alone.sentences)
