import pytest

from study.gallery.analysis.differences import CorrectedDifference, simultaneous, span_text
from study.report.objective_metric import ObjectiveMetric

ACCURACY = ObjectiveMetric(name="val_accuracy", direction="maximize", target=None, is_share=True)


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 2.5, "above 0 to 2.5"),  # Holm's procedure: the sign is significant
        (-2.5, 0.0, "-2.5 to below 0"),
        (-1.0, 2.5, "-1 to 2.5"),
        (0.0, 0.0, "0 to 0"),
    ],
)
def test_an_open_end_is_not_shown_as_zero(low, high, text):
    assert span_text(CorrectedDifference(mean=(low + high) / 2, low=low, high=high)) == text


def test_an_open_end_of_a_ratio_is_one():
    found = CorrectedDifference(mean=1.0, low=0.0, high=2.0)
    assert span_text(found, lambda power: f"{10**power:g}") == "above 1 to 100"


def test_rounding_hides_no_sign():
    found = CorrectedDifference(mean=24.0, low=0.2, high=49.0)
    assert span_text(found, "{:.0f}".format) == "0.2 to 49"
    assert span_text(CorrectedDifference(mean=-24.0, low=-49.0, high=-0.04), "{:.0f}".format) == "-49 to -0.04"


def test_a_difference_of_two_shares_ends_at_100_points():
    pair = ({0: 0.9, 1: 0.1, 2: 0.9}, {0: 0.1, 1: 0.9, 2: 0.2})
    (free,) = simultaneous([pair])
    assert free.low < -1.0
    for bounded in (simultaneous([pair], metric=ACCURACY), simultaneous([pair], bounds=(0.0, 1.0))):
        assert (bounded[0].low, bounded[0].high) == (-1.0, 1.0)
    (gap,) = simultaneous([pair], bounds=(-1.0, 1.0))  # a difference of two gaps is at most 2
    assert -2.0 <= gap.low < -1.0
