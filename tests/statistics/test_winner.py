import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.divergence import divergence_spread
from study.statistics.intervals import paired_difference
from study.statistics.pairwise import least_spread
from study.statistics.winner import decide, is_testable

N_STUDIES = 400


def simulate(rng, *, n_optimizers, n_seeds, advantage=0.0, validation_noise=1.0):
    """Return the verdicts of studies in which the last optimizer is better by `advantage` deviations of the seeds."""
    truth = np.zeros(n_optimizers)
    truth[-1] = advantage
    verdicts = []
    for _ in range(N_STUDIES):
        validation = truth + validation_noise * rng.normal(size=n_optimizers)
        luck_of_the_seed = rng.normal(size=n_seeds)  # shared by all: what pairing takes out
        scores = truth[:, None] + luck_of_the_seed + rng.normal(size=(n_optimizers, n_seeds))
        verdicts.append(decide(scores, candidate=int(np.argmax(validation)), direction="maximize"))
    return verdicts


@pytest.mark.parametrize("n_optimizers", [2, 4, 8])
@pytest.mark.parametrize("n_seeds", [5, 10])
def test_a_winner_is_named_in_at_most_five_percent_of_ties(n_optimizers, n_seeds):
    verdicts = simulate(np.random.default_rng([1, n_optimizers, n_seeds]), n_optimizers=n_optimizers, n_seeds=n_seeds)
    assert np.mean([verdict.winner for verdict in verdicts]) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / N_STUDIES)
    # nor does it find any difference at all more often
    found = np.mean([len(verdict.tied) < n_optimizers - 1 for verdict in verdicts])
    assert found <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / N_STUDIES)


@pytest.mark.parametrize("n_optimizers", [2, 4, 8])
@pytest.mark.parametrize("n_seeds", [5, 10])
def test_ties_stay_ties_when_the_candidate_is_chosen_on_the_test_scores_themselves(n_optimizers, n_seeds):
    rng = np.random.default_rng([2, n_optimizers, n_seeds])
    named = 0
    for _ in range(N_STUDIES):
        scores = rng.normal(size=(n_optimizers, n_seeds))
        named += decide(scores, candidate=int(np.argmax(scores.mean(1))), direction="maximize").winner
    assert named / N_STUDIES <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / N_STUDIES)


def test_one_of_eight_better_by_two_deviations_is_found():
    # the search's validation score, best of its trials, singles it out; the seeds' noise stays as it is
    rng = np.random.default_rng(3)
    verdicts = simulate(rng, n_optimizers=8, n_seeds=10, advantage=2.0, validation_noise=0.5)
    assert np.mean([verdict.winner and verdict.candidate == 7 for verdict in verdicts]) >= 0.80


def test_a_noisy_validation_costs_power_and_never_names_the_wrong_one():
    verdicts = simulate(np.random.default_rng(4), n_optimizers=8, n_seeds=10, advantage=2.0, validation_noise=1.0)
    right = [verdict for verdict in verdicts if verdict.candidate == 7]
    wrong = [verdict for verdict in verdicts if verdict.candidate != 7]
    assert np.mean([verdict.winner for verdict in right]) >= 0.80
    assert len(wrong) > 40
    assert not any(verdict.winner for verdict in wrong)
    assert np.mean([verdict.better == (7,) for verdict in wrong]) >= 0.5


def test_equals_and_a_better_one_are_told_apart():
    rng = np.random.default_rng(5)
    scores = rng.normal(0.90, 0.002, (3, 10))
    scores[2] += 0.02
    verdict = decide(scores, candidate=2, direction="maximize")
    assert verdict.winner
    assert (verdict.tied, verdict.better) == ((), ())
    assert [difference.other for difference in verdict.differences] == [0, 1]
    for difference in verdict.differences:
        alone = paired_difference(scores[2], scores[difference.other])
        assert alone.low < 0.02 < alone.high
        assert 0 < difference.low_holm < alone.low
        assert difference.high_holm > alone.high
        assert alone.p <= difference.p_holm < 1e-6
        assert difference.p_superior == 1
    loser = decide(scores, candidate=0, direction="maximize")
    assert not loser.winner
    assert (loser.tied, loser.better) == ((1,), (2,))


def test_verdict_is_the_same_in_either_direction_and_in_any_order_of_seeds():
    scores = np.random.default_rng(6).normal(size=(4, 6))
    scores[1] += 4
    verdict = decide(scores, candidate=1, direction="maximize")
    assert decide(-scores, candidate=1, direction="minimize") == verdict
    shuffled = decide(scores[:, ::-1], candidate=1, direction="maximize")
    assert [each.p_holm for each in shuffled.differences] == pytest.approx([e.p_holm for e in verdict.differences])
    assert shuffled.winner == verdict.winner


