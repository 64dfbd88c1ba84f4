"""Every data set with every model: a pair that fits is trained, any other pair is refused with a clear message."""

import importlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

import study.conf
from study.core.errors import StudyError
from study.core.trainer_interface import Trial
from study.pipeline.preflight import load_config
from study.pipeline.workload import build_model, build_trainer, load_dataset

pytestmark = pytest.mark.slow

FOLDER = Path(study.conf.__path__[0])
DATASETS, MODELS = (sorted(file.stem for file in (FOLDER / group).glob("*.yaml")) for group in ("dataset", "model"))
# The shortest side of an image that a convolutional model takes.
SHORTEST = {"cnn_2c2d": 4, "cnn_3c3d": 9, "resnet20": 4}
N_TRAIN, N_TEST = 60, 20
BATCH_SIZE, N_STEPS = 16, 2


def pictures(n, shape, seed):
    """Pictures of noise, and the ten classes in turn."""
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 10


def write_idx(folder):
    for stem, n in (("train", N_TRAIN), ("t10k", N_TEST)):
        for kind, array in zip(("images-idx3", "labels-idx1"), pictures(n, (28, 28), n), strict=True):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / f"{stem}-{kind}-ubyte").write_bytes(bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes())
    return folder


def write_npz(folder):
    (x_train, y_train), (x_test, y_test) = (pictures(n, (28, 28), n) for n in (N_TRAIN, N_TEST))
    np.savez(folder / "mine.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return folder / "mine.npz"


def write_cifar(folder):
    for index, name in enumerate((*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")):
        x, y = pictures(N_TEST, (3072,), index)
        (folder / f"{name}.bin").write_bytes(np.hstack([y[:, np.newaxis], x]).tobytes())
    return folder


def write_csv(folder):
    (folder / "mine.csv").write_text("size,color,kind\n" + "1,red,a\n,blue,b\n3,red,a\n2,,b\n" * (N_TRAIN // 4))
    return folder / "mine.csv"


def write_parquet(folder):
    pd.read_csv(write_csv(folder)).to_parquet(folder / "mine.parquet")
    return folder / "mine.parquet"


def write_png(folder):
    pixels, labels = pictures(N_TRAIN, (16, 16), 0)
    for number, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        (folder / f"class {label}").mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"class {label}" / f"{number}.png")
    return folder


def write_text(folder):
    (folder / "mine.txt").write_text("the quick brown fox jumps over the lazy dog\n" * N_TRAIN)
    return folder / "mine.txt"


WRITERS = {
    "mnist": write_idx,
    "fashion_mnist": write_npz,
    "cifar10": write_cifar,
    "csv": write_csv,
    "parquet": write_parquet,
    "npz": write_npz,
    "image_folder": write_png,
    "text_file": write_text,
}
# Arguments without which a data set of one's own cannot be loaded, and others that keep it small.
OWN = {"csv": ["target=kind"], "parquet": ["target=kind"], "image_folder": ["size=16"]}


@pytest.fixture(scope="module", params=DATASETS)
def workload(request, tmp_path_factory):
    """The name of a data set, the data, and a function that returns its config for a model."""
    from study.cli.launch.compose import compose_jobs, prepare

    words = [f"dataset={request.param}", "optimizer=sgd", "optimizer.learning_rate=0.001"]
    if "n_validation" in yaml.safe_load((FOLDER / "dataset" / f"{request.param}.yaml").read_text()):
        words.append("dataset.n_validation=20")
    words += [f"trainer.batch_size={BATCH_SIZE}", "trainer.backend=tensorflow", "trainer.jit_compile=false"]
    words += [f"budget.n_steps={N_STEPS}", "budget.n_confirmations=0"]
    words += [f"dataset.{word}" for word in OWN.get(request.param, ())]
    if write := WRITERS.get(request.param):
        words.append(f"dataset.path={write(tmp_path_factory.mktemp(request.param))}")

    def configure(model):
        (job,) = compose_jobs(prepare([*words, f"model={model}"]), multirun=False)
        return load_config(job.raw, folder=tmp_path_factory.getbasetemp(), labels=job.labels)

    return request.param, load_dataset(configure("linear")), configure


def misfit(dataset, model):
    """Return a pattern of the message with which a model refuses a data set's shapes; None if it accepts them."""
    shape, section = dataset.input_shape, yaml.safe_load((FOLDER / "model" / f"{model}.yaml").read_text())
    if section["_target_"] == "study.models.landscape.build":
        if shape != (1,):
            return r"a landscape as model, input_shape=.*Choose dataset=landscape"
        if dataset.n_outputs <= len(section["start"]):
            return r"n_outputs=.*expected at least.*Choose a landscape of fewer coordinates"
    if model == "bounded_point" and dataset.n_outputs < 2:
        return r"n_outputs=.*expected at least 2.*Choose dataset=online_linear"
    if model in SHORTEST and (len(shape) != 3 or min(shape[:2]) < SHORTEST[model]):
        return rf"input_shape=.*at least {SHORTEST[model]}x{SHORTEST[model]} pixels.*Choose model="
    if model in ("lstm", "lstm_forecaster") and len(shape) < 2:
        return r"input_shape=.*expected sequences.*Choose model="
    if model == "word_embedding" and len(shape) != 1:
        return r"input_shape=.*expected documents.*Choose dataset=zipf_words"
    return None


@pytest.mark.parametrize("name", sorted({*DATASETS} - {*WRITERS}))
def test_a_data_set_without_files_of_its_own_is_bundled(name):
    whereabouts = importlib.import_module(f"study.datasets.{name}").whereabouts()
    assert whereabouts.place is not None, "add a function that writes a tiny copy of the new data set to WRITERS"


@pytest.mark.parametrize("model", MODELS)
def test_a_pair_trains_a_smoke_trial_or_says_why_not(workload, model):
    name, dataset, configure = workload
    config = configure(model)
    if told := misfit(dataset, model):
        with pytest.raises(StudyError, match=rf"model={model} dataset={name}.*do not fit.*{told}"):
            build_model(config, dataset)
        return
    trainer = build_trainer(config, dataset)
    epochs = []
    trial = Trial(number=0, hyperparameters=config.optimizer.arguments({}), run_seed=1, order_seed=2, test=True)
    (result,) = trainer.train([trial], lambda _, report: epochs.append(report) or True)
    assert result.error is None
    assert result.state in ("complete", "diverged")  # two steps on noise need not lower the loss
    n_examples = N_STEPS * min(BATCH_SIZE, len(dataset.train))
    assert (result.summary["n_steps"], result.summary["n_examples"]) == (N_STEPS, n_examples)
    assert len(epochs) == -(-n_examples // len(dataset.train))
    assert math.isfinite(result.history["loss"][-1])
    value = result.history[config.objective.metric][-1]
    assert math.isfinite(value)
    # The height of a landscape and the cost of a point have no lower bound.
    lowest = 0 if config.task.loss["_target_"].startswith("keras.losses.") else -math.inf
    assert lowest <= value <= (1 if config.objective.is_share else math.inf)
