"""Search words of whole command lines: what Hydra composes of them, with `-m`, files and other sweepers."""

import pytest

from study.cli.launch.command_words import read_command_words
from study.cli.launch.compose import MisreadError, compose_jobs, prepare
from study.cli.launch.hydra_app import read_arguments
from study.cli.launch.one_trial import typed_words
from study.core.errors import ConfigError
from study.core.names import name_fault

DROPOUT = {"dropout": {"low": 0, "high": 0.5}}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "experiment").mkdir(parents=True)


def composed(*words):
    read = read_command_words(words)
    line = read_arguments(prepare(read.kept))
    return compose_jobs(line.overrides, multirun=line.multirun, faults=read.faults, unread=read.groups)


def experiment(tmp_path, text):
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")


@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_search_word_makes_one_study(flags):
    words = ["model.dropout=interval(0,0.5)", "optimizer.learning_rate=tag(log,interval(1e-5,1e-1))"]
    (job,) = composed(*flags, *words, "model.hidden=tag(search,choice([64],[256]))")
    assert job.raw["search"] == {
        "model": {**DROPOUT, "hidden": {"choices": [[64], [256]]}},
        "optimizer": {"learning_rate": {"low": 1e-5, "high": 0.1, "scale": "log"}},
    }
    assert job.raw["model"]["hidden"] == composed()[0].raw["model"]["hidden"]  # of the untuned tier
    whole = "adam-dropout=0..0.5-hidden=[[64],[256]]-learning_rate=1e-05..0.1_log"
    assert job.labels == ("adam-search-dropout-hidden-learning_rate", whole)
    assert [name_fault(label, parts=False) for label in job.labels] == ["", ""]


def test_words_of_the_section_need_no_plus():
    (job,) = composed("search.model.dropout.low=0", "search.model.dropout.high=0.5")
    assert job.raw["search"] == {"model": DROPOUT}
    assert job.labels == ("adam-search-dropout", "adam-dropout=0..0.5")
    assert composed()[0].raw["search"] == {}


def test_a_comma_still_makes_separate_studies():
    jobs = composed("-m", "optimizer=sgd,adam", "model.hidden=choice([8],[9])", "model.dropout=interval(0,0.5)")
    assert [job.raw["model"]["hidden"] for job in jobs] == [[8], [9], [8], [9]]
    assert all(job.raw["search"] == {"model": DROPOUT} for job in jobs)
    assert [job.labels[-1] for job in jobs[:2]] == ["sgd-dropout=0..0.5-hidden=[8]", "sgd-dropout=0..0.5-hidden=[9]"]


def test_the_recorded_words_make_the_study_again():
    (job,) = composed("model.dropout=interval(0,0.5)", "model.activation=tag(search,choice(relu,'a b'))")
    words = typed_words(job)
    assert words[:2] == ("search.model.dropout.low=0", "search.model.dropout.high=0.5")
    (again,) = composed(*words)
    assert (again.raw, again.labels, typed_words(again)) == (job.raw, job.labels, words)


def test_an_experiment_has_ranges_and_typed_ones_replace_them(tmp_path):
    experiment(
        tmp_path, "search:\n  model:\n    dropout: {low: 0.1, high: 0.9, scale: log}\n    l2: {choices: [0, 1]}\n"
    )
    (job,) = composed("experiment=mine")
    assert job.raw["search"]["model"]["dropout"] == {"low": 0.1, "high": 0.9, "scale": "log"}
    assert job.labels == ("adam",)
    (job,) = composed("experiment=mine", "model.dropout=interval(0,0.5)", "model.l2=tag(log,interval(1e-6,1e-2))")
    assert job.raw["search"]["model"] == {
        "dropout": {"low": 0, "high": 0.5, "scale": "linear"},
        "l2": {"low": 1e-6, "high": 1e-2, "scale": "log", "choices": None},
    }
    assert job.labels == ("adam-search-dropout-l2", "adam-dropout=0..0.5-l2=1e-06..0.01_log")


