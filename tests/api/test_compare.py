import json
import re
import shlex

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="each test starts several processes that load Keras and train"),
]

BUDGET = "{'n_trials': 2, 'n_epochs': 2, 'n_confirmations': 2}"
WORDS = (
    *("budget.n_trials=2", "budget.n_epochs=2", "budget.n_confirmations=2"),
    *("trainer=fit", "trainer.backend=jax", "experiment_name=mine", "live=false"),
)
COMMAND = "import sys; from study.cli import command_line; sys.exit(command_line())"
MODULE = """
import keras
import numpy as np

from study.datasets import Dataset


def build(n_outputs, width=8):
    return keras.Sequential([keras.layers.Dense(width, activation="relu"), keras.layers.Dense(n_outputs)])


def load():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    return Dataset(train=(x, (x[:, 0] > 0).astype(int)), validation=0.2, test=0.2)
"""
FILES = {
    "mynet.py": MODULE,
    "conf/model/small.yaml": "name: small\n_target_: mynet.build\n",
    "conf/dataset/points.yaml": """
name: points
_target_: mynet.load
task:
  loss: {_target_: keras.losses.SparseCategoricalCrossentropy, from_logits: true}
  metrics: [accuracy]
  objective: {metric: val_accuracy, direction: auto, target: null}
  batch_size: 32
""",
}
# A session: functions and data that no module has, and a function that prints what a test looks at.
SESSION = f"""
import json, os, sys
os.environ["KERAS_BACKEND"] = os.environ.get("BACKEND", "jax")
import keras, numpy as np
from study import StudyError, compare, open_experiment

x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
width = 8
data = {{"data": (x, y), "validation": 0.2, "test": (x[:30], y[:30])}}
more = {{"optimizers": ["sgd"], "budget": {BUDGET}, "experiment": "mine", "overrides": ["live=false"]}}
on_jax = {{"trainer": {{"fit": {{"backend": "jax"}}}}}}


def build():
    hidden = keras.layers.Dense(width, activation="relu")
    return keras.Sequential([hidden, keras.layers.Dense(2, activation="softmax")])


def told(call, **kept):
    try:
        return {{"name": call().name}}
    except StudyError as error:
        return {{"error": str(error)}}
"""


def write(folder, files=FILES):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def histories(in_process, folder):
    program = """
import json
from study import open_experiment
view = open_experiment("mine")
curves = view.curves().drop(columns="run_id").to_dict("records")
tags = {r.name: (r.study_id, r.settings_id) for r in view._snapshot.records}
print(json.dumps([sorted(map(str, curves)), tags]))
"""
    return json.loads(in_process(program, cwd=folder).stdout)


def test_a_study_is_the_same_by_command_line_and_from_python(in_process, tmp_path):
    typed, called = tmp_path / "typed", tmp_path / "called"
    for folder in (typed, called):
        write(folder)
    searched = ["optimizer.learning_rate=tag(log,interval(0.001,0.1))", "model.width=tag(search,choice(4,8))"]
    words = ("optimizer=sgd,adam", "model=small", "dataset=points", *searched, *WORDS)
    in_process(COMMAND, "run", "-m", *words, cwd=typed)
    program = f"""
import sys
sys.path.insert(0, "")
import mynet
from study import compare
result = compare(mynet.build, mynet.load, optimizers=["sgd", "adam"], budget={BUDGET}, experiment="mine",
                 search={{"optimizer.learning_rate": (0.001, 0.1, "log"), "model.width": [4, 8]}},
                 trainer={{"fit": {{"backend": "jax"}}}}, overrides=["live=false"])
print(result.command)
"""
    done = in_process(program, cwd=called)
    assert histories(in_process, typed) == histories(in_process, called)
    command = "study run -m optimizer=sgd,adam dataset=points model=small"
    assert done.stdout.startswith(command)
    words = shlex.split(done.stdout)[1:]
    again = in_process(COMMAND, *words, cwd=typed)  # the command that Python names goes on with the studies
    assert again.stderr.count("2 trials, 2 of them already done") == 2


@pytest.mark.full
def test_half_of_the_work_is_done_by_commands_and_half_from_python(in_process, tmp_path):
    write(tmp_path)
    in_process(
        COMMAND, "run", "optimizer=sgd", "model=small", "dataset=points", "study_name=sgd", *WORDS, cwd=tmp_path
    )
    program = """
import sys
sys.path.insert(0, "")
import mynet
from study import compare, open_experiment
more = {"n_trials": 3, "n_epochs": 2, "n_confirmations": 3}
result = compare(mynet.build, "points", optimizers=["sgd", "adam"], budget=more, experiment="mine",
                 trainer={"fit": {"backend": "jax"}}, overrides=["live=false"])
assert result.studies == ["sgd", "adam"], result.studies
assert result.table().set_index("study")["n_trials"].to_dict() == {"sgd": 3, "adam": 3}
assert len(result.confirmations("sgd").query("config == 'best' and not superseded")) == 3
assert result.reproduce("sgd").reproduced
result.export("adam", "adam.yaml")
print(result.answer)
"""
    done = in_process(program, cwd=tmp_path)
    assert re.search(r"mine/sgd \(study \d of 2\): 3 trials, 2 of them already done", done.stderr)
    compared = json.loads(in_process(COMMAND, "compare", "mine", "--json", "--no-log", cwd=tmp_path).stdout)
    (answer,) = [each["answer"] for each in compared["experiments"]]
    assert done.stdout.strip() == " ".join(answer["sentences"])
    assert "reproduced bit for bit" in in_process(COMMAND, "reproduce", "mine/adam", cwd=tmp_path).stdout
    in_process(COMMAND, "run", "best=adam.yaml", *WORDS, cwd=tmp_path)
    in_process("from study import open_experiment\nopen_experiment('mine').delete('sgd')", cwd=tmp_path)
    listed = in_process(COMMAND, "list", cwd=tmp_path).stdout
    assert "| adam " in listed
    assert "| sgd " not in listed
    in_process(COMMAND, "delete", "mine", "--yes", cwd=tmp_path)
    program = (
        "from study import StudyError, open_experiment\ntry: open_experiment('mine')\nexcept StudyError as e: print(e)"
    )
    assert "expected" in in_process(program, cwd=tmp_path).stdout


