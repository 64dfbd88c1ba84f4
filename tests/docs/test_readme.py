"""The sentences below the table of the README, by the numbers of the table."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()
CELLS = (r"(\w+)", "finished", r"\S+", r"\d+", r"[\d.]+", r"([\d.]+) \[[\d.]+, [\d.]+\]", r"([\d.]+)")
ROWS = re.findall(r"\| " + r" *\| +".join(CELLS), README)
GAINS = {name: 100 * (float(tuned) - float(untuned)) for name, tuned, untuned in ROWS}
TEXT = " ".join(README.split())


def test_the_table_is_there():
    assert len(GAINS) == 8


def test_the_optimizers_that_tuning_did_not_help_are_named():
    (told,) = re.findall(r"By their means, tuning did not help ([^.]*)\.", TEXT)
    assert {name for name, gain in GAINS.items() if gain <= 0} == {
        name.lower() for name in re.findall(r"[A-Z]\w+", told)
    }


def test_the_gains_are_those_of_the_table():
    (told,) = re.findall(r"It helped (.*?), and the others by less than one\.", TEXT)
    gains = {name.lower(): float(gain) for name, gain in re.findall(r"([A-Z]\w+) by ([\d.]+)", told)}
    assert gains == {name: pytest.approx(gain, abs=0.05) for name, gain in GAINS.items() if gain >= 1}


def test_overlapping_intervals_are_no_test():
    assert "overlap" not in TEXT
