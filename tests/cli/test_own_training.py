"""Own models and callbacks as a user runs them: whole commands in a folder of the user's own."""

import csv
import shutil

import keras
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long(reason="each test runs studies in processes of their own")]

NETS = """
import keras
from keras import layers


def small(n_outputs):
    return keras.Sequential([layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dense(n_outputs)])


class WithTensorFlow(keras.Model):
    def __init__(self, n_outputs):
        super().__init__()
        self.flat, self.out = layers.Flatten(), layers.Dense(n_outputs)

    def call(self, x):
        import tensorflow as tf

        return self.out(tf.math.square(self.flat(x)))


def of_tensorflow(n_outputs):
    return WithTensorFlow(n_outputs)


def from_file():
    return keras.saving.load_model("base.keras")


class Notes(keras.callbacks.Callback):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        with open(self.path, "a") as file:
            file.write(f"{epoch} {logs['val_accuracy']:.6f}\\n")
"""
QUICK = ("dataset=digits", "optimizer=adam", "budget.n_epochs=2", "live=false", "tracking.system_metrics=false")
CALLBACKS = (
    "trainer.callbacks=["
    "{_target_: keras.callbacks.TensorBoard, log_dir: board},"
    "{_target_: keras.callbacks.CSVLogger, filename: epochs.csv},"
    "{_target_: keras.callbacks.ModelCheckpoint, filepath: 'epoch{epoch}.keras'},"
    "{_target_: nets.Notes, path: notes.txt}]"
)


@pytest.fixture
def folder(tmp_path):
    for name in ("small", "of_tensorflow", "from_file"):
        path = tmp_path / "conf" / "model" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"name: {name}\n_target_: nets.{name}\n")
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def run(study, folder, *words):
    ended = study("run", *QUICK, *words, cwd=folder)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def test_the_files_of_callbacks_lie_in_a_folder_for_each_training(study, folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = ("model=small", "budget.n_trials=5", "budget.n_confirmations=1", "trainer.backend=tensorflow")
    assert "trainer=auto: fit on tensorflow" in run(study, folder, *words, CALLBACKS)
    (of_study,) = (folder / "mlruns" / "callbacks" / "digits-small").iterdir()
    names = [*(f"trial-{n}" for n in range(5)), "confirmation-best-0", "confirmation-default-0"]
    assert sorted(each.name for each in of_study.iterdir()) == sorted(names)
    seen = set()
    for name in names:
        found = of_study / name
        with (found / "epochs.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["epoch"] for row in rows] == ["0", "1"]
        seen.add(rows[-1]["loss"])
        told = [line.split()[1] for line in (found / "notes.txt").read_text().splitlines()]
        assert told == [f"{float(row['val_accuracy']):.6f}" for row in rows]
        assert {"epoch1.keras", "epoch2.keras"} <= {each.name for each in found.iterdir()}
        board = EventAccumulator(str(found / "board" / "validation"))
        board.Reload()
        assert "epoch_accuracy" in {*board.Tags()["tensors"], *board.Tags()["scalars"]}
    assert len(seen) == len(names)  # no training wrote into another one's folder
    assert keras.saving.load_model(of_study / "trial-0" / "epoch2.keras").optimizer.name == "optimizer"


def test_an_edited_callback_makes_another_study(study, folder):
    words = ("model=small", "budget.n_trials=1", "budget.n_confirmations=0", "trainer.backend=jax")
    words += ("trainer.callbacks=[{_target_: nets.Notes, path: notes.txt}]",)
    run(study, folder, *words)
    assert "this study began with it" in (told := run(study, folder, *words))
    assert "complete: val_accuracy" not in told
    (folder / "nets.py").write_text(NETS.replace("{epoch} {logs", "{epoch}  {logs"))
    assert "the code of nets.Notes" in run(study, folder, *words)


def test_a_model_that_calls_tensorflow_gets_fit_on_tensorflow(study, folder):
    told = run(study, folder, "model=of_tensorflow", "budget.n_trials=1", "budget.n_confirmations=1")
    assert "trainer=auto: fit on tensorflow: it does not work on jax" in told
    assert "calls TensorFlow (call in nets.py, line " in told


def test_the_weights_of_a_file_train_and_identify_the_study(study, folder):
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(inputs))
    base = keras.Model(inputs, keras.layers.Dense(10)(hidden))
    base.save(folder / "base.keras")
    words = ("model=from_file", "budget.n_trials=1", "budget.n_confirmations=0", "optimizer.learning_rate=1e-9")
    words += ("optimizer.beta_1=0.9", "optimizer.beta_2=0.99")
    first = run(study, folder, *words, "trainer=vectorized")
    assert first.count("complete: val_accuracy") == 1
    other = folder / "other"
    shutil.copytree(folder / "conf", other / "conf")
    shutil.copy(folder / "nets.py", other)
    shutil.copy(folder / "base.keras", other)
    alone = run(study, other, *words, "trainer=fit", "trainer.backend=jax")

    def result(told):
        return next(line for line in told.splitlines() if "complete: val_accuracy" in line)

    assert result(first) == result(alone)  # the tiny rate changes nothing, so both measure the weights of the file
    base.set_weights([-weight for weight in base.get_weights()])
    base.save(folder / "base.keras")
    assert "the weights that the model is given" in run(study, folder, *words, "trainer=vectorized")
