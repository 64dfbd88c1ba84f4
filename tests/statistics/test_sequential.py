import itertools
import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.look_claims import MARGIN_SHARE
from study.statistics.looks import ERROR, Look, looks_of
from study.statistics.pairwise import compare_candidate
from study.statistics.sequential import LookScores, decide_looks

PLAN = looks_of("5:0.005 10:0.01 20:0.015 40:0.02")
FLOOR = 1e-3


def at(look, scores, *, diverged=None, floor=FLOOR, **kwargs):
    """Return one look; `scores` may have more columns than it has seeds, and rows of NaN."""
    scores = np.asarray(scores, dtype=float)[:, : look.n_seeds]
    diverged = np.zeros(scores.shape, bool) if diverged is None else np.asarray(diverged)[:, : look.n_seeds]
    return LookScores(
        look=look,
        scores=scores,
        least_spreads=np.full(len(scores), floor),
        diverged=diverged,
        n_diverged=diverged.sum(axis=1),
        n_runs=np.full(len(scores), scores.shape[1]),
        **kwargs,
    )


def rows(rng, means, n=40, spread=1.0):
    """Return scores with exactly these means and independent luck, at every look of the plan alike."""
    luck = rng.normal(size=(len(means), n)) * spread
    return np.asarray(means, dtype=float)[:, None] + luck


