import keras
import pytest

from study.core.keras_errors import plain_shapes, read_keras_error


class Raising(keras.layers.Layer):
    """Raises what it is given."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def call(self, x, mask=None, training=False):  # noqa: ARG002
        raise self.error


def raised_in_a_layer(error):
    with pytest.raises(type(error)) as caught:
        Raising(error)(keras.ops.zeros((3, 4)), training=True)
    return read_keras_error(caught.value)


@pytest.mark.parametrize("error", [ValueError("it broke\nand more"), KeyError("it broke"), RuntimeError("it broke")])
def test_class_cause_and_shapes_are_read_from_what_keras_writes(error):
    told = raised_in_a_layer(error)
    assert told.layer == "Raising"
    assert told.cause == "it broke"
    assert told.arguments == ("x=float32 of shape (3, 4)", "training=True")


def test_a_layer_of_keras_with_a_wrong_width_says_which_layer():
    layer = keras.layers.Dense(2, name="narrow")
    layer.build((None, 4))
    with pytest.raises(ValueError, match="narrow") as caught:
        layer(keras.ops.zeros((3, 5)))
    told = read_keras_error(caught.value)
    assert "layer 'narrow' is incompatible" in told.cause
    assert "(3, 5)" in told.cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [(ValueError("\n one\ntwo"), "one"), (KeyError("gain"), "'gain'"), (RuntimeError(), ""), (KeyError(3), "3")],
)
def test_of_another_exception_the_first_line_is_read(error, cause):
    told = read_keras_error(error)
    assert (told.layer, told.cause, told.arguments) == ("", cause, ())


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("x=tf.Tensor(shape=(None, 64), dtype=float32)", "x=float32 of shape (None, 64)"),
        ("x=torch.Tensor(shape=torch.Size([2]), dtype=torch.float32)", None),
        ("x=['jnp.ndarray(shape=(2,), dtype=int32)', '3']", "x=[int32 of shape (2,), '3']"),
        ("training=True", "training=True"),
    ],
)
def test_shapes_of_each_backend_are_written_alike(text, plain):
    assert plain_shapes(text) == (plain or text)
