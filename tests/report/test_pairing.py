from dataclasses import replace

import numpy as np
import pytest

from study.core.errors import StoreError
from study.report.comparison import compare
from study.report.pairing import decide_outcome
from study.report.plan_and_margin import margin_fault, margin_of
from study.statistics.looks import Look, plan_looks
from study.statistics.pairwise import compare_candidate

PLAN = plan_looks(20, sequential=True)


def test_only_those_who_still_decide_something_are_due_and_a_ruled_out_one_stays_out(in_looks, make_experiment):
    first = [in_looks("adam", 0.9, 5), in_looks("nadam", 0.9004, 5, noise=0.01), in_looks("sgd", 0.8, 5)]
    found = decide_outcome(make_experiment(*first))
    assert found.due == {"adam": 10, "nadam": 10}
    assert found.decisions.ruled_out == {2}
    assert (found.decisions.n_looks_made, len(found.units)) == (1, 5)
    more = [in_looks("adam", 0.9, 10), in_looks("nadam", 0.9004, 10, noise=0.01), first[2]]
    then = decide_outcome(make_experiment(*more))
    assert (then.decisions.n_looks_made, len(then.units)) == (2, 10)
    assert np.isnan(then.scores[2]).all()
    assert then.pair_of(0, 2) == found.pair_of(0, 2)
    assert then.due == {"adam": 20, "nadam": 20}


def test_a_look_that_was_interrupted_decides_nothing_and_waits_for_the_rest(in_looks, make_experiment):
    whole = [in_looks("adam", 0.9, 5), in_looks("nadam", 0.9004, 5, noise=0.01)]
    cut = [in_looks("adam", 0.9, 10), in_looks("nadam", 0.9004, 8, noise=0.01)]
    before, between = (decide_outcome(make_experiment(*studies)) for studies in (whole, cut))
    assert before.decisions == between.decisions
    assert before.due == between.due == {"adam": 10, "nadam": 10}


def test_before_the_first_look_nothing_is_decided_and_all_are_due(in_looks, make_experiment):
    studies = [replace(in_looks(name, 0.9, 3), status="FINISHED") for name in ("adam", "sgd")]
    found = compare(make_experiment(*studies))
    assert found.outcome.verdict is None
    assert found.outcome.due == {"adam": 5, "sgd": 5}
    assert found.answer.kind == "open"


def test_a_failed_confirmation_is_left_out_for_all_and_does_not_stop_a_look(in_looks, make_experiment):
    studies = [in_looks("adam", 0.9, 5), in_looks("sgd", 0.8, 5)]
    runs = tuple(
        replace(run, state="failed", status="FAILED", metrics={}) if run.number == 2 else run
        for run in studies[0].confirmations
    )
    found = decide_outcome(make_experiment(replace(studies[0], confirmations=runs), studies[1]))
    assert found.decisions.n_looks_made == 1
    assert found.units == (0, 1, 3, 4)


def test_the_candidate_of_a_look_is_the_best_on_validation_of_those_not_ruled_out(in_looks, make_experiment):
    found = decide_outcome(
        make_experiment(
            in_looks("adam", 0.9, 10, validation=0.7),
            in_looks("nadam", 0.9004, 10, noise=0.01, validation=0.75),
            in_looks("sgd", 0.8, 10, validation=0.95),
        )
    )
    assert found.decisions.ruled_out >= {2}
    assert found.candidate == "nadam"


def test_without_a_plan_and_with_one_look_the_numbers_are_those_of_the_fixed_test(in_looks, make_experiment):
    one = plan_looks(10, sequential=False)
    levels = {"adam": 0.9, "nadam": 0.896, "sgd": 0.89}
    tags = {"objective_margin": "null"}
    planned = [in_looks(name, level, 10, noise=0.004, plan=one) for name, level in levels.items()]
    planned = [replace(study, tags={**study.tags, **tags}) for study in planned]
    plain = [replace(study, tags={k: v for k, v in study.tags.items() if k != "looks"}) for study in planned]
    found, without = (decide_outcome(make_experiment(*studies)) for studies in (planned, plain))
    assert found.verdict == without.verdict
    assert found.due == {}
    tests = compare_candidate(found.scores, found.verdict.candidate, least_spreads=found.at_looks[0].least_spreads)
    assert [each.p_holm for each in found.verdict.differences] == pytest.approx(list(tests.p))
    assert [each.low_holm for each in found.verdict.differences] == pytest.approx(list(tests.low))


