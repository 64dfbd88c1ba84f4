"""The commands that compare a part of an experiment: few, and the same groups as JSON."""

import io
import json
import shlex

from study.cli.actions.comparable_commands import with_commands, write_groups
from study.report.comparable_groups import ComparableGroup, NotComparableError


def error_of(*sizes, experiment="my digits"):
    groups = [
        ComparableGroup(studies=tuple(f"s{n}-{i}" for i in range(size)), where=(f"model.hidden=[{n}]",))
        for n, size in enumerate(sizes)
    ]
    return NotComparableError(
        "They differ.", experiment=experiment, differing={"model.hidden": ["[0]"]}, groups=groups
    )


def test_the_largest_groups_have_a_command_and_the_others_are_counted():
    lines = str(with_commands(error_of(9, 4, 3, 2, 2, 2, 2, 1, 1))).splitlines()
    assert lines[:2] == ["They differ.", "Or compare one of 7 groups of studies that can be compared:"]
    assert lines[2] == "  study compare --where 'model.hidden=[0]' 'my digits'   9 studies"
    assert lines[7:] == ["  and 2 groups more", "  2 studies are like no other"]
    words = shlex.split(lines[2])
    assert words[:5] == ["study", "compare", "--where", "model.hidden=[0]", "my digits"]


def test_without_a_group_of_several_there_is_nothing_to_add():
    error = error_of(1, 1)
    assert with_commands(error) is error


def test_an_experiment_whose_name_begins_like_an_option_can_be_typed():
    assert "study compare --where 'model.hidden=[0]' -- -mine " in str(with_commands(error_of(2, experiment="-mine")))


def test_programs_get_all_groups():
    stream = io.StringIO()
    write_groups(error_of(2, 1), stream=stream)
    found = json.loads(stream.getvalue())["not_comparable"]
    assert found["n_studies"] == 3
    assert found["differing"] == {"model.hidden": ["[0]"]}
    assert found["groups"][1] == {"studies": ["s1-0"], "where": ["model.hidden=[1]"]}
