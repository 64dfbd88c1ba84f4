"""A part whose numbers change gets another version, so that no study goes on with other numbers."""

import copy
import json

import pytest

from tests.numbers_of_parts import RECORDED, of_all

TOLERANCE = 1e-4  # other CPUs round differently


@pytest.fixture(scope="module")
def now():
    return of_all()


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORDED.read_text())


def changed(recorded, now):
    """Return the parts whose numbers, but not whose versions, differ."""
    return [
        name
        for name, part in now.items()
        if name in recorded
        and part["version"] == recorded[name]["version"]
        and part["numbers"] != pytest.approx(recorded[name]["numbers"], rel=TOLERANCE, abs=1e-6)
    ]


def test_numbers_change_only_with_a_version(now, recorded):
    advice = "raise NUMBERS_VERSION in its module, then run `python -m tests.numbers_of_parts`"
    assert changed(recorded, now) == [], advice


def test_every_part_is_recorded_with_its_version(now, recorded):
    assert {name: part["version"] for name, part in now.items()} == {
        n: part["version"] for n, part in recorded.items()
    }


def test_a_changed_number_is_seen(recorded):
    name = "optimizer/adabelief"
    other = copy.deepcopy(recorded)
    other[name]["numbers"][0] *= 1.001
    assert changed(recorded, other) == [name]
    other[name]["version"] = str(int(other[name]["version"]) + 1)
    assert changed(recorded, other) == []
