import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.joint_price import joint_price
from study.statistics.look_claims import no_claims
from study.statistics.looks import looks_of
from study.statistics.price import price
from study.statistics.sequential import LookScores, decide_looks

PLAN = looks_of("5:0.005 10:0.01 20:0.015 40:0.02")
N_DRAWS = 1000


def rng(*seed):
    return np.random.default_rng(seed)


def rounded(means, n, *seed):
    """Return scores whose means are exactly these."""
    scores = rng(*seed).normal(size=(len(means), n)) + rng(*seed, 1).normal(size=n)
    return scores - scores.mean(axis=1, keepdims=True) + np.array(means)[:, None]


def at_look(look, scores):
    n_contenders = len(scores)
    return LookScores(
        look=look,
        scores=scores,
        least_spreads=np.zeros(n_contenders),
        diverged=np.zeros(scores.shape, bool),
        n_diverged=np.zeros(n_contenders, int),
        n_runs=np.full(n_contenders, scores.shape[1]),
    )


@pytest.mark.parametrize("margin", [None, 0.6])
def test_two_contenders_have_the_price_of_their_pair(margin):
    seen = rounded([0.7, 0.0], 10, 1)
    difference = seen[0] - seen[1]
    given = {"ahead": PLAN[2:], "margin": margin}
    alone = price(difference.mean(), difference.std(ddof=1), 10, n_pairs=1, generator=rng(2), **given)
    many = [joint_price(seen, no_claims((1,)), generator=rng(3, i), **given) for i in range(10)]
    share = np.mean([each.seeds.chance_beyond for each in many])
    # 4000 draws of the one, 10 000 of the other.
    error = math.sqrt(alone.chance_beyond * (1 - alone.chance_beyond) * (1 / 4000 + 1 / 10_000))
    assert share == pytest.approx(alone.chance_beyond, abs=4 * error)
    assert 0.01 < alone.chance_beyond < 0.5
    assert many[0].seeds.typical == alone.typical


def decided_by_replay(seen, margin, *, generator):
    """Draw one future with NumPy and SciPy alone, and return the look at which `decide_looks` has nothing due."""
    k, n = seen.shape
    contrasts = np.linalg.qr(np.hstack([np.ones((k, 1)), np.eye(k)[:, 1:]]))[0][:, 1:].T
    moved = contrasts @ seen
    products = np.atleast_2d(np.cov(moved)) * (n - 1)
    covariance = np.atleast_2d(stats.invwishart.rvs(df=n - 2 + len(moved), scale=products, random_state=generator))
    truth = generator.multivariate_normal(moved.mean(axis=1), covariance / n)
    more = generator.multivariate_normal(truth, covariance, size=PLAN[-1].n_seeds - n).T
    scores = contrasts.T @ np.hstack([moved, more])  # what all share of a seed is in no difference
    nothing = [np.full((k, look.n_seeds), np.nan) for look in PLAN]
    looks = [
        scores[:, : look.n_seeds] if look.n_seeds <= n else none for look, none in zip(PLAN, nothing, strict=True)
    ]
    found = decide_looks([at_look(*each) for each in zip(PLAN, looks, strict=True)], margin=margin)
    while found.due:
        # As in a study, only those that are due get the seeds of the next look.
        rows, place = sorted(found.due), found.n_looks_made
        looks[place] = nothing[place].copy()
        looks[place][rows] = scores[rows, : PLAN[place].n_seeds]
        found = decide_looks([at_look(*each) for each in zip(PLAN, looks, strict=True)], margin=margin)
    if found.n_looks_made < len(PLAN):
        return PLAN[found.n_looks_made - 1].n_seeds
    open_ones = [pair for pair in found.pairs if pair.claim == "open"]
    is_open = any(not {pair.first, pair.second} & found.ruled_out for pair in open_ones)
    return math.inf if is_open else PLAN[-1].n_seeds


@pytest.mark.slow
@pytest.mark.parametrize("margin", [None, 0.8])
def test_the_price_of_three_is_the_share_of_futures_that_a_replay_of_the_looks_finds(margin):
    seen, n_futures = rounded([1.0, 0.2, 0.0], 10, 4), 400
    looks = [
        at_look(look, seen[:, : look.n_seeds] if look.n_seeds <= 10 else np.full((3, look.n_seeds), np.nan))
        for look in PLAN
    ]
    before = decide_looks(looks, margin=margin)
    assert len(before.due) == 3
    generator = rng(5)
    replayed = np.array([decided_by_replay(seen, margin, generator=generator) for _ in range(n_futures)])
    found = joint_price(seen, before.claims, ahead=PLAN[2:], margin=margin, generator=rng(6))
    share = float(np.mean(np.isinf(replayed)))
    error = math.sqrt(share * (1 - share) * (1 / n_futures + 1 / N_DRAWS))
    assert found.seeds.chance_beyond == pytest.approx(share, abs=4 * error)
    assert 0.02 < share < 0.98
    # The shares decided at the next look, too.
    at_next = float(np.mean(replayed == 20))
    mine = float(np.mean(found.further.max(axis=1) == 10))
    assert mine == pytest.approx(at_next, abs=4 * math.sqrt(0.25 * (1 / n_futures + 1 / N_DRAWS)))


