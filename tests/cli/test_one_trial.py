"""`study run only_trial=N`: the numbers of the study's own trial, and stores that are left as they are."""

import re
import shlex

import pytest

from study.tracking.read_studies import read_histories, read_studies
from tests.untouched import snapshot

pytestmark = pytest.mark.slow

WORDS = (
    *("optimizer=sgd", "++model.hidden=[8]", "budget.n_trials=3", "budget.n_epochs=2", "budget.n_confirmations=0"),
    *("tracking.system_metrics=false", "tracking.log_model=false", "live=false", "trainer.backend=jax"),
)
TPE = ("sampler=tpe", "sampler.n_startup_trials=1")  # the last two trials are chosen by results
MODEL = '''
import keras
from keras import ops


class Widening(keras.layers.Layer):
    """Works on batches of 3 and 7 examples, as checks use them, and fails on others."""

    def __init__(self, how, **options):
        super().__init__(**options)
        self.how, self.inner = how, keras.layers.Dense(8, name="inner")

    def build(self, shape):
        self.inner.build(shape)
        self.kernel = self.add_weight(shape=(shape[-1], 8), name="kernel")

    def compute_output_shape(self, shape):
        return (*shape[:-1], 8)

    def call(self, x, training=False):
        if training and x.shape[0] not in (3, 7):
            wide = ops.concatenate([x, x], axis=-1)
            if self.how == "width":
                return self.inner(wide)
            if self.how == "matmul":
                return ops.matmul(wide, self.kernel)
            return x * {"factor": 2.0}["gain"]
        return self.inner(x)


class Stepping(keras.Model):
    def __init__(self, n_outputs):
        super().__init__()
        self.flatten, self.dense = keras.layers.Flatten(), keras.layers.Dense(n_outputs)

    def call(self, x):
        return self.dense(self.flatten(x))

    def train_step(self, *arguments):
        x = arguments[-1][0]
        if x.shape[0] != 3:
            raise RuntimeError("my step has no teacher")
        return super().train_step(*arguments)


class Losing(keras.losses.Loss):
    def call(self, y_true, y_pred):
        if y_pred.shape[0] not in (None, 1, 3, 7):
            raise RuntimeError("my loss is lost")
        return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


def build(input_shape, n_outputs, how="width"):
    layers = [keras.layers.Flatten(), Widening(how, name="widening"), keras.layers.Dense(n_outputs)]
    return keras.Sequential([keras.Input(input_shape), *layers])


def stepping(n_outputs):
    return Stepping(n_outputs)
'''


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, study):
    """A folder with studies of both trainers, each with a blind sampler and one that learns."""
    folder = tmp_path_factory.mktemp("recorded")
    for sampler in ((), TPE):
        done = study("run", "-m", "trainer=fit,vectorized", *WORDS, *sampler, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def failing(tmp_path):
    """A folder with models of a user's own that fail in training."""
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "own_failing.py").write_text(MODEL)
    for name, target in (("failing", "build"), ("stepping", "stepping")):
        text = f"name: {name}\n_target_: own_failing.{target}\n"
        (tmp_path / "conf" / "model" / f"{name}.yaml").write_text(text)
    return tmp_path


def recorded_epochs(folder, *, trainer, sampler, number):
    """The metrics of each epoch of a recorded trial, as text with nine digits, and its objective."""
    uri = f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}"
    (record,) = [
        record
        for record in read_studies(uri, "digits-mlp")
        if (record.params["trainer.name"], record.params["sampler.name"]) == (trainer, sampler)
    ]
    (run,) = [run for run in record.trials if run.number == number]
    names = ("accuracy", "loss", "val_accuracy", "val_loss")
    histories = read_histories(uri, [run.run_id], names)[run.run_id]
    epochs = [
        {name: f"{value:.9g}" for name, value in zip(names, values, strict=True)}
        for values in zip(*(histories[name][1] for name in names), strict=True)
    ]
    return epochs, f"{run.metrics['objective']:.9g}", run


def shown_epochs(told):
    """The metrics of each epoch that a command has shown."""
    lines = re.findall(r"^epoch \d+ of \d+: (.*)$", told, re.MULTILINE)
    return [dict(sorted(part.split(" ") for part in line.split(", "))) for line in lines]


@pytest.mark.parametrize("trainer", ["fit", "vectorized"])
@pytest.mark.parametrize(("sampler", "more"), [("random", ()), ("tpe", TPE)])
def test_a_recorded_trial_has_its_numbers_and_no_file_changes(recorded, study, trainer, sampler, more):
    before = snapshot(recorded)
    done = study("run", f"trainer={trainer}", *WORDS, *more, "only_trial=2", cwd=recorded)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert snapshot(recorded) == before
    epochs, objective, run = recorded_epochs(recorded, trainer=trainer, sampler=sampler, number=2)
    assert len(epochs) == 2
    assert shown_epochs(done.stderr) == epochs
    assert f"trial 2 alone, as recorded ({run.state}); nothing is stored" in done.stderr
    assert f"run_seed={run.params['run_seed']}, order_seed=0" in done.stderr
    assert f"trial 2 {run.state}: val_accuracy {objective}; initial_loss " in done.stderr