def test_functions_and_data_of_a_session(in_process, tmp_path):
    program = (
        SESSION
        + """
result = compare(build, **data, **more, **on_jax)
assert result.command is None
assert result.reproduce("sgd").reproduced
first = result.trials()["objective"].tolist()
assert result.best("sgd").model().predict(x[:3], verbose=0).shape == (3, 2)
more["budget"]["n_trials"] = 3
again = compare(build, **data, **more, **on_jax)
assert again.trials()["objective"].tolist()[:2] == first
width = 9
changed = compare(build, **data, **more, **on_jax)
data["data"] = (x + 1, y)
more["optimizers"] = ["adam"]
refused = told(lambda: compare(build, **data, **more))
print(json.dumps([changed.studies, changed.table()["study"].tolist(), refused]))
"""
    )
    done = in_process(program, cwd=tmp_path)
    said = done.stderr
    assert said.count("loss: SparseCategoricalCrossentropy(from_logits=False), since y has classes from 0 to 1") == 4
    assert "3 trials, 2 of them already done" in said
    assert "the code of python_session.build; the architecture (" in said
    assert "So this is a new study" in said
    studies, compared, refused = json.loads(done.stdout)
    assert len(studies) == 2
    assert compared == [studies[1]]
    assert "experiment=mine: expected an experiment with the same data" in refused["error"]
    (source, *_) = sorted(tmp_path.rglob("python_session/build.py"))
    assert "# width = " in source.read_text()


def test_a_new_session_reproduces_with_the_same_functions_and_data_alone(in_process, tmp_path):
    in_process(f"{SESSION}\ncompare(build, **data, **more, **on_jax)", cwd=tmp_path)
    program = (
        SESSION
        + """
view = open_experiment("mine")
none = told(lambda: view.reproduce("sgd"))
same = view.reproduce("sgd", model=build, **data)
width = 9
other = view.reproduce("sgd", model=build, **data)
print(json.dumps([none["error"], same.reproduced, other.trained, [str(each) for each in other.differences]]))
"""
    )
    none, same, other, differences = json.loads(in_process(program, cwd=tmp_path).stdout)
    assert "open_experiment(NAME).reproduce(STUDY, model=build" in none
    assert same
    assert not other
    assert any("python_session.build" in each for each in differences)


def test_another_backend_trains_in_a_process_of_its_own(in_process, tmp_path):
    program = (
        SESSION
        + """
import threading
result = compare(build, **data, **more, trainer={"fit": {"backend": "tensorflow"}})
lock = threading.Lock()


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__()
        self.held = lock

    def __getitem__(self, index):
        return x, y

    def __len__(self):
        return 1


data |= {"data": Batches(), "validation": (x, y)}
more["experiment"] = "other"
refused = told(lambda: compare(build, **data, **more, trainer={"fit": {"backend": "tensorflow"}}))
here = compare(build, **data, **more)
print(json.dumps([result.studies, refused, here.studies]))
"""
    )
    done = in_process(program, cwd=tmp_path)
    studies, refused, here = json.loads(done.stdout)
    assert len(studies) == len(here) == 1
    assert "trainings on tensorflow run in processes of their own, with copies of functions and data" in done.stderr
    assert "trainer=tensorflow: expected jax, which this process has loaded" in refused["error"]
    assert "trainer=auto: " in done.stderr


def test_an_interrupt_ends_cleanly_and_the_same_call_goes_on(in_process, tmp_path):
    program = (
        SESSION
        + """
import signal, threading, time
more["budget"] = {"n_trials": 4, "n_epochs": 2, "n_confirmations": 1}


def interrupt():
    while len(open_trials()) < 2:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def open_trials():
    try:
        return [line for line in open("log.txt") if " complete" in line]
    except OSError:
        return []


sys.stderr = open("log.txt", "w", buffering=1)
os.dup2(sys.stderr.fileno(), 2)
thread = threading.Thread(target=interrupt, daemon=True)
thread.start()
before = signal.getsignal(signal.SIGINT)
try:
    compare(build, **data, **more, **on_jax)
except KeyboardInterrupt as stopped:
    print(json.dumps([str(stopped), signal.getsignal(signal.SIGINT) is before]))
compare(build, **data, **more, **on_jax)
"""
    )
    done = in_process(program, cwd=tmp_path)
    told, restored = json.loads(done.stdout)
    assert told == "stopped; the results are kept, and the same call goes on"
    assert restored
    log = (tmp_path / "log.txt").read_text()
    assert "of them already done" in log
    assert "best val_accuracy" in log.splitlines()[-1]
