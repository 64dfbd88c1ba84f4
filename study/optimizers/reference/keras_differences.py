"""Differences between Keras's optimizers and the papers' rules, and their sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from study.optimizers.reference import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdaMax,
    AdamW,
    AMSGrad,
    Array,
    Lion,
    Momentum,
    Nadam,
    Nesterov,
    RMSprop,
    Rule,
)

_N_STEPS = 100
NOWHERE = "nowhere"
# Arguments of rules that choose between forms; Keras has one form.
FORMS = (
    *("epsilon_form", "t_counts", "decay_times_rate", "bias_correction"),
    *("schedule_decay", "scheduled_average", "epsilon_inside_root"),
)


@dataclass(frozen=True, kw_only=True)
class KerasDifference:
    """A paper's rule and the optimizer of Keras that has its name.

    Attributes:
        paper: The paper's rule.
        keras: Name of Keras's class.
        source: The rule's authors and year.
        where: The difference, at equal hyperparameters.
        effect: The effect of the difference on a training.
        extra: Arguments of Keras's class that the rule does not have. Default: none.
    """

    paper: Rule
    keras: str
    source: str
    where: str
    effect: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the rule."""
        return type(self.paper).__name__

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of Keras's optimizer: the rule's numbers and the extra ones."""
        numbers = {f.name: getattr(self.paper, f.name) for f in fields(self.paper)}  # type: ignore[arg-type]
        return {name: value for name, value in numbers.items() if name not in FORMS} | dict(self.extra)


_INSIDE_THE_ROOT = "epsilon is added inside the root"
# Every rule and the Keras optimizer of the same name; hyperparameters are the same on both sides.
KERAS_DIFFERENCES = (
    KerasDifference(paper=SGD(), keras="SGD", source="Robbins & Monro 1951", where=NOWHERE, effect="-"),
    KerasDifference(
        paper=Momentum(),
        keras="SGD",
        source="Polyak 1964",
        where=NOWHERE,
        effect="the velocity holds the rate: after the rate falls, it goes on as fast for a while",
    ),
    KerasDifference(
        paper=Nesterov(),
        keras="SGD",
        extra={"nesterov": True},
        source="Sutskever et al. 2013",
        where="its weights are those looked ahead to",
        effect="-",
    ),
    KerasDifference(
        paper=Adagrad(epsilon=1e-7),
        keras="Adagrad",
        source="Duchi et al. 2011",
        where=_INSIDE_THE_ROOT,
        effect="gradients below sqrt(epsilon) move little",
    ),
    KerasDifference(
        paper=RMSprop(),
        keras="RMSprop",
        source="Tieleman & Hinton 2012",
        where=_INSIDE_THE_ROOT,
        effect="as with Adagrad; at rho = 1 a step is lr g / sqrt(epsilon), not lr g / epsilon",
    ),
    KerasDifference(paper=Adadelta(), keras="Adadelta", source="Zeiler 2012", where=NOWHERE, effect="-"),
    KerasDifference(
        paper=Adam(epsilon=1e-7),
        keras="Adam",
        source="Kingma & Ba 2015, alg. 1",
        where="epsilon-hat, the form at the end of the paper's section 2",
        effect="epsilon counts 1 / sqrt(1 - beta_2^t) times as much: 32 times at first",
    ),
    KerasDifference(
        paper=AMSGrad(epsilon=1e-7),
        keras="Adam",
        extra={"amsgrad": True},
        source="Reddi et al. 2018, alg. 2",
        where="bias is corrected, the maximum being over what is not",
        effect="steps are sqrt(1 - beta_2^t) / (1 - beta_1^t) as long, until beta_2^t is small",
    ),
    KerasDifference(
        paper=AdaMax(),
        keras="Adamax",
        extra={"epsilon": 1e-7},
        source="Kingma & Ba 2015, alg. 2",
        where="epsilon is added to the norm",
        effect="gradients near epsilon move less",
    ),
    KerasDifference(
        paper=Nadam(),
        keras="Nadam",
        source="Dozat 2016",
        where="the schedule of beta_1 has 0.96^t, not 0.96^(0.004 t); the average has beta_1 throughout",
        effect="beta_1 is reached after some hundred updates, not after thousands",
    ),
    KerasDifference(
        paper=AdamW(epsilon=1e-7),
        keras="AdamW",
        source="Loshchilov & Hutter 2019, alg. 2",
        where="the decay is multiplied by the rate; epsilon-hat",
        effect="weights decay lr times as fast",
    ),
    KerasDifference(paper=Lion(), keras="Lion", source="Chen et al. 2023, alg. 2", where=NOWHERE, effect="-"),
)


@dataclass(frozen=True, kw_only=True)
class MeasuredDifference:
    """The size of a difference between Keras and a paper.

    Attributes:
        first: Keras's first update over the paper's, for a gradient of 1.
        first_tiny: Keras's first update over the paper's, for a gradient of 1e-6.
        apart: Distance between the weights after 100 updates, relative to the distance that the paper's weights have
            moved.
    """

    first: float
    first_tiny: float
    apart: float


@contextmanager
def double_precision() -> Iterator[None]:
    """Let Keras make its own numbers, such as the rate, in float64."""
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        yield
    finally:
        keras.config.set_floatx(before)


def measure(difference: KerasDifference) -> MeasuredDifference:
    """Step both optimizers in float64 and compare them; call this inside `double_precision`.

    Args:
        difference: The rule and the optimizer of Keras.
    """
    ones, tiny = (_first(difference, gradient) for gradient in (1.0, 1e-6))
    rng = np.random.default_rng(0)
    start = np.ones(50)
    gradients = [rng.normal(size=50) + 0.5 for _ in range(_N_STEPS)]
    paper, keras = (step(difference, start, gradients) for step in (_by_paper, _by_keras))
    apart = float(np.linalg.norm(keras - paper) / np.linalg.norm(paper - start))
    return MeasuredDifference(first=ones, first_tiny=tiny, apart=apart)


def held_by_float32(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments rounded to float32: Keras on TensorFlow rounds them before it converts them to float64.

    Args:
        arguments: The arguments of an optimizer, by name.
    """
    return {name: float(np.float32(value)) if type(value) is float else value for name, value in arguments.items()}


def _first(difference: KerasDifference, gradient: float) -> float:
    start = np.zeros(1)  # so that no weight decay is part of the update
    paper, keras = (float(step(difference, start, [np.array([gradient])])[0]) for step in (_by_paper, _by_keras))
    return keras / paper


def _by_paper(difference: KerasDifference, start: Array, gradients: Sequence[Array]) -> Array:
    given: Any = difference.paper
    numbers = {f.name: getattr(given, f.name) for f in fields(given)}
    rule: Rule = type(given)(**held_by_float32(numbers))
    weights = [start]
    state = rule.init(weights)
    for gradient in gradients:
        weights, state = rule.step(weights, [gradient], state)
    return weights[0]


def _by_keras(difference: KerasDifference, start: Array, gradients: Sequence[Array]) -> Array:
    import keras

    optimizer = getattr(keras.optimizers, difference.keras)(**held_by_float32(difference.arguments))
    weights = keras.Variable(start, dtype="float64")
    optimizer.build([weights])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient, dtype="float64")])
    return np.asarray(keras.ops.convert_to_numpy(weights), dtype=np.float64)
