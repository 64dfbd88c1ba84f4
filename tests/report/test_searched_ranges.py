"""Ranges read from records: of a list that MLflow's limit cut, what is whole and what trials took."""

import json
from types import SimpleNamespace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.report.searched_ranges import searched_names, searched_ranges

KEY = "optimizer.search.momentum.choices"


def choices(recorded, *taken):
    trials = tuple(SimpleNamespace(params={"momentum": value}) for value in taken)
    return searched_ranges(SimpleNamespace(params={KEY: recorded}, trials=trials))["momentum"].choices


def test_a_list_of_900_values_that_was_cut_has_its_whole_items_and_those_of_trials():
    recorded = json.dumps([i + 0.25 for i in range(900)])[:6000]
    found = choices(recorded, "3.25", "899.25")
    assert found[:2] == (0.25, 1.25)
    assert found[-1] == "899.25"
    assert (found.count(3.25), "3.25" in found) == (1, False)
    assert len(found) > 600


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    values=st.lists(st.one_of(st.floats(allow_nan=False), st.text(max_size=9), st.booleans()), min_size=1, max_size=9),
    share=st.floats(0, 1),
)
@example(values=['a","b', "]"], share=0.8)
def test_any_cut_list_can_be_read(values, share):
    recorded = json.dumps(values)
    found = choices(recorded[: int(share * len(recorded))], str(values[0]))
    assert str(values[0]) in map(str, found)
    assert choices(recorded, str(values[0])) == tuple(values)


def searched(only):
    ranges = {
        f"optimizer.search.{name}.{end}": "0.5" for name in ("learning_rate", "momentum") for end in ("low", "high")
    }
    params = ranges if only is None else {**ranges, "optimizer.search_only": only}
    trial = SimpleNamespace(params={"learning_rate": "0.1", "momentum": "0.9"})
    return searched_names(SimpleNamespace(params=params, trials=(trial,)))


def test_a_named_setting_that_leaves_an_argument_at_its_default_searched_nothing():
    assert searched("[]") == []
    assert searched('["momentum"]') == ["momentum"]
    assert searched(None) == searched('["mom') == ["learning_rate", "momentum"]
