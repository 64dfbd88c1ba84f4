"""The page of docs/ on update rules: Keras beside the papers, and every optimizer of conf/optimizer beside an oracle.

python benchmarks/update_rules/page.py docs/update_rules.md
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from textwrap import wrap
from typing import Any

import optax

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[2])]

from benchmarks.update_rules.further import FURTHER, Further
from benchmarks.update_rules.measure import LARGE_EPSILON, Departures, measure_departures, read_optimizers
from benchmarks.update_rules.oracles import ORACLES
from study.optimizers.keras_cautions import CAUTIONS
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
# Optimizers that are less than this apart are the same: optax computes a rate of Adafactor in float32.
_SAME_AS_ORACLE = 1e-6
# Others that differ from 1 by less than this are shown as 1 plus or minus the difference.
_NEARLY = 1e-3
_WIDTH = 119


def page(
    measured: Mapping[str, MeasuredDifference], departures: Mapping[str, Departures], sizes: Mapping[str, float]
) -> str:
    """Return the page as Markdown.

    Args:
        measured: The differences between Keras and the papers, by rule.
        departures: The distances from the oracles, by optimizer of conf/optimizer.
        sizes: The sizes of single differences, by key.
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
            "## Every optimizer",
            *(line for paragraph in _EVERY for line in (*wrap(paragraph, _WIDTH), "")),
            *_table(_EVERY_HEADER, [_departure_row(name, departures[name]) for name in sorted(departures)]),
            "",
            "## Single differences",
            *(line for paragraph in _SINGLE for line in (*wrap(paragraph, _WIDTH), "")),
            *_table(_SINGLE_HEADER, [_further_row(further, sizes[further.key]) for further in FURTHER]),
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


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="FILE", help="the page is written here")
    out = parser.parse_args().out
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # JAX has float64 only if it was enabled before
    with double_precision():
        text = page(*measure_all())
    out.write_text(text, encoding="utf-8")


def measure_all() -> tuple[dict[str, MeasuredDifference], dict[str, Departures], dict[str, float]]:
    """Measure everything that the page shows; call it within `double_precision`."""
    return (
        {difference.name: measure(difference) for difference in KERAS_DIFFERENCES},
        {name: measure_departures(name, section) for name, section in read_optimizers().items()},
        {further.key: further.size() for further in FURTHER},
    )


def _row(difference: KerasDifference, measured: MeasuredDifference) -> tuple[str, ...]:
    ratios = (_ratio(ratio) for ratio in (measured.first, measured.first_tiny))
    apart = "same" if measured.apart < _SAME else f"{measured.apart:.2g} of the way apart"
    extra = "".join(f", {name}={value}" for name, value in difference.extra.items() if name != "epsilon")
    rule = f"{difference.name} ({difference.source})"
    return (rule, f"{difference.keras}{extra}", difference.where, difference.effect, *ratios, apart)


def _departure_row(name: str, departures: Departures) -> tuple[str, ...]:
    oracle = ORACLES[name]
    decayed = _distance(departures.decayed)
    if oracle.decay not in (None, 1.0):
        decayed += f" (weight_decay={oracle.decay:g})"
    return (
        name,
        oracle.told,
        _distance(departures.plain),
        _distance(departures.large_epsilon),
        decayed,
        oracle.where,
    )


def _further_row(further: Further, size: float) -> tuple[str, ...]:
    told = f"{_distance(size)}{further.unit}" if size >= _SAME_AS_ORACLE else _distance(size)
    mark = " *" if further.key in {caution.key for caution in CAUTIONS} else ""
    return (f"{further.optimizer}{mark}", further.setting, further.runs, further.other, told)


def _distance(distance: float | None) -> str:
    if distance is None:
        return "-"
    if distance < _SAME_AS_ORACLE:
        return "same"
    return f"{distance:.2g}" if distance < 100 else f"{distance:.0f}"


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
_EVERY_HEADER = (
    *("optimizer", "beside", "default", f"epsilon={LARGE_EPSILON:g}", "weight_decay=1"),
    "where they differ",
)
_EVERY = (
    "Every optimizer of `conf/optimizer`, as a study trains with it on TensorFlow in float64, beside an "
    f"implementation that is not its own: optax {optax.__version__} where that has the rule, else the paper's "
    "equations in NumPy. Both have the same hyperparameters: those of the YAML, a rate of 0.01 (1 for Adadelta, 0.5 "
    "for Prodigy), and no decay except in the column of that name. Decay is the rule's own where it has one (AdamW, "
    "LAMB, Lion, Prodigy, schedule-free AdamW, Muon), else -lr weight_decay w beside the step.",
    "The columns have the largest distance between the weights within 100 updates, over the way that the other side's "
    "weights have come by then. `same`: below 1e-6. Gradients are noisy, of sizes from 1e-3 to 10. A test fails for "
    "an optimizer without a row.",
)
_SINGLE_HEADER = ("optimizer", "setting", "here", "beside", "measured")
_SINGLE = (
    "Differences that show at one setting only. What Keras computes stays as it is. A study with the setting of a row "
    "that is marked * says so at its start, and so does the page of `study compare`.",
)
_BESIDES = (
    "A running average of gradients, v <- m v + (1 - m) g (`AveragedMomentum`), is momentum at 1 - m times the rate: "
    "with m = 0.9 it needs ten times the rate. Keras has no such form.",
    "`Adam` has two further forms that were published: epsilon inside the root, and t that counts passes over the "
    "data instead of updates, a slip.",
    "`weight_decay=` of any optimizer of Keras is decoupled and multiplied by the rate, as in AdamW above. LAMB, FTRL "
    "and schedule-free AdamW do more with the weights than to subtract a step, so there it is not the paper's decay.",
    "`prodigy`, `swats`, `adam_then_sgd` and `adam_then_given_sgd` are the project's. Their weights decay at the rate "
    "of the step: lr d in Prodigy, as in its authors' code; after Adam the rate of SGD.",
    "No rule of Keras projects its weights; AMSGrad's projection is a constraint of the layer.",
)


if __name__ == "__main__":
    main()
