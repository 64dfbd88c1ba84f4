"""Hydra's sweep words as ranges of one study's search: each becomes words of `search`, or one fault."""

import pytest

from study.cli.launch.overrides import read_overrides
from study.cli.launch.search_words import fixed_and_searched, is_marked, searched_keys, to_ranges, without_fixed_ranges


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("interval(0,0.5)", ["low=0", "high=0.5"]),
        ("interval(start=0,end=0.5)", ["low=0", "high=0.5"]),
        ("interval(-1,1)", ["low=-1", "high=1"]),
        ("interval(0.5,0)", ["low=0.5", "high=0"]),  # the parser of configs refuses it with its own words
        ("float(interval(1,4))", ["low=1", "high=4"]),
        ("tag(log,interval(1e-5,1e-1))", ["low=1e-05", "high=0.1", "scale=log"]),
        ("tag(one_minus_log,interval(0.9,0.999))", ["low=0.9", "high=0.999", "scale=one_minus_log"]),
        ("tag(linear,interval(0,1))", ["low=0", "high=1"]),
        ("tag(search,log,interval(1,2))", ["low=1", "high=2", "scale=log"]),
        ("int(interval(1,4))", ["low=1", "high=4", "integer=true"]),
        ("tag(log,int(interval(1,4)))", ["low=1", "high=4", "integer=true", "scale=log"]),
        ("int(tag(log,interval(1,4)))", ["low=1", "high=4", "integer=true", "scale=log"]),
        ("tag(search,range(1,10,2))", ["low=1", "high=9", "integer=true", "step=2"]),
        ("tag(search,range(1,9,2))", ["low=1", "high=7", "integer=true", "step=2"]),
        ("tag(search,range(3))", ["low=0", "high=2", "integer=true"]),
        ("tag(search,range(10,0,-3))", ["low=1", "high=10", "integer=true", "step=3"]),
        ("tag(search,range(0,1,0.1))", ["low=0", "high=0.9", "step=0.1"]),
        ("tag(search,log,range(1,9))", ["low=1", "high=8", "integer=true", "scale=log"]),
        ("tag(search,choice(32,64))", ["choices=[32,64]"]),
        ("tag(search,choice([64],[64,64]))", ["choices=[[64],[64,64]]"]),
        ("tag(search,choice(relu,'a, b',true,0.5))", ['choices=[relu,"a, b",true,0.5]']),
        ("tag(search,choice(64))", ["choices=[64]"]),
    ],
)
@pytest.mark.parametrize("sign", ["", "+", "++"])
def test_a_search_word_becomes_words_of_search(word, parts, sign):
    kept, faults = to_ranges(["-m", f"{sign}model.x={word}", "budget=smoke"])
    assert kept == ["-m", *(f"search.model.x.{part}" for part in parts), "budget=smoke"]
    assert faults == []
    assert len(read_overrides(kept[1:])) == len(parts) + 1  # Hydra reads them


@pytest.mark.parametrize(
    "word",
    [
        "study_seed=1,2",
        "study_seed=range(3)",
        "study_seed=choice(1,2)",
        "study_seed=shuffle(range(3))",
        "optimizer=glob(*)",
        "model.x=tag(mine,choice(1,2))",  # a tag for a plugin of the user's
        "model.name='interval(0,1)'",
        'model.name="tag(log,interval(0,1))"',
        "~model.x=interval(0,1)",
        "+hydra.sweeper.params.model.x=interval(0,1)",
        "--cfg=interval(0,1)",
        "search.model.x.low=0",
        "interval(0,1)",
    ],
)
def test_other_words_stay(word):
    assert to_ranges([word], groups={"optimizer"}) == ([word], [])


