"""`claim` against a slow form of the same rules, written with sets and loops for one comparison."""

from itertools import combinations

import numpy as np
import pytest

from study.statistics.look_claims import MARGIN_SHARE, alive, claim, compare_pairs, due, no_claims
from study.statistics.looks import ERROR, plan_looks

PLAN = plan_looks(20, sequential=True)


class Slow:
    """The rules of `claim`, in words: `better` and `left` are sets of pairs, the better one first."""

    def __init__(self, n):
        self.n, self.pairs = n, list(combinations(range(n), 2))
        self.better, self.left, self.within = set(), set(), set()

    def look(self, tests, *, present, level, share):
        p = dict(zip(self.pairs, tests.p, strict=True))
        mean = {}
        for (a, b), value in zip(self.pairs, tests.mean, strict=True):
            mean[a, b], mean[b, a] = value, -value
        claimed_before = {tuple(sorted(pair)) for pair in self.better}
        apart = set()
        while len(apart) < self.n - 1:
            living = [a for a in range(self.n) if a not in apart and not self.beaten(a, apart)]
            there = [a for a in living if a in present]
            if not there:
                break
            focus = max(there, key=lambda a: sum(mean[a, b] > 0 for b in there if b != a))
            self.claims_about(focus, living, p, mean, present=present, level=level, share=share)
            if any((focus, b) not in self.better and b not in apart for b in range(self.n) if b != focus):
                break
            apart.add(focus)
        limit = level * (share or 1) / len(self.pairs)
        for pair, p_equal in zip(self.pairs, tests.p_equal, strict=True):
            if share and pair not in claimed_before and p_equal <= limit:
                self.within.add(pair)

    def claims_about(self, focus, living, p, mean, *, present, level, share):
        total = len(self.pairs)
        n_left = len(self.left)
        rejected = {pair for pair in self.left if p[pair] * max(total - n_left, 1) <= level * self.kept(n_left, share)}
        waiting = sorted((pair for pair in self.pairs if pair not in self.left and pair not in self.within), key=p.get)
        for done, pair in enumerate(waiting):
            if p[pair] * (total - n_left - done) > level * (1 - share * (n_left + done) / total):
                break
            rejected.add(pair)
        new = {pair for pair in rejected if focus in pair}
        rivals = [b for b in living if b != focus]
        limit = level * (1 - share * (total - 1) / total)
        if all(b in present and mean[focus, b] > 0 and p[tuple(sorted((focus, b)))] <= limit for b in rivals):
            new |= {tuple(sorted((focus, b))) for b in rivals}
        for a, b in new:
            if not {(a, b), (b, a)} & self.better and (a, b) not in self.within:
                self.better.add((a, b) if mean[a, b] > 0 else (b, a))
        self.follow()
        self.left |= {tuple(sorted(pair)) for pair in self.better} | rejected

    def kept(self, n_left, share):
        return 1 - share * min(n_left, len(self.pairs) - 1) / len(self.pairs)

    def follow(self):
        reached = set(self.better)
        while new := {(a, d) for a, b in reached for c, d in reached if b == c and a != d} - reached:
            reached |= new
        direct = {tuple(sorted(pair)) for pair in self.better}
        self.better |= {(a, b) for a, b in reached if (b, a) not in reached and tuple(sorted((a, b))) not in direct}

    def beaten(self, a, apart):
        return any(winner not in apart and loser == a for winner, loser in self.better)

    def as_arrays(self):
        sign = [(pair in self.better) - (pair[::-1] in self.better) for pair in self.pairs]
        return sign, [pair in self.within for pair in self.pairs], [pair in self.left for pair in self.pairs]


def compared(scores, present, margin, n_seeds):
    known = scores[..., :n_seeds]
    return compare_pairs(
        known,
        present=present,
        least_spreads=np.zeros(known.shape[:-1]),
        margin=margin,
        diverged=np.zeros(known.shape, bool),
        has_diverged=np.zeros(known.shape[:-1], bool),
        kept_spreads=np.zeros(known.shape[:-1]),
    )


