import linecache
import traceback

import keras
import pytest

from study.core.failure_text import IN_SHORT, failure_text, users_part

OWN = """
import keras


class Own(keras.layers.Layer):
    def call(self, x):
        return keras.ops.matmul(x, keras.ops.zeros((7, 2)))


class Outer(keras.layers.Layer):
    def __init__(self, inner, **options):
        super().__init__(**options)
        self.inner = inner

    def call(self, x):
        return self.inner(keras.ops.concatenate([x, x], axis=-1))


def loss(y_true, y_pred, options=None):
    raise RuntimeError("no loss today")


def step(data):
    raise RuntimeError("no step today")


def quiet():
    raise ValueError
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A user's file with layers, a loss and a step."""
    path = tmp_path_factory.mktemp("own") / "own_parts.py"
    path.write_text(OWN)
    names = {"__name__": "own_parts"}
    exec(compile(OWN, str(path), "exec"), names)
    linecache.checkcache()
    return names


def text_of(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return failure_text(error)
    raise AssertionError("nothing was raised")


def short(function, *arguments):
    *_, last = text_of(function, *arguments).splitlines()
    assert last.startswith(IN_SHORT)
    return last.removeprefix(IN_SHORT)


def line_of(words):
    return next(n for n, line in enumerate(OWN.splitlines(), start=1) if words in line)


def test_an_own_layer_is_named_with_its_input_and_its_place(own):
    told = short(own["Own"](name="projection"), keras.ops.zeros((3, 4)))
    assert "; in layer projection (Own); " in told
    assert f"in call of own_parts.py, line {line_of('matmul')}; " in told
    assert told.endswith("with x=float32 of shape (3, 4)")


def test_a_layer_of_keras_in_an_own_layer_is_named_and_so_is_the_own_one(own):
    inner = keras.layers.Dense(2, name="inner")
    inner.build((None, 4))
    told = short(own["Outer"](inner, name="outer"), keras.ops.zeros((3, 4)))
    assert "layer 'inner' is incompatible" in told
    assert "(3, 8)" in told
    assert "; in layer outer (Outer); in call of own_parts.py" in told
    assert told.endswith("with x=float32 of shape (3, 4)")


def test_a_layer_of_keras_is_named_by_its_class_where_the_own_model_only_calls_it():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), keras.layers.Reshape((2, 1))])
    assert "(3, 5)" in short(model, keras.ops.zeros((3, 5)))


def test_a_model_is_called_a_model():
    class Broken(keras.Model):
        def call(self, x):
            raise RuntimeError(f"no {x.ndim}")

    assert "; in model mine (Broken); in call of test_failure_text.py" in short(
        Broken(name="mine"), keras.ops.zeros((3, 4))
    )


def test_a_loss_and_a_step_have_the_shapes_of_their_arguments(own):
    y = keras.ops.zeros((3,), dtype="int32")
    told = short(own["loss"], y, keras.ops.zeros((3, 10)))
    assert told == (
        f"RuntimeError: no loss today; in loss of own_parts.py, line {line_of('no loss')}; "
        "with y_true=int32 of shape (3,), y_pred=float32 of shape (3, 10)"
    )
    assert short(own["step"], (keras.ops.zeros((3, 4)), y)).endswith(
        "with data=(float32 of shape (3, 4), int32 of shape (3,))"
    )
    assert short(own["quiet"]).startswith("ValueError; in quiet of own_parts.py")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "{{function_node __inference_f_7}} Incompatible shapes: [9,8] vs. [32,8]\n\t [[{{node net/wide/mul}}]]",
            "Incompatible shapes: [9,8] vs. [32,8], at node net/wide/mul",
        ),
        (
            "Dimensions must be equal, but are 128 and 64 for '{{node net/MatMul}} = MatMul[T=DT_FLOAT](a, b)' "
            "with input shapes: [?,128], [64,8].",
            "Dimensions must be equal, but are 128 and 64 for node net/MatMul with input shapes: [?,128], [64,8]",
        ),
        ("long " * 100, f"{'long ' * 48}..."),
    ],
)
def test_messages_of_tensorflow_are_shortened_and_keep_node_and_shapes(message, told):
    def fail():
        raise RuntimeError(message)

    assert short(fail).partition("; in fail")[0] == f"RuntimeError: {told}"


def test_the_text_holds_the_whole_traceback(own):
    with pytest.raises(RuntimeError) as caught:
        own["step"](())
    whole = "".join(traceback.format_exception(caught.value)).rstrip()
    assert 'raise RuntimeError("no step today")' in whole
    assert failure_text(caught.value).startswith(f"{whole}\n\n{IN_SHORT}")


def test_the_users_part_has_the_frames_of_the_users_files_and_the_message(own):
    told = users_part(text_of(own["Own"](name="projection"), keras.ops.zeros((3, 4))))
    files = [line.split('"')[1].rpartition("/")[2] for line in told.splitlines() if line.startswith('  File "')]
    assert files == ["test_failure_text.py", "own_parts.py"]
    assert "Traceback (most recent call last):" in told
    assert "keras.ops.matmul(x, keras.ops.zeros((7, 2)))" in told
    assert "Arguments received by Own.call():" in told
    assert "\x1b" not in told


def test_a_key_error_in_a_layer_is_shown_in_lines():
    text = (
        "Traceback (most recent call last):\n  File \"own.py\", line 3, in call\nKeyError: 'a\\n\\n\\x1b[1mb\\x1b[0m'"
    )
    assert users_part(text).endswith("KeyError: a\n\nb")


def test_without_a_users_file_the_whole_traceback_is_shown():
    text = 'Traceback (most recent call last):\n  File "/x/site-packages/keras/a.py", line 3, in call\n    f()\nE: no'
    assert users_part(f"{text}\n") == text
