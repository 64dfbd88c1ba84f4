import math

import numpy as np
import pytest
from scipy import stats

from study.statistics.luck import next_best, where_the_luck_is


def drawn(rng, *, n_seeds, n_orders=1, n=5, search=1.0, run=1.0, order=1.0):
    """Return scores of studies, each part's luck drawn as the seeds make it."""
    scores, study_seeds, order_seeds, repetitions = [], [], [], []
    for seed in range(n_seeds):
        of_run = math.sqrt(run) * rng.normal(size=n)
        for order_seed in range(n_orders):
            of_search = math.sqrt(search) * rng.normal()
            own = 3 + of_search + of_run + math.sqrt(order) * rng.normal(size=n)
            scores += own.tolist()
            study_seeds += [seed] * n
            order_seeds += [order_seed] * n
            repetitions += list(range(n))
    return {
        "scores": scores, "study_seeds": study_seeds, "order_seeds": order_seeds, "repetitions": repetitions
    }  # fmt: skip


def parts(found):
    return {part.source: part for part in found.parts}


def test_one_order_seed_is_the_one_way_analysis():
    given = drawn(np.random.default_rng(1), n_seeds=4, n=6)
    groups = np.reshape(given["scores"], (4, 6))
    f = stats.f_oneway(*groups).statistic
    found = where_the_luck_is(**given)
    within = groups.var(axis=1, ddof=1).mean()
    search, both = found.parts
    assert (search.source, both.source) == ("search", "run seed and batch order")
    assert both.variance == found.within == pytest.approx(within)
    assert search.variance == pytest.approx(max(0, (f - 1) * within / 6))
    assert (search.freedom, both.freedom) == (3, 20)
    assert (both.low, both.high) == pytest.approx([20 * within / stats.chi2.isf(p, 20) for p in (0.025, 0.975)])
    low, high = (3 * within * (f - stats.f.isf(p, 3, 20)) / (6 * stats.chi2.isf(p, 3)) for p in (0.025, 0.975))
    assert (search.low, search.high) == pytest.approx((max(0, low), high))
    assert (found.n_study_seeds, found.n_studies, found.n_runs) == (4, 4, 24)


def test_estimates_are_right_on_average_with_several_order_seeds():
    rng = np.random.default_rng(2)
    found = [
        parts(where_the_luck_is(**drawn(rng, n_seeds=6, n_orders=3, n=5, search=4, run=2, order=1)))
        for _ in range(300)
    ]
    for source, truth in {"search": 4, "run seed": 2, "batch order": 1}.items():
        own = np.array([each[source].variance for each in found])
        assert abs(own.mean() - truth) < 4 * own.std() / math.sqrt(300), source
        held = np.mean([each[source].low <= truth <= each[source].high for each in found])
        assert held > 0.95 - 3 * math.sqrt(0.05 * 0.95 / 300), source


@pytest.mark.parametrize("search", [0.0, 1.0])
@pytest.mark.parametrize("n_seeds", [2, 5])
def test_intervals_hold_for_unequal_numbers_of_confirmations(search, n_seeds):
    rng = np.random.default_rng([3, n_seeds])
    n_held, n = np.zeros(2), 400
    for _ in range(n):
        given = drawn(rng, n_seeds=n_seeds, n=8, search=search, order=0.0)
        kept = [
            index
            for index, (s, r) in enumerate(zip(given["study_seeds"], given["repetitions"], strict=True))
            if r < 8 - s
        ]
        found = where_the_luck_is(**{name: [each[index] for index in kept] for name, each in given.items()})
        assert found.n_runs == len(kept)
        n_held += [part.low <= truth <= part.high for part, truth in zip(found.parts, (search, 1.0), strict=True)]
    assert np.all(n_held / n >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / n))


def test_what_the_studies_do_not_tell_is_none():
    one = where_the_luck_is(**drawn(np.random.default_rng(4), n_seeds=1, n=5))
    assert one.parts[0].variance is one.parts[0].freedom is one.parts[0].low is None
    assert one.parts[1].variance == one.within > 0
    single = where_the_luck_is(**drawn(np.random.default_rng(5), n_seeds=4, n=1))
    assert [part.variance for part in single.parts] == [None, None]
    assert single.within is None
    orders = where_the_luck_is(**drawn(np.random.default_rng(6), n_seeds=1, n_orders=3, n=5))
    assert [part.source for part in orders.parts] == ["search", "run seed", "batch order"]
    assert orders.parts[0].variance is None
    assert orders.parts[2].freedom == 8
    equal = where_the_luck_is([2.0] * 4, study_seeds=[0, 0, 1, 1], repetitions=[0, 1, 0, 1])
    assert [(part.variance, part.low, part.high) for part in equal.parts] == [(0, 0, 0)] * 2


def test_the_next_step_is_where_the_variance_is():
    given = {"n_study_seeds": 3, "n_confirmations": 10, "seconds_of_search": 60.0, "seconds_of_confirmation": 2.0}
    search = next_best(search=1.0, within=0.1, **given)
    assert search.best == "study seed"
    assert search.standard_error == pytest.approx(math.sqrt((1 + 0.01) / 3))
    assert search.with_study_seed == pytest.approx(math.sqrt((1 + 0.01) / 4))
    assert search.with_confirmation == pytest.approx(math.sqrt((1 + 0.1 / 11) / 3))
    assert (search.seconds_of_study_seed, search.seconds_of_confirmation) == (80.0, 6.0)
    assert next_best(search=0.0, within=1.0, **given).best == "confirmation"
    assert next_best(search=1.0, within=0.1, gain_of_trials=0.5, **given).best == "study seed"
    assert next_best(search=1.0, within=0.1, gain_of_trials=0.6, **given).best == "trials"
    assert next_best(search=0.0, within=0.0, **given).standard_error == 0


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="2 scores, 1 study seeds"):
        where_the_luck_is([1.0, 2.0], study_seeds=[0], repetitions=[0, 1])
    with pytest.raises(ValueError, match="occurs twice"):
        where_the_luck_is([1.0, 2.0], study_seeds=[0, 0], repetitions=[1, 1])
    with pytest.raises(ValueError, match="nan"):
        where_the_luck_is([1.0, math.nan], study_seeds=[0, 0], repetitions=[0, 1])
    good = {"n_study_seeds": 3, "n_confirmations": 10, "seconds_of_search": 60.0, "seconds_of_confirmation": 2.0}
    for name, bad in (("search", -1.0), ("within", math.nan)):
        with pytest.raises(ValueError, match=f"{name}="):
            next_best(**(good | {"search": 1.0, "within": 1.0, name: bad}))
    for name in good:
        with pytest.raises(ValueError, match=f"{name}=0"):
            next_best(**(good | {"search": 1.0, "within": 1.0, name: 0}))