@pytest.mark.parametrize(
    ("value", "allowed", "advice"),
    [
        ("interval(a,b)", "interval(LOW,HIGH) or int(interval(LOW,HIGH)) of two numbers", "Correct it."),
        ("interval(1)", "interval(LOW,HIGH)", "Correct it."),
        ("interval(0,1", "interval(LOW,HIGH)", "Correct it."),
        ("interval(0,'1')", "interval(LOW,HIGH)", "Correct it."),
        ("str(interval(0,1))", "interval(LOW,HIGH)", "Correct it."),
        ("tag(search,choice(64,null))", "tag(search,choice(A,B))", "search.model.x.choices=[A,null]"),
        ("shuffle(interval(0,1))", "interval(LOW,HIGH)", "without shuffle, sort and glob"),
        ("tag(search,glob(*))", "tag(search,choice(A,B))", "without shuffle, sort and glob"),
        ("tag(search,shuffle(choice(1,2)))", "without shuffle, sort and glob", "Remove shuffle"),
        ("tag(search,sort(range(1,5)))", "without shuffle, sort and glob", "Remove sort"),
        ("tag(search,tag(log,interval(1,2)))", "one tag() with all tags", "Put the tags into one."),
        ("tag(step,interval(0,1))", "tags of search, linear, log, one_minus_log", "Choose one of them."),
        ("tag(search,b,a,interval(0,1))", "tags of search, linear, log, one_minus_log", "Choose one of them."),
        ("tag(log,linear,interval(0,1))", "one scale: linear, log, one_minus_log", "Remove linear or log."),
        ("tag(log,choice(1,2))", "tag(search,choice(A,B))", "Add the tag search"),
        ("tag(log,range(1,5))", "tag(search,range(START,STOP,STEP))", "Add the tag search"),
        ("tag(search,log,choice(1,2))", "choices have none", "Remove the scale."),
        ("tag(search,choice({a:1},{a:2}))", "choices of single values", "-m"),
        ("int(interval(1.5,4))", "whole numbers as the ends", "Correct the ends."),
        ("tag(search,range(5,5))", "two values or more", "Correct the range."),
        ("tag(search,range(5,6))", "two values or more", "Correct the range."),
        ("tag(search,range(1,5,0))", "two values or more", "Correct the range."),
        ("tag(search,range(0,inf))", "two values or more", "Correct the range."),
        ("1,interval(0,1)", "an interval alone", "Write one of them."),
        ("[interval(0,1)]", "the range of one key in each word", "Write model.x.KEY=interval(LOW,HIGH)."),
        ("{a:[{b:interval(0,1)}]}", "the range of one key in each word", "Write model.x.KEY="),
    ],
)
def test_what_a_search_cannot_do_is_refused_with_what_it_can(value, allowed, advice):
    kept, (fault,) = to_ranges([f"+model.x={value}", "budget=smoke"])
    assert kept == ["budget=smoke"]
    assert (fault.key, fault.value) == ("model.x", value)
    assert allowed in fault.allowed
    assert advice in fault.advice


@pytest.mark.parametrize(
    "word", ["optimizer=tag(search,choice(sgd,adam))", "optimizer@x=interval(0,1)", "optimizer.search=interval(0,1)"]
)
def test_a_choice_of_a_group_is_a_study_each(word):
    kept, (fault,) = to_ranges([word], groups={"optimizer"})
    assert kept == []
    assert "Make a study of each choice: -m optimizer" in fault.advice


@pytest.mark.parametrize("key", ["search", "search.model.x.low", "optimizer.search.beta_1.high", "search.choices"])
def test_a_part_of_a_range_is_not_searched(key):
    kept, (fault,) = to_ranges([f"{key}=interval(0,1)"])
    assert kept == []
    assert fault.allowed == "the key that is searched, not a part of a range"
    assert "interval(LOW,HIGH)" in fault.advice


def test_all_faults_are_told_together():
    words = ["model.a=interval(x,y)", "model.b=interval(0,1)", "model.c=tag(no,interval(0,1))"]
    kept, faults = to_ranges(words)
    assert kept == ["search.model.b.low=0", "search.model.b.high=1"]
    assert [fault.key for fault in faults] == ["model.a", "model.c"]


@pytest.mark.parametrize(
    ("word", "is_left"),
    [
        ("model.x=interval(0,1)", True),
        ("model.x=tag(log,interval(1,2))", True),
        ("model.x=tag(of_plugin,int(interval(1,2)))", True),
        ("model.x=interval(a,b)", True),
        ("model.x=shuffle(tag(search2,choice(1,2)))", True),
        ("model.x=tag(search,interval(0,1))", False),
        ("model.x=tag(log, search, interval(1,2))", False),
        ("model.x=tag(search,choice(1,2))", False),
    ],
)
def test_another_sweeper_gets_what_is_not_tagged_search(word, is_left):
    kept, faults = to_ranges([word], left=True)
    assert faults == []
    assert (kept == [word]) == is_left
    assert is_left or all(each.startswith("search.model.x.") for each in kept)


