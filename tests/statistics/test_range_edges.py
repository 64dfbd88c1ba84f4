import pytest

from study.statistics.range_edges import nearest_edge


@pytest.mark.parametrize(
    ("value", "low", "high", "scale", "expected"),
    [
        (0.05, 0.0, 1.0, "linear", "low"),
        (0.051, 0.0, 1.0, "linear", None),
        (0.95, 0.0, 1.0, "linear", "high"),
        # five decades, so a quarter of one from either end
        (1.77e-5, 1e-5, 1.0, "log", "low"),
        (1.79e-5, 1e-5, 1.0, "log", None),
        (0.57, 1e-5, 1.0, "log", "high"),
        (0.5, 1e-5, 1.0, "log", None),
        # 1 - beta from 0.5 to 0.0005 is three decades: 0.15 of one is a factor of 1.41
        (0.9993, 0.5, 0.9995, "one_minus_log", "high"),
        (0.9992, 0.5, 0.9995, "one_minus_log", None),
        (0.64, 0.5, 0.9995, "one_minus_log", "low"),
        (0.66, 0.5, 0.9995, "one_minus_log", None),
        # outside of the range
        (2.0, 1e-5, 1.0, "log", "high"),
        (0.0, 1e-5, 1.0, "log", "low"),
        (1.0, 0.5, 0.99, "one_minus_log", "high"),
        (True, None, None, "choices", None),
        (None, None, None, "choices", None),
    ],
)
def test_edges_by_hand(value, low, high, scale, expected):
    assert nearest_edge(value, low=low, high=high, scale=scale) == expected


def test_rho_may_reach_down_to_zero():
    assert nearest_edge(0.1, low=0.0, high=0.9999, scale="one_minus_log") == "low"


def test_bad_input_to_edges_is_named():
    with pytest.raises(ValueError, match="low < high"):
        nearest_edge(0.5, low=1.0, high=0.0, scale="linear")
    with pytest.raises(ValueError, match="scale=log can hold"):
        nearest_edge(0.5, low=0.0, high=1.0, scale="log")
    with pytest.raises(ValueError, match="scale='cubic'"):
        nearest_edge(0.5, low=0.0, high=1.0, scale="cubic")
    with pytest.raises(ValueError, match=r"fraction=0\.6"):
        nearest_edge(0.5, low=0.0, high=1.0, scale="linear", fraction=0.6)