def holm_by_hand(p):
    """Return Holm's p-values by their definition: the largest over the subsets' Bonferroni tests (closed testing)."""
    everything = range(len(p))
    subsets = [each for n in range(1, len(p) + 1) for each in itertools.combinations(everything, n)]
    return [max(min(1.0, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in everything]


def equality_p(difference, margin):
    """Return the larger p-value of two one-sided tests."""
    below = stats.ttest_1samp(difference, margin, alternative="less").pvalue
    return max(below, stats.ttest_1samp(difference, -margin, alternative="greater").pvalue)


def pair(found, first, second):
    return next(each for each in found.pairs if (each.first, each.second) == (first, second))


@pytest.mark.parametrize("n_contenders", [2, 3, 6])
@pytest.mark.parametrize("n_seeds", [2, 3, 8])
@pytest.mark.parametrize("by_scores", [False, True])
def test_one_look_without_a_margin_is_the_test_of_the_candidate(n_contenders, n_seeds, by_scores):
    rng = np.random.default_rng([n_contenders, n_seeds])
    n_claims = 0
    for _ in range(60):
        scores = rows(rng, rng.choice([0.0, 1.0, 3.0]) * rng.normal(size=n_contenders), n=n_seeds)
        chosen = int(np.argmax(scores.mean(axis=1))) if by_scores else int(rng.integers(n_contenders))
        look = Look(n_seeds=n_seeds, level=ERROR)
        found = decide_looks([at(look, scores, floor=0.3, candidate=None if by_scores else chosen)], margin=None)
        expected = compare_candidate(scores, chosen, least_spreads=np.full(n_contenders, 0.3))
        assert (found.best == chosen) == bool(expected.is_best)
        for index, other in enumerate(expected.others):
            own = pair(found, *sorted((chosen, int(other))))
            sign = 1 if own.first == chosen else -1
            ends = sorted((sign * own.low, sign * own.high))
            assert (own.claim != "open") == expected.claimed[index]
            assert own.within_margin is False
            n_claims += own.claim != "open"
            if n_seeds > 2:
                assert own.p == expected.p[index]
                np.testing.assert_allclose(ends, [expected.low[index], expected.high[index]], atol=1e-14)
                assert sign * own.mean == pytest.approx(expected.mean[index])
            else:
                assert math.isnan(own.low)
                assert math.isnan(own.p)
    assert (n_claims > 2) == (n_seeds > 2)
    assert found.due == frozenset()


def test_p_values_are_those_of_closed_tests_times_the_share_of_the_look():
    rng = np.random.default_rng(1)
    scores = rows(rng, [0, 0.2, 0.5, -0.3], n=5)
    found = decide_looks(
        [at(PLAN[0], scores), *(at(look, np.full((4, 40), np.nan)) for look in PLAN[1:])], margin=None
    )
    first, second = np.triu_indices(4, 1)
    p = stats.ttest_rel(scores[first], scores[second], axis=1).pvalue
    holm = np.array(holm_by_hand(p))
    assert all(each.claim == "open" for each in found.pairs)
    leader = int(np.argmax(scores.mean(axis=1)))
    tested = (first == leader) | (second == leader)
    np.testing.assert_allclose(
        [each.p for each in found.pairs], np.where(tested, np.minimum(1, holm * ERROR / 0.005), np.nan)
    )
    assert found.n_looks_made == 1
    assert found.due == {0, 1, 2, 3}


def test_equality_is_two_one_sided_tests_at_the_level_of_a_pair():
    rng = np.random.default_rng(2)
    look = Look(n_seeds=20, level=0.02)
    outcomes = set()
    for _ in range(60):
        scores = rows(rng, [0, 0.0, 0.1], n=20, spread=0.5)
        found = decide_looks([at(look, scores)], margin=0.5)
        for each in found.pairs:
            p = equality_p(scores[each.first] - scores[each.second], 0.5)
            assert each.within_margin == (p <= MARGIN_SHARE * 0.02 / 3)
            assert each.equality == ("claimed" if each.within_margin else "not shown")
            if each.within_margin:
                assert -0.5 <= each.low <= each.high <= 0.5
            outcomes.add((each.claim, each.within_margin))
    assert {("equal", True), ("open", False)} <= outcomes


def test_a_single_pair_keeps_the_whole_level_for_both_claims():
    scores = np.zeros((2, 20))
    scores[0] = 0.2 + 0.1 * np.tile([1, -1], 10)
    found = decide_looks([at(Look(n_seeds=20, level=0.05), scores)], margin=0.25)
    p = equality_p(scores[0], 0.25)
    assert 0.05 * MARGIN_SHARE < p <= 0.05
    assert (found.pairs[0].claim, found.pairs[0].within_margin) == ("first", True)
    assert found.best == 0
    assert found.ruled_out == {1}


def test_seeds_go_to_open_pairs_of_those_not_ruled_out():
    rng = np.random.default_rng(3)
    scores = rows(rng, [9, 9, 9, 0], spread=0.5)
    scores[1] = scores[0] + 0.01 * rng.normal(size=40)
    empty = np.full((4, 40), np.nan)
    found = decide_looks([at(PLAN[0], scores), *(at(look, empty) for look in PLAN[1:])], margin=0.3)
    assert found.ruled_out == {3}
    assert pair(found, 0, 1).claim == "equal"
    assert found.due == {0, 1, 2}
    scores[3] = np.nan
    scores[2] = scores[0] + 0.01 * rng.normal(size=40)
    done = decide_looks([at(PLAN[0], scores), *(at(look, empty) for look in PLAN[1:])], margin=0.3)
    assert done.n_looks_made == 0  # the fourth is waited for
    assert done.due == {0, 1, 2, 3}
    done = decide_looks([at(PLAN[0], scores), *(at(look, empty) for look in PLAN[1:])], margin=0.3, absent=[3])
    assert done.due == frozenset()
    assert [each.claim for each in done.pairs] == ["equal", "equal", "open", "equal", "open", "open"]
    assert math.isnan(pair(done, 0, 3).mean)
    assert pair(done, 0, 3).n_seeds == 0


def test_the_one_that_leads_all_needs_no_correction_unless_one_alive_is_missing():
    scores = np.zeros((4, 10))
    scores[0] = 1.0 + 1.3 * np.tile([1, -1], 5)  # p = 0.046 against each: no correction allows that
    scores[1:] += 1e-3 * np.arange(3)[:, None]
    look = Look(n_seeds=10, level=ERROR)
    assert decide_looks([at(look, scores)], margin=None).best == 0
    assert decide_looks([at(look, scores)], margin=0.01).best is None  # the margin's share of the error
    scores[3] = np.nan
    found = decide_looks([at(look, scores)], margin=None, absent=[3])
    assert found.best is None
    assert found.ruled_out == frozenset()


def test_a_claim_stays_and_an_incomplete_look_decides_nothing():
    rng = np.random.default_rng(4)
    scores = rows(rng, [6, 0, 0.5], spread=0.7)
    scores[0, 5:] -= 60  # what comes later does not take the claim back
    later = scores.copy()
    later[0] = np.nan  # ruled others out; the pair of the others is no matter
    found = decide_looks([at(PLAN[0], scores)], margin=None)
    assert found.best == 0
    assert found.due == frozenset()
    for second in (scores, later):
        again = decide_looks([at(PLAN[0], scores), at(PLAN[1], second)], margin=None)
        assert again == found


def test_an_interruption_changes_no_decision():
    rng = np.random.default_rng(5)
    scores = rows(rng, [0.9, 0.6, 0, 0, 0])

    def decided(n_done):
        looks = []
        for look in PLAN:
            known = scores.copy()
            known[np.asarray(n_done) < look.n_seeds] = np.nan
            looks.append(at(look, known))
        return decide_looks(looks, margin=0.2)

    n_done = np.zeros(5, int)
    history = []
    while (found := decided(n_done)).due:
        wanted = PLAN[found.n_looks_made].n_seeds
        for each in sorted(found.due):
            for part in (1, wanted - n_done[each]):  # killed after one, and when one contender is complete
                n_done[each] = min(wanted, n_done[each] + part)
                if not np.all(n_done[sorted(found.due)] >= wanted):
                    assert decided(n_done) == found
        history.append(found)
    assert len(history) == 4
    assert found.n_looks_made == 4
    claims = [{(each.first, each.second): each.claim for each in one.pairs} for one in [*history, found]]
    for earlier, later in itertools.pairwise(claims):
        assert all(later[key] == claim for key, claim in earlier.items() if claim != "open")


def test_better_is_transitive():
    rng = np.random.default_rng(6)
    shared = rng.normal(size=20)
    close = 0.3 * rng.normal(size=(3, 20))
    scores = np.array([2 + shared, 1 + shared, shared]) + close
    scores[0] += 20 * np.tile([1, -1], 10) * (np.arange(20) >= 5)
    # At five seeds all is clear; with a pair left open, it follows from the two others.
    found = decide_looks([at(Look(n_seeds=5, level=0.05), scores)], margin=None)
    assert [each.claim for each in found.pairs] == ["first", "first", "first"]
    assert found.best == 0


def test_equality_is_not_tested_where_one_diverged_and_is_of_the_others_where_both_did():
    rng = np.random.default_rng(7)
    scores = 0.9 + 0.001 * rng.normal(size=(3, 20))
    diverged = np.zeros((3, 20), bool)
    diverged[0, 3] = diverged[1, 5] = True
    scores[diverged] = 0.1
    look = Look(n_seeds=20, level=ERROR)
    kept = np.full(3, FLOOR)
    found = decide_looks([at(look, scores, diverged=diverged, floor=0.2, kept_spreads=kept)], margin=0.005)
    assert [each.equality for each in found.pairs] == ["claimed", "one diverged", "one diverged"]
    assert pair(found, 0, 1).claim == "equal"
    assert pair(found, 0, 1).high > 0.005  # the interval is of all runs
    wide = decide_looks([at(look, scores, diverged=diverged, floor=0.2)], margin=0.005)
    assert [each.equality for each in wide.pairs] == ["not shown", "one diverged", "one diverged"]
    none = decide_looks([at(look, scores, diverged=diverged)], margin=None)
    assert [each.equality for each in none.pairs] == ["not tested"] * 3


def test_intervals_hold_for_all_pairs_and_looks():
    rng = np.random.default_rng(9)
    scores = rows(rng, [0.1, 0, 0], n=10)
    found = decide_looks([at(PLAN[0], scores), at(PLAN[1], scores)], margin=None, bounds_width=1.0)
    for each in found.pairs:
        difference = scores[each.first] - scores[each.second]
        half = stats.t.isf(0.01 / 6, 9) * stats.sem(difference)
        assert each.n_seeds == each.n_units == 10
        assert each.error == pytest.approx(stats.sem(difference))
        assert (each.low, each.high) == pytest.approx(
            (max(difference.mean() - half, -1.0), min(difference.mean() + half, 1.0))
        )


def test_a_single_contender_and_fewer_than_three_seeds_decide_nothing():
    alone = decide_looks([at(PLAN[0], np.ones((1, 5)))], margin=0.1)
    assert (alone.pairs, alone.best, alone.due) == ((), None, frozenset())
    two = decide_looks([at(Look(n_seeds=2, level=ERROR), [[9, 9], [0, 0]])], margin=0.1)
    assert [(each.claim, each.equality, math.isnan(each.p)) for each in two.pairs] == [("open", "not tested", True)]


def test_bad_input_is_named():
    scores = np.ones((2, 5))
    for margin in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match=f"margin={margin}"):
            decide_looks([at(PLAN[0], scores)], margin=margin)
    with pytest.raises(ValueError, match="looks at"):
        decide_looks([at(PLAN[0], scores)] * 2, margin=None)
    with pytest.raises(ValueError, match=r"looks=\(\)"):
        decide_looks([], margin=None)
    with pytest.raises(ValueError, match="candidate=2"):
        decide_looks([at(PLAN[0], scores, candidate=2)], margin=None)
    part = scores.copy()
    part[0, 1] = np.nan
    with pytest.raises(ValueError, match="NaN for some units"):
        decide_looks([at(PLAN[0], part)], margin=None)
    with pytest.raises(ValueError, match="expected 2 contenders"):
        decide_looks([at(PLAN[0], scores), at(PLAN[1], np.ones((3, 10)))], margin=None)


def test_an_open_pair_with_one_that_gets_no_more_seeds_asks_for_none():
    scores = np.random.default_rng(10).normal(size=(3, 40))
    later = scores.copy()
    later[0, :] = np.nan
    empty = np.full((3, 40), np.nan)
    found = decide_looks([at(PLAN[0], scores), at(PLAN[1], empty)], margin=None, absent=[0, 1])
    assert all(each.claim == "open" for each in found.pairs)
    assert found.due == frozenset()
    found = decide_looks([at(PLAN[0], scores), at(PLAN[1], later), at(PLAN[2], empty)], margin=None, absent=[0])
    assert found.due == {1, 2}
    assert found.n_looks_made == 2
    assert [each.n_seeds for each in found.pairs] == [5, 5, 10]
