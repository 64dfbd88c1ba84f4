"""The direction and the range of a metric, known from its class or function and never guessed from its name.

The tables hold every class and function of `keras.metrics` in Keras 3.15. All functions and classes of `keras.losses`
are minimized, as in training. `keras.losses.CosineSimilarity` has the opposite sign of the metric of that name.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from study.config.instantiate import Section, Unimportable, instantiate, locate
from study.config.schema import Direction

# Better when larger, and between 0 and 1.
_SHARES = frozenset(
    [
        "Accuracy",
        "BinaryAccuracy",
        "CategoricalAccuracy",
        "SparseCategoricalAccuracy",
        "TopKCategoricalAccuracy",
        "SparseTopKCategoricalAccuracy",
        "AUC",
        "Precision",
        "Recall",
        "PrecisionAtRecall",
        "RecallAtPrecision",
        "SensitivityAtSpecificity",
        "SpecificityAtSensitivity",
        "F1Score",
        "FBetaScore",
        "IoU",
        "BinaryIoU",
        "MeanIoU",
        "OneHotIoU",
        "OneHotMeanIoU",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy",
    ]
)
# Better when larger: numbers of right answers, and measures of likeness, which may be negative.
_GAINS = frozenset(
    [
        "TruePositives",
        "TrueNegatives",
        "R2Score",
        "CosineSimilarity",
        "PearsonCorrelation",
        "ConcordanceCorrelation",
        "pearson_correlation",
        "concordance_correlation",
    ]
)
# Better when smaller: errors, numbers of wrong answers, and losses offered as metrics.
_COSTS = frozenset(
    [
        "FalsePositives",
        "FalseNegatives",
        "MeanSquaredError",
        "RootMeanSquaredError",
        "MeanAbsoluteError",
        "MeanAbsolutePercentageError",
        "MeanSquaredLogarithmicError",
        "LogCoshError",
        "Hinge",
        "SquaredHinge",
        "CategoricalHinge",
        "KLDivergence",
        "Poisson",
        "BinaryCrossentropy",
        "CategoricalCrossentropy",
        "SparseCategoricalCrossentropy",
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "log_cosh",
        "huber",
        "hinge",
        "squared_hinge",
        "categorical_hinge",
        "kl_divergence",
        "poisson",
        "binary_crossentropy",
        "binary_focal_crossentropy",
        "categorical_crossentropy",
        "categorical_focal_crossentropy",
        "sparse_categorical_crossentropy",
    ]
)
# Without a direction of their own, and the reason.
UNDIRECTED = {
    "Metric": "it is the base of all metrics",
    "Mean": "it is the mean of any values",
    "Sum": "it is the sum of any values",
    "MeanMetricWrapper": "it is the mean of any function",
}
# The short names of `keras.metrics.get`. `accuracy` and `acc` stand for the accuracy that fits the targets.
_ALIASES = {
    "bce": "BinaryCrossentropy",
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
}
_FITTING_ACCURACY = ("accuracy", "acc")
_METRICS, _LOSSES = "keras.metrics", "keras.losses"
# By parts of names, as versions before 2026-11-28 guessed it.
_EARLIER_COSTS = ("loss", "error", "mse", "mae", "perplexity")
_EARLIER_SHARES = ("accuracy", "auc", "precision", "recall", "f1", "iou")


class UnusableMetric(ValueError):
    """A metric that cannot be built, or whose attribute `direction` or `is_share` has a value that is not allowed."""


@dataclass(frozen=True, kw_only=True)
class MetricFacts:
    """Direction and range of a metric.

    Attributes:
        direction: `maximize` if large values are good, `minimize` if small ones are; None: not known.
        is_share: True for a metric from 0 to 1. Default False.
        reason: The reason why the direction is not known. Default: empty, the direction is known.
    """

    direction: Direction | None
    is_share: bool = False
    reason: str = ""


# Training lowers the loss, so a small one is good, whatever its class.
LOSS = MetricFacts(direction="minimize")


def facts_of_objective(metric: str, metrics: Sequence[str | Section]) -> MetricFacts:
    """Return the facts of the metric that an objective names.

    Args:
        metric: Name of the objective's metric, such as `val_accuracy` or `loss`.
        metrics: The metrics of the workload besides the loss.

    Raises:
        UnusableMetric: The metric cannot be built, or its attribute `direction` or `is_share` has a value that is not
            allowed.
    """
    own = metric.removeprefix("val_")
    if own == "loss":
        return LOSS
    for entry in metrics:
        if own == (entry if isinstance(entry, str) else str(entry.get("name"))):
            return facts_of(entry)
    return MetricFacts(direction=None, reason="it is no metric of the workload")


def facts_of(metric: str | Section) -> MetricFacts:
    """Return the facts of a metric.

    The class or function tells those of Keras's own metrics; nothing is imported. A user's metric has the facts of the
    class from which it inherits, or of the function that it wraps, unless its attributes `direction` and `is_share`
    differ.

    Args:
        metric: A name that Keras knows, or a section with a `_target_`.

    Raises:
        UnusableMetric: The metric cannot be built, or its attribute `direction` or `is_share` has a value that is not
            allowed.
    """
    if isinstance(metric, str):
        return _by_keras_name(metric_names().get(metric) or "")
    target = str(metric.get("_target_"))
    module, _, name = target.rpartition(".")
    if module == _LOSSES:
        return LOSS
    if _is_known(metric):
        return _by_keras_name(name)
    try:
        found = locate(target)
        facts = _of_class(found) if inspect.isclass(found) else _of_keras(found)
        return facts if facts.direction else _of_object(instantiate(metric))
    except UnusableMetric:
        raise
    except Unimportable as error:
        raise UnusableMetric(f"cannot be imported: {error}") from error
    except Exception as error:  # a metric of the user's can fail in any way
        raise UnusableMetric(f"building it raises {type(error).__name__}: {error}") from error


def metric_names() -> dict[str, str]:
    """Return the class by each name that `keras.metrics.get` knows, and by `accuracy` and `acc`."""
    classes = [name for name in (*_SHARES, *_GAINS, *_COSTS, *UNDIRECTED) if name[0].isupper()]
    names = {name: name for name in classes} | {_snake_case(name): name for name in classes}
    short = {spelled: name for alias, name in _ALIASES.items() for spelled in (alias, alias.upper())}
    fitting = {spelled: "Accuracy" for each in _FITTING_ACCURACY for spelled in (each, each.upper(), each.title())}
    return names | short | fitting


def recorded_facts(metric: str, metrics: Sequence[str | Section]) -> MetricFacts:
    """Return the facts of a recorded objective.

    Nothing is imported, so the facts of a user's metric are unknown.

    Args:
        metric: Name of the objective's metric, such as `val_accuracy`.
        metrics: The recorded metrics of the workload besides the loss.
    """
    return facts_of_objective(metric, [each for each in metrics if isinstance(each, str) or _is_known(each)])


def earlier_direction(metric: str) -> Direction:
    """Return the direction that earlier versions guessed from a metric's name, for their records."""
    return "minimize" if any(cost in metric for cost in _EARLIER_COSTS) else "maximize"


