"""The private methods of Keras's optimizers that the optimizers here override or call, written for Keras 3.15."""

from __future__ import annotations

from typing import Any

import keras

from study.core.errors import BackendError

# `_backend_update_step(grads, trainable_variables, learning_rate)` updates all variables at once; Keras has no public
# method for this. `_get_variable_index(variable)` returns the variable's position in `build`'s list.
# `_apply_weight_decay(variables)` decays them before the update, at the learning rate. `_use_weight_decay(variable)`
# tells the variables that `exclude_from_weight_decay` left out.
_HOOKS = ("_backend_update_step", "_get_variable_index", "_apply_weight_decay", "_use_weight_decay")


def require_hooks(optimizer_class: type[Any]) -> None:
    """Refuse a version of Keras whose optimizers lack the private methods used here.

    Such a version would not call an override, and so would train by another rule.

    Args:
        optimizer_class: `keras.optimizers.Optimizer`.

    Raises:
        BackendError: A method is missing.
    """
    missing = [name for name in _HOOKS if not hasattr(optimizer_class, name)]
    if missing:
        raise BackendError(
            f"keras {keras.__version__}: expected optimizers with {', '.join(missing)}, as in Keras 3.15. "
            "Install keras>=3.15,<3.16, or choose one of Keras's own optimizers."
        )


def variable_index(optimizer: Any, variable: Any) -> int:
    """Return a variable's position among those that an optimizer was built for, by Keras 3.15's own index.

    Args:
        optimizer: The optimizer.
        variable: The variable.
    """
    return int(optimizer._get_variable_index(variable))


def with_decay(optimizer: Any, variable: Any, step: Any, *, rate: Any) -> Any:
    """Return a step together with the weight decay at the step's own rate: step + rate weight_decay w.

    Keras decays before the update, at `learning_rate`. An optimizer whose steps have another rate overrides
    `_apply_weight_decay` to do nothing and subtracts this. (Loshchilov and Hutter, "Decoupled weight decay
    regularization", ICLR 2019, algorithm 2, with the rate as a factor as in Keras.)

    Args:
        optimizer: The optimizer; without weight decay the step is returned as it is.
        variable: The variable before the update, w.
        step: The step, which will be subtracted from the variable.
        rate: The rate of the step.
    """
    if optimizer.weight_decay is None or not optimizer._use_weight_decay(variable):
        return step
    factor = keras.ops.cast(rate, variable.dtype) * keras.ops.cast(optimizer.weight_decay, variable.dtype)
    return step + factor * keras.ops.convert_to_tensor(variable)
