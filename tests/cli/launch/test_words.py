"""Mistyped words of `study run`: all of them in one message, with the nearest spelling, and nothing is started."""

import pytest

from study.cli.launch.words import allow_new_keys, as_typed, read_words
from study.cli.working_directory import packaged_conf


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--optimizer", "adam"], "optimizer=adam"),
        (["--optimizer=adam"], "optimizer=adam"),
        (["optimizer", "adam"], "optimizer=adam"),
        (["optimizer", "=", "adam"], "optimizer=adam"),
        (["adam"], "optimizer=adam"),
        (["fashion_mnist"], "dataset=fashion_mnist"),
        (["--n-trials", "3"], "budget.n_trials=3"),
        (["budget.n_trials:3"], "budget.n_trials=3"),
        (["--lr=0.1"], "optimizer.learning_rate=0.1"),
        (["--epochs", "5"], "budget.n_epochs=5"),
    ],
)
def test_a_word_that_is_no_override_gets_the_one_that_was_meant(words, meant):
    read = read_words(["model=mlp", *words, "-m", "study_seed=1,2"])
    (fault,) = read.faults
    assert fault.advice == f"Did you mean {meant}?"
    assert str(fault).startswith(f"{words[0]}")
    assert read.kept == ("model=mlp", "-m", "study_seed=1,2") or words[1:2] == ["="]
    assert meant.split("=")[0].split(".")[0] in read.groups


@pytest.mark.parametrize(
    "words",
    [["-m", "optimizer=sgd,adam"], ["--cfg", "job", "~model"], ["--info", "searchpath"], ["optimizer=glob(*)", "-m"],
     ["-sc", "install=bash"], ["--hydra-help"], ["--multirun", "x.y=[a,b]"]],
)  # fmt: skip
def test_what_hydra_reads_is_kept(words):
    assert (read_words(words).kept, read_words(words).faults) == (tuple(words), ())


@pytest.mark.parametrize("flag", ["--config-name=other", "--config-path=there", "--config-dir=here"])
def test_another_config_would_not_be_the_one_that_is_checked(flag):
    (fault,) = read_words([flag]).faults
    assert "conf/study.yaml" in fault.advice


@pytest.mark.parametrize("word", ["budget=10", "schedule=null", "optimizer=", "trainer=true"])
def test_a_group_without_a_name_gets_its_names(word):
    (fault,) = read_words([word]).faults
    group, _, value = word.partition("=")
    assert (fault.key, fault.value) == (group, value)
    assert all(file.stem in fault.allowed for file in (packaged_conf() / group).glob("*.yaml"))


def test_only_values_get_signs_and_messages_lose_them():
    words = ["model.x=1", "+y=2", "++z.w=3", "optimizer=sgd", "+optimizer=sgd", "hydra.mode=RUN", "~model", "-m"]
    forced = ["++model.x=1", "++y=2", "++z.w=3", "optimizer=sgd", "optimizer=sgd", "hydra.mode=RUN", "~model", "-m"]
    assert allow_new_keys(words) == forced
    assert as_typed("at '++model.x=1' and ++y=2") == "at 'model.x=1' and y=2"