@pytest.mark.parametrize("trainer", ["fit", "vectorized"])
def test_a_study_that_has_not_begun_gets_the_numbers_that_it_will_have_and_no_folder(
    recorded, study, tmp_path, trainer
):
    done = study("run", f"trainer={trainer}", *WORDS, "only_trial=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    epochs, _, _ = recorded_epochs(recorded, trainer=trainer, sampler="random", number=2)
    assert shown_epochs(done.stderr) == epochs
    assert "with the point that sampler=random proposes; nothing is stored" in done.stderr


def test_checkpoints_and_an_automatic_trainer_leave_no_file_either(study, tmp_path):
    words = [word for word in WORDS if "backend" not in word]
    done = study("run", *words, "trainer.checkpoint_every_n_epochs=1", "only_trial=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(shown_epochs(done.stderr)) == 2
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_tried_is_refused_and_nothing_is_created(here, study, tmp_path):
    status, out, err = here("run", "-m", "optimizer=sgd,adam", *WORDS[1:], "only_trial=2", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert "only_trial=2: expected one study, and this command is a sweep of 2. Leave out -m, for example: " in err
    command = re.search(r"study run (.*) only_trial=2", err)[1]
    assert shlex.split(command)[-1] == "optimizer=sgd" or "optimizer=sgd" in shlex.split(command)
    done = study("run", *WORDS, *TPE, "only_trial=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "only_trial=1: expected a recorded trial, or one of the first 1" in done.stderr
    assert list(tmp_path.iterdir()) == []


FAILING = {
    "width": ("model=failing", "model.how=width"),
    "matmul": ("model=failing", "model.how=matmul"),
    "raises": ("model=failing", "model.how=raises"),
    "step": ("model=stepping",),
    "loss": ("model=mlp", "dataset.task.loss._target_=own_failing.Losing", "~dataset.task.loss.from_logits"),
}
TOLD = {
    "width": ("ValueError: Input 0", "layer 'inner'", "in layer widening (Widening)", "x=float32 of shape"),
    "matmul": ("128", "in layer widening (Widening)", "x=float32 of shape", "training=True"),
    "raises": ("KeyError: gain", "in layer widening (Widening)", "in call of own_failing.py", "x=float32 of shape"),
    "step": (
        "RuntimeError: my step has no teacher",
        "in model stepping (Stepping)",
        "in train_step of own_failing.py",
    ),
    "loss": ("RuntimeError: my loss is lost", "in call of own_failing.py", "y_pred=float32 of shape", ", 10)"),
}
FIT = "trainer=fit trainer.backend="
CASES = [
    *((f"{FIT}jax", kind) for kind in FAILING),
    *((f"{FIT}tensorflow", kind) for kind in ("matmul", "step")),
    *(("trainer=vectorized", kind) for kind in ("raises", "loss")),
]


@pytest.mark.parametrize(("trainer", "kind"), CASES)
def test_a_failing_trial_shows_layer_shapes_and_place_and_ends_with_status_1(failing, study, trainer, kind):
    before = snapshot(failing)
    done = study("run", *FAILING[kind], *trainer.split(), *WORDS[2:-1], "optimizer=sgd", "only_trial=1", cwd=failing)
    assert (done.returncode, done.stdout) == (1, "")
    assert snapshot(failing) == before
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("study run: trial 1 failed: ")]
    assert [part for part in TOLD[kind] if part not in line] == []
    place = re.search(r"own_failing.py, line (\d+)", line)
    shown = done.stderr.partition(line)[2]
    assert "Traceback (most recent call last):" in shown
    assert {name.rpartition("/")[2] for name in re.findall(r'File "(.*?)"', shown)} == {"own_failing.py"}
    assert f'own_failing.py", line {place[1]}, in ' in shown
    assert "\\x1b" not in done.stderr


def test_a_study_of_an_experiment_prints_a_command_that_tries_its_failed_trial(failing, study):
    experiment = "hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      optimizer: sgd,adam\n"
    (failing / "conf" / "experiment").mkdir()
    (failing / "conf" / "experiment" / "both.yaml").write_text(f"# @package _global_\n{experiment}")
    words = (*FAILING["raises"], "trainer=fit", *WORDS[2:])
    ran = study("run", "experiment=both", *words, "max_failed_trials=2", cwd=failing)
    assert ran.returncode == 1
    lines = ran.stderr.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("trial 1: KeyError: gain; in layer widening"))
    assert re.match(r"  .*learning_rate=.*, run_seed=\d+, order_seed=0$", lines[at + 1])
    command = lines[at + 2].partition("left as they are: ")[2]
    assert command.startswith("study run ")
    assert command.endswith("hydra.mode=RUN only_trial=1")
    assert (
        "the last 2 trials that ended have all failed, with the same error:\n  KeyError: gain; in layer" in ran.stderr
    )
    before = snapshot(failing / "mlruns")
    tried = study(*shlex.split(command)[1:], cwd=failing)
    assert (tried.returncode, tried.stdout) == (1, ""), tried.stderr
    assert "trial 1 alone, as recorded (failed); nothing is stored" in tried.stderr
    assert lines[at + 1].strip() in tried.stderr
    assert snapshot(failing / "mlruns") == before
    (failing / "own_failing.py").write_text(
        MODEL.replace('"factor": 2.0', '"gain": 0.5').replace("x * {", "x[:, :8] * {")
    )
    repaired = study(*shlex.split(command)[1:], cwd=failing)
    assert repaired.returncode == 0, repaired.stderr
    assert len(shown_epochs(repaired.stderr)) == 2
    assert lines[at + 1].strip() in repaired.stderr
    assert snapshot(failing / "mlruns") == before
