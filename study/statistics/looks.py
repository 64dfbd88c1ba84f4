"""Looks: the fixed numbers of seeds at which pairs are tested, with the error that each look may spend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ERROR = 0.05
LOOKS = (5, 10, 20, 40, 80, 160, 320, 640, 1280)
# Levels have so many decimals, so that their text is the number and equal plans have equal texts.
_DECIMALS = 12


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look.

    Attributes:
        n_seeds: Number of paired confirmation seeds at which pairs are tested.
        level: Probability of a false claim that this look may spend.
    """

    n_seeds: int
    level: float


def plan_looks(n_max: int, *, sequential: bool, error: float = ERROR) -> tuple[Look, ...]:
    """Return the looks of a comparison, to be fixed before the first.

    Fixed: one look at `n_max` with all the error. Sequential: looks at 5, 10, 20, ... seeds below `n_max`, and at
    `n_max`. The levels grow as 1 : 2 : ... : L and sum to the error. The probability of a false claim at any look
    is at most that sum, whatever the correlation of the looks (Boole's inequality). Growing levels are for the
    looks at which most differences are found: 0.005, 0.01, 0.015 and 0.02 for 5, 10, 20 and 40 seeds.

    Args:
        n_max: The largest number of confirmation seeds.
        sequential: Whether there are looks before the last.
        error: Probability of any false claim. Default: 0.05.

    Raises:
        ValueError: If `n_max` is below 1, or the error not within (0, 1).
    """
    _check_number(n_max)
    if not 0.0 < error < 1.0:
        raise ValueError(f"error={error}: expected a number strictly between 0 and 1, such as 0.05. Pass a fraction.")
    return _with_levels(_places(n_max, sequential=sequential), error=error)


def continued(looks: Sequence[Look], *, n_done: int, n_max: int, sequential: bool) -> tuple[Look, ...]:
    """Return the plan after the largest number of seeds was changed.

    Looks already made keep their level: their error stays spent. The error that they left is divided among the
    looks still to come. If they left none, as a single look at n seeds does, the first further look gets half of
    `ERROR`, the next a quarter, and so on: the total then exceeds `ERROR`, stays below twice that, and
    `error_spent` says it.

    Args:
        looks: The plan of before.
        n_done: Number of confirmation seeds that have ended; looks at so many or fewer are made.
        n_max: The largest number of seeds now.
        sequential: Whether there are looks before the last.

    Returns:
        The plan; the one of before if the looks still to come are the same.

    Raises:
        ValueError: If the looks do not grow, or a number is not allowed.
    """
    before = check_looks(looks)
    _check_number(n_max)
    made = tuple(look for look in before if look.n_seeds <= n_done)
    reached = made[-1].n_seeds if made else 0
    ahead = tuple(place for place in _places(n_max, sequential=sequential) if place > reached)
    if ahead == tuple(look.n_seeds for look in before[len(made) :]):
        return before
    left = round(ERROR - error_spent(made), _DECIMALS)
    if left > 0:
        return (*made, *_with_levels(ahead, error=left))
    spent = [error_spent(made[: index + 1]) for index in range(len(made))]
    n_further = sum(round(each - ERROR, _DECIMALS) > 0 for each in spent)
    levels = [ERROR / 2 ** (n_further + 1 + index) for index in range(len(ahead))]
    return (*made, *(Look(n_seeds=place, level=level) for place, level in zip(ahead, levels, strict=True)))


def error_spent(looks: Sequence[Look]) -> float:
    """Return the error of all looks together: the largest probability of a false claim at any of them."""
    return round(math.fsum(look.level for look in looks), _DECIMALS)


def check_looks(looks: Sequence[Look]) -> tuple[Look, ...]:
    """Return the looks.

    Raises:
        ValueError: If their numbers of seeds do not grow from 1 on, or a level is not within [0, 1).
    """
    places = [look.n_seeds for look in looks]
    if any(place <= before for before, place in zip([0, *places], places, strict=False)):
        raise ValueError(
            f"looks at {places} seeds: expected numbers that grow, from 1 on. Pass the looks of plan_looks()."
        )
    for look in looks:
        if not 0.0 <= look.level < 1.0:
            raise ValueError(
                f"level={look.level} of the look at {look.n_seeds} seeds: expected a number from 0 to below 1. "
                "Pass the looks of plan_looks()."
            )
    return tuple(looks)


def looks_text(looks: Sequence[Look]) -> str:
    """Return the looks as a text, such as `5:0.005 10:0.01`; `looks_of` reads it."""
    return " ".join(f"{look.n_seeds}:{look.level!r}" for look in looks)


def looks_of(text: str) -> tuple[Look, ...]:
    """Return the looks that a text of `looks_text` describes.

    Raises:
        ValueError: If the text is damaged, or the looks do not grow.
    """
    try:
        pairs = [part.split(":") for part in text.split()]
        looks = tuple(Look(n_seeds=int(n_seeds), level=float(level)) for n_seeds, level in pairs)
    except ValueError:
        looks = ()
    if not looks:
        raise ValueError(
            f"looks={text!r}: expected seeds and levels such as '5:0.005 10:0.01'. Restore the tag as it was recorded."
        )
    return check_looks(looks)


def _places(n_max: int, *, sequential: bool) -> tuple[int, ...]:
    """Return the numbers of seeds at which there are looks."""
    return (*(place for place in LOOKS if place < n_max and sequential), n_max)


def _with_levels(places: Sequence[int], *, error: float) -> tuple[Look, ...]:
    """Return looks whose levels grow as 1 : 2 : ... and sum to the error."""
    total = len(places) * (len(places) + 1) // 2
    levels = [round(error * (index + 1) / total, _DECIMALS) for index in range(len(places))]
    if levels:
        levels[-1] = round(error - math.fsum(levels[:-1]), _DECIMALS)
    return tuple(Look(n_seeds=place, level=level) for place, level in zip(places, levels, strict=True))


def _check_number(n_max: int) -> None:
    if n_max < 1:
        raise ValueError(f"n_max={n_max}: expected at least 1 seed. Pass the number of confirmations.")
