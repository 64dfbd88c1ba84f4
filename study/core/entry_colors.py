"""Colors of the entries of a comparison, for the page, the pictures and MLflow's charts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

# Each has a contrast of at least three to one on white and on a dark page. They were found by a random search around
# Okabe and Ito's colors (2008) for the largest least distance in CIEDE2000: two are 19 apart for full color vision,
# and 11 without red, green or blue cones (simulated after Machado et al. 2009). In gray, markers distinguish entries.
COLORS = ("#0072b2", "#ce2209", "#12a888", "#df5569", "#b88f06", "#7b89ff", "#59763f", "#836677")
# The optimizers that prefer each color, in turn. Append new names: any other order changes preferences.
_KNOWN = (
    "adam",
    "momentum",
    "sgd",
    "rmsprop",
    "nesterov",
    "adamax",
    "adagrad",
    "nadam",
    "adamw",
    "adadelta",
    "lion",
    "muon",
    "amsgrad",
    "adafactor",
    "lamb",
    "ftrl",
    "schedule_free_adamw",
)


def color_numbers(optimizers: Sequence[str]) -> list[int]:
    """Return the number of each entry's color: eight entries in a row of preferences have eight colors.

    An optimizer gets the color that it prefers unless another entry of the comparison has it; then it gets the first
    color that is free. With more entries than colors, each color is given out once before one is given out twice.

    Args:
        optimizers: The optimizer's name of each entry.

    Returns:
        For each entry a number from 0: its color is `COLORS[number % len(COLORS)]`, and `number // len(COLORS)` counts
        the entries that had the color before.

    Example:
        >>> color_numbers(["sgd", "lion", "sgd"])
        [2, 0, 1]
    """
    numbers: dict[int, int] = {}
    # Known optimizers first, in their own order, so that adding a rare one changes no usual color.
    for index in sorted(
        range(len(optimizers)), key=lambda i: (optimizers[:i].count(optimizers[i]), _rank(optimizers[i]))
    ):
        given = [number % len(COLORS) for number in numbers.values()]
        fewest = min(given.count(color) for color in range(len(COLORS)))
        preferred = _rank(optimizers[index])[0] % len(COLORS)
        order = [preferred, *range(len(COLORS))]
        color = next(color for color in order if given.count(color) == fewest)
        numbers[index] = color + len(COLORS) * fewest
    return [numbers[index] for index in range(len(optimizers))]


def entry_colors(optimizers: Sequence[str]) -> list[str]:
    """Return the color of each entry, as `#rrggbb`.

    Args:
        optimizers: The optimizer's name of each entry.
    """
    return [COLORS[number % len(COLORS)] for number in color_numbers(optimizers)]


def _rank(optimizer: str) -> tuple[int, str]:
    """Return the place of an optimizer in the order of preferences; an unknown one has a place by its name alone."""
    if optimizer in _KNOWN:
        return _KNOWN.index(optimizer), optimizer
    # A checksum, since Python's hash of a string changes from process to process.
    return len(_KNOWN) + zlib.crc32(optimizer.encode()) % 1000, optimizer
