"""The answers of the command without training: help, questions about the config, completion, refusals."""

import json
import subprocess
import sys

import pytest

from study.cli import COMMANDS

HEAVY = {"tensorflow", "keras", "mlflow", "optuna", "jax", "sklearn"}
ASK = """
import json, sys
from study.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as error:
    status = error.code
print(json.dumps([status, sorted(sys.modules)]))
"""


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy_and_writes_nothing(command, tmp_path, environment):
    words = [word for word in (command, "--help") if word]
    done = subprocess.run(
        [sys.executable, "-c", ASK, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    *shown, last = done.stdout.splitlines()
    status, modules = json.loads(last)
    assert status == 0
    assert any(line.startswith("usage: study") for line in shown)
    assert set() == HEAVY & set(modules)
    if command in ("", "run"):
        assert "hydra" not in modules
        assert not done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_without_a_command_names_them_all_and_run_names_the_choices(here, tmp_path):
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "conf" / "optimizer" / "mine.yaml").write_text("name: mine\n")
    status, out, _ = here(cwd=tmp_path)
    assert status == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)
    _, out, _ = here("run", "-h", cwd=tmp_path)
    (optimizers,) = (line for line in out.splitlines() if line.startswith("  optimizer  "))
    assert {"adam", "sgd", "mine"} <= {word.strip(",") for word in optimizers.split()}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "COMMAND='rnu': expected one of run,"),
        (["rnu"], "doctor. Did you mean run?"),
        (["xyzzy"], "doctor. See study --help."),
        (["list", "--nope"], "unrecognized arguments: --nope"),
        (["list"], "expected a folder with mlruns/mlflow.db, which the first `study run` creates"),
        (["ui"], "expected a folder with mlruns/mlflow.db"),
        (["list", "--folder", "nowhere"], "nowhere: expected a folder with mlruns"),
        (["run", "--nope"], "--nope: expected KEY=VALUE, or a flag of study run --help. Correct or remove"),
        (["run", "optimizer=adm"], "optimizer=adm: expected one of adabelief, adadelta,"),
        (["run", "-m", "optimizer=sgd,adm"], "optimizer=adm: expected one of adabelief, adadelta,"),
        (["run", "budget.n_trails=3"], "budget.n_trails=3: expected one of name, n_trials,"),
        (["run", "optimizer=["], "no viable alternative at input '['"),
        (["run", "optimizer=sgd,adam"], "expected one value of optimizer, or -m for a study of each"),
        (["run", "--cfg", "job", "optimizer=adm"], "optimizer=adm: expected one of adabelief, adadelta,"),
        (["run", "experiment=nope"], "experiment=nope: expected one of adam_then_sgd,"),
    ],
)
def test_what_cannot_be_read_is_told_with_status_2(arguments, told, here, tmp_path):
    status, out, err = here(*arguments, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert told in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_all_faults_of_all_jobs_come_in_one_message_and_nothing_is_written(here, tmp_path):
    words = ["budget.n_trials=0", "optimizer=sgd,adam", "-m", "optimizer.beta_3=1", "objective.metric=val_acuracy"]
    words += ["optimizer.search.learning_rate.low=20", "+model.depth=3", "study_seed=-1", "trainer.batch_size=0"]
    status, out, err = here("run", *words, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("study run: 9 faults in the config, nothing was started:")
    for told in (
        "budget.n_trials=0: expected a whole number of at least 1",
        "optimizer.beta_3=1: expected an argument of keras.optimizers.SGD:",
        "optimizer.beta_3=1: expected an argument of keras.optimizers.Adam:",
        "objective.metric=val_acuracy: expected a metric of this workload: loss, accuracy, val_loss, val_accuracy",
        "optimizer.search.learning_rate.low=20: expected a number below optimizer.search.learning_rate.high=",
        "model.depth=3: expected an argument of study.models.mlp.build: ",
        "study_seed=-1: expected",
        "trainer.batch_size=0: expected",
    ):
        assert told in err
    assert list(tmp_path.iterdir()) == []


def test_a_key_both_fixed_and_searched_is_told(here, tmp_path):
    words = ["optimizer.learning_rate=0.1", "optimizer.search.learning_rate.low=0.01"]
    status, _, err = here("run", *words, cwd=tmp_path)
    assert status == 2
    assert "optimizer.learning_rate=0.1: expected no value together with optimizer.search.learning_rate.low" in err
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_truncated_data_file_is_told_before_any_job_of_a_sweep(here, tmp_path, contents):
    words = ["run", "-m", "optimizer=sgd,adam", "dataset=mnist"]
    status, out, err = here(*words, "dataset.path=nowhere", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert f"dataset.path={tmp_path / 'nowhere'}: found nothing there" in err
    assert list(tmp_path.iterdir()) == []
    folder = tmp_path / "idx"
    folder.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(bytes((0, 0, 8, int(name[-1]))) + b"\0\0\0\x09" * int(name[-1]))
    before = contents(tmp_path)
    status, _, err = here(*words, "dataset.path=idx", cwd=tmp_path)
    assert status == 2
    assert "train-images-idx3-ubyte: found 0 values, expected 729, as its header says" in err
    assert contents(tmp_path) == before


def test_a_model_that_does_not_fit_is_told_before_any_job_of_a_sweep(here, tmp_path):
    status, _, err = here("run", "-m", "model=linear,cnn_3c3d", cwd=tmp_path)
    assert status == 2
    assert "model=cnn_3c3d dataset=digits trainer=fit: they do not fit together" in err
    assert "model=cnn_3c3d, input_shape=(8, 8, 1): expected images (height, width, channels)" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("mlflow.db", "no database at all, whatever its name", "it cannot be read as a database"),
        ("optuna.journal", "{no journal\n{either\n", "the Optuna journal cannot be used"),
    ],
)
def test_a_store_that_cannot_be_opened_is_told_and_left_alone(file, content, told, here, tmp_path, contents):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / file).write_text(content)
    before = contents(tmp_path)
    status, out, err = here("run", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert f"{tmp_path / 'mlruns' / file}: {told}" in err
    assert contents(tmp_path) == before


def test_hydras_questions_are_answered(study, tmp_path):
    (tmp_path / "conf").mkdir()
    shown = study("run", "optimizer=sgd", "--cfg", "job", "optimizer.learning_rate=1", "--resolve", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\n  name: sgd\n" in shown.stdout
    assert "\n  learning_rate: 1\n" in shown.stdout
    assert "\n  metric: val_accuracy\n" in shown.stdout
    path = study("run", "--info", "searchpath", cwd=tmp_path)
    assert path.returncode == 0, path.stderr
    assert "pkg://study.conf" in path.stdout
    assert f"own://{tmp_path / 'conf'}" in path.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["conf"]


def test_a_users_own_conf_is_found_by_name_and_by_glob(tmp_path, monkeypatch):
    from study.cli.launch.compose import compose_jobs, prepare

    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    own = "name: mine\n_target_: keras.optimizers.SGD\nlearning_rate: 0.1\nsearch: {}\n"
    (tmp_path / "conf" / "optimizer" / "mine.yaml").write_text(own)
    monkeypatch.chdir(tmp_path)
    found = [job.raw["optimizer"]["name"] for job in compose_jobs(prepare(["optimizer=glob(*)"]), multirun=True)]
    assert {"mine", "adam", "sgd", "muon"} <= set(found)
    assert found == sorted(found)
    (job,) = compose_jobs(prepare(["optimizer=mine", "optimizer.momentum=0.5"]), multirun=False)
    assert (job.raw["optimizer"]["learning_rate"], job.raw["optimizer"]["momentum"]) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("study l", {"list"}),
        ("study ", set(COMMANDS)),
        ("study run optimizer=adama", {"optimizer=adamax"}),
        ("study run -m budget.n_t", {"budget.n_trials="}),
        ("study list --j", set()),
    ],
)
def test_bash_completes_commands_groups_and_keys(line, offered, program, environment, tmp_path):
    assert _completed(line, program, environment, tmp_path) == offered
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_name_holds_a_command_is_not_offered_and_the_command_does_not_run(program, environment, tmp_path):
    groups = tmp_path / "conf" / "optimizer"
    groups.mkdir(parents=True)
    for name in ("adam_mine", "adam$(touch ran)", "adam`touch ran`", "adam;touch", "adam${HOME}", "adam\x1b[31m"):
        (groups / f"{name}.yaml").write_text("name: mine\n")
    offered = _completed("study run optimizer=adam_", program, environment, tmp_path)
    assert offered == {f"optimizer={name}" for name in ("adam_mine", "adam_then_sgd", "adam_then_given_sgd")}
    everything = "".join(_completed("study run optimizer=", program, environment, tmp_path))
    assert not {*"$`;\\"} & {*everything}
    assert [path.name for path in tmp_path.iterdir()] == ["conf"]


def _completed(line, program, environment, folder):
    words = [*line.split(), *([""] if line.endswith(" ") else [])]
    script = (
        'eval "$(study -sc install=bash)"; COMP_WORDS=({words}); COMP_CWORD={last}; COMP_LINE="{line}"; '
        'COMP_POINT={point}; hydra_bash_completion; printf "%s\\n" "${{COMPREPLY[@]}}"'
    ).format(words=" ".join(map(repr, words)), last=len(words) - 1, line=line, point=len(line))
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=folder,
        env={**environment, "PATH": f"{program.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "word", ["batch_size=64", "metric=val_loss", "direction=minimize", "target=0.9", "+metric=loss"]
)
def test_a_key_at_the_root_with_the_name_of_one_in_a_section_is_refused(here, tmp_path, word):
    status, _, err = here("run", word, cwd=tmp_path)
    assert status == 2
    assert f"{word.lstrip('+').partition('=')[0]}=" in err
    assert "Did you mean" in err
    assert list(tmp_path.iterdir()) == []
