"""The sparse cross-entropy with label smoothing beside Keras's own losses, on the backend of this process."""

import json
import sys

import keras
import numpy as np

from study.training.smoothed_crossentropy import SmoothedSparseCategoricalCrossentropy as Smoothed
from study.training.symbolic_numbers import Frame

N, CLASSES = 12, 5
SPARSE, ROWS = keras.losses.SparseCategoricalCrossentropy, keras.losses.CategoricalCrossentropy
SMOOTHING = 0.13


def examples(*between, from_logits, seed=0):
    """Return class indices, outputs and weights, of shape (n, ..., classes)."""
    generator = np.random.default_rng(seed)
    outputs = 3 * generator.normal(size=(N, *between, CLASSES))
    if not from_logits:
        outputs = np.exp(outputs) / np.exp(outputs).sum(axis=-1, keepdims=True)
    weights = generator.uniform(0, 2, (N, *between))
    classes = generator.integers(0, CLASSES, (N, *between))
    return classes.astype(np.int32), outputs.astype(np.float32), weights.astype(np.float32)


def numbers(array):
    return np.asarray(keras.ops.convert_to_numpy(array), np.float64).tolist()


def gradient(loss, y, outputs, weights=None):
    """Return the slope of a loss in the outputs."""
    if keras.backend.backend() == "jax":
        import jax

        return numbers(jax.jit(jax.grad(lambda z: loss(y, z, weights)))(outputs))
    import tensorflow as tf

    z = tf.Variable(outputs)
    with tf.GradientTape() as tape:
        value = loss(y, z, weights)
    return numbers(tape.gradient(value, z))


def told(loss, y, outputs, weights=None):
    is_usual = loss.reduction == "sum_over_batch_size"  # JAX compiles every slope
    slope = gradient(loss, y, outputs, weights) if is_usual else None
    return {"value": numbers(loss(y, outputs, weights)), "slope": slope}


def pairs():
    """Yield by name the numbers of our loss and of Keras's own."""
    for from_logits in (True, False):
        for between in ((), (3,), (2, 3)):
            for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", None):
                y, outputs, weights = examples(*between, from_logits=from_logits)
                rows = np.eye(CLASSES, dtype=np.float32)[y]
                given = {"from_logits": from_logits, "reduction": reduction}
                for name, weight in (("plain", None), ("weighted", weights)):
                    key = f"{from_logits} {between} {reduction} {name}"
                    none, some = Smoothed(**given), Smoothed(**given, label_smoothing=SMOOTHING)
                    expected = ROWS(**given, label_smoothing=SMOOTHING)
                    yield (
                        f"none {key}",
                        told(none, y, outputs, weight),
                        told(SPARSE(**given), y, outputs, weight),
                    )
                    yield f"some {key}", told(some, y, outputs, weight), told(expected, rows, outputs, weight)
                    yield (
                        f"column {key}",
                        told(some, y[..., None], outputs, weight),
                        told(expected, rows, outputs, weight),
                    )


def ignored():
    """Return the loss with an ignored class, that of the other examples alone, and Keras's own without smoothing."""
    y, outputs, weights = examples(from_logits=True)
    counts = y != 2
    broken = np.where(counts[:, None], outputs, np.float32(np.inf))
    some = Smoothed(from_logits=True, ignore_class=2, label_smoothing=SMOOTHING)
    expected = ROWS(from_logits=True, label_smoothing=SMOOTHING)
    rows = np.eye(CLASSES, dtype=np.float32)[y]
    slope = np.zeros(outputs.shape)
    slope[counts] = gradient(expected, rows[counts], outputs[counts])
    return {
        "n": int(counts.sum()),
        "ours": told(some, y, outputs),
        "broken": told(some, y, broken),
        "others": {"value": numbers(expected(rows[counts], outputs[counts])), "slope": slope.tolist()},
        "none": [
            told(loss(from_logits=True, ignore_class=2), y, outputs, weight)
            for weight in (None, weights)
            for loss in (Smoothed, SPARSE)
        ],
        # A tiny smoothing leaves the weights of the examples as Keras has them.
        "weighted": [
            told(loss, y, outputs, weights)
            for loss in (
                Smoothed(from_logits=True, ignore_class=2, label_smoothing=1e-7),
                SPARSE(from_logits=True, ignore_class=2),
            )
        ],
    }


def masked():
    """Return losses of outputs with a mask of Keras, smoothed from class indices and from rows."""
    found = []
    for loss, sparse in ((Smoothed, True), (ROWS, False)):
        model = keras.Sequential([keras.Input((4, 3)), keras.layers.Masking(), keras.layers.Dense(CLASSES, "softmax")])
        model.set_weights([np.linspace(-1, 1, 3 * CLASSES).reshape(3, CLASSES), np.zeros(CLASSES)])
        x = np.random.default_rng(0).normal(size=(N, 4, 3)).astype(np.float32)
        x[:, 2:] = 0  # masked
        y = np.random.default_rng(1).integers(0, CLASSES, (N, 4))
        model.compile(loss=loss(label_smoothing=SMOOTHING))
        targets = y if sparse else np.eye(CLASSES)[y]
        found.append(model.evaluate(x, targets, verbose=0))
    return found


def symbolic():
    """Return losses and slopes with a stand-in number, with its values bound as arrays, and with plain numbers."""
    y, outputs, _ = examples(from_logits=True)
    loss = Smoothed(from_logits=True)
    frame = Frame(values={"s": 0.1})
    loss.label_smoothing = frame.number("s")
    loss(y, outputs)  # finds the formulas
    found = {"answers": [list(question) for question in frame.answers], "ours": [], "expected": []}
    for smoothing in (0.1, 0.3):
        columns = frame.columns([{"s": smoothing}])
        frame.bind([keras.ops.convert_to_tensor(column[0]) for column in columns])
        plain = Smoothed(from_logits=True, label_smoothing=smoothing)
        found["ours"].append({"value": numbers(loss(y, outputs)), "slope": gradient(loss, y, outputs)})
        found["expected"].append({"value": numbers(plain(y, outputs)), "slope": gradient(plain, y, outputs)})
    found["serves"] = [frame.serves({"s": 0.2}), frame.serves({"s": 0.0})]
    return found


def all_cases():
    return {"pairs": list(pairs()), "ignored": ignored(), "masked": masked(), "symbolic": symbolic()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(all_cases()) + "\n")
