"""The kind of a model by its layers, and its number of operations, against numbers counted by hand."""

import importlib
from pathlib import Path

import keras
import pytest
import yaml

from study.training.model_size import forward_flops, model_kind, study_size

L = keras.layers
ROOT = Path(__file__).parents[2]


class Own(keras.Model):
    """A model that is a class, whose layers know no shapes."""

    def __init__(self, *layers):
        super().__init__()
        self.parts = [*layers, L.Flatten(), L.Dense(10)]

    def call(self, x):
        for part in self.parts:
            x = part(x)
        return x


def sequential(shape, *layers, dtype="float32"):
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


def own(shape, *layers):
    model = Own(*layers)
    model(keras.ops.zeros((1, *shape)))
    return model


class Spare(Own):
    """A model with a layer that it never calls."""

    def __init__(self):
        super().__init__(L.Dense(4))
        self.spare = L.Dense(3)


def with_an_unused_layer():
    model = Spare()
    with pytest.warns(UserWarning, match="unbuilt state"):  # Keras tells of the layer
        model(keras.ops.zeros((1, 8, 4)))
    return model


@pytest.mark.parametrize(
    ("model", "kind", "flops"),
    [
        (lambda: sequential((8,), L.Dense(16), L.Dense(4)), "dense", 2 * (9 * 16 + 17 * 4)),
        # A dense layer is used at each of the 5 places, a convolution at each of 3 x 3 places of its output.
        (lambda: sequential((5, 8), L.Dense(16)), "dense", 2 * 5 * 9 * 16),
        (lambda: sequential((5, 5, 1), L.Conv2D(4, 3)), "convolutional", 2 * 9 * (9 * 4 + 4)),
        (lambda: sequential((5, 5, 2), L.Conv2D(4, 3), L.Flatten(), L.Dense(10)), "convolutional", 2 * (9 * 76 + 370)),
        (lambda: sequential((9, 3), L.Conv1D(4, 3, padding="same")), "convolutional", 2 * 9 * 40),
        (lambda: sequential((7, 3), L.LSTM(4)), "recurrent", 2 * 7 * 128),
        (lambda: sequential((7, 3), L.LSTM(4, return_sequences=True)), "recurrent", 2 * 7 * 128),
        (lambda: sequential((7, 3), L.Bidirectional(L.SimpleRNN(4))), "recurrent", 2 * 7 * 2 * 32),
        (lambda: sequential((7, 3), L.RNN([L.SimpleRNNCell(4), L.SimpleRNNCell(4)])), "recurrent", 2 * 7 * (32 + 36)),
        (lambda: sequential((7, 3), L.TimeDistributed(L.Dense(5))), "dense", 2 * 7 * 20),
        (lambda: sequential((6,), L.Embedding(100, 8), L.Flatten(), L.Dense(2)), "embedding", 2 * (48 * 2 + 2)),
        (lambda: sequential((6,), L.Embedding(100, 8), L.LSTM(8)), "recurrent", 2 * 6 * 544),
        (lambda: sequential((4,), keras.Sequential([L.Dense(3), L.BatchNormalization()])), "dense", 2 * (15 + 12)),
        (lambda: sequential((4, 4, 4, 4, 1), L.ConvLSTM3D(2, 2)), "convolutional", None),
        # A convolution that hardly counts beside the rest does not decide.
        (lambda: sequential((3, 3, 1), L.Conv2D(1, 3), L.Flatten(), L.Dense(500), L.Dense(500)), "dense", None),
        (lambda: own((8, 8, 1), L.Conv2D(4, 3)), "convolutional", None),
        (lambda: own((8, 4), L.GRU(4)), "recurrent", None),
        (lambda: own((8, 4), L.Dense(4)), "dense", None),
        (lambda: own((8, 4), L.Bidirectional(L.LSTM(4))), "recurrent", None),
        (with_an_unused_layer, "dense", None),
    ],
)
def test_kind_and_operations(model, kind, flops):
    built = model()
    assert model_kind(built) == kind
    if flops is not None:
        assert forward_flops(built) == flops
    assert forward_flops(built) > 0


@pytest.mark.parametrize(
    ("name", "shape", "kind"),
    [
        ("mlp", (28, 28), "dense"),
        ("lstm", (28, 28), "recurrent"),
        ("cnn_2c2d", (28, 28, 1), "convolutional"),
        ("resnet20", (32, 32, 3), "convolutional"),
        ("word_embedding", (12,), "embedding"),
    ],
)
def test_the_layers_of_our_models_have_the_kind_that_conf_gives(name, shape, kind):
    module = importlib.import_module(f"study.models.{name}")
    assert model_kind(module.build(shape, 10)) == kind
    text = (ROOT / "conf" / "model" / f"{name}.yaml").read_text()
    assert yaml.safe_load(text)["kind"] == kind


def test_the_size_of_a_study_counts_steps_examples_and_batches(compose):
    from study.pipeline.workload import build_model, load_dataset

    words = ("budget.n_trials=25", "budget.n_epochs=3", "budget.n_confirmations=4", "trainer.batch_size=100")
    config = compose(*words)
    dataset = load_dataset(config)
    model = build_model(config, dataset)
    size = study_size(config, dataset, model)
    n_train, n_steps = len(dataset.train), 3 * -(-len(dataset.train) // 100)
    assert (size.kind, size.n_steps, size.n_weights) == ("dense", n_steps, model.count_params())
    assert size.batches == (25, 4, 4)
    n_validated = n_steps * 100 / n_train * len(dataset.validation)
    assert size.flops == forward_flops(model) * (3 * n_steps * 100 + n_validated)
    learning = compose(*words, "sampler=tpe")
    assert study_size(learning, dataset, model).batches == (10, 10, 5, 4, 4)
    typed = compose(*words, "model.kind=recurrent", "budget.n_confirmations=0", "optimizer.learning_rate=0.1")
    assert study_size(typed, dataset, model).kind == "recurrent"
    assert study_size(typed, dataset, model).batches == (25,)
