"""The argument `search` of `compare`, as words of a command line."""

import keras
import numpy as np
import pytest

from study.api.arguments import ArgumentsError, read_arguments
from study.api.compare import compare
from study.api.searched import search_words, told_in_python
from study.cli.launch.overrides import read_overrides
from study.core.session_objects import kept_objects

GIVEN = {
    "model.dropout": (0.0, 0.5),
    "optimizer.learning_rate": (1e-5, 1e-1, "log"),
    "trainer.batch_size": [32, 64],
    "model.hidden": [[64], [64, 64]],
    "schedule.warmup_fraction": {"low": 0, "high": 0.2},
}
WORDS = [
    *("search.model.dropout.low=0.0", "search.model.dropout.high=0.5"),
    *("search.optimizer.learning_rate.low=1e-05", "search.optimizer.learning_rate.high=0.1"),
    *("search.optimizer.learning_rate.scale=log", "search.trainer.batch_size.choices=[32,64]"),
    *("search.model.hidden.choices=[[64],[64,64]]", "search.schedule.warmup_fraction.low=0"),
    "search.schedule.warmup_fraction.high=0.2",
]
PARTS = {
    **{"validation": None, "test": None, "loss": None, "metrics": None, "groups": {}},
    **{"experiment": None, "overrides": ()},
}


def words(search):
    faults = []
    found = list(search_words(search, faults))
    assert faults == []
    return found


def faults(search):
    found = []
    list(search_words(search, found))
    return [str(fault) for fault in found]


def test_ranges_become_words():
    assert words(GIVEN) == WORDS
    assert words(None) == words({}) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((np.float32(0.5), np.int64(2)), ["low=0.5", "high=2"]),
        ({"low": 1, "high": 9, "step": 2, "integer": True}, ["low=1", "high=9", "step=2", "integer=true"]),
        ({"choices": ("relu", "a, b", None, False)}, ['choices=[relu,"a, b",null,false]']),
        ([np.int64(3), "null"], ['choices=[3,"null"]']),
        ([(64,), (8, 8)], ["choices=[[64],[8,8]]"]),
        ((0.9, 0.999, "one_minus_log"), ["low=0.9", "high=0.999", "scale=one_minus_log"]),
        ((0.5, 0.0), ["low=0.5", "high=0.0"]),  # the parser of configs refuses it
    ],
)
def test_each_form_of_a_range(given, expected):
    found = words({"model.x": given})
    assert found == [f"search.model.x.{part}" for part in expected]
    assert len(read_overrides(found)) == len(expected)


def test_sections_can_be_nested_as_in_yaml():
    nested = {"model": {"dropout": {"low": 0, "high": 0.5}, "l2": (0, 1)}, "trainer": {"batch_size": [8]}}
    flat = {"model.dropout": {"low": 0, "high": 0.5}, "model.l2": (0, 1), "trainer.batch_size": [8]}
    assert words(nested) == words(flat)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            (0.1,),
            'search["model.x"]=(0.1,): expected (low, high), (low, high, scale), a list of choices, or a mapping',
        ),
        ((0, 1, "log", 2), "search[\"model.x\"]=(0, 1, 'log', 2): expected (low, high)"),
        (("a", "b"), "search[\"model.x\"]=('a', 'b'): expected (low, high)"),
        ((True, False), 'search["model.x"]=(True, False): expected (low, high)'),
        ([], 'search["model.x"]=[]: expected (low, high)'),
        ({}, 'search["model.x"]={}: expected (low, high)'),
        (0.5, 'search["model.x"]=0.5: expected (low, high)'),
        ("log", 'search["model.x"]=log: expected (low, high)'),
        (np.zeros(2), 'search["model.x"]=<ndarray of shape (2,)>: expected (low, high)'),
        ((0, 1, "lg"), "search[\"model.x\"]=(0, 1, 'lg'): expected the scale linear or log or one_minus_log"),
        ((0, 1, 0.1), 'search["model.x"]=(0, 1, 0.1): expected the scale linear or log or one_minus_log'),
        (
            {"low": 0, "hihg": 1},
            "search[\"model.x\"]['hihg']=1: expected one of low, high, scale, integer, step, choices.",
        ),
    ],
)
def test_a_wrong_range_is_named_as_it_is_written(given, told):
    (found,) = faults({"model.x": given, "model.y": (0, 1)})
    assert found.startswith(told)


