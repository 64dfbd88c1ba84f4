import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.look_claims import MARGIN_SHARE, level_shares
from study.statistics.looks import ERROR, Look, looks_of, plan_looks
from study.statistics.price import price, seeds_for_equality, seeds_needed

PLAN = looks_of("5:0.005 10:0.01 20:0.015 40:0.02")
AHEAD = PLAN[2:]


def rng(*seed):
    return np.random.default_rng(seed)


def test_the_price_is_the_share_of_futures_that_a_direct_simulation_finds():
    generator, mean, spread, n = rng(1), 0.6, 1.0, 10
    seen = generator.normal(size=n)
    seen = mean + spread * (seen - seen.mean()) / seen.std(ddof=1)
    decided = []
    for _ in range(4000):
        variance = 9 * spread**2 / generator.chisquare(9)
        truth = generator.normal(mean, math.sqrt(variance / n))
        scores = np.concatenate([seen, generator.normal(truth, math.sqrt(variance), size=30)])
        p = [stats.ttest_1samp(scores[: look.n_seeds], 0).pvalue <= look.level for look in AHEAD]
        decided.append(20 if p[0] else 40 if p[1] else math.inf)
    found = price(mean, spread, n, ahead=AHEAD, n_pairs=1, margin=None, generator=rng(2))
    share = np.mean(np.isinf(decided))
    assert found.chance_beyond == pytest.approx(share, abs=4 * math.sqrt(2 * share * (1 - share) / 4000))
    assert found.low == np.quantile(decided, 0.1, method="inverted_cdf") == 20
    assert found.typical == np.quantile(decided, 0.5, method="inverted_cdf")
    assert (found.high, found.horizon) == (None, 40)


def test_what_is_clear_costs_the_next_look_and_a_tie_more_than_the_horizon():
    clear = price(5.0, 1.0, 5, ahead=PLAN[1:], n_pairs=28, margin=None, generator=rng(3))
    assert (clear.low, clear.typical, clear.high) == (10, 10, 10)
    assert clear.chance_beyond < 0.01
    tie = price(0.0, 1.0, 10, ahead=AHEAD, n_pairs=1, margin=None, generator=rng(4))
    assert (tie.typical, tie.high) == (None, None)
    assert tie.chance_beyond > 0.6
    wide = price(0.0, 1.0, 10, ahead=AHEAD, n_pairs=1, margin=2.0, generator=rng(4))
    assert wide.high == 20  # the margin decides a tie
    more_pairs = price(0.0, 1.0, 10, ahead=AHEAD, n_pairs=28, margin=0.8, generator=rng(4))
    assert (
        more_pairs.chance_beyond
        > price(0.0, 1.0, 10, ahead=AHEAD, n_pairs=1, margin=0.8, generator=rng(4)).chance_beyond
    )


def test_a_leader_and_a_shrunk_count_cost_less_and_a_margin_costs_more():
    def beyond(**given):
        return price(
            0.7, 1.0, 10, ahead=AHEAD, n_pairs=28, generator=rng(9), **({"margin": None} | given)
        ).chance_beyond

    assert beyond(n_counted=1) < beyond(n_counted=6) < beyond() == beyond(n_counted=28)
    assert (
        beyond(n_counted=1) == price(0.7, 1.0, 10, ahead=AHEAD, n_pairs=1, margin=None, generator=rng(9)).chance_beyond
    )
    assert beyond(n_counted=1, margin=1e-9) > beyond(n_counted=1)
    given = {"looks": PLAN, "n_pairs": 28, "power": 0.8}
    found = [seeds_needed(0.55, 1.0, **given, **more) for more in ({"n_counted": 1}, {}, {"with_margin": True})]
    assert found == [40, 80, 80]
    with pytest.raises(ValueError, match="n_counted=29"):
        beyond(n_counted=29)


def test_level_shares_are_those_of_the_rules():
    assert level_shares(28, with_margin=False) == (1 / 28, 0)
    assert level_shares(28, n_counted=1, with_margin=False) == (1, 0)
    assert level_shares(1, with_margin=True) == (1, 1)
    difference, equality = level_shares(3, n_counted=1, with_margin=True)
    # The leader's pair and the equality of the two others have the whole level together.
    assert difference + 2 * equality == pytest.approx(1)
    assert equality == MARGIN_SHARE / 3


