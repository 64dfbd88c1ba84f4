import math

import pytest

from study.core.number_text import plus_minus, short_number


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("0.02644541352226392", "0.026445"),
        ("0.9615721215647496", "0.96157"),
        ("0.9999635182471057", "0.9999635"),  # a decay of 1 would be another rule
        ("0.9999999", "0.9999999"),
        ("-0.99999912", "-0.99999912"),
        ("1.0", "1"),
        ("12345678", "1.2346e+07"),
        ("true", "true"),
        ("nan", "nan"),
    ],
)
def test_five_digits_and_a_rate_near_one_keeps_its_distance(text, short):
    assert short_number(text) == short


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (0.9134, 0.0178, "0.9134 ± 0.0178"),
        (0.95694, 0.00481, "0.9569 ± 0.0048"),
        (12.34, 4.5, "12.3400 ± 4.5000"),
        (123.4, 45.0, "123 ± 45"),
        (0.9507, 0.0006, "0.9507 ± 0.0006"),
        (0.9507, 0.0004, "0.95070 ± 0.00040"),
        (0.5, 0.0, "0.5000 ± 0"),
        (0.25, 1e-9, "0.2500 ± 1e-09"),
        (3.2e7, 1.5e6, "3.2e+07 ± 1.5e+06"),
        # Losses: no two that differ by more than their half-widths look alike.
        (12_345_678.0, 3.0, "12345678 ± 3"),
        (123_456.7, 321.4, "1.2346e+05 ± 3.2e+02"),
        (0.00123456789, 3.1e-8, "0.001234568 ± 3.1e-08"),
        (0.0, 3e-9, "0.0000 ± 3e-09"),
        (0.8391, math.nan, "0.8391"),
        (0.000012, math.nan, "1.2e-05"),
        (-1.5, 0.25, "-1.5000 ± 0.2500"),
    ],
)
def test_a_mean_and_its_half_width_have_the_same_decimals(mean, half_width, text):
    assert plus_minus(mean, half_width) == text
