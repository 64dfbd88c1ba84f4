import pytest

from study.statistics.search_size import advised_trials


def test_more_values_need_more_trials():
    assert [advised_trials(n) for n in range(8)] == [1, 1, 10, 25, 100, 150, 200, 250]


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="n_searched=-1"):
        advised_trials(-1)
