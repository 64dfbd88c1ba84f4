"""Symbols in place of one trial's hyperparameters, so that one program can train many trials.

An optimizer computes with Python numbers, which are float64; only their results become float32. Adam multiplies by the
float32 of 1 - beta_2, not by 1 minus the float32 of beta_2, whose relative error is 1.4e-3 for 0.99999. So a symbol
keeps the formula until an operation combines it with an array. The formulas are then computed in float64 on the host
for every trial. Their values enter the program as arrays or variables, in the precision of the training; new values
need no new compilation.

Some formulas decide something, as in `if self.momentum != 0`. Such a question is answered for the trial that the
program was made with, and the answer is kept. The program can train all trials that give the same answers.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

# A number's name, a constant, or (operation, operands ...).
Formula = str | float | tuple[Any, ...]

# Mark of a function that takes symbols.
_ACCEPTS = "accepts_symbols"
_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    name: getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "pos", "abs")
} | {
    **{name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{"bool": bool, "float": float, "round": round, "hash": hash},
    **{name: getattr(math, name) for name in ("sqrt", "exp", "log", "trunc", "floor", "ceil")},
}


def evaluate(formula: Formula, values: Mapping[str, float]) -> Any:
    """Compute a formula with the numbers of one trial.

    Args:
        formula: The formula.
        values: The numbers, by name.
    """
    if isinstance(formula, str):
        return values[formula]
    if isinstance(formula, tuple):
        name, *operands = formula
        return _OPERATIONS[name](*(evaluate(operand, values) for operand in operands))
    return formula


@dataclass(kw_only=True)
class Frame:
    """The symbols of one program: their values for the trial that the program was made with, and their uses.

    Attributes:
        values: The numbers of the trial that the program is made with, by name.
        formulas: The formulas that were combined with an array, in order. Default: empty.
        answers: Answers of formulas that decide something, such as `momentum != 0`. Default: empty.
        last: The name of the number that was passed to the backend last. Default: the empty text, no number.
        lenient: Treat a formula without a bound array as one that decides something; otherwise it is an error. Default
            False.
    """

    values: Mapping[str, float]
    formulas: list[Formula] = field(default_factory=list)
    answers: dict[Formula, Any] = field(default_factory=dict)
    last: str = ""
    lenient: bool = False
    _bound: Mapping[Formula, Any] | None = None

    def number(self, name: str) -> Number:
        """Return the symbol of a number.

        Args:
            name: Name of the number.
        """
        return Number(name, self)

    def bind(self, arrays: Sequence[Any] | None) -> None:
        """Bind arrays or Keras variables to the formulas.

        Args:
            arrays: One for each formula, in their order; None: collect formulas instead.
        """
        self._bound = None if arrays is None else dict(zip(self.formulas, arrays, strict=True))

    def columns(self, trials: Sequence[Mapping[str, float]]) -> list[NDArray[np.floating[Any]]]:
        """Compute every formula for every trial.

        Args:
            trials: The numbers of each trial, by name.

        Returns:
            An array of shape (n_trials,) for each formula.
        """
        return [
            np.asarray([evaluate(f, values) for values in trials], dtype=keras.config.floatx()) for f in self.formulas
        ]

    def serves(self, values: Mapping[str, float]) -> bool:
        """Return whether a trial with these numbers gives the same answers as the program's own trial.

        Args:
            values: The numbers of the trial, by name.
        """
        return all(evaluate(question, values) == answer for question, answer in self.answers.items())

    def answer(self, question: Formula) -> Any:
        """Answer a question for the program's own trial, and keep the answer.

        Args:
            question: A formula that decides something.
        """
        self.answers[question] = evaluate(question, self.values)
        return self.answers[question]

    def read(self, formula: Formula) -> Any:
        """Return the value of a formula as an array.

        Args:
            formula: The formula.
        """
        if self._bound is None:
            if formula not in self.formulas:
                self.formulas.append(formula)
            return keras.ops.convert_to_tensor(evaluate(formula, self.values), dtype=keras.config.floatx())
        if self.lenient and formula not in self._bound:
            return keras.ops.convert_to_tensor(self.answer(("float", formula)), dtype=keras.config.floatx())
        bound = self._bound[formula]
        return bound.value if isinstance(bound, keras.Variable) else bound


class Number:
    """Symbol of a number that differs between trials. With numbers it makes formulas, with arrays it makes arrays.

    Args:
        formula: The formula of the number.
        frame: The frame that has the number's value.
    """

    def __init__(self, formula: Formula, frame: Frame) -> None:
        self._formula, self._frame = formula, frame

    @property
    def dtype(self) -> Any:
        """Type of the number's array."""
        return np.dtype(keras.config.floatx())

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the number's array."""
        return ()

    @property
    def __jax_array__(self) -> Callable[[], Any]:
        # A property, since some of JAX's functions look it up only to refuse it: the frame then knows the number.
        self._frame.last = _name_in(self._formula)
        return lambda: self._frame.read(self._formula)

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Any:
        """Return a tensor of the type that TensorFlow asks for."""
        self._frame.last = _name_in(self._formula)
        import tensorflow as tf

        # Keras takes a variable for a tensor; TensorFlow's operations do not.
        return tf.cast(tf.convert_to_tensor(self._frame.read(self._formula)), dtype or keras.config.floatx())

    def __bool__(self) -> bool:
        return bool(self._frame.answer(("bool", self._formula)))

    def __float__(self) -> float:
        return float(self._frame.answer(("float", self._formula)))

    def __trunc__(self) -> int:
        return int(self._frame.answer(("trunc", self._formula)))

    def __floor__(self) -> int:
        return int(self._frame.answer(("floor", self._formula)))

    def __ceil__(self) -> int:
        return int(self._frame.answer(("ceil", self._formula)))

    def __int__(self) -> int:
        return self.__trunc__()

    def __round__(self, n_digits: int | None = None) -> Any:
        return self._frame.answer(("round", self._formula, *(() if n_digits is None else (n_digits,))))

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

    def __floordiv__(self, other: Any) -> Any:
        return self._combine("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._combine("floordiv", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._combine("mod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._combine("mod", other, self)

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
        # As a key of a dictionary a symbol finds what its value would find.
        return int(self._frame.answer(("hash", self._formula)))

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


def accepting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that gets arrays in place of symbols; itself if it is such a function.

    Args:
        function: A function that takes arrays and numbers.
    """
    if getattr(function, _ACCEPTS, False):
        return function

    @functools.wraps(function)
    def accepts(*arguments: Any, **named: Any) -> Any:
        given = [_as_array(each) if isinstance(each, Number) else each for each in arguments]
        return function(*given, **{k: _as_array(v) if isinstance(v, Number) else v for k, v in named.items()})

    setattr(accepts, _ACCEPTS, True)
    return accepts


def _of_number(name: str) -> Callable[..., Any]:
    """Return a function of `math` that makes a formula of a symbol."""

    def function(value: Any, *others: Any) -> Any:
        if isinstance(value, Number) and not others:
            return Number((name, value._formula), value._frame)
        return getattr(math, name)(value, *others)

    return function


# The module `math`, with functions that take symbols too.
MATH = SimpleNamespace(**{**vars(math), **{name: _of_number(name) for name in ("sqrt", "exp", "log")}})


def _formula_of(operand: Any) -> Formula | None:
    """Return the formula of a symbol or a number; None for an array."""
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
