"""The size and the kind of a model, read from its layers without computing any value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from study.config.schema import StudyConfig
from study.datasets import Dataset
from study.statistics.looks import plan_looks
from study.training.auto_costs import StudySize
from study.training.keras_internals import inner_layers
from study.training.model_setup import steps_per_epoch

# Share of the operations from which a slow kind of layer decides how long a step takes.
_DECISIVE = 0.1
# A training step computes the forward pass and two gradients, each about as long.
_PASSES = 3
# Places where a layer of unknown shape uses its weights, as in the layers of a model that is a class of the user's:
# those of a small picture, or the steps of a short sequence.
_USUAL_PLACES = {"convolutional": 784, "recurrent": 28, "dense": 1}
_CONVOLUTION = re.compile(r"(Depthwise|Separable)?Conv(LSTM)?\dD(Transpose)?")


def study_size(config: StudyConfig, dataset: Dataset, model: Any) -> StudySize:
    """Return the size of a study.

    A fixed setting counts the trials of a search, so that fixed and searched settings get the same trainer.

    Args:
        config: The study's config. Its `model.kind`, if any, is taken instead of the kind that the layers have.
        dataset: The study's data set.
        model: The study's model, built.
    """
    n_train, batch_size = len(dataset.train), int(config.trainer.section["batch_size"])
    n_steps = config.budget.total_steps(steps_per_epoch(n_train, batch_size=min(batch_size, n_train)))
    n_examples = n_steps * min(batch_size, n_train)
    n_epochs = n_examples / n_train
    budget = config.budget
    at_once = max(1, min(budget.n_trials, config.n_at_once if config.ranges else budget.n_trials))
    n_structures = min(config.n_structures, budget.n_trials)
    n_confirmations = budget.n_confirmations
    if budget.confirm == "sequential" and n_confirmations:  # further ones are trained only where they decide something
        n_confirmations = plan_looks(n_confirmations, sequential=True)[0].n_seeds
    has_numbers = any(not searched.is_of_structures for searched in config.searched.values())
    rounds = [at_once] * (budget.n_trials // at_once) + [budget.n_trials % at_once]
    return StudySize(
        kind=config.raw["model"].get("kind") or model_kind(model),
        flops=forward_flops(model) * (_PASSES * n_examples + n_epochs * len(dataset.validation)),
        n_weights=sum(math.prod(each.shape) for each in model.trainable_weights),
        n_steps=n_steps,
        batches=tuple(n for n in (*rounds, n_confirmations, n_confirmations) if n),
        n_structures=n_structures + bool(config.searched),  # the untuned runs can have a structure of their own
        n_configs=1 + (budget.n_trials if has_numbers else n_structures) if config.searched else 1,
    )


def model_kind(model: Any) -> str:
    """Return the kind of a model, by the layers that decide how long a step takes.

    Args:
        model: A built model.
    """
    flops = {"convolutional": 0.0, "recurrent": 0.0, "dense": 0.0}
    in_tables = 0
    for part in _parts(model):
        flops[part.kind] += part.flops
        in_tables += part.n_weights if part.is_table else 0
    slow = next((kind for kind in ("convolutional", "recurrent") if flops[kind] > _DECISIVE * sum(flops.values())), "")
    return slow or ("embedding" if in_tables > _n_weights(model) / 2 else "dense")


def forward_flops(model: Any) -> float:
    """Return the multiplications and additions of the products with weights, for one example and the forward pass.

    Each weight of a layer takes two for each place of the layer's output, or for each step of a sequence. A layer
    inside another one counts the places of the other one if its own are not known.

    Args:
        model: A built model.
    """
    return sum(part.flops for part in _parts(model))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The weights that a layer holds itself, and the number of places where each of them is used."""

    kind: str
    n_weights: int
    n_places: int
    is_table: bool

    @property
    def flops(self) -> float:
        return 0.0 if self.is_table else 2.0 * self.n_weights * self.n_places  # a table is looked up


def _parts(layer: Any, *, kind: str = "dense", n_places: int | None = None) -> Iterator[_Part]:
    """Yield the parts of a layer and of those inside it, which have its kind and places if theirs are not known."""
    if _CONVOLUTION.fullmatch(type(layer).__name__):
        kind = "convolutional"
    elif isinstance(layer, keras.layers.RNN) and kind == "dense":
        kind = "recurrent"
    n_places = _places(layer) or n_places
    inside = inner_layers(layer)
    own = _n_weights(layer) - sum(map(_n_weights, inside))
    yield _Part(
        kind=kind,
        n_weights=max(0, own),
        n_places=n_places or _USUAL_PLACES[kind],
        is_table=isinstance(layer, keras.layers.Embedding),
    )
    for each in inside:
        yield from _parts(each, kind=kind, n_places=n_places)


def _n_weights(layer: Any) -> int:
    """Return the number of weights that a layer has; a layer that was never called has none yet."""
    return sum(math.prod(each.shape) for each in layer.weights)


def _places(layer: Any) -> int | None:
    """Return the number of places where a layer uses its weights; None if its shapes are not known."""
    try:
        between = layer.output.shape[1:-1]
        if isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional):
            n_steps = layer.input.shape[1]
            return int(n_steps * math.prod(between[1:] if layer.return_sequences else between))
        return int(math.prod(between))
    except (AttributeError, TypeError, ValueError, IndexError):  # not called yet, many inputs, or a length of None
        return None