@pytest.mark.parametrize("key", ["search.optimizer.beta_1", "optimizer.search.beta_1", "optimizer.beta_1"])
def test_a_range_can_be_typed_at_its_place(key):
    assert to_ranges([f"{key}=interval(0,1)"])[0] == [
        "search.optimizer.beta_1.low=0",
        "search.optimizer.beta_1.high=1",
    ]


def test_the_last_search_word_of_a_key_counts():
    words = ["model.x=tag(search,choice(1,2))", "model.y=interval(0,1)", "search.model.x=interval(0,1)"]
    assert to_ranges(words)[0] == [
        *("search.model.y.low=0", "search.model.y.high=1"),
        *("search.model.x.low=0", "search.model.x.high=1"),
    ]


def test_a_typed_range_replaces_one_of_a_file():
    of_files = {
        "model": {"x": {"low": 1, "high": 9, "scale": "log", "step": 2, "integer": True}, "y": {"choices": [1]}}
    }
    assert to_ranges(["model.x=interval(0,0.5)"], of_files=of_files)[0] == [
        *("search.model.x.low=0", "search.model.x.high=0.5", "search.model.x.scale=linear"),
        *("search.model.x.integer=false", "search.model.x.step=null"),
    ]
    assert to_ranges(["model.x=tag(search,choice(1,2))"], of_files=of_files)[0] == [
        *("search.model.x.choices=[1,2]", "search.model.x.low=null", "search.model.x.high=null"),
        *("search.model.x.scale=null", "search.model.x.integer=null", "search.model.x.step=null"),
    ]
    ends = ["search.model.y.low=0", "search.model.y.high=1"]
    assert to_ranges(["model.y=interval(0,1)"], of_files=of_files)[0] == [*ends, "search.model.y.choices=null"]
    assert to_ranges(["model.y.z=interval(0,1)"], of_files=of_files)[0] == [
        "search.model.y.z.low=0",
        "search.model.y.z.high=1",
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["model.x=0.2", "search.model.x.low=0"],
        ["search.model.x.low=0", "model.x=0.1,0.2"],
        ["model.x=0.2", "search.model.x={low:0,high:1}"],
        ["model.x=0.2", "search={model:{x:{choices:[1,2]}}}"],
    ],
)
def test_a_value_and_a_range_of_one_key_are_refused(words):
    (fault,) = fixed_and_searched(read_overrides(words))
    assert (fault.key, fault.allowed) == ("model.x", "no value, since search.model.x searches it")
    assert fault.advice.startswith("Remove model.x=0.")
    assert fault.advice.endswith(", or search.model.x.")


@pytest.mark.parametrize(
    "words",
    [
        ["model.x=null", "search.model.x.low=0"],
        ["model.y=1", "search.model.x.low=0"],
        ["model.x=1", "search.model.x.z.low=0"],
        ["~model.x", "search.model.x.low=0"],
        ["model.x=1", "optimizer.search.x.low=0"],
    ],
)
def test_other_values_stay_beside_a_range(words):
    assert fixed_and_searched(read_overrides(words)) == []


def test_typed_ranges_are_found_in_all_forms():
    words = ["search.model.x.low=0.10", "search.model={y:{choices:[[64],[a,b]]}}", "search.model.low.high=1"]
    assert searched_keys(read_overrides(words)) == {
        "model.x": {"low": "0.10"},
        "model.y": {"choices": "[[64],[a,b]]"},
        "model.low": {"high": "1"},
    }


def test_quotes_hide_marks():
    assert is_marked("a=tag (x,choice(1,2))")
    assert not is_marked("a='tag(x)'")
    assert not is_marked("a=xinterval(0,1)")


def test_a_typed_value_takes_a_range_of_a_file_out_of_the_search():
    raw = {"search": {"model": {"dropout": {"low": 0, "high": 1}, "l2": {"low": 0, "high": 1}}}, "model": {}}
    kept = without_fixed_ranges(raw, read_overrides(["model.dropout=0.1", "optimizer=adam"]))
    assert kept == {"search": {"model": {"l2": {"low": 0, "high": 1}}}, "model": {}}
    assert "dropout" in raw["search"]["model"]
    assert without_fixed_ranges(raw, read_overrides(["model=mlp"])) == raw


@pytest.mark.parametrize(
    "word", ["model.dropout=tag(serach,choice(0,0.5))", "model.dropout=tag(serach,range(0,1,0.5))"]
)
def test_an_unknown_tag_makes_no_separate_studies(word):
    words, (fault,) = to_ranges([word])
    assert (words, fault.key) == ([], "model.dropout")
    assert "Did you mean search?" in str(fault)