@pytest.mark.slow
def test_four_of_five_simulated_comparisons_are_decided_within_the_range():
    """True differences of half to two deviations; the range is stated after five seeds, the truth is simulated."""
    n_cases, hits, n_open, generator = 200, 0, 0, rng(7)
    ahead = looks_of("10:0.01 20:0.015 40:0.02 80:0.02 160:0.02")
    for case in range(n_cases):
        truth = np.array([0.0, *generator.uniform(0.5, 2.0, size=2).cumsum()])
        scores = truth[:, None] + generator.normal(size=(3, 160))
        found = joint_price(scores[:, :5], no_claims((3,)), ahead=ahead, margin=None, generator=rng(8, case))
        looks = [at_look(look, scores[:, : look.n_seeds]) for look in ahead]
        needed = next(
            (
                look.n_seeds
                for index, look in enumerate(ahead)
                if not _open(decide_looks([*looks[: index + 1]], margin=None))
            ),
            math.inf,
        )
        low, high = found.seeds.low or math.inf, found.seeds.high or math.inf
        n_open += 1
        hits += low <= needed <= high
    # A flat prior on the differences is not the one simulated from: the share need not be 80 % exactly.
    assert hits / n_open >= 0.8 - 3 * math.sqrt(0.8 * 0.2 / n_open)


def _open(found):
    return any(pair.claim == "open" and not {pair.first, pair.second} & found.ruled_out for pair in found.pairs)


def test_all_pairs_take_at_least_as_long_as_the_dearest_and_a_clear_loser_trains_no_more():
    seen = rounded([0.6, 0.0, -8.0], 10, 9)
    found = joint_price(seen, no_claims((3,)), ahead=PLAN[2:], margin=None, generator=rng(10))
    difference = seen[0] - seen[1]
    alone = price(
        difference.mean(),
        difference.std(ddof=1),
        10,
        ahead=PLAN[2:],
        n_pairs=3,
        n_counted=1,
        margin=None,
        generator=rng(11),
    )
    assert found.seeds.chance_beyond >= alone.chance_beyond - 4 * math.sqrt(0.25 * (1 / N_DRAWS + 1 / 4000))
    assert found.further.shape == (N_DRAWS, 3)
    assert set(found.further[:, 2]) == {10}  # ruled out at the next look, with 20 seeds
    assert found.further[:, 0].mean() > 10


def test_more_contenders_than_seeds_have_a_price():
    found = joint_price(
        rounded(np.linspace(0, 3, 8), 5, 12), no_claims((28,)), ahead=PLAN[1:], margin=1.0, generator=rng(13)
    )
    assert found.seeds.low <= (found.seeds.typical or 40)
    assert np.all(found.further >= 5)


def test_one_that_diverged_is_never_equal_and_equal_scores_are_decided_by_the_margin():
    same = np.repeat(rng(14).normal(size=(1, 5)), 2, axis=0)
    given = {"ahead": PLAN[1:], "margin": 0.1, "least_spreads": [0.001, 0.001]}
    equal = joint_price(same, no_claims((1,)), generator=rng(15), **given)
    assert (equal.seeds.typical, equal.seeds.chance_beyond) == (10, 0.0)
    apart = joint_price(same, no_claims((1,)), generator=rng(15), has_diverged=[True, False], **given)
    assert apart.seeds.chance_beyond == 1.0


def test_contenders_without_seeds_to_come_are_left_alone():
    seen = np.vstack([rounded([0.6, 0.0], 5, 16), np.full(5, np.nan)])
    found = joint_price(seen, no_claims((3,)), ahead=PLAN[1:], margin=None, generator=rng(17))
    assert not found.further[:, 2].any()
    assert found.further[:, 0].all()


def test_nothing_open_costs_nothing_and_bad_input_is_named():
    alone = np.vstack([rounded([0.6], 5, 18), np.full((1, 5), np.nan)])
    found = joint_price(alone, no_claims((1,)), ahead=PLAN[1:], margin=None, generator=rng(19))
    assert (found.seeds.high, found.further.any()) == (5, False)
    with pytest.raises(ValueError, match="at least 3 units"):
        joint_price(alone[:, :2], no_claims((1,)), ahead=PLAN, margin=None, generator=rng(20))
    with pytest.raises(ValueError, match=r"looks ahead at \[5, 10, 20, 40\]"):
        joint_price(alone, no_claims((1,)), ahead=PLAN, margin=None, generator=rng(20))


def test_the_price_depends_on_the_generator_alone():
    seen = rounded([0.6, 0.0, -0.2], 5, 21)
    found = [joint_price(seen, no_claims((3,)), ahead=PLAN[1:], margin=0.5, generator=rng(22)) for _ in range(2)]
    assert found[0].seeds == found[1].seeds
