"""Models of every kind that plain Keras trains give the numbers of the plain loop, or are refused with the reason."""

from pathlib import Path

import numpy as np
import pytest
from case_process import CaseProcess

pytestmark = pytest.mark.long(reason="the first test of each backend loads it")

PROGRAM = Path(__file__).with_name("own_model_cases.py")
# float32, about twenty steps; vectorized computes the same sums in another order.
FIT, VECTORIZED = 1e-6, 5e-6
OPTIMIZERS = ["adam", pytest.param("sgd", marks=pytest.mark.full)]
ANYWHERE = [
    "functional",
    "sequential",
    "subclassed",
    "own_loss",
    "added_loss",
    "own_metric",
    "own_test_step",
    "pretrained",
    "mixed_precision",
]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    import own_models

    path = tmp_path_factory.mktemp("pretrained") / "pretrained.keras"
    own_models.save_pretrained(path)
    return path


@pytest.fixture(scope="module", params=["jax", "tensorflow"])
def backend(request, tmp_path_factory, pretrained):
    with (tmp_path_factory.mktemp("log") / "stderr").open("w+") as log:
        process = CaseProcess(PROGRAM, log, CASE_BACKEND=request.param, PRETRAINED=str(pretrained))
        process.name = request.param
        yield process
        process.close()


def trainers_of(backend):
    return ["fit", "vectorized"] if backend.name == "jax" else ["fit"]


def check(found, *, bfloat16=False):
    """Compare the numbers of each trainer with those of the plain loop."""
    for trainer in set(found) - {"keras"}:
        tolerance = (FIT if trainer == "fit" else VECTORIZED) * (2000 if bfloat16 and trainer != "fit" else 1)
        for ours, plain in zip(found[trainer], found["keras"], strict=True):
            assert ours["state"] == "complete", ours["error"]
            assert set(plain["history"]) - {"learning_rate"} == set(ours["history"])
            for name, values in ours["history"].items():
                np.testing.assert_allclose(
                    values, plain["history"][name], atol=tolerance, rtol=tolerance, err_msg=name
                )
            for name in ("final_loss", "test_loss", "test_accuracy"):
                np.testing.assert_allclose(ours["summary"][name], plain[name], atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", ANYWHERE)
def test_a_model_gives_the_numbers_of_the_plain_loop(backend, kind, optimizer):
    check(backend.ask("own_model", kind, optimizer, trainers_of(backend)), bfloat16=kind == "mixed_precision")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("kind", "on"), [("jax_step", "jax"), ("tensorflow_step", "tensorflow"), ("tensorflow_inside", "tensorflow")]
)
def test_a_model_for_one_backend_trains_there_and_is_refused_elsewhere(backend, kind, on, optimizer):
    if backend.name == on:
        check(backend.ask("own_model", kind, optimizer, trainers_of(backend)))
    else:
        other = {"jax": "JAX", "tensorflow": "TensorFlow"}[on]
        told = backend.ask("refusal", kind)
        assert "model=tiny: expected a model that" in told
        assert other in told
        assert "trainer=auto" in told


@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_early_stopping_and_plateaus_are_those_of_keras(backend, restore_best, optimizer):
    found = backend.ask("stopped", trainers_of(backend), restore_best, optimizer)
    for trainer in trainers_of(backend):
        for ours, plain in zip(found[trainer], found["keras"], strict=True):
            n_epochs = len(plain["history"]["loss"])
            assert 4 < n_epochs < 60
            assert ours["summary"]["n_epochs"] == n_epochs
            assert ours["summary"]["kept_epoch"] == (plain["kept_epoch"] if restore_best else n_epochs)
            assert min(plain["rates"]) < max(plain["rates"])
    check(found)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("question", ["two_optimizers", "unfrozen"])
def test_parts_of_a_model_train_in_their_own_way(backend, question, optimizer):
    check(backend.ask(question, optimizer))


def test_a_model_in_float16_is_refused(backend):
    assert "layer flatten computes in float16" in backend.ask("refusal", "half_precision")


def test_steps_whose_logs_are_not_the_metrics_do_not_train_side_by_side(backend):
    if backend.name == "jax":
        assert backend.ask("refusal", "batch_loss") == ""
        told = backend.ask("refusal", "batch_loss", "vectorized")
        assert "its train_step returns loss, its metrics are loss, accuracy, and the metrics alone count there" in told
        assert backend.ask("refusal", "jax_step", "vectorized") == ""
        assert "train_step returns a loss; WithoutLoss returns total" in backend.ask("refusal", "no_loss")
        assert "tracking.every_n_steps=1: expected null" in backend.ask("refused_every_n_steps", "jax_step")


def test_a_model_that_draws_from_numpy_does_not_train_side_by_side(backend):
    if backend.name == "jax":
        assert "it draws from random or numpy.random" in backend.ask("refusal", "numpy_noise", "vectorized")
        assert backend.ask("refusal", "functional", "vectorized") == ""


def test_a_callback_can_neither_lengthen_a_training_nor_change_its_record(backend):
    found = backend.ask("meddled")
    for alone, meddled in zip(found["alone"], found["meddled"], strict=True):
        assert meddled["summary"]["n_steps"] == alone["summary"]["n_steps"] == 10
        assert meddled["history"] == alone["history"]


def test_weights_of_a_file_have_a_digest_and_drawn_ones_have_none(backend):
    found = backend.ask("given_weights_twice")
    assert found["file"][0] == found["file"][1] != ""
    assert found["drawn"][0] == found["drawn"][1]
    assert found["seeds"] == ["", ""]


def test_a_model_with_state_besides_its_variables_has_no_checkpoints(backend):
    if backend.name == "tensorflow":
        (told,), n_files = backend.ask("told_of_checkpoints", "unseeded_noise")
        assert "no checkpoint is saved, since the model has state besides its variables" in told
        assert n_files == 0
    assert backend.ask("told_of_checkpoints", "functional") == [[], 1]
