import numpy as np
import pytest

from study.gallery.analysis.differences import CorrectedDifference, against_constant, simultaneous
from study.gallery.analysis.verdicts import (
    MEANINGS,
    ClaimVerdict,
    all_of,
    as_well,
    fact,
    greater,
    in_short,
    more_often,
    verdicts_in,
)

HELD, CONTRADICTED, NOT_SHOWN, INCONCLUSIVE = ClaimVerdict


def difference(low, high):
    return CorrectedDifference(mean=(low + high) / 2, low=low, high=high)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.1, 0.3, HELD),
        (-0.3, -0.1, CONTRADICTED),
        (-0.1, 0.3, NOT_SHOWN),
        (0.0, 0.2, HELD),
        (-0.2, 0.0, CONTRADICTED),
    ],
)
def test_a_direction_needs_an_interval_without_zero(low, high, word):
    assert greater(difference(low, high)) is word
    assert greater(difference(-high, -low), sign=-1.0) is word


@pytest.mark.parametrize("missing", [None, difference(np.nan, np.nan)])
def test_without_an_interval_nothing_is_said(missing):
    assert greater(missing) is INCONCLUSIVE
    assert as_well(missing, 0.01) is INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-0.004, 0.003, HELD),
        (-0.004, -0.001, HELD),  # significantly worse, but by less than the margin
        (0.002, 0.2, HELD),  # better
        (-0.2, -0.006, CONTRADICTED),
        (-0.2, -0.001, NOT_SHOWN),  # significantly worse, but perhaps by less than the margin
        (-0.2, 0.2, NOT_SHOWN),  # no significant difference is no equality
        (-0.001, 0.2, NOT_SHOWN),
    ],
)
def test_as_good_as_needs_the_whole_interval_within_the_margin(low, high, word):
    assert as_well(difference(low, high), 0.005) is word
    assert as_well(difference(-high, -low), 0.005, sign=-1.0) is word


def test_a_margin_is_above_zero():
    with pytest.raises(ValueError, match="margin=0"):
        as_well(difference(-1.0, 1.0), 0)


def test_a_claim_of_parts_is_held_by_all_and_contradicted_by_one():
    assert all_of([HELD, HELD]) is HELD
    assert all_of([HELD, NOT_SHOWN, INCONCLUSIVE]) is NOT_SHOWN
    assert all_of([HELD, INCONCLUSIVE]) is INCONCLUSIVE
    assert all_of([HELD, INCONCLUSIVE, CONTRADICTED]) is CONTRADICTED
    assert all_of([]) is INCONCLUSIVE


def test_what_has_no_chance_is_a_fact():
    assert [fact(True), fact(False), fact(None)] == [HELD, CONTRADICTED, INCONCLUSIVE]


@pytest.mark.parametrize(
    ("more", "fewer", "word"),
    [(6, 0, HELD), (0, 6, CONTRADICTED), (5, 1, NOT_SHOWN), (5, 0, INCONCLUSIVE), (0, 0, INCONCLUSIVE), (9, 1, HELD)],
)
def test_cases_are_judged_by_the_sign_test(more, fewer, word):
    assert more_often(more, fewer) is word


def test_intervals_that_hold_together_are_wider_than_one_alone():
    rng = np.random.default_rng(0)
    a, b, c = ({(n, ""): value for n, value in enumerate(rng.normal(mean, 1, 6))} for mean in (5.0, 0.0, 0.1))
    (alone,) = simultaneous([(b, c)])
    first, second, none = simultaneous([(a, b), (b, c), (a, dict(list(b.items())[:2]))])
    assert none is None
    assert first.is_significant
    assert not second.is_significant
    three = simultaneous([(b, c)], n_comparisons=3)[0]
    assert three.low < alone.low < alone.high < three.high


def test_a_constant_is_compared_with_by_the_interval_of_the_mean():
    assert greater(against_constant([0.1, 0.11, 0.12], 0.2), sign=-1.0) is HELD
    assert greater(against_constant([0.1, 0.2, 0.12], 0.15), sign=-1.0) is NOT_SHOWN
    assert against_constant([0.1, 0.1], 0.2) is None
    assert against_constant([0.1, np.inf, 0.2], 0.2) is None


def test_words_are_not_wrong_more_often_than_claimed():
    """Of ties over five seeds, at most 5 % are held or contradicted, within three standard errors."""
    rng = np.random.default_rng(1)
    n = 400
    decided = 0
    for _ in range(n):
        scores = [dict(zip([(k, "") for k in range(5)], rng.normal(size=5), strict=True)) for _ in range(4)]
        found = simultaneous([(scores[0], other) for other in scores[1:]])
        decided += any(greater(each) in (HELD, CONTRADICTED) for each in found)
    assert decided / n <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n)


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ("The claim held at these rates: a.", [HELD]),
        ("The claim held, that a: b 1.5. The claim is not shown, that c: d.", [HELD, NOT_SHOWN]),
        ("The claim is not shown: a (b). Inconclusive, that c: d.", [NOT_SHOWN, INCONCLUSIVE]),
        ("The claim held: a. The claim held: b.", [HELD]),
        ("By its mean the claim held: a.", []),
        ("Inconclusiveness is no verdict.", []),
        ("", []),
    ],
)
def test_the_verdicts_of_a_finding_are_those_with_which_its_sentences_begin(finding, words):
    assert list(verdicts_in(finding)) == words


@pytest.mark.parametrize(
    ("finding", "until", "short"),
    [
        ("The claim held: a 1.5 is x. More.", "", "A 1.5 is x."),
        ("The claim held, of b: of 12, 3 are better (paired t); c.", " (paired", "Of 12, 3 are better."),
        ("Inconclusive: too few seeds.", " (paired", "Too few seeds."),
        ("The claim held: lower in 22 [5 to 39] % of 3, x in [-1, 1].", "", "Lower in 22 % of 3, x in [-1, 1]."),
        ("Inconclusive", "", ""),
        ("The claim held: ", "", ""),
    ],
)
def test_a_finding_in_short_is_the_sentence_after_its_verdict(finding, until, short):
    assert in_short(finding, until=until) == short


def test_a_result_that_begins_with_a_name_keeps_it():
    assert in_short("The claim held: sgd is first.", capital=False) == "sgd is first."


def test_every_verdict_has_a_label_and_a_meaning():
    assert [word.label for word in ClaimVerdict] == ["Held", "Contradicted", "Not shown", "Inconclusive"]
    assert set(MEANINGS) == set(ClaimVerdict)
