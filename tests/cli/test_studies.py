"""The command runs whole studies in processes of their own: a comparison, two backends, an interruption."""

import json
import os
import pty
import re
import signal
import subprocess
import threading

import pytest

pytestmark = pytest.mark.slow

QUICK = ("tracking.system_metrics=false", "tracking.log_model=false", "budget.n_epochs=1")
SMALL = (*QUICK, "model.hidden=[8]", "budget.n_confirmations=0")
OWN = {
    "own_model.py": """
import keras


def build(input_shape, n_outputs, units):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(units)(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Dense(n_outputs, name="output")(hidden))
""",
    "conf/model/own.yaml": "name: own\n_target_: own_model.build\nunits: 4\n",
    "conf/optimizer/own_sgd.yaml": "name: own_sgd\n_target_: keras.optimizers.SGD\nlearning_rate: 0.1\nsearch: {}\n",
    "conf/experiment/mine.yaml": """# @package _global_
defaults:
  - override /model: own
  - override /budget: smoke
experiment_name: mine
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      optimizer: own_sgd,sgd,adam
""",
}


@pytest.fixture(scope="module")
def mine(tmp_path_factory, study):
    """A user's own experiment of two of the package's optimizers and one of the user's, run once."""
    folder = tmp_path_factory.mktemp("mine")
    for name, content in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    done = study("run", "budget.n_confirmations=1", "experiment=mine", *QUICK, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def listed(here, folder, *names):
    status, out, err = here("list", "--json", *names, cwd=folder)
    assert status == 0, err
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def rows(text):
    """The cells of the tables in a text, by the first cell of each row."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: row for row in cells if row[0] != "study" and not row[0].startswith("--")}


def test_a_comparison_tells_every_event_in_order_and_ends_with_one_table(mine):
    _, done = mine
    lines = done.stderr.splitlines()
    assert [line for line in lines if re.fullmatch(r"mine/[^:]*: \d+ trials?", line)] == [
        "mine/own_sgd (study 1 of 3): 1 trial",
        "mine/sgd (study 2 of 3): 2 trials",
        "mine/adam (study 3 of 3): 2 trials",
    ]
    named = [line.partition(": ") for line in lines]
    assert [name for name, _, event in named if event.startswith("trial ")] == [
        "mine/own_sgd", *["mine/sgd"] * 2, *["mine/adam"] * 2
    ]  # fmt: skip
    # The best and the default of what was searched, and the one setting of what was not.
    assert [event.split(")")[0] for _, _, event in named if event.startswith("confirmation ")] == [
        "confirmation 0 (fixed", *["confirmation 0 (tuned", "confirmation 0 (untuned"] * 2,
    ]  # fmt: skip
    assert not re.search(r"Warning|cuda|I0000|Traceback", done.stderr)
    assert "\x1b" not in done.stderr + done.stdout
    assert set(rows(done.stdout)) == {"own_sgd", "sgd", "adam"}
    assert done.stdout.count("best first by mean validation of the confirmations") == 1
    assert "HYDRA" not in done.stdout + done.stderr
    assert done.stderr.count("trainer=auto: ") <= 1  # what holds for all studies is said once
    commands = [line.split("  ")[1] for line in done.stdout.partition("Next:\n")[2].splitlines()]
    assert commands[0] == "study compare mine"
    assert commands[-1] == "study ui"


def test_the_logs_hold_what_libraries_said_and_no_failure_to_log(mine):
    logs = [path.read_text() for path in (mine[0] / "mlruns" / "logs").iterdir()]
    assert len(logs) == 3
    assert not [log for log in logs if "Logging error" in log or "Traceback" in log]
    assert any("A new study created in Journal" in log for log in logs)


def test_the_best_study_comes_first(mine):
    _, done = mine
    values = [float(row[5]) for row in rows(done.stdout).values()]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1


def test_list_shows_the_same_numbers_as_the_run_and_as_json(mine, here):
    folder, done = mine
    _, again, _ = here("list", "mine", cwd=folder)
    assert rows(again) == rows(done.stdout)
    (experiment,) = listed(here, folder).items()
    assert experiment[0] == "mine"
    shown = rows(done.stdout)
    for record in experiment[1]:
        row = shown[record["name"]]
        assert row[1:3] == ["finished", f"{len(record['trials'])}/{record['n_trials']}"]
        assert row[4] == f"{record['metrics']['best_objective']:.4f}"
        tested = [run["metrics"]["test_accuracy"] for run in record["confirmations"] if run["config"] != "default"]
        (validation,) = [run["metrics"]["objective"] for run in record["confirmations"] if run["config"] != "default"]
        assert row[5] == f"{validation:.4f}"
        assert row[6] == f"{tested[0]:.4f} (one seed)"
        assert record["metrics"]["low_test_accuracy"] is None  # an interval of one seed is no number
    assert [record["model"] for record in experiment[1]] == ["own"] * 3


def test_an_experiment_that_is_not_there_is_told(mine, here):
    status, out, err = here("list", "yours", cwd=mine[0])
    assert (status, out) == (2, "")
    assert "EXPERIMENT=yours: expected one of mine" in err


def test_a_study_name_that_is_anothers_is_refused_and_nothing_changes(mine, here, contents):
    folder, _ = mine
    before = contents(folder)
    words = ["study_name=adam", "optimizer=sgd", "experiment_name=mine", "model=own", *QUICK]
    status, out, err = here("run", *words, cwd=folder)
    assert (status, out) == (2, "")
    assert "study_name=adam: this name belongs to another study of mine" in err
    assert contents(folder) == before


def test_the_doctor_reads_the_stores_and_finds_a_users_own_data_set(mine, study, contents):
    folder, _ = mine
    (folder / "own_data.py").write_text("def load(**arguments):\n    raise AssertionError('only looked for')\n")
    (folder / "conf" / "dataset").mkdir()
    (folder / "conf" / "dataset" / "own.yaml").write_text("name: own\n_target_: own_data.load\n")
    before = contents(folder / "mlruns")
    done = study("doctor", "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["can_run"] is True
    found = {(finding["kind"], finding["name"]): finding for finding in answer["findings"]}
    for backend in ("tensorflow", "jax"):
        assert found["backend", backend]["state"] == "ok"
        assert re.match(r"\d+\.\d+\S*, (no )?GPU", found["backend", backend]["detail"])
    assert found["dataset", "digits"]["state"] == found["dataset", "own"]["state"] == "ok"
    assert found["store", "MLflow"]["detail"].endswith("mlruns/mlflow.db, experiments: 1")
    assert found["store", "Optuna"]["detail"].endswith("mlruns/optuna.journal, studies: 3")
    assert contents(folder / "mlruns") == before


def test_jobs_of_two_backends_stand_in_one_table(tmp_path, study, here):
    # The flag stands in the middle, and the second job needs a process of its own.
    words = ["trainer.backend=jax,tensorflow", "-m", "optimizer=sgd", "optimizer.learning_rate=0.1"]
    done = study("run", *words, *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(rows(done.stdout)) == {"sgd-backend=tensorflow", "sgd-backend=jax"}
    assert [line for line in done.stderr.splitlines() if line.endswith(": 1 trial")] == [
        "digits-mlp/sgd-backend=jax (study 1 of 2): 1 trial",
        "digits-mlp/sgd-backend=tensorflow (study 2 of 2): 1 trial",
    ]
    assert [word for word in ("absl", "oneDNN", "cuda") if word in done.stderr] == []  # what TensorFlow logs
    records = {record["name"]: record for record in listed(here, tmp_path)["digits-mlp"]}
    for name, record in records.items():
        assert record["status"] == "FINISHED"
        assert record["params"]["trainer.backend"] == name.partition("=")[2]
        assert len(record["trials"]) == 1


def test_the_default_trainer_is_one_for_all_studies_and_the_same_study_as_the_trainer_by_name(tmp_path, study, here):
    words = ["run", "-m", "optimizer=sgd,adam", "budget.n_trials=2", *SMALL]
    first = study(*words, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    told = re.findall(r"trainer=auto: (\w+) on (\w+): about .* s of training", first.stderr)
    ((trainer, backend),) = told  # said once for all studies
    named = study(*words, f"trainer={trainer}", f"trainer.backend={backend}", cwd=tmp_path)
    assert named.returncode == 0, named.stderr
    assert named.stderr.count("2 trials, 2 of them already done") == 2
    assert "trainer=auto" not in named.stderr
    records = listed(here, tmp_path)["digits-mlp"]
    assert {record["name"] for record in records} == {"sgd", "adam"}
    assert {record["params"]["trainer.name"] for record in records} == {trainer}
    later = study("run", "optimizer=nadam", "budget.n_trials=2", *SMALL, cwd=tmp_path)
    assert f"trainer=auto: {trainer} on {backend}: as the other studies of digits-mlp" in later.stderr


def test_an_interrupted_study_goes_on_to_the_exact_total(tmp_path, here, program, environment):
    words = ["run", "optimizer=sgd", "trainer=fit", "budget.n_trials=8", *SMALL]
    with subprocess.Popen(
        [str(program), *words],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        seen = []
        for line in process.stderr:
            seen.append(line)
            if line.startswith("trial 1 "):
                process.send_signal(signal.SIGINT)
    told = "".join(seen)
    assert process.returncode == 1, told
    assert told.endswith("study run: stopped. Run the same command again to continue.\n")
    assert "Traceback" not in told
    (before,) = listed(here, tmp_path)["digits-mlp"]
    finished = [run["run_id"] for run in before["trials"] if run["state"]]
    assert 2 <= len(finished) < 8
    assert before["status"] == "KILLED"

    status, screen = on_a_terminal([str(program), *words], cwd=tmp_path, env={**environment, "TERM": "xterm"})
    assert status == 0, screen
    assert f"8 trials, {len(finished)} of them already done" in screen
    assert "\x1b[" in screen  # `live: auto` on a terminal redraws
    assert " of 8)" in screen.partition("already done")[2]  # what it shows while it trains
    (after,) = listed(here, tmp_path)["digits-mlp"]
    assert after["status"] == "FINISHED"
    assert [run["number"] for run in after["trials"] if run["state"]] == list(range(8))
    assert set(finished) <= {run["run_id"] for run in after["trials"]}
    assert all(run["status"] != "RUNNING" for run in after["trials"])


def test_a_script_gets_the_same_from_a_plain_mapping(compose, tmp_path, monkeypatch, here):
    from study.run import run_study

    raw = json.loads(json.dumps(compose("optimizer=sgd", "budget.n_confirmations=0").raw))
    monkeypatch.chdir(tmp_path)
    outcome = run_study(raw)
    _, out, _ = here("list", cwd=tmp_path)
    assert (outcome.experiment, outcome.name) == ("digits-mlp", "sgd")
    assert rows(out)["sgd"][4] == f"{outcome.best.objective:.4f}"


def on_a_terminal(command, *, cwd, env):
    """Run a command whose standard error is a terminal; return its exit status and what it wrote there."""
    ours, theirs = pty.openpty()
    written = bytearray()

    def read():
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # Linux's word for the end of a terminal
                return
            written.extend(chunk)

    with subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        process.wait(timeout=300)
        reader.join()
    os.close(ours)
    return process.returncode, written.decode().replace("\r\n", "\n")
