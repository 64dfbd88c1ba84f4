from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from study.report.comparison import compare
from study.report.html.tables import summary_table
from study.report.json_export import numbers

RNG = np.random.default_rng(4)
TUNED, UNTUNED = 0.9 + 0.01 * RNG.standard_normal(10), 0.88 + 0.01 * RNG.standard_normal(5)


@pytest.fixture
def found(make_study, make_experiment):
    adam = make_study("adam", list(TUNED), validation=0.9, untuned=tuple(UNTUNED))
    return compare(make_experiment(adam, make_study("sgd", list(TUNED - 0.1), untuned=tuple([0.5] * 10))))


def cells(table, title):
    return next(list(own) for name, _, own in table.columns if name == title)


def test_the_gain_is_the_paired_difference_over_the_seeds_that_both_have_with_its_interval(found):
    gain = found.rows[0].gain
    paired = TUNED[:5] - UNTUNED
    ends = stats.ttest_1samp(paired, 0.0).confidence_interval(0.95)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((paired.mean(), ends.low, ends.high), abs=1e-6)
    assert gain.n == 5
    assert gain.mean != pytest.approx(TUNED.mean() - UNTUNED.mean(), abs=1e-4)
    (told,) = numbers([found])["experiments"]
    assert told["summary"][0]["gain"]["mean"] == gain.mean
    assert told["summary"][0]["gain"]["high"] == gain.high


def test_the_summary_has_the_gain_with_its_interval_and_the_seeds_of_an_untuned_mean_of_fewer(found):
    table = summary_table(found, link="{}")
    gain = found.rows[0].gain
    span = f"{100 * gain.low:.2f} to {100 * gain.high:.2f}".replace("-", "\u2212")
    assert cells(table, "gain, points")[0] == f"+{100 * gain.mean:.2f} ({span})"
    assert cells(table, "untuned") == [f"{100 * UNTUNED.mean():.2f}\u00a0% (5)", "50.00\u00a0%"]
    assert sum(note.startswith(("Gain: the mean paired", "Untuned: in brackets")) for note in table.notes) == 2


def test_a_diverged_confirmation_counts_as_the_worst_value_in_the_gain(make_study, make_experiment):
    study = make_study("adam", [0.9] * 5, untuned=(0.8,) * 5)
    first, *others = study.confirmations
    found = compare(make_experiment(replace(study, confirmations=(replace(first, state="diverged"), *others))))
    assert found.rows[0].gain.mean == pytest.approx(4 / 5 * 0.9 - 0.8)


def test_without_untuned_defaults_there_is_no_gain(make_study, make_experiment):
    assert compare(make_experiment(make_study("adam", [0.9] * 5))).rows[0].gain is None


def test_with_three_studies_a_difference_is_of_a_study(make_study, make_experiment):
    levels = (0.9, 0.85, 0.88)
    studies = [
        make_study(f"adam-{seed}", [level, level + 0.01], untuned=(0.8, 0.8), params={"study_seed": str(seed)})
        for seed, level in enumerate(levels)
    ]
    gain = compare(make_experiment(*studies)).rows[0].gain
    ends = stats.ttest_1samp(np.array(levels) + 0.005 - 0.8, 0.0).confidence_interval(0.95)
    assert gain.n == 3
    assert (gain.low, gain.high) == pytest.approx((ends.low, ends.high), abs=1e-6)
