"""Hyperparameters of any trial in the place of one trial's numbers, so that one program serves many trials.

An optimizer computes with Python numbers, which are float64, and only what comes out of that becomes float32: Adam
multiplies by the float32 of 1 - beta_2, not by 1 minus the float32 of beta_2, which for 0.99999 is off by 7e-4. So a
number that stands for any trial keeps the formula until it meets an array. The formulas are then computed for every
trial in float64 on the host and enter the program as arrays, or as variables; new values never compile anything anew.
(Where all is trained in float64 they enter in that.)

A formula that decides something (`if self.momentum != 0`) is answered for the trial that the program was made with,
and the answer is kept: the program serves those trials that give the same answers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

# A number's name, a constant, or (operation, operands ...).
Formula = str | float | tuple[Any, ...]

_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "pow", "neg", "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge")
} | {"bool": bool, "float": float}


def evaluate(formula: Formula, values: Mapping[str, float]) -> Any:
    """Compute a formula with the numbers of one trial."""
    if isinstance(formula, str):
        return values[formula]
    if isinstance(formula, tuple):
        name, *operands = formula
        return _OPERATIONS[name](*(evaluate(operand, values) for operand in operands))
    return formula


@dataclass(kw_only=True)
class Frame:
    """The numbers of one program: what they are for the trial it was made with, and what was asked of them.

    Attributes:
        values: The numbers of the trial that the program is made with, by name.
        formulas: The formulas that met an array, in order.
        answers: What formulas decided, such as `momentum != 0`.
        last: The name of the number that was last handed to the backend.
        lenient: Whether a formula that nothing is bound to is taken for what decides something, not for an error.
    """

    values: Mapping[str, float]
    formulas: list[Formula] = field(default_factory=list)
    answers: dict[Formula, Any] = field(default_factory=dict)
    last: str = ""
    lenient: bool = False
    _bound: Mapping[Formula, Any] | None = None

    def number(self, name: str) -> Number:
        """Return the stand-in for a number."""
        return Number(name, self)

    def bind(self, arrays: Sequence[Any] | None) -> None:
        """Let arrays or Keras variables stand for the formulas, in their order, from now on; None: note new ones."""
        self._bound = None if arrays is None else dict(zip(self.formulas, arrays, strict=True))

    def columns(self, trials: Sequence[Mapping[str, float]]) -> list[NDArray[np.floating[Any]]]:
        """Compute every formula for every trial, arrays of shape (n_trials,)."""
        return [
            np.asarray([evaluate(f, values) for values in trials], dtype=keras.config.floatx()) for f in self.formulas
        ]

    def serves(self, values: Mapping[str, float]) -> bool:
        """Tell whether a trial with these numbers answers all questions as the program's own trial did."""
        return all(evaluate(question, values) == answer for question, answer in self.answers.items())

    def answer(self, question: Formula) -> Any:
        """Answer a question for the program's own trial and remember that it was asked."""
        self.answers[question] = evaluate(question, self.values)
        return self.answers[question]

    def read(self, formula: Formula) -> Any:
        """Return the array that a formula stands for."""
        if self._bound is None:
            if formula not in self.formulas:
                self.formulas.append(formula)
            return keras.ops.convert_to_tensor(evaluate(formula, self.values), dtype=keras.config.floatx())
        if self.lenient and formula not in self._bound:
            return keras.ops.convert_to_tensor(self.answer(("float", formula)), dtype=keras.config.floatx())
        bound = self._bound[formula]
        return bound.value if isinstance(bound, keras.Variable) else bound


class Number:
    """Stands for a number that every trial has its own of; computes with numbers as a formula, with arrays as one.

    Args:
        formula: What it is computed from.
        frame: Where its value is known.
    """

    def __init__(self, formula: Formula, frame: Frame) -> None:
        self._formula, self._frame = formula, frame

    @property
    def dtype(self) -> Any:
        """Type that it has as an array."""
        return np.dtype(keras.config.floatx())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape that it has as an array."""
        return ()

    @property
    def __jax_array__(self) -> Callable[[], Any]:
        # A property, since some of JAX's functions look for it only to refuse it: then it is known whom.
        self._frame.last = _name_in(self._formula)
        return lambda: self._frame.read(self._formula)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        """Return what TensorFlow computes with, in the type that it asks for."""
        self._frame.last = _name_in(self._formula)
        import tensorflow as tf

        # Keras takes a variable for a tensor; TensorFlow's operations do not.
        return tf.cast(tf.convert_to_tensor(self._frame.read(self._formula)), dtype or keras.config.floatx())

    def __bool__(self) -> bool:
        return bool(self._frame.answer(("bool", self._formula)))

    def __float__(self) -> float:
        return float(self._frame.answer(("float", self._formula)))

    def __neg__(self) -> Number:
        return Number(("neg", self._formula), self._frame)

    def __pos__(self) -> Number:
        return self

    def __abs__(self) -> Number:
        return Number(("abs", self._formula), self._frame)

    def __add__(self, other: Any) -> Any:
        return self._combine("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._combine("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._combine("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._combine("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._combine("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._combine("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._combine("truediv", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._combine("truediv", other, self)

    def __pow__(self, other: Any) -> Any:
        return self._combine("pow", self, other)

    def __rpow__(self, other: Any) -> Any:
        return self._combine("pow", other, self)

    def __lt__(self, other: Any) -> Any:
        return self._decide("lt", other)

    def __le__(self, other: Any) -> Any:
        return self._decide("le", other)

    def __gt__(self, other: Any) -> Any:
        return self._decide("gt", other)

    def __ge__(self, other: Any) -> Any:
        return self._decide("ge", other)

    def __eq__(self, other: object) -> Any:
        return False if other is None or isinstance(other, str) else self._decide("eq", other)

    def __ne__(self, other: object) -> Any:
        return True if other is None or isinstance(other, str) else self._decide("ne", other)

    def __hash__(self) -> int:
        return hash(self._formula)

    def _combine(self, operation: str, left: Any, right: Any) -> Any:
        formulas = [_formula_of(operand) for operand in (left, right)]
        if None in formulas:
            return _OPERATIONS[operation](*(_as_array(operand) for operand in (left, right)))
        return Number((operation, *formulas), self._frame)

    def _decide(self, operation: str, other: Any) -> Any:
        formula = _formula_of(other)
        if formula is None:
            return _OPERATIONS[operation](_as_array(self), _as_array(other))
        return self._frame.answer((operation, self._formula, formula))


def _formula_of(operand: Any) -> Formula | None:
    """Return the formula of what is known on the host, None of an array."""
    if isinstance(operand, Number):
        return operand._formula
    return operand if isinstance(operand, int | float) else None


def _as_array(operand: Any) -> Any:
    return keras.ops.convert_to_tensor(operand)


def _name_in(formula: Formula) -> str:
    """Return the first name in a formula."""
    if isinstance(formula, tuple):
        return next((name for part in formula[1:] if (name := _name_in(part))), "")
    return formula if isinstance(formula, str) else ""