def earlier_is_share(metric: str) -> bool:
    """Return True if earlier versions took a metric for one from 0 to 1, by its name."""
    return any(share in metric for share in _EARLIER_SHARES)


def _is_known(section: Section) -> bool:
    """Return whether the `_target_` of a section is Keras's and has facts of its own."""
    module, _, name = str(section.get("_target_")).rpartition(".")
    return module == _LOSSES or (module == _METRICS and name not in UNDIRECTED)


def _by_keras_name(name: str) -> MetricFacts:
    """Return the facts of a class or function of `keras.metrics`."""
    if name in _SHARES:
        return MetricFacts(direction="maximize", is_share=True)
    if name in _GAINS or name in _COSTS:
        return MetricFacts(direction="maximize" if name in _GAINS else "minimize")
    return MetricFacts(direction=None, reason=UNDIRECTED.get(name, f"{_METRICS} of Keras 3.15 has no {name}"))


def _of_class(found: type) -> MetricFacts:
    """Return the facts of the nearest class of Keras that a class inherits from, changed by its own attributes."""
    of_bases = (_of_keras(base) for base in found.__mro__)
    return _said_by(found, next((facts for facts in of_bases if facts.direction), _unknown(found)))


def _of_object(found: Any) -> MetricFacts:
    """Return the facts of a metric or a loss, or of a function of targets and outputs."""
    if inspect.isfunction(found):
        return _said_by(found, _of_keras(found))
    facts = _said_by(found, _of_class(type(found)))
    # `MeanMetricWrapper` keeps its function under a private name; Keras's losses under a public one.
    wrapped = vars(found).get("_fn") if hasattr(found, "__dict__") else None
    if facts.direction is None and wrapped is not None:
        return _said_by(found, _of_object(wrapped))
    return facts


def _of_keras(found: Any) -> MetricFacts:
    """Return the facts of a class or function that Keras defines; unknown if another package defines it."""
    name, home = found.__name__, f"{found.__module__}."
    if home.startswith("keras.src.losses."):
        return LOSS
    return _by_keras_name(name) if home.startswith("keras.src.metrics.") else _unknown(found)


def _said_by(found: Any, inherited: MetricFacts) -> MetricFacts:
    """Return the facts, changed by the attributes `direction` and `is_share` of a class, a metric or a function."""
    direction, is_share = getattr(found, "direction", None), getattr(found, "is_share", None)
    for name, value, allowed in (("direction", direction, get_args(Direction)), ("is_share", is_share, (True, False))):
        if value is not None and value not in allowed:
            told = " or ".join(map(str, allowed))
            raise UnusableMetric(f"its attribute {name} is {value!r}, expected {told}")
    if direction is None and is_share is None:
        return inherited
    return MetricFacts(
        direction=cast(Direction | None, direction or inherited.direction),
        is_share=inherited.is_share if is_share is None else is_share,
        reason="" if direction else inherited.reason,
    )


def _unknown(found: Any) -> MetricFacts:
    name = found.__name__
    return MetricFacts(direction=None, reason=UNDIRECTED.get(name, f"{name} does not say it"))


def _snake_case(name: str) -> str:
    """Return a class's name as `keras.metrics.get` also takes it, such as `f1_score`."""
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