def test_the_reported_keys_are_told_together_and_nothing_is_started(here, tmp_path):
    words = ["+seed=3", "+n_trials=3", "+optimiser=sgd", "+budget.epochs=3", "+dataset.task.batchsize=8"]
    words += ["+dataset.task.class_wait={0: 2}", "optimizer=adm", "model.hiden=[10]", "--dataset", "mnist"]
    status, out, err = here("run", *words, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("study run: 9 faults in the config, nothing was started:")
    for told in (
        "seed=3: expected a key of the config. Did you mean study_seed=3?",
        "n_trials=3: expected a key of the config. Did you mean budget.n_trials=3?",
        "optimiser=sgd: expected a key of the config. Did you mean optimizer=sgd?",
        "budget.epochs=3: expected one of name, n_trials,",
        "Did you mean dataset.task.batch_size?",
        "dataset.task.class_wait={0: 2}: expected one of objective, batch_size, loss, metrics,",
        "Did you mean adam or nadam?",
        "Did you mean model.hidden?",
        "--dataset mnist: expected KEY=VALUE, or a flag of study run --help. Did you mean dataset=mnist?",
    ):
        assert told in err
    assert "append" not in err
    assert list(tmp_path.iterdir()) == []


def test_misspelt_keys_of_own_files_are_told(here, tmp_path):
    own = {
        "conf/budget/mine.yaml": "name: mine\nn_trials: 3\nepochs: 50\nn_epochs: 2\nn_confirmations: 0\n",
        "conf/experiment/ours.yaml": "# @package _global_\nexperiment_nam: ours\ntracking: {log_modell: false}\n"
        "rates: {slow: 0.1}\nrate: slow\noptimizer:\n  learning_rate: ${rates.${rate}}\n",
    }
    for name, text in own.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    status, _, err = here(
        "run", "budget=mine", "experiment=ours", "settings={a: {any: {}, adma: {}}}", "setting=a", cwd=tmp_path
    )
    assert status == 2
    assert err.startswith("study run: 4 faults in the config, nothing was started:")
    for told in ("budget.n_epochs?", "experiment_name=ours?", "tracking.log_model?", "settings.a.adma="):
        assert told in err
    assert err.count("This key is from conf/experiment/ours.yaml.") == 2
    assert {path.name for path in tmp_path.iterdir()} == {"conf"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--cfg", "job", "model.hiden=[10]"], "Did you mean model.hidden?"),
        (["--info", "config", "n_trials=3"], "Did you mean budget.n_trials=3?"),
        (["--cfg", "job", "--optimizer", "adam"], "Did you mean optimizer=adam?"),
        (["hydra.mod=RUN"], "hydra.mod=RUN: expected a key of Hydra."),
        (["hydra/launchr=joblib"], "Did you mean hydra/launcher?"),
        (["~optimizer"], "optimizer=(missing): expected a value."),
        (["+hydra.mod=RUN"], "hydra.mod=RUN: expected a key of Hydra."),
        (["++hydra.job.nam=x"], "hydra.job.nam=x: expected a key of Hydra."),
        (["~seed"], "~seed: expected a key that the config has. Did you mean study_seed?"),
        (["~budget.n_epoch"], "~budget.n_epoch: expected a key that the config has. Did you mean budget.n_epochs?"),
        (["-n", "optimizer=adam"], "-n: expected KEY=VALUE, or a flag of study run --help. Correct or remove it."),
        (
            ["settings.shared.any.learning_rate=0.1"],
            "Add setting=shared, or remove settings.shared.any.learning_rate.",
        ),
        (
            ["settings={a: {any: {}}, b: {any: {}}}", "setting=a", "settings.b.any.epsilon=1"],
            "Add setting=b, or remove",
        ),
        (["-m", "optimizer=sgd,adam", "optimizer.momentun=0.1,0.2"], "Did you mean optimizer.momentum?"),
        (["optimizer@model=sgd"], "Could not override 'optimizer@model'"),
    ],
)
def test_questions_and_hydra_s_own_messages_are_told_without_a_plus(here, tmp_path, words, told):
    status, out, err = here("run", *words, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert told in err
    assert "append" not in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_key_is_missing_once(here, tmp_path):
    status, _, err = here("run", "~budget.n_epochs", "~deterministic", "~objective.target", cwd=tmp_path)
    assert (status, err.count("(missing)")) == (2, 2)
    assert err.startswith("study run: 2 faults in the config, nothing was started:")


def test_sections_of_hydra_that_take_any_key_do_so_with_a_plus():
    words = ["+hydra.sweeper.params.optimizer=sgd,adam", "+hydra.job.env_set.A=1", "+hydra.launcher.x=1"]
    assert allow_new_keys(words) == words
    assert allow_new_keys(["+hydra.launchr.x=1", "++hydra.mod=RUN"]) == ["hydra.launchr.x=1", "hydra.mod=RUN"]


def test_a_wrong_value_of_a_flag_is_told_under_the_name_of_the_command(here, tmp_path):
    status, _, err = here("run", "--info", "serchpath", cwd=tmp_path)
    assert status == 2
    assert err.startswith("usage: study run ")
    assert "invalid choice: 'serchpath'" in err


def test_a_new_argument_needs_no_plus(here, tmp_path):
    status, out, _ = here("run", "--cfg", "job", "model.l2=0.1", "trainer.jit_compile=false", cwd=tmp_path)
    assert status == 0
    assert "l2: 0.1" in out
    status, out, _ = here("run", "--cfg", "job", "dataset.task.shuffle=false", "worker=3", cwd=tmp_path)
    assert (status, "shuffle: false" in out) == (0, True)
