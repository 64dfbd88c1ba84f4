import pytest

from study.core.number_text import short_number


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