def test_a_near_word_is_named():
    assert faults({"model.x": (1, 2, "lgo")})[0].endswith("Did you mean log?")
    assert faults({"model.x": {"low": 0, "hihg": 1}})[0].endswith("Did you mean high?")


@pytest.mark.parametrize("search", [[("model.x", (0, 1))], "model.x", 3])
def test_another_kind_of_search_is_refused(search):
    (found,) = faults(search)
    assert "expected a mapping of keys of the config to ranges. Write search={" in found


def test_keys_are_checked_and_given_once():
    found = faults({"model x": (0, 1), 3: (0, 1), "model.x": (0, 1), "model": {"x": [1, 2]}, "": (0, 1)})
    assert [each.partition(":")[0] for each in found] == [
        *("search=model x", "search=3", 'search["model.x"]=[1, 2]', "search="),
    ]


def test_faults_of_the_config_name_the_argument():
    keys = frozenset({"model.x", "model.x_long"})
    assert told_in_python("search.model.x.low", keys) == 'search["model.x"].low'
    assert told_in_python("Set search.model.x_long.low.", keys) == 'Set search["model.x_long"].low.'
    assert told_in_python("search.model.other", keys) == "search.model.other"
    of_optimizer = frozenset({"optimizer.beta_1"})
    for typed in ("optimizer.search.beta_1.low", "search.optimizer.beta_1.low"):
        assert told_in_python(typed, of_optimizer) == 'search["optimizer.beta_1"].low'
    assert told_in_python("optimizer.search.beta_2.low", of_optimizer) == "optimizer.search.beta_2.low"


def read(**given):
    return read_arguments(model="mlp", data="digits", optimizers=["sgd", "adam"], **{**PARTS, **given})


def test_the_words_are_those_of_all_optimizers():
    found = read(search=GIVEN, groups={"budget": "smoke"}, overrides=["study_seed=1"])
    assert found.searched == {*GIVEN}
    assert [line[3:] for line in found.lines()] == [["budget=smoke", *WORDS, "study_seed=1"]] * 2


def test_all_wrong_arguments_are_named_together():
    with pytest.raises(ArgumentsError) as raised:
        read(search={"model.x": 3, "model.y": (0, 1, "no")}, groups={"budget": 3})
    assert [fault.key for fault in raised.value.faults] == ["budget", 'search["model.x"]', 'search["model.y"]']


@pytest.mark.slow
def test_a_value_beside_a_range_is_told_in_python_s_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = np.zeros((20, 3), np.float32), np.arange(20) % 2
    with kept_objects({}), pytest.raises(ArgumentsError) as raised:
        compare(
            lambda units=4: keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(2)]),
            (x, y),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            optimizers=["sgd", {"adam": {"learning_rate": 0.1}}],
            search={"optimizer.learning_rate": (1e-4, 1e-1, "log"), "model.units": (2, 8)},
            overrides=["model.units=3"],
        )
    assert sorted(map(str, raised.value.faults)) == [
        'model.units=3: expected no value, since search["model.units"] searches it. '
        'Remove model.units=3, or search["model.units"].',
        'optimizers[1].learning_rate=0.1: expected no value, since search["optimizer.learning_rate"] searches it. '
        'Remove optimizers[1].learning_rate=0.1, or search["optimizer.learning_rate"].',
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_faults_of_ranges_are_told_as_they_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ranges = {"optimizer.learning_rate": (0, 1, "log"), "model.dropout": (0.5, 0.0), "model.hiden": [[8]]}
    with pytest.raises(ArgumentsError) as raised:
        compare("mlp", "digits", optimizers=["sgd", "adam"], search=ranges)
    assert sorted(map(str, raised.value.faults)) == [
        'search["model.dropout"].low=0.5: expected a number below search["model.dropout"].high=0.0. '
        "Lower it, or raise high.",
        "search[\"model.hiden\"]={'choices': [[8]]}: expected a key of the config. Did you mean model.hidden?",
        'search["optimizer.learning_rate"].low=0: expected a number above 0 on a log scale. '
        'Raise it, or set search["optimizer.learning_rate"].scale=linear.',
    ]
    assert list(tmp_path.iterdir()) == []