@pytest.mark.parametrize("n_contenders", [2, 3, 5])
@pytest.mark.parametrize("margin", [None, 0.8])
def test_claims_are_those_of_the_slow_form_at_every_look(n_contenders, margin):
    rng = np.random.default_rng([n_contenders, int(10 * (margin or 0))])
    n = 800
    places = rng.choice([0.0, 0.0, 1.0, 2.0, 4.0], size=(n, n_contenders))
    scores = places[..., None] + rng.normal(size=(n, n_contenders, 20)) * rng.choice([0.3, 1.0], size=(n, 1, 1))
    claims, slow = no_claims((n, n_contenders * (n_contenders - 1) // 2)), [Slow(n_contenders) for _ in range(n)]
    kinds = set()
    for look in PLAN:
        present = rng.random((n, n_contenders)) < 0.9
        tests = compared(scores, present, margin, look.n_seeds)
        claims = claim(claims, tests, present=present, level=look.level, with_margin=margin is not None)
        share = 0.0 if margin is None else 1.0 if n_contenders == 2 else MARGIN_SHARE
        for row in range(n):
            one = type(tests)(**{name: value[row] for name, value in vars(tests).items()})
            slow[row].look(one, present=set(np.flatnonzero(present[row])), level=look.level, share=share)
            better, within, left = slow[row].as_arrays()
            assert claims.better[row].tolist() == better
            assert claims.within[row].tolist() == within
            assert claims.left[row].tolist() == left
            kinds.add((bool(np.any(better)), any(within)))
        np.testing.assert_array_equal(claims.p <= ERROR, claims.better != 0)
    assert {each[0] for each in kinds} == {True, False}
    assert {each[1] for each in kinds} == {False, margin is not None}
    # Some pairs leave Holm's count and nothing is claimed about them.
    assert np.any(claims.left & (claims.better == 0)) == (n_contenders > 2)


def test_many_comparisons_at_once_are_each_alone():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(50, 4, 20)) + rng.choice([0, 2], size=(50, 4, 1))
    present = np.ones((50, 4), bool)
    together = claim(
        no_claims((50, 6)), compared(scores, present, 0.5, 20), present=present, level=0.05, with_margin=True
    )
    for row in range(50):
        tests = compared(scores[row], present[row], 0.5, 20)
        alone = claim(no_claims((6,)), tests, present=present[row], level=0.05, with_margin=True)
        for name, value in vars(alone).items():
            np.testing.assert_array_equal(value, vars(together)[name][row])


def test_a_look_without_error_claims_nothing():
    scores = np.array([[9.0, 9.1, 9.0], [0.0, 0.1, 0.3]])
    present = np.ones(2, bool)
    before = no_claims((1,))
    tests = compared(scores, present, 1.0, 3)
    assert claim(before, tests, present=present, level=0.0, with_margin=True) is before
    assert claim(before, tests, present=present, level=0.05, with_margin=True).better.tolist() == [1]


def test_claims_that_contradict_one_another_lead_to_no_more():
    # At one look 0 > 1, at the next 1 > 2 and 2 > 0 by their scores: nothing follows, and no one is alive.
    first = np.array([[9.0, 9.1, 9.0], [0.0, 0.1, 0.3], [0.0, 0.0, 0.0]])
    second = np.array([[0.0, 0.1, 0.0], [9.0, 9.1, 9.3], [4.0, 4.1, 4.0]])
    claims = no_claims((3,))
    for scores, there in ((first, [True, True, False]), (second, [True, True, True])):
        present = np.array(there)
        claims = claim(claims, compared(scores, present, None, 3), present=present, level=0.05, with_margin=False)
    assert claims.better[0] == 1
    assert not (alive(claims.better, 3) & due(claims, present=np.ones(3, bool))).all()
