"""Any content of a config gives a study that can run, or one error in words, and nothing written."""

import contextlib
import copy
import json
import math
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.core.errors import StudyError
from study.pipeline.preflight import load_config
from study.reproduction.exported_file import read_exported
from tests import drawn_examples

QUICKLY = settings(drawn_examples.QUICKLY, max_examples=60)
AT_LENGTH = settings(QUICKLY, max_examples=2000, derandomize=False)

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -1, 0, 2**63, -(10**30)]),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["", "\0", "a\nb", "🙂", "\ud800", "${x}", "x" * 5000, "/", "..", "null", "1e999", "auto", "max"]),
    st.lists(st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5)), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
    st.just({"_target_": "os.system", "command": "touch proof"}),
    st.builds(lambda depth: _nested(depth), st.sampled_from([5, 50, 3000])),
)


def _nested(depth):
    value = 1
    for _ in range(depth):
        value = {"deeper": value}
    return value


def _paths(section, prefix=()):
    items = section.items() if isinstance(section, dict) else enumerate(section)
    for key, value in items:
        yield (*prefix, key)
        if isinstance(value, dict | list):
            yield from _paths(value, (*prefix, key))


def _mutate(raw, path, how, junk):
    *parents, last = path
    node = raw
    for key in parents:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return  # taken away by another mutation
    if not isinstance(node, dict | list) or (
        isinstance(node, list) and not (isinstance(last, int) and last < len(node))
    ):
        return
    if how == "replace":
        node[last] = junk
    elif how == "drop" and isinstance(node, list | dict) and (isinstance(node, list) or last in node):
        del node[last]
    elif how == "add" and isinstance(node, dict):
        node[f"{last}_"] = junk


@pytest.fixture(scope="module")
def valid(compose_quick, tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    words = ["optimizer=sgd", "sampler=tpe", "pruner=hyperband", "schedule=cosine"]
    return [json.loads(json.dumps(compose_quick(*some, folder=folder).raw)) for some in ((), words)]


def _a_result_or_an_error(valid, folder, data):
    raw = copy.deepcopy(data.draw(st.sampled_from(valid), label="config"))
    paths = list(_paths(raw))
    for _ in range(data.draw(st.integers(1, 3), label="mutations")):
        path = data.draw(st.sampled_from(paths), label="key")
        how = data.draw(st.sampled_from(["replace", "replace", "drop", "add"]), label="how")
        _mutate(raw, path, how, data.draw(JUNK, label="junk"))
    with contextlib.suppress(StudyError):
        config = load_config(raw, folder=folder)
        assert len(config.digest) == 12
        assert config.n_at_once >= 1
    assert list(folder.iterdir()) == []
    assert not Path("proof").exists()


@QUICKLY
@given(data=st.data())
def test_a_damaged_config_is_a_result_or_one_error(valid, tmp_path, data):
    _a_result_or_an_error(valid, tmp_path, data)


@pytest.mark.parametrize(
    "junk",
    [None, True, -1, 10**400, math.nan, "", "\0", "\ud800", "x" * 5000, [], [None], [[]], {}, {"a": 1}, _nested(3000)],
    ids=lambda junk: f"{type(junk).__name__}",
)
def test_nothing_under_any_key_leads_to_a_traceback(valid, tmp_path, junk):
    for path in _paths(valid[0]):
        raw = copy.deepcopy(valid[0])
        _mutate(raw, path, "replace", junk)
        with contextlib.suppress(StudyError):
            load_config(raw, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
@AT_LENGTH
@given(data=st.data())
def test_a_damaged_config_is_a_result_or_one_error_at_length(valid, tmp_path, data):
    _a_result_or_an_error(valid, tmp_path, data)


@settings(QUICKLY, max_examples=200)
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
)
@example(content=b"optimizer: &a {name: sgd, self: *a}")
@example(content=b"optimizer: {name: sgd, on: 2001-99-99}")
@example(content=b"optimizer: " + b"[" * 5000)
@example(content=b"optimizer: {name: sgd, learning_rate: '${oc.env:HOME}'}")
@example(content=b"optimizer: {name: !!python/object/apply:os.system [true]}")
def test_a_file_that_is_no_exported_configuration_is_told(tmp_path, content):
    path = tmp_path / "best.yaml"
    path.write_bytes(content)
    error = None
    try:
        assert "optimizer" in read_exported(path).sections
    except StudyError as raised:
        error = raised
    assert error is None or str(path) in str(error)
