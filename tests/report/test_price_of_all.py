import pytest

from study.report.comparison import compare
from study.report.decision_text import price_text
from study.report.pair_prices import prices
from study.report.pairing import decide_outcome
from study.report.planning import further_seeds
from study.report.price_of_all import price_of_all


@pytest.fixture
def three(in_looks, make_experiment):
    return make_experiment(*(in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam", "lamb")))


def priced(experiment):
    outcome = decide_outcome(experiment)
    return outcome, price_of_all(experiment, outcome, prices(experiment, outcome))


def test_one_open_pair_has_its_own_price(in_looks, make_experiment):
    experiment = make_experiment(*(in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam")))
    (cost,) = prices(experiment, decide_outcome(experiment))
    _, found = priced(experiment)
    assert (found.seeds, found.n_pairs, found.n_seen, found.together) == (cost.seeds, 1, 5, True)
    assert found.seconds == pytest.approx(cost.seconds(cost.seeds.typical or cost.seeds.horizon))


def test_several_open_pairs_have_one_price_not_below_that_of_the_dearest(three):
    outcome, found = priced(three)
    alone = [each.seeds for each in prices(three, outcome)]
    assert (found.n_pairs, found.together) == (3, True)
    # The sampling error of a share over 1000 draws is at most 1.6 %.
    assert found.seeds.chance_beyond >= max(each.chance_beyond for each in alone) - 0.07
    told = price_text(outcome, found)
    assert told.startswith("To decide all of them ")
    assert "dearest" not in told


def test_the_plan_and_the_answer_have_the_same_price(three):
    found, plan = compare(three), further_seeds(three, decide_outcome(three), power=0.8)
    assert plan.of_all == found.price_of_all
    assert price_text(found.outcome, found.price_of_all) in " ".join(found.answer.sentences)
    assert plan.n_seeds == (found.price_of_all.seeds.typical or found.price_of_all.seeds.horizon)


def test_time_is_of_the_seeds_that_each_still_gets(in_looks, make_experiment):
    """A run takes two seconds: all three together take at most as long as all of them up to the last look."""
    studies = [in_looks(name, level, 5, noise=0.01) for name, level in (("adam", 0.9), ("nadam", 0.9), ("sgd", 0.88))]
    _, found = priced(make_experiment(*studies))
    assert 0 < found.seconds <= 3 * 2.0 * (found.n_seeds - 5)


def test_nothing_open_has_no_price(in_looks, make_experiment):
    _, found = priced(make_experiment(in_looks("adam", 0.9, 5), in_looks("sgd", 0.7, 5)))
    assert found is None
