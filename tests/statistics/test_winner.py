import math

import numpy as np
import pytest

from study.statistics.winner import decide

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
        assert difference.low < 0.02 < difference.high
        assert 0 < difference.low_holm < difference.low
        assert difference.high_holm > difference.high
        assert difference.p <= difference.p_holm < 1e-6
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
    assert (same.winner, same.tied, same.differences[0].p) == (False, (1,), 1)
    assert same.differences[0].p_superior == 0.5
    shifted = decide([seeds + 0.3, seeds], candidate=0, direction="maximize")
    assert (shifted.winner, shifted.tied, shifted.differences[0].p_holm) == (True, (), 0)


def test_too_little_to_compare_names_no_winner():
    one_seed = decide([[0.9], [0.1], [0.2]], candidate=0, direction="maximize")
    assert (one_seed.winner, one_seed.tied) == (False, (1, 2))
    assert all(math.isnan(each.low) and math.isnan(each.p_holm) for each in one_seed.differences)
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
