"""The private methods of Keras's optimizers that the optimizers here override or call, written for Keras 3.15."""

from __future__ import annotations

from typing import Any

import keras

from study.core.errors import BackendError

# `_backend_update_step(grads, trainable_variables, learning_rate)` updates all variables at once; Keras has no public
# method for this. `_get_variable_index(variable)` returns the variable's position in `build`'s list.
_HOOKS = ("_backend_update_step", "_get_variable_index")


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
            f"keras {keras.__version__}: expected optimizers with {' and '.join(missing)}, as in Keras 3.15. "
            "Install keras>=3.15,<3.16, or choose one of Keras's own optimizers."
        )


def variable_index(optimizer: Any, variable: Any) -> int:
    """Return a variable's position among those that an optimizer was built for, by Keras 3.15's own index.

    Args:
        optimizer: The optimizer.
        variable: The variable.
    """
    return int(optimizer._get_variable_index(variable))
