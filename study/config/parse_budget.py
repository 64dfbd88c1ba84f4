"""Read the budget of a study: trials, epochs or steps, confirmations, and what ends a search early."""

from __future__ import annotations

from study.config.parse_objective import of_share
from study.config.reader import Reader
from study.config.schema import Budget, Confirm, Objective

# Under `sequential`, if the config does not say.
_MOST_CONFIRMATIONS = 40
# With fewer confirmations no interval can be computed, as in study.statistics.intervals.
_FEWEST_WITH_INTERVAL = 3
_TARGET = "budget.until.target"


def read_budget(read: Reader) -> Budget:
    """Read the budget.

    Args:
        read: The reader, which collects faults.
    """
    n_steps = read.integer("budget.n_steps", minimum=1, optional=True)
    n_epochs = read.integer("budget.n_epochs", minimum=1, optional=n_steps is not None)
    confirm: Confirm = read.one_of("budget.confirm", ("fixed", "sequential"), default="fixed")
    n_confirmations = read.integer("budget.n_confirmations", minimum=0, optional=confirm == "sequential")
    return Budget(
        n_trials=read.integer("budget.n_trials", minimum=1) or 1,
        n_epochs=None if n_steps else n_epochs,
        n_steps=n_steps,
        n_confirmations=_MOST_CONFIRMATIONS if n_confirmations is None else n_confirmations,
        time_limit_s=read.number("budget.time_limit_s", optional=True, above=0),
        confirm=confirm,
        until=read.number(_TARGET) if read.section("budget.until", optional=True) else None,
    )


def check_until(read: Reader, budget: Budget, objective: Objective) -> None:
    """Refuse a target that the metric cannot have, and one that no confirmation can show to be reached.

    Args:
        read: The reader, which collects faults.
        budget: The budget.
        objective: The objective.
    """
    if budget.until is None:
        return
    if objective.is_share and not 0 <= budget.until <= 1:
        read.fault(_TARGET, budget.until, **of_share(budget.until, objective.metric))
    if budget.n_confirmations < _FEWEST_WITH_INTERVAL:
        read.fault(
            "budget.n_confirmations",
            budget.n_confirmations,
            allowed=f"at least {_FEWEST_WITH_INTERVAL} with {_TARGET}, since one run can reach a target by luck",
            advice=f"Set budget.n_confirmations={_FEWEST_WITH_INTERVAL} or more, or budget.until=null.",
        )
