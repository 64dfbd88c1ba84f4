"""The page of docs/ about the differences between Keras and the papers' rules.

python -m study.optimizers.reference.differences_page docs/update_rules.md
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import wrap
from typing import Any

from study.optimizers.reference import of_keras
from study.optimizers.reference.keras_differences import (
    FORMS,
    KERAS_DIFFERENCES,
    KerasDifference,
    MeasuredDifference,
    double_precision,
    measure,
)

# Ratios of float64 that differ by less than this are the same.
_SAME = 1e-9
# Others that differ from 1 by less than this are shown as 1 plus or minus the difference.
_NEARLY = 1e-3
_WIDTH = 119


def page(measured: Mapping[str, MeasuredDifference]) -> str:
    """Return the page as Markdown.

    Args:
        measured: The measurements, by name of the rule.
    """
    header = ("rule", "Keras", "where they differ", "effect", "first update, g = 1", "g = 1e-6", "after 100 updates")
    rows = [_row(difference, measured[difference.name]) for difference in KERAS_DIFFERENCES]
    defaults = [row for difference in KERAS_DIFFERENCES if (row := _defaults(difference))]
    return "\n".join(
        [
            "# Update rules: the papers' and Keras's",
            "",
            *(line for paragraph in _INTRODUCTION for line in (*wrap(paragraph, _WIDTH), "")),
            *_table(header, rows),
            "",
            "## Defaults",
            "Those of the paper (of the reference rule, where the paper has none) and of Keras where they differ.",
            "",
            *_table(("rule", "paper", "Keras"), defaults),
            "",
            "## Besides",
            *(line for item in _BESIDES for line in wrap(item, _WIDTH, initial_indent="- ", subsequent_indent="  ")),
            "",
        ]
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, and write the page to a path.

    Args:
        arguments: The arguments of the command: the path.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # JAX has float64 only if it was enabled before
    with double_precision():
        measured = {difference.name: measure(difference) for difference in KERAS_DIFFERENCES}
    Path(arguments[0]).write_text(page(measured), encoding="utf-8")
    return 0


def _row(difference: KerasDifference, measured: MeasuredDifference) -> tuple[str, ...]:
    ratios = (_ratio(ratio) for ratio in (measured.first, measured.first_tiny))
    apart = "same" if measured.apart < _SAME else f"{measured.apart:.2g} of the way apart"
    extra = "".join(f", {name}={value}" for name, value in difference.extra.items() if name != "epsilon")
    rule = f"{difference.name} ({difference.source})"
    return (rule, f"{difference.keras}{extra}", difference.where, difference.effect, *ratios, apart)


def _ratio(ratio: float) -> str:
    if abs(ratio - 1) < _SAME:
        return "same"
    if abs(ratio - 1) < _NEARLY:
        return f"1 {'+' if ratio > 1 else '-'} {abs(ratio - 1):.0e}"
    return f"{ratio:.3g}"


def _defaults(difference: KerasDifference) -> tuple[str, ...] | None:
    """Return the defaults that differ; None if all are equal."""
    build: Callable[[], Any] = type(difference.paper)
    paper = build()
    extra = {"momentum": 0.9} if difference.keras == "SGD" and difference.name != "SGD" else {}
    keras = of_keras(f"keras.optimizers.{difference.keras}", {**extra, **difference.extra})
    differing = [
        f.name
        for f in fields(paper)
        if f.name not in FORMS and f.name not in difference.extra and getattr(paper, f.name) != getattr(keras, f.name)
    ]
    if not differing:
        return None
    told = (", ".join(f"{name} {getattr(rule, name):g}" for name in differing) for rule in (paper, keras))
    return (difference.name, *told)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]


_INTRODUCTION = (
    "`study/optimizers/reference` has every rule in NumPy, with its equations and source; the paper's form is what "
    "an unnamed argument gives, and `of_keras` gives the rule that Keras computes. Tests hold Keras and that rule "
    "together over 100 steps, and see every mutant of it fail.",
    "This page is written by `make rules`, from what it measures; a test compares the two. Both sides have the same "
    "hyperparameters. Columns: Keras's first update over the paper's for one gradient g; the distance between the "
    "weights after 100 updates along noisy gradients of about 1, over the way that the paper's weights have come.",
)
_BESIDES = (
    "A running average of gradients, v <- m v + (1 - m) g (`AveragedMomentum`), is momentum at 1 - m times the rate: "
    "with m = 0.9 it needs ten times the rate. Keras has no such form.",
    "`Adam` has two further forms that were published: epsilon inside the root, and t that counts passes over the "
    "data instead of updates, a slip.",
    "`weight_decay=` of any optimizer of Keras is decoupled and multiplied by the rate, as in AdamW above.",
    "No rule of Keras projects its weights; AMSGrad's projection is a constraint of the layer.",
)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
