import pytest

from study.cli.launch.compose import compose_jobs, differing_keys, prepare
from study.cli.launch.overrides import given_texts, parse_changes, read_overrides
from study.core.errors import ConfigError, StudyError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[relu,tanh]", ["relu", "tanh"]),
        ("['relu','a,b']", ["relu", "a,b"]),
        ("[1,2.5,[a]]", [1, 2.5, ["a"]]),
        ("[]", []),
        ("relu", "relu"),
        ("'64'", "64"),
        ('"null"', "null"),
        ("null", None),
        ("NULL", None),
        ("64", 64),
        ("1_000", 1000),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("-1", -1),
        ("inf", float("inf")),
        ("true", True),
        ("False", False),
        ("", ""),
        ("a b", "a b"),
        ("conf/model", "conf/model"),
        ("{a:{b:[1,x],c:null}}", {"a": {"b": [1, "x"], "c": None}}),
        ("[{a:1}]", [{"a": 1}]),
        ("float(3)", 3.0),
    ],
)
def test_a_value_means_the_same_in_study_run_and_study_reproduce(text, value):
    (job,) = compose_jobs(prepare([f"++own={text}"]), multirun=False)
    changes = parse_changes([f"own={text}"])
    assert changes == {"own": value}
    assert job.raw["own"] == value
    assert type(changes["own"]) is type(job.raw["own"])


def test_a_change_may_be_typed_with_the_plus_signs_of_study_run():
    assert parse_changes(["++a.b=1", "+c=2", "d=3", "d=4"]) == {"a.b": 1, "c": 2, "d": 4}


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("trainer.batch_size", r"trainer\.batch_size: expected KEY=VALUE after the target"),
        ("=64", "=64: expected KEY=VALUE"),
        ("~a=1", "~a=1: expected KEY=VALUE"),
        ("a=1,2", r"a=1,2: expected one value. Write a list as \[a,b\]"),
        ("a=range(3)", "expected one value"),
        ("a=[1", r"a=\[1"),
        ("a='${b}'", "a reference"),
        ("a=${oc.env:HOME}", "a reference"),
    ],
)
def test_a_change_that_gives_no_single_value_is_refused(word, told):
    with pytest.raises(StudyError, match=told):
        parse_changes([word])


def test_overrides_keep_their_text_as_typed():
    found = read_overrides(["++optimizer.epsilon=1e-08", "~a", "~b=c", "model@x=mlp", "c='d, e'"])
    assert [(typed.key, typed.text, typed.deletes) for typed in found] == [
        ("optimizer.epsilon", "1e-08", False),
        ("a", "", True),
        ("b", "c", True),
        ("model@x", "mlp", False),
        ("c", "'d, e'", False),
    ]


def test_null_is_no_value_and_the_last_value_of_a_key_counts():
    assert given_texts(read_overrides(["a=1", "b=null", "c=1", "c=NULL", "d=null", "d='null'", "~e=1"])) == {
        "a": "1",
        "d": "'null'",
    }


def _job(*overrides):
    (job,) = compose_jobs(prepare(["optimizer=adam", *overrides]), multirun=False)
    return job


def test_studies_are_named_by_the_text_of_telling_overrides():
    first = _job("++optimizer.epsilon=1e-08", "schedule=cosine", "budget.n_trials=3", "model.hidden=[16,8]")
    assert first.labels == ("adam-epsilon=1e-08-hidden=[16,8]-schedule=cosine",)
    second = _job("++optimizer.epsilon=1e-7", "schedule=cosine", "budget.n_trials=3", "model.hidden=[16,8]")
    assert differing_keys([first, second]) == {"optimizer.epsilon"}


def test_null_in_any_spelling_may_stand_beside_a_range():
    _job("++optimizer.learning_rate=NULL", "++optimizer.search.learning_rate.low=0.01")
    with pytest.raises(
        ConfigError, match=r"optimizer\.learning_rate=0\.1: expected no value together with optimizer\.search"
    ):
        _job("++optimizer.learning_rate=0.1", "++optimizer.search.learning_rate.low=0.01")
