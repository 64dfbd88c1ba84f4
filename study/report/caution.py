"""A warning to read before trusting a comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Caution:
    """One warning.

    Attributes:
        topic: A word or two, such as `Unequal budgets`.
        text: The fact, and the next step.
        serious: Whether it can make the comparison wrong; serious warnings stand beside the answer. Default: False.
        brief: The fact in a few words, for a low terminal. Default: the first sentence of `text`.
    """

    topic: str
    text: str
    serious: bool = False
    brief: str = ""