def test_a_study_without_further_seeds_is_not_waited_for_and_stays_in_the_correction(in_looks, make_experiment):
    fixed = in_looks("sgd", 0.9001, 5, noise=0.01, plan=plan_looks(5, sequential=False))
    both = [in_looks("adam", 0.9, 5), in_looks("nadam", 0.9004, 5, noise=0.01)]
    found = decide_outcome(make_experiment(*both, fixed))
    assert found.looks == PLAN
    assert found.due == {"adam": 10, "nadam": 10}
    more = [in_looks("adam", 0.9, 10), in_looks("nadam", 0.9004, 10, noise=0.01)]
    assert decide_outcome(make_experiment(*more, fixed)).decisions.n_looks_made == 2


def test_a_look_added_to_a_spent_plan_raises_the_error(in_looks, make_experiment):
    plan = (Look(n_seeds=5, level=0.05), Look(n_seeds=10, level=0.025))
    found = decide_outcome(make_experiment(*(in_looks(name, 0.9, 10, plan=plan) for name in ("adam", "sgd"))))
    assert found.error == 0.075
    assert found.verdict.level == pytest.approx(0.925)


def test_study_seeds_are_units_and_looks_are_at_their_first_confirmations(in_looks, make_experiment):
    studies = [
        in_looks(f"{name}-{seed}", level, 10, seed=seed, params={"study_seed": str(seed), "optimizer": name})
        for name, level in (("adam", 0.9), ("sgd", 0.899))
        for seed in range(3)
    ]
    found = decide_outcome(make_experiment(*studies))
    assert (found.unit, found.units) == ("study", (0, 1, 2))
    own = [run.metrics["test_accuracy"] for run in studies[0].confirmations]
    assert found.at_looks[0].tests[0, 0] == pytest.approx(np.mean(own[:5]), abs=1e-6)
    assert found.at_looks[1].tests[0, 0] == pytest.approx(np.mean(own[:10]), abs=1e-6)


def test_the_margin_is_the_smallest_recorded_and_none_if_a_study_says_so(in_looks, make_experiment):
    studies = [in_looks(name, 0.9, 5) for name in ("adam", "sgd")]

    def margins(*texts):
        tagged = [
            replace(study, tags={**study.tags, **({"objective_margin": text} if text else {})})
            for study, text in zip(studies, texts, strict=True)
        ]
        return margin_of(make_experiment(*tagged))

    assert margins(None, None) == 0.005
    assert margins("0.01", "0.02") == 0.01
    assert margins("0.01", "null") is None
    with pytest.raises(StoreError, match="objective_margin=often"):
        margins("often", "0.01")


def test_a_plan_that_was_changed_in_the_store_is_named(in_looks, make_experiment):
    studies = [in_looks(name, 0.9, 5) for name in ("adam", "sgd")]
    damaged = replace(studies[0], tags={**studies[0].tags, "looks": "10:0.01 5:0.04"})
    with pytest.raises(StoreError, match="plan of looks was changed"):
        decide_outcome(make_experiment(damaged, studies[1]))


@pytest.mark.parametrize(("margin", "told"), [(0, "above 0"), (-1, "above 0"), (1.0, "Write 0.01"), (0.5, None)])
def test_a_margin_beyond_the_metric_is_refused(planted, margin, told):
    fault = margin_fault(margin, planted.metric)
    assert (fault is None) if told is None else (told in fault)


def test_plans_and_margins_that_differ_are_cautions(in_looks, make_experiment):
    fixed = in_looks("sgd", 0.9001, 5, noise=0.01, plan=plan_looks(5, sequential=False))
    other = in_looks("adam", 0.9, 5)
    other = replace(other, tags={**other.tags, "objective_margin": "0.002"})
    topics = {each.topic: each for each in compare(make_experiment(other, fixed)).cautions}
    assert topics["Different plans"].serious
    assert "at 5, 10, 20 seeds" in topics["Different plans"].text
    assert topics["Different margins"].text.endswith("the strictest is taken: 0.20\u00a0points.")
    moved = in_looks("adam", 0.9, 5)
    moved = replace(moved, tags={**moved.tags, "earlier_margin": "0.01"})
    topics = {each.topic: each for each in compare(make_experiment(moved, in_looks("sgd", 0.8, 5))).cautions}
    assert topics["Changed margin"].serious
    assert "it was 0.01 before" in topics["Changed margin"].text
    same = compare(make_experiment(in_looks("adam", 0.9, 5), in_looks("sgd", 0.8, 5))).cautions
    assert not {each.topic for each in same} & {
        "Different plans",
        "Different margins",
        "Few seeds",
        "Seeds not shared",
    }
