"""A task on a data set: the loss to train on, the metrics to watch, and weights in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from study.config.instantiate import Section

TrainMetrics = Literal["running", "evaluated"]
Metric = str | Section
BALANCED = "balanced"
CLASS_WEIGHT = "dataset.task.class_weight"
# The words of a command line that change the task of a data set from classes to a number.
WORDS_FOR_NUMBERS = (
    "dataset.task.loss._target_=keras.losses.MeanSquaredError '~dataset.task.loss.from_logits' "
    "'dataset.task.metrics=[mae]' dataset.task.objective.metric=val_mae"
)
# `balanced`, or a weight for each class index; of several outputs, by the output's name.
ClassWeight = str | Mapping[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A loss or a metric with the name that Keras gives it.

    Attributes:
        name: The name, such as `digit_accuracy`.
        output: Name of the output. Default: empty, for a model of one output and for the sum of all losses.
        metric: The metric. None (the default): it is a loss.
        is_weighted: Count each example with its sample weight. Default False; True only for a metric.
    """

    name: str
    output: str = ""
    metric: Metric | None = None
    is_weighted: bool = False


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task on a data set: the loss to train on and the metrics to watch.

    For a model of several outputs, loss and metrics are given by the output's name. It is a key of the dict that the
    model returns, or, where it returns a tuple, the name of an output layer; the losses are then in its order.

    Attributes:
        loss: The loss: `_target_` and its arguments; for several outputs, such a section for each.
        metrics: The metrics beside the loss: a name in Keras, or a section with `_target_` and `name`; for several
            outputs, lists of them.
        train_metrics: The kind of an epoch's `loss` and metrics without `val_`: `running`, Keras's means over the
            epoch's batches, each computed before its step; or `evaluated`, computed after the epoch on the first
            training examples. Default `running`.
        shuffle: Draw an order for each epoch; otherwise examples come in their stored order. Default True.
        loss_weights: Factor of each output's loss in the sum that is trained on. Default: 1 each.
        weighted_metrics: Metrics that count each example with its sample weight, in the form of `metrics`. Default:
            none.
        class_weight: Weights of the training examples by their class. None (the default): no weights.
    """

    loss: Section
    metrics: Sequence[Metric] | Mapping[str, Sequence[Metric]]
    train_metrics: TrainMetrics = "running"
    shuffle: bool = True
    loss_weights: Mapping[str, float] | None = None
    weighted_metrics: Sequence[Metric] | Mapping[str, Sequence[Metric]] = ()
    class_weight: ClassWeight | None = None

    @property
    def losses(self) -> dict[str, Section]:
        """The loss by the name of its output; the empty name for a model of one output."""
        return {"": self.loss} if has_target(self.loss) else {str(name): each for name, each in self.loss.items()}

    @property
    def has_classes(self) -> bool:
        """True where targets are class indices, each of which needs a place in the model's output."""
        return self.takes_classes("y")

    def takes_classes(self, place: str) -> bool:
        """Return whether the targets at a place are class indices.

        Args:
            place: `y`, or `y.NAME` for one of several outputs.
        """
        loss = self.losses.get(self.output_at(place), {})
        return str(loss.get("_target_")).endswith("SparseCategoricalCrossentropy")

    def output_at(self, place: str) -> str:
        """Return the name of the output whose targets are at a place; empty for a model of one output.

        Targets in a tuple are in the order of the losses.

        Args:
            place: `y`, `y.NAME`, or `y.0` for the first array of a tuple.
        """
        name, names = place.removeprefix("y").removeprefix("."), list(self.losses)
        is_position = name.isdecimal() and name not in names and int(name) < len(names)
        return names[int(name)] if is_position else name

    def metrics_of(self, output: str, *, weighted: bool) -> Sequence[Metric]:
        """Return the metrics of an output beside its loss.

        Args:
            output: Name of the output; empty for a model of one output.
            weighted: Return those that count each example with its sample weight, otherwise those that do not.
        """
        metrics = self.weighted_metrics if weighted else self.metrics
        if isinstance(metrics, Mapping):
            return metrics.get(output, ())
        return () if output else metrics

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics of an epoch as Keras names them, validation included."""
        names = [each.name for each in self.watched()]
        return (*names, *(f"val_{name}" for name in names))

    def watched(self) -> list[Watched]:
        """Return each loss and metric with the name that Keras 3.15 gives it.

        The name of one of several outputs is put before those of its loss and metrics. A weighted metric has
        `weighted_` before its own name if another metric of the output has that name.
        """
        found = [Watched(name="loss")]
        for output in self.losses:
            prefix = f"{output}_" if len(self.losses) > 1 else ""
            found += [Watched(name=f"{prefix}loss", output=output)] if prefix else []
            plain = {name_of(metric): metric for metric in self.metrics_of(output, weighted=False)}
            found += [Watched(name=f"{prefix}{name}", output=output, metric=plain[name]) for name in plain]
            for metric in self.metrics_of(output, weighted=True):
                own = f"weighted_{name_of(metric)}" if name_of(metric) in plain else name_of(metric)
                found.append(Watched(name=f"{prefix}{own}", output=output, metric=metric, is_weighted=True))
        return found

    def find_watched(self, name: str) -> Watched | None:
        """Return the loss or the metric of a name; None for an unknown name.

        Args:
            name: The name, such as `val_digit_accuracy`.
        """
        by_name = {each.name: each for each in self.watched()}
        return by_name.get(name.removeprefix("val_").removeprefix("test_"))


def has_target(section: Mapping[Any, Any]) -> bool:
    """Return whether a section is one loss, and not a mapping of losses by output.

    Args:
        section: The section.
    """
    return "_target_" in section or not all(isinstance(each, Mapping) for each in section.values()) or not section


def name_of(metric: Metric) -> str:
    """Return a metric's own name.

    Args:
        metric: A name in Keras, or a section with a `name`.
    """
    return metric if isinstance(metric, str) else str(metric["name"])
