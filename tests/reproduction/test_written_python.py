import math

import pytest

from study.reproduction.written_python import NotWritableError, written_call, written_tree, written_value


@pytest.mark.parametrize(
    "value",
    [
        *(0.1, 1e-300, -0.0, 3, True, None, "a", "it's", 'a "b"', "line\nend", "\x1b[31m", "ä"),
        *([1, [2.5]], (1,), (1, "x"), {"a": [1, None], 2: (3,)}, float("inf"), -math.inf, [], {}),
    ],
)
def test_a_value_is_read_again_from_its_text(value):
    again = eval(written_value(value))
    assert again == value
    assert type(again) is type(value)
    assert math.copysign(1, again) == math.copysign(1, value) if isinstance(value, float) else True


def test_nan_is_written_so_that_it_is_read_again():
    assert math.isnan(eval(written_value(math.nan)))


def test_other_objects_are_refused():
    with pytest.raises(NotWritableError, match="of the type object"):
        written_value([object()])


def test_a_long_call_has_a_line_for_each_argument():
    assert written_call("f", {"a": "1", "b": "2"}) == "f(a=1, b=2)"
    long = written_call("f", {"a": "'" + "x" * 90 + "'", "b": "g(\n            1,\n        )"}, indent=4)
    assert long.splitlines() == [
        "f(",
        f"        a='{'x' * 90}',",
        "        b=g(",
        "            1,",
        "        ),",
        "    )",
    ]


@pytest.mark.parametrize("name", ["a=1); import os; (b", "class", "a b"])
def test_a_name_of_an_argument_cannot_be_code(name):
    with pytest.raises(NotWritableError, match="an argument"):
        written_call("f", {name: "1"})


def test_a_tree_takes_each_array_by_its_place():
    tree = ({"b": 1, "a": (2, 3)}, 4)
    text = written_tree(tree, ["x.a.0", "x.a.1", "x.b", "y"], of="DATA")
    assert text == '({"a": (DATA["x.a.0"], DATA["x.a.1"]), "b": DATA["x.b"]}, DATA["y"])'
    with pytest.raises(NotWritableError, match="list"):
        written_tree(([1],), ["x"], of="DATA")