def test_identical_scores():
    seeds = np.array([0.1, 0.4, 0.2])
    same = decide([seeds, seeds], candidate=0, direction="maximize")
    assert (same.winner, same.tied, same.differences[0].p_holm) == (False, (1,), 1)
    assert same.differences[0].p_superior == 0.5
    # a step of 0.1 under a difference of 0.3 in each of three seeds: t = 3 sqrt(3), p = 0.0351
    shifted = decide([seeds + 0.3, seeds], candidate=0, direction="maximize")
    assert (shifted.winner, shifted.tied) == (True, ())
    assert shifted.differences[0].p_holm == pytest.approx(2 * stats.t.sf(3 * math.sqrt(3), 2))


@pytest.mark.parametrize("n_optimizers", [2, 3, 8])
@pytest.mark.parametrize("n_seeds", [2, 3])
def test_equal_differences_in_few_seeds_are_no_difference(n_optimizers, n_seeds):
    seeds = np.array([340, 352, 347])[:n_seeds]
    scores = np.array([seeds + optimizer for optimizer in range(n_optimizers)]) / 360
    verdict = decide(scores, candidate=n_optimizers - 1, direction="maximize")
    assert not verdict.winner
    assert 0 in verdict.tied or n_optimizers > 4  # seven examples in each of three seeds may be one
    assert n_optimizers - 2 in verdict.tied
    assert (verdict.better, is_testable(verdict)) == ((), n_seeds > 2)


def test_p_values_of_pairs_agree_with_scipy():
    scores = np.random.default_rng(8).normal(size=(4, 7))
    middle = int(np.argsort(scores.mean(axis=1))[1])
    verdict = decide(scores, candidate=middle, direction="maximize", least_spreads=np.zeros(4))
    pairs = {(a, b): stats.ttest_rel(scores[a], scores[b]).pvalue for a in range(4) for b in range(a)}
    ordered = sorted(pairs, key=pairs.get)
    stepped = np.maximum.accumulate([(6 - place) * pairs[pair] for place, pair in enumerate(ordered)])
    known = dict(zip(ordered, np.minimum(stepped, 1.0), strict=True))
    for each in verdict.differences:
        assert each.p_holm == pytest.approx(known[max(middle, each.other), min(middle, each.other)])


def test_the_best_of_all_needs_no_correction_against_the_runner_up():
    scores = np.random.default_rng(0).normal(size=(8, 10))
    scores[0] += 3.0
    alone = max(stats.ttest_rel(scores[0], other).pvalue for other in scores[1:])
    verdict = decide(scores, candidate=0, direction="maximize", least_spreads=np.zeros(8))
    assert verdict.winner
    assert max(each.p_holm for each in verdict.differences) == pytest.approx(alone)
    # a candidate that leads some only is corrected for all pairs
    scores[1] += 6.0
    behind = decide(scores, candidate=0, direction="maximize", least_spreads=np.zeros(8))
    assert not behind.winner
    assert max(each.p_holm for each in behind.differences) > alone


def test_intervals_of_shares_end_at_one():
    scores = np.array([[1.0, 0.9, 1.0], [0.0, 0.5, 0.1]])
    (found,) = decide(scores, candidate=0, direction="maximize", bounds=(0.0, 1.0)).differences
    assert found.high_holm == 1.0


def test_three_studies_with_one_diverged_run_each_say_little():
    # thirty runs each: means that agree over three studies are luck when one run of ten makes a tenth
    means = np.array([[0.9, 0.9, 0.9], [0.81, 0.81, 0.81]])
    drop = divergence_spread([0, 3], 30, drop=0.9, n_averaged=10)
    floor = least_spread(0.0001, drop)
    assert decide(means, candidate=0, direction="maximize", least_spreads=floor).tied == (1,)


def test_too_little_to_compare_names_no_winner():
    one_seed = decide([[0.9], [0.1], [0.2]], candidate=0, direction="maximize")
    assert (one_seed.winner, one_seed.tied) == (False, (1, 2))
    assert all(math.isnan(each.low_holm) and math.isnan(each.p_holm) for each in one_seed.differences)
    assert one_seed.differences[0].mean == pytest.approx(0.8)
    alone = decide([[0.9, 0.8]], candidate=0, direction="maximize")
    assert (alone.winner, alone.differences) == (False, ())


def test_bad_input_to_the_verdict_is_named():
    with pytest.raises(ValueError, match=r"scores\[1, 0\]=nan: .*diverged"):
        decide([[0.1, 0.2], [math.nan, 0.3]], candidate=0, direction="maximize")
    with pytest.raises(ValueError, match="candidate=2"):
        decide([[0.1, 0.2], [0.2, 0.3]], candidate=2, direction="maximize")
    with pytest.raises(ValueError, match="direction='best'"):
        decide([[0.1, 0.2], [0.2, 0.3]], candidate=0, direction="best")
