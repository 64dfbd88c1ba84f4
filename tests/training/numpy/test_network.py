"""The backward pass in NumPy, compared with finite differences of the forward pass."""

import numpy as np
import pytest

from study.config.instantiate import instantiate
from study.config.losses import built_loss
from study.core.errors import StudyError
from study.training.numpy.losses import read_loss
from study.training.numpy.network import ACTIVATIONS, Activation, Dense, Dropout, Flatten, Noise, backward, forward

SHAPES = ((6, 5), (5,), (5, 3), (3,))
LOGITS = {"from_logits": True}
SMOOTHED = {"label_smoothing": 0.2}
# By loss: whether outputs are logits, and the last activation that fits the loss.
CASES = {
    "binary logits": ({"_target_": "keras.losses.BinaryCrossentropy", **LOGITS}, "linear"),
    "binary": ({"_target_": "keras.losses.BinaryCrossentropy"}, "sigmoid"),
    "categorical logits": ({"_target_": "keras.losses.CategoricalCrossentropy", **LOGITS}, "linear"),
    "categorical": ({"_target_": "keras.losses.CategoricalCrossentropy"}, "softmax"),
    "categorical, unnormalized": ({"_target_": "keras.losses.CategoricalCrossentropy"}, "sigmoid"),
    "sparse logits": ({"_target_": "keras.losses.SparseCategoricalCrossentropy", **LOGITS}, "linear"),
    "sparse": ({"_target_": "keras.losses.SparseCategoricalCrossentropy"}, "softmax"),
    "smoothed logits": ({"_target_": "keras.losses.SparseCategoricalCrossentropy", **LOGITS, **SMOOTHED}, "linear"),
    "smoothed": ({"_target_": "keras.losses.SparseCategoricalCrossentropy", **SMOOTHED}, "softmax"),
    "smoothed rows": ({"_target_": "keras.losses.CategoricalCrossentropy", **SMOOTHED}, "sigmoid"),
    "squared": ({"_target_": "keras.losses.MeanSquaredError"}, "tanh"),
}


def chain(hidden, last, *, keep=1.0):
    return [
        Flatten(),
        Dense(kernel=0, bias=1),
        Activation(name=hidden),
        Dropout(keep=keep),
        Dense(kernel=2, bias=3),
        Activation(name=last),
    ]


def parameters(seed=0):
    generator = np.random.default_rng(seed)
    return [0.5 * generator.normal(size=shape) for shape in SHAPES]


def examples(n=7):
    generator = np.random.default_rng(1)
    return generator.normal(size=(n, 2, 3)), generator.integers(0, 3, n)


@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_the_slopes_of_the_loss(case, hidden):
    section, last = CASES[case]
    loss, layers, weights = read_loss(section), chain(hidden, last, keep=0.6), parameters()
    x, labels = examples()
    rows = np.eye(3)[labels]
    y = loss.targets(labels if loss.indices else rows, n_outputs=3, dtype=np.float64)
    np.testing.assert_array_equal(y, rows)

    def run(at):  # the same masks each time
        return forward(layers, at, x, noise=Noise(generator=np.random.default_rng(2)))

    done = run(weights)
    gradients = backward(layers, weights, done, loss.gradient(y, done.outputs[-1]))
    for k, weight in enumerate(weights):
        for index in np.ndindex(weight.shape):
            slopes = []
            for h in (1e-6, -1e-6):
                moved = [w.copy() for w in weights]
                moved[k][index] += h
                slopes.append(loss.values(y, run(moved).outputs[-1]).mean())
            assert gradients[k][index] == pytest.approx((slopes[0] - slopes[1]) / 2e-6, abs=1e-8, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_losses_are_those_of_keras(case):
    section, last = CASES[case]
    loss, (x, labels) = read_loss(section), examples()
    outputs = forward(chain("tanh", last), parameters(), x).outputs[-1]
    given = labels if loss.indices else np.eye(3)[labels]
    y = loss.targets(given, n_outputs=3, dtype=np.float64)
    built = instantiate(built_loss({**section, "reduction": None}))
    np.testing.assert_allclose(loss.values(y, outputs), np.asarray(built(given, outputs)), rtol=1e-5)


def test_softmax_and_sigmoid_stand_large_inputs():
    z = np.array([[1000.0, -1000.0, 0.0]])
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(ACTIVATIONS["softmax"].value(z), [[1, 0, 0]])
        np.testing.assert_allclose(ACTIVATIONS["sigmoid"].value(z), [[1, 0, 0.5]])


def test_large_logits_have_finite_losses():
    z, y = np.array([[800.0, -800.0, 3.0]]), np.array([[0.0, 1.0, 0.0]])
    with np.errstate(over="raise", invalid="raise"):
        for name in ("BinaryCrossentropy", "CategoricalCrossentropy"):
            loss = read_loss({"_target_": f"keras.losses.{name}", **LOGITS})
            expected = {"BinaryCrossentropy": (800 + 800 + np.log1p(np.exp(3))) / 3, "CategoricalCrossentropy": 1600}
            assert loss.values(y, z)[0] == pytest.approx(expected[name])
            assert np.isfinite(loss.gradient(y, z)).all()


def test_dropout_keeps_the_mean_and_is_off_without_noise():
    x, layers = np.ones((200, 500)), [Dropout(keep=0.8)]
    dropped = forward(layers, [], x, noise=Noise(generator=np.random.default_rng(0))).outputs[-1]
    assert set(np.unique(dropped)) == {0.0, 1 / 0.8}
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    assert forward(layers, [], x).outputs[-1] is x


def test_at_keep_one_a_uniform_draw_keeps_all_and_a_normal_one_84_percent():
    x, layers = np.ones((1000, 100)), [Dropout(keep=1.0)]
    uniform = forward(layers, [], x, noise=Noise(generator=np.random.default_rng(0))).outputs[-1]
    normal = forward(layers, [], x, noise=Noise(generator=np.random.default_rng(0), draw="normal")).outputs[-1]
    assert (uniform == 1).all()
    # The standard normal distribution function at 1; dropped units are not compensated.
    assert normal.mean() == pytest.approx(0.8413, abs=0.005)
    assert set(np.unique(normal)) == {0.0, 1.0}


def test_float32_remains_float32():
    weights = [weight.astype(np.float32) for weight in parameters()]
    x, labels = examples()
    noise = Noise(generator=np.random.default_rng(0))
    for section, last in CASES.values():
        loss, layers = read_loss(section), chain("relu", last, keep=0.5)
        done = forward(layers, weights, x.astype(np.float32), noise=noise)
        given = labels if loss.indices else np.eye(3)[labels]
        y = loss.targets(given, n_outputs=3, dtype=np.float32)
        gradient = loss.gradient(y, done.outputs[-1])
        arrays = [
            *done.outputs,
            gradient,
            loss.values(y, done.outputs[-1]),
            *backward(layers, weights, done, gradient),
        ]
        assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            {"_target_": "keras.losses.Huber"},
            r"_target_=keras\.losses\.Huber: expected .*MeanSquaredError.*trainer=fit",
        ),
        (
            {"_target_": "keras.losses.BinaryCrossentropy", "label_smoothing": 0.1},
            r"dataset\.task\.loss\.label_smoothing=0\.1: expected 0",
        ),
        ({"_target_": "own.losses.MeanSquaredError"}, r"own\.losses\.MeanSquaredError: expected"),
    ],
)
def test_a_loss_that_is_not_written_out_is_refused(section, told):
    with pytest.raises(StudyError, match=told):
        read_loss(section)
