import math

import jax.numpy as jnp
import keras
import numpy as np
import pytest

from study.training.symbolic_numbers import Frame


def frame(**values):
    return Frame(values=values)


def test_one_minus_a_number_is_exact():
    known = frame(beta=0.99999)
    array = jnp.ones(3) * (1 - known.number("beta"))
    assert np.all(np.asarray(array) == np.float32(1 - 0.99999))
    assert np.float32(1) - np.float32(0.99999) != np.float32(1 - 0.99999)


def test_formulas_are_computed_for_every_trial_in_float64():
    known = frame(a=0.1, b=3.0)
    a, b = known.number("a"), known.number("b")
    formulas = [
        2 * a,
        a - 1,
        -b,
        a / b,
        1 / b,
        a**2,
        abs(-a),
        (1 - a) * b,
        +a + 1,
        2**b,
        b // 0.3,
        5 // b,
        b % a,
        5 % b,
    ]
    for formula in formulas:
        jnp.asarray(formula)
    trials = [{"a": 0.3, "b": 0.7}, {"a": 0.999999, "b": 2.0}]
    columns = known.columns(trials)
    for index, (x, y) in enumerate(((0.3, 0.7), (0.999999, 2.0))):
        wanted = [2 * x, x - 1, -y, x / y, 1 / y, x**2, x, (1 - x) * y, x + 1, 2**y, y // 0.3, 5 // y, y % x, 5 % y]
        assert [column[index] for column in columns] == [np.float32(value) for value in wanted]


def test_bound_arrays_stand_for_their_formulas():
    known = frame(a=0.5)
    a = known.number("a")
    jnp.asarray(1 - a)
    jnp.asarray(a)
    known.bind([jnp.float32(7), jnp.float32(5)])
    assert float(jnp.ones(()) * (1 - a)) == 7
    assert float(a * jnp.ones(())) == 5
    assert float(jnp.float32(2) ** a) == 32
    assert float(a > jnp.float32(4)) == 1
    with pytest.raises(KeyError):
        jnp.asarray(a + 1)


@pytest.mark.parametrize(
    ("decide", "served", "not_served"),
    [
        (lambda n: bool(n), 0.2, 0.0),
        (lambda n: n != 0, 0.2, 0.0),
        (lambda n: n == 0.5, 0.5, 0.6),
        (lambda n: n > 0, 1.0, -1.0),
        (lambda n: n >= 0.5, 0.6, 0.4),
        (lambda n: n < 1, 0.9, 1.1),
        (lambda n: n <= 0.5, 0.5, 0.6),
        (lambda n: 1 - n > 0.25, 0.6, 0.8),
        (lambda n: {0.5: 3.0}.get(n, 1.0), 0.5, 0.6),
        (lambda n: int(10 * n), 0.52, 0.6),
        (lambda n: math.floor(10 * n), 0.52, 0.6),
        (lambda n: math.ceil(10 * n), 0.5, 0.52),
        (lambda n: round(n, 1), 0.52, 0.6),
        (lambda n: math.sqrt(n) > 0, 0.5, 0.6),  # a number extracted from it is part of the program
    ],
)
def test_decisions_hold_for_trials_that_answer_alike(decide, served, not_served):
    known = frame(n=0.5)
    assert known.serves({"n": not_served})  # no decision so far
    assert decide(known.number("n"))
    assert known.serves({"n": served})
    assert not known.serves({"n": not_served})


def test_a_symbol_differs_from_a_text_and_from_none():
    known = frame(n=0.5)
    number = known.number("n")
    assert number is not None
    assert (number == None) is False  # noqa: E711 - what an optimizer may write
    assert number != "text"
    assert known.answers == {}
    assert len({number, known.number("n")}) == 1


def test_tensorflow_gets_the_value_of_a_variable_in_the_type_it_asks_for():
    import tensorflow as tf

    known = frame(beta=0.99999)
    number = 1 - known.number("beta")
    assert float(tf.ones(()) * number) == np.float32(1 - 0.99999)
    held = keras.Variable(0.0, dtype="float32")
    known.bind([held])
    held.assign(3.0)
    assert float(tf.ones(()) * number) == 3
    assert float(number * tf.ones(())) == 3
    assert tf.cast(number, tf.bfloat16).dtype == tf.bfloat16
    assert (tf.ones((), tf.float64) * number).dtype == tf.float64


def test_a_late_formula_decides_where_that_is_allowed():
    known = frame(a=0.5)
    known.bind([])
    with pytest.raises(KeyError):
        jnp.asarray(1 - known.number("a"))
    known.lenient = True
    assert float(keras.ops.convert_to_numpy(keras.ops.ones(()) * (1 - known.number("a")))) == 0.5
    assert known.serves({"a": 0.5})
    assert not known.serves({"a": 0.4})
