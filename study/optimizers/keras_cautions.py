"""Cautions about settings with which an optimizer of Keras 3.15 computes another rule than the rule of its paper.

docs/update_rules.md has the measured size of each difference.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

_PAGE = "The page “Update rules” of the documentation has the size of the difference."
# Sums of FTRL that begin below this leave the initial weights of a network as they are.
_SMALL_SUM = 1e-6


@dataclass(frozen=True, kw_only=True)
class UsedOptimizer:
    """An optimizer in a study.

    Attributes:
        target: Dotted path of the optimizer.
        fixed: The arguments with a given value, as numbers or as text; all others have Keras's defaults.
        searched: Names of the searched arguments.
        backend: The Keras backend of the trainer. None (the default): unknown.
    """

    target: str
    fixed: Mapping[str, object]
    searched: Collection[str]
    backend: str | None = None

    def may_differ(self, argument: str, *, from_value: float, default: float) -> bool:
        """Return True if an argument may have another number than the number without effect.

        Args:
            argument: Name of the argument.
            from_value: The number without effect.
            default: The argument's default in Keras.
        """
        return argument in self.searched or self.number(argument, default=default) != from_value

    def number(self, argument: str, *, default: float) -> float:
        """Return the number of an argument that is not searched.

        Args:
            argument: Name of the argument.
            default: The number if the argument has no given value.
        """
        value = self.fixed.get(argument)
        return float(value) if isinstance(value, int | float | str) else default

    def decays(self) -> bool:
        """Return True if the optimizer may decay weights; Keras's default is no decay."""
        return self.may_differ("weight_decay", from_value=0.0, default=0.0)


@dataclass(frozen=True, kw_only=True)
class KerasCaution:
    """A setting with which Keras departs from a paper.

    Attributes:
        key: Name of the caution, for its row on the page of measurements.
        target: Dotted path of the optimizer.
        applies: Function that returns True for an optimizer with this setting.
        text: The argument, Keras's rule, the paper's rule, and the next step.
    """

    key: str
    target: str
    applies: Callable[[UsedOptimizer], bool]
    text: str


def keras_cautions(used: UsedOptimizer) -> tuple[KerasCaution, ...]:
    """Return the cautions about an optimizer in a study.

    Args:
        used: The optimizer with its arguments.
    """
    return tuple(caution for caution in CAUTIONS if caution.target == used.target and caution.applies(used))


def _forgets(used: UsedOptimizer) -> bool:
    argument = "initial_accumulator_value"
    return argument in used.searched or used.number(argument, default=0.1) > _SMALL_SUM


_SCHEDULE_FREE = "keras.optimizers.ScheduleFreeAdamW"
_FTRL = "keras.optimizers.Ftrl"
CAUTIONS = (
    KerasCaution(
        key="lamb-decay",
        target="keras.optimizers.Lamb",
        applies=UsedOptimizer.decays,
        text="optimizer.weight_decay: Keras's LAMB decays weights outside the trust ratio; in its paper the ratio is "
        "that of the step and the decay together (You et al. 2020, algorithm 2). Do not take the result for the "
        f"paper's LAMB, or set optimizer.weight_decay=0, where the two agree. {_PAGE}",
    ),
    KerasCaution(
        key="schedule-free-tensorflow",
        target=_SCHEDULE_FREE,
        applies=lambda used: used.backend == "tensorflow",
        text="trainer.backend=tensorflow: Keras's ScheduleFreeAdamW has an error there. It reads z after its step in "
        "place of z before it, so its numbers are neither the paper's (Defazio et al. 2024) nor those on JAX. Set "
        f"trainer.backend=jax. {_PAGE}",
    ),
    KerasCaution(
        key="schedule-free-decay",
        target=_SCHEDULE_FREE,
        applies=UsedOptimizer.decays,
        text="optimizer.weight_decay: in Keras's ScheduleFreeAdamW the decay moves the average x; the paper's moves z "
        "(Defazio et al. 2024). Do not take the result for the paper's rule, or set optimizer.weight_decay=0. "
        f"{_PAGE}",
    ),
    KerasCaution(
        key="schedule-free-warmup",
        target=_SCHEDULE_FREE,
        applies=lambda used: used.may_differ("warmup_steps", from_value=0.0, default=0.0),
        text="optimizer.warmup_steps: Keras's ScheduleFreeAdamW gives the steps of the warm-up full weight in the "
        "average x; the authors' code weights each step with the square of its rate. Set optimizer.warmup_steps=0 to "
        f"compare with the paper. {_PAGE}",
    ),
    KerasCaution(
        key="ftrl-forgets",
        target=_FTRL,
        applies=_forgets,
        text="optimizer.initial_accumulator_value: Keras's FTRL makes the weights from sums that begin at 0. At this "
        "value (Keras's default is 0.1) the first update takes the initial weights of a network close to 0, so its "
        f"units stay alike. Set optimizer.initial_accumulator_value=1e-10, which keeps them. {_PAGE}",
    ),
    KerasCaution(
        key="ftrl-l2",
        target=_FTRL,
        applies=lambda used: used.may_differ("l2_regularization_strength", from_value=0.0, default=0.0),
        text="optimizer.l2_regularization_strength: Keras's FTRL counts it twice; it is half of the paper's lambda_2 "
        f"(McMahan et al. 2013, algorithm 1). Give half the paper's value. {_PAGE}",
    ),
    KerasCaution(
        key="ftrl-decay",
        target=_FTRL,
        applies=UsedOptimizer.decays,
        text="optimizer.weight_decay: Keras's FTRL makes the weights from sums, which the decay reaches less and less "
        f"(as 1/(2t) at step t). Use optimizer.l2_regularization_strength instead. {_PAGE}",
    ),
    KerasCaution(
        key="muon-decay",
        target="keras.optimizers.Muon",
        applies=lambda used: (
            used.may_differ("adam_lr_ratio", from_value=1.0, default=1.0)
            and used.may_differ("adam_weight_decay", from_value=0.0, default=0.004)
        ),
        text="optimizer.adam_lr_ratio: the weights that AdamW trains in Keras's Muon decay at learning_rate, not at "
        "AdamW's rate, which is adam_lr_ratio times as large. Set optimizer.adam_weight_decay=0, or read the decay as "
        f"adam_weight_decay / adam_lr_ratio. {_PAGE}",
    ),
)