def test_a_spread_of_zero_has_a_price():
    assert price(0.1, 0.0, 5, ahead=PLAN[1:], n_pairs=3, margin=None, generator=rng(5)).high == 10
    assert price(0.0, 0.0, 5, ahead=PLAN[1:], n_pairs=3, margin=None, generator=rng(5)).low is None
    assert price(0.0, 0.0, 5, ahead=PLAN[1:], n_pairs=3, margin=0.1, generator=rng(5)).high == 10


def test_the_price_depends_on_the_generator_alone():
    found = [price(0.4, 1.0, 10, ahead=AHEAD, n_pairs=3, margin=0.2, generator=rng(6)) for _ in range(2)]
    assert found[0] == found[1]


@pytest.mark.parametrize(("d", "n_pairs", "power"), [(1.0, 1, 0.8), (0.5, 1, 0.8), (0.5, 28, 0.9), (0.2, 3, 0.5)])
def test_seeds_needed_have_the_power_and_the_look_before_has_not(d, n_pairs, power):
    plan = [*PLAN, *(Look(n_seeds=40 * 2**i, level=0.02) for i in range(1, 8))]

    def exact(look):
        limit = stats.t.isf(look.level / (2 * n_pairs), look.n_seeds - 1)
        return stats.nct.sf(limit, look.n_seeds - 1, d * math.sqrt(look.n_seeds))

    expected = next(look.n_seeds for look in plan if exact(look) >= power)
    assert seeds_needed(-d * 3, 3.0, looks=PLAN, n_pairs=n_pairs, power=power) == expected


@pytest.mark.parametrize(("difference", "n_pairs"), [(0.0, 1), (0.2, 1), (0.0, 28)])
def test_seeds_for_equality_have_the_power_in_simulation(difference, n_pairs):
    looks = plan_looks(10, sequential=False)
    n = seeds_for_equality(0.5, 1.0, looks=looks, n_pairs=n_pairs, power=0.8, difference=difference)
    share = 1.0 if n_pairs == 1 else 0.25

    def simulated(n_seeds):
        scores = rng(7, n_seeds).normal(difference, size=(4000, n_seeds))
        half = stats.t.isf(share * ERROR / n_pairs, n_seeds - 1) * stats.sem(scores, axis=1)
        return np.mean(np.abs(scores.mean(axis=1)) + half <= 0.5)

    error = 3 * math.sqrt(0.16 / 4000)
    assert simulated(n) >= 0.8 - error
    assert simulated(n // 2) < 0.8 + error


def test_no_number_of_seeds_is_enough_for_almost_nothing():
    assert seeds_needed(1e-5, 1.0, looks=PLAN, n_pairs=1, power=0.8) is None
    assert seeds_for_equality(1e-5, 1.0, looks=PLAN, n_pairs=1, power=0.8) is None
    assert seeds_needed(1.0, 0.0, looks=PLAN, n_pairs=1, power=0.8) == 5
    assert seeds_for_equality(1.0, 0.0, looks=PLAN, n_pairs=1, power=0.8) == 5


def test_bad_input_is_named():
    given = {"looks": PLAN, "n_pairs": 1}
    for power in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="power="):
            seeds_needed(1.0, 1.0, power=power, **given)
        with pytest.raises(ValueError, match="power="):
            seeds_for_equality(1.0, 1.0, power=power, **given)
    with pytest.raises(ValueError, match="difference=0"):
        seeds_needed(0, 1.0, power=0.8, **given)
    with pytest.raises(ValueError, match="margin=0"):
        seeds_for_equality(0, 1.0, power=0.8, **given)
    with pytest.raises(ValueError, match="spread=nan"):
        seeds_needed(1.0, math.nan, power=0.8, **given)
    with pytest.raises(ValueError, match=r"looks=\(\)"):
        seeds_needed(1.0, 1.0, looks=(), n_pairs=1, power=0.8)
    with pytest.raises(ValueError, match="n_seen=2"):
        price(1.0, 1.0, 2, ahead=PLAN, n_pairs=1, margin=None, generator=rng(8))
    with pytest.raises(ValueError, match="n_seen=20"):
        price(1.0, 1.0, 20, ahead=AHEAD, n_pairs=1, margin=None, generator=rng(8))