def test_own_defaults_have_ranges_and_typed_ones_replace_them(tmp_path):
    (tmp_path / "conf" / "study.yaml").write_text("search: {model: {dropout: {choices: [0.0, 0.5]}}}\n")
    assert composed()[0].raw["search"] == {"model": {"dropout": {"choices": [0.0, 0.5]}}}
    (job,) = composed("model.dropout=interval(0,0.5)")
    assert job.raw["search"]["model"]["dropout"] == {"low": 0, "high": 0.5, "choices": None}


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize("value", ["0.2", "0.1,0.2"])
def test_a_value_beside_a_range_is_refused_with_all_other_faults(flags, value):
    words = [f"model.dropout={value}", "model.dropout=interval(0,0.5)", "optimizer.learning_rate=interval(a,b)"]
    words += ["search.optimizer.beta_1={low: 0.8, high: 0.9}", "optimizer.beta_1=0.9", "model.hiden=[3]", "--n-trials"]
    with pytest.raises(MisreadError) as raised:
        composed(*flags, *words)
    assert [fault.key for fault in raised.value.faults] == [
        *("--n-trials", "optimizer.learning_rate", "model.dropout", "optimizer.beta_1"),
    ]
    (job,) = raised.value.jobs  # to look for further faults, such as the misspelt key
    assert job.raw["model"]["hiden"] == [3]


def test_a_value_that_an_experiment_sweeps_is_refused_beside_a_range(tmp_path):
    experiment(tmp_path, 'hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      model.dropout: "0.1,0.2"\n')
    with pytest.raises(
        Exception, match=r"model\.dropout=0\.1: expected no value, since search\.model\.dropout search"
    ):
        composed("experiment=mine", "model.dropout=interval(0,0.5)")


def test_an_interval_in_a_sweep_of_a_file_is_refused(tmp_path):
    experiment(tmp_path, 'hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      model.dropout: "interval(0,1)"\n')
    with pytest.raises(ConfigError) as raised:
        composed("experiment=mine")
    (fault,) = raised.value.faults
    assert (fault.key, fault.value) == ("model.dropout", "interval(0,1)")
    assert fault.advice == "Write search: and the range of model.dropout below it, at the root of the file."


@pytest.mark.parametrize(
    "sweeper", ["hydra/sweeper=optuna", "hydra.sweeper._target_=hydra_plugins.mine.Sweeper", "experiment=mine"]
)
def test_another_sweeper_gets_its_words(tmp_path, sweeper):
    experiment(tmp_path, "defaults:\n  - override /hydra/sweeper: optuna\n")
    words = (
        "model.dropout=interval(0,0.5)",
        "model.l2=tag(search,interval(0,1))",
        "model.hidden=tag(no,interval(0,1))",
    )
    read = read_command_words([sweeper, "-m", *words])
    assert read.faults == ()
    assert read.kept == (sweeper, "-m", words[0], "search.model.l2.low=0", "search.model.l2.high=1", words[2])


def test_hydra_s_basic_sweeper_can_be_named():
    for word in (
        "hydra/sweeper=basic",
        "hydra.sweeper._target_=hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    ):
        (job,) = composed("-m", word, "model.dropout=interval(0,0.5)")
        assert job.raw["search"] == {"model": DROPOUT}


def test_a_class_of_another_sweeper_in_a_file_counts(tmp_path):
    experiment(tmp_path, "hydra: {sweeper: {_target_: hydra_plugins.mine.Sweeper}}\n")
    words = ("experiment=mine", "model.dropout=interval(0,0.5)")
    assert read_command_words(words).kept == words
    assert len(read_command_words([*words, "hydra/sweeper=basic"]).kept) == 4


@pytest.mark.slow
def test_a_question_shows_the_ranges(here, tmp_path):
    words = ["model.dropout=interval(0,0.5)", "search.trainer.batch_size.choices=[32,64]"]
    status, out, err = here("run", "--cfg", "job", *words, cwd=tmp_path)
    assert (status, err) == (0, "")
    assert "search:\n  model:\n    dropout:\n      low: 0\n      high: 0.5\n  trainer:\n    batch_size:\n" in out


@pytest.mark.slow
def test_faults_of_search_words_are_told_with_those_of_other_keys(here, tmp_path):
    words = ["model.dropout=interval(x,y)", "optimizer.learning_rate=0.1", "optimizer.learning_rate=interval(0,1)"]
    status, out, err = here("run", *words, "model.hiden=[3]", "budget.n_trials=none", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("study run: 4 faults in the config, nothing was started:")
    for told in (
        "model.dropout=interval(x,y): expected interval(LOW,HIGH)",
        "optimizer.learning_rate=0.1: expected no value, since search.optimizer.learning_rate searches it.",
        "Did you mean model.hidden?",
        "budget.n_trials=none: expected",
    ):
        assert told in err
