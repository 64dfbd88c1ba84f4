"""The rules that Keras's optimizers compute, each with the arguments by which it differs from its paper."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from study.core.search_space import Value
from study.optimizers.reference.adam import Adam, AdaMax, AdamW, AMSGrad, Nadam
from study.optimizers.reference.adaptive import Adadelta, Adagrad, RMSprop
from study.optimizers.reference.momentum import SGD, AveragedMomentum, Lion, Momentum, Nesterov
from study.optimizers.reference.state import Rule

# fmt: off
_RULES = (
    SGD, Momentum, AveragedMomentum, Nesterov, Lion, Adagrad, RMSprop, Adadelta, Adam, AdamW, AMSGrad, AdaMax, Nadam,
)
# fmt: on


def of_keras(target: str, arguments: Mapping[str, Value | None]) -> Rule:
    """Return the rule that an optimizer of Keras computes.

    Args:
        target: Dotted path of the optimizer, such as `keras.optimizers.Adam`; or of a rule of this package, which is
            then built directly.
        arguments: Arguments of the optimizer, by name; those left out or None take Keras's defaults.

    Raises:
        ValueError: There is no rule for the optimizer, or the rule lacks one of the arguments.
    """
    builders: dict[str, Callable[..., Rule]] = {f"keras.optimizers.{name}": build for name, build in _KERAS.items()}
    builders |= {f"{__package__}.{rule.__name__}": rule for rule in _RULES}
    if target not in builders:
        raise ValueError(
            f"optimizer._target_={target}: expected one with a reference rule: {', '.join(_KERAS)} "
            f"of keras.optimizers, or a rule of {__package__}. Choose one of them, or train with trainer=fit."
        )
    build = builders[target]
    known = inspect.signature(build).parameters
    for name, value in arguments.items():
        # Keras's extra arguments are off at None and false. Settings of an average of weights have no effect then.
        if name not in known and value is not None and value is not False and not name.startswith("ema_"):
            raise ValueError(
                f"optimizer.{name}={value!r}: expected an argument of the reference rule of {target}: "
                f"{', '.join(known)}. Leave it out, or train with trainer=fit."
            )
    return build(**{name: value for name, value in arguments.items() if name in known and value is not None})


def _sgd(*, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False) -> Rule:
    if momentum == 0:  # Keras looks ahead by nothing then
        return SGD(learning_rate=learning_rate)
    return (Nesterov if nesterov else Momentum)(learning_rate=learning_rate, momentum=momentum)


def _adagrad(
    *, learning_rate: float = 0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7
) -> Adagrad:
    return Adagrad(
        learning_rate=learning_rate,
        initial_accumulator_value=initial_accumulator_value,
        epsilon=epsilon,
        epsilon_inside_root=True,
    )


def _rmsprop(
    *,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> RMSprop:
    return RMSprop(
        learning_rate=learning_rate,
        rho=rho,
        momentum=momentum,
        epsilon=epsilon,
        centered=centered,
        epsilon_inside_root=True,
    )


def _adadelta(*, learning_rate: float = 0.001, rho: float = 0.95, epsilon: float = 1e-7) -> Adadelta:
    return Adadelta(learning_rate=learning_rate, rho=rho, epsilon=epsilon)


def _adam(
    *,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> Rule:
    if amsgrad:
        return AMSGrad(
            learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, bias_correction=True
        )
    return Adam(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, epsilon_form="epsilon_hat")


def _adamw(
    *,
    learning_rate: float = 0.001,
    weight_decay: float = 0.004,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> AdamW:
    return AdamW(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        decay_times_rate=True,
        epsilon_form="epsilon_hat",
    )


def _adamax(
    *, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> AdaMax:
    return AdaMax(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def _nadam(
    *, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
) -> Nadam:
    return Nadam(
        learning_rate=learning_rate,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
        schedule_decay=1.0,
        scheduled_average=False,
    )


def _lion(
    *, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, weight_decay: float | None = None
) -> Lion:
    return Lion(learning_rate=learning_rate, beta_1=beta_1, beta_2=beta_2, weight_decay=weight_decay or 0.0)


# The defaults of these functions' arguments are Keras's.
_KERAS: Mapping[str, Callable[..., Rule]] = {
    "SGD": _sgd,
    "Adagrad": _adagrad,
    "RMSprop": _rmsprop,
    "Adadelta": _adadelta,
    "Adam": _adam,
    "AdamW": _adamw,
    "Adamax": _adamax,
    "Nadam": _nadam,
    "Lion": _lion,
}
