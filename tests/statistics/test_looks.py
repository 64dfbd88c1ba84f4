import math

import pytest

from study.statistics.looks import ERROR, Look, check_looks, continued, error_spent, looks_of, looks_text, plan_looks


def text(*args, **kwargs):
    return looks_text(plan_looks(*args, **kwargs))


def test_looks_double_and_their_levels_grow():
    assert text(40, sequential=True) == "5:0.005 10:0.01 20:0.015 40:0.02"
    assert text(10, sequential=True) == "5:0.016666666667 10:0.033333333333"
    assert text(12, sequential=True, error=0.06) == "5:0.01 10:0.02 12:0.03"
    assert text(5, sequential=True) == "5:0.05"
    assert text(3, sequential=True) == "3:0.05"
    assert text(40, sequential=False) == "40:0.05"


@pytest.mark.parametrize("n_max", [1, 5, 6, 20, 80, 700, 5000])
def test_levels_sum_to_the_error_and_the_text_keeps_them(n_max):
    looks = plan_looks(n_max, sequential=True)
    assert math.fsum(look.level for look in looks) == pytest.approx(ERROR, abs=1e-15)
    assert error_spent(looks) == ERROR
    assert looks[-1].n_seeds == n_max
    assert looks_of(looks_text(looks)) == looks


def test_the_same_plan_stays_as_it_is():
    looks = plan_looks(40, sequential=True)
    for n_done in (0, 4, 5, 12, 40):
        assert continued(looks, n_done=n_done, n_max=40, sequential=True) == looks


def test_error_that_is_left_goes_to_the_looks_ahead():
    looks = plan_looks(40, sequential=True)
    more = continued(looks, n_done=12, n_max=80, sequential=True)
    assert more[:2] == looks[:2]
    assert [look.n_seeds for look in more] == [5, 10, 20, 40, 80]
    assert [look.level / more[2].level for look in more[2:]] == pytest.approx([1, 2, 3])
    assert error_spent(more) == ERROR
    fewer = continued(looks, n_done=12, n_max=15, sequential=True)
    assert looks_text(fewer) == "5:0.005 10:0.01 15:0.035"
    assert continued(looks, n_done=12, n_max=6, sequential=True) == looks[:2]
    assert looks_text(continued(looks, n_done=5, n_max=30, sequential=False)) == "5:0.005 30:0.045"
    # Nothing was tested before the first look.
    assert continued(plan_looks(10, sequential=False), n_done=4, n_max=40, sequential=True) == looks


def test_further_looks_after_the_last_halve_the_error_and_say_so():
    once = continued(plan_looks(10, sequential=False), n_done=10, n_max=20, sequential=False)
    assert looks_text(once) == "10:0.05 20:0.025"
    assert error_spent(once) == 0.075
    twice = continued(once, n_done=20, n_max=80, sequential=True)
    assert looks_text(twice) == "10:0.05 20:0.025 40:0.0125 80:0.00625"
    for n_max in (160, 320, 640):
        twice = continued(twice, n_done=twice[-1].n_seeds, n_max=n_max, sequential=False)
    assert 1.9 * ERROR < error_spent(twice) < 2 * ERROR


@pytest.mark.parametrize("n_max", [0, -3])
def test_a_number_of_seeds_below_one_is_named(n_max):
    with pytest.raises(ValueError, match=f"n_max={n_max}"):
        plan_looks(n_max, sequential=True)
    with pytest.raises(ValueError, match=f"n_max={n_max}"):
        continued(plan_looks(5, sequential=True), n_done=0, n_max=n_max, sequential=True)


@pytest.mark.parametrize("error", [0.0, 1.0, math.nan])
def test_an_error_that_is_no_probability_is_named(error):
    with pytest.raises(ValueError, match="error="):
        plan_looks(5, sequential=True, error=error)


def test_looks_that_do_not_grow_are_named():
    with pytest.raises(ValueError, match=r"looks at \[5, 5\] seeds"):
        check_looks([Look(n_seeds=5, level=0.01)] * 2)
    with pytest.raises(ValueError, match="looks at"):
        looks_of("10:0.01 5:0.02")
    with pytest.raises(ValueError, match=r"level=-0\.1"):
        check_looks([Look(n_seeds=5, level=-0.1)])


@pytest.mark.parametrize("damaged", ["", "5", "5:", "a:0.1", "5:0.01 10", "5:0.01:3", "5:nan"])
def test_a_damaged_text_is_named(damaged):
    with pytest.raises(ValueError, match=r"looks=|level=nan"):
        looks_of(damaged)
