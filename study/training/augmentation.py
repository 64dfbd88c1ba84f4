"""Augmentation: random layers that change the inputs of training steps, inside the compiled step of every trainer.

The layers draw from seeds of the run, as dropout does. Their state is part of the model's variables, so a checkpoint
holds it. Evaluations and the kept model are without them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from study.config.instantiate import instantiate
from study.config.schema import StudyConfig
from study.core.errors import Fault, refuse_out_of_memory, told_with_place
from study.core.trees import Tree, mapped
from study.datasets import Dataset
from study.training.keras_internals import inferred, track_seeds

# Layers that change the targets too, and a step has one of each kind of numbers only.
_OF_TARGETS = ("CutMix", "MixUp")
_AUGMENT = "dataset.augment"
# Attribute of a training step that holds its layers, by input.
AUGMENTATION = "augmentation"
# Number of examples of the inferred batch.
_N = 3


def augment_training(config: StudyConfig, model: Any) -> None:
    """Let a model's training step begin with the layers of `dataset.augment`; nothing changes without any.

    Args:
        config: The study's config.
        model: The model, not compiled.
    """
    if not config.augment:
        return
    layers = augmentation_layers(config)
    states = [state for chain in layers.values() for layer in chain for state in track_seeds(model, layer)]
    step = model.train_step

    def augment(x: Tree) -> Tree:
        if "" in layers:
            return _called(layers[""], x)
        return {name: _called(layers[name], part) if name in layers else part for name, part in x.items()}

    model.train_step = _stateless(step, augment, model, states) if _is_jax() else _stateful(step, augment)
    setattr(model.train_step, AUGMENTATION, layers)


def augmentation_layers(config: StudyConfig) -> dict[str, list[Any]]:
    """Return the layers of `dataset.augment`, made anew, by the name of their input; the empty name if there is one.

    Args:
        config: The study's config.
    """
    return {name: _layers(sections) for name, sections in _by_input(config).items()}


def augment_faults(config: StudyConfig, dataset: Dataset) -> list[Fault]:
    """Return the faults of the layers of `dataset.augment`, found without computing.

    Args:
        config: The study's config.
        dataset: The study's data set, checked.
    """
    if not config.augment:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # layers of Keras ask JAX for 64 bits, and warn of getting 32
        return list(_faults(config, dataset))


def _faults(config: StudyConfig, dataset: Dataset) -> Iterator[Fault]:
    x = dataset.train.first(1).x
    inputs = x if isinstance(x, dict) else {"": x}
    for name, sections in _by_input(config).items():
        key = f"{_AUGMENT}.{name}" if name else _AUGMENT
        if name not in inputs or isinstance(inputs[name], tuple):
            there = ", ".join(map(str, inputs)) if isinstance(x, dict) else "none: the data set has one input"
            allowed = f"a list of layers for an input of the data set; its inputs with names are {there}"
            yield Fault(key=key, value=name or "(a list)", allowed=allowed, advice="Write {NAME: [layers]}.")
            continue
        like = mapped(lambda array: keras.KerasTensor((_N, *array.shape[1:]), _dtype(array)), inputs[name])
        for position, section in enumerate(sections):
            yield from _layer_faults(f"{key}.{position}", section, like)


def _layer_faults(key: str, section: Any, like: Any) -> Iterator[Fault]:
    """Build one layer, and infer its output."""
    target = str(section["_target_"])
    shape = tuple(like.shape[1:])
    try:
        layer = instantiate(section)
        if not isinstance(layer, keras.layers.Layer):
            allowed = f"a layer of Keras; it returns a {type(layer).__name__}"
            yield Fault(
                key=key, value=target, allowed=allowed, advice="Name a layer, such as keras.layers.RandomFlip."
            )
            return
        output = inferred(lambda x: layer(x, training=True), like)
    except Exception as error:  # a layer of the user's can fail in any way
        refuse_out_of_memory(error, f"building {target}")
        allowed = f"a layer that takes inputs of shape {shape}, {like.dtype}; it {told_with_place(error)}"
        yield Fault(key=key, value=target, allowed=allowed, advice="Correct its arguments, or leave it out.")
        return
    if type(layer).__name__ in _OF_TARGETS:
        allowed = "a layer that changes inputs alone, and this one mixes the targets too"
        yield Fault(key=key, value=target, allowed=allowed, advice="Leave it out, or mix examples in load().")
    elif section.get("seed") is not None:
        advice = "Remove it: the seed of each run gives the random numbers."
        yield Fault(key=f"{key}.seed", value=section["seed"], allowed="no value", advice=advice)
    elif layer.weights:
        allowed = f"a layer without weights; it has {len(layer.weights)}"
        yield Fault(key=key, value=target, allowed=allowed, advice="Put such a layer into the model.")
    elif not track_seeds(None, layer):
        allowed = "a random layer; this one does the same each time, and evaluations would lack it"
        yield Fault(key=key, value=target, allowed=allowed, advice="Put it into the model, or compute it in load().")
    elif tuple(output.shape[1:]) != shape:
        allowed = f"a layer that keeps the shape of an example, {shape}; it returns {tuple(output.shape[1:])}"
        advice = "Change the shape in load() or in the model, which evaluations use too."
        yield Fault(key=key, value=target, allowed=allowed, advice=advice)


def _by_input(config: StudyConfig) -> dict[str, Sequence[Any]]:
    """Return the sections of layers by the name of their input; the empty name for a data set of one input."""
    augment = config.augment
    if isinstance(augment, Mapping):
        return {str(name): sections for name, sections in augment.items()}
    return {"": augment}


def _layers(sections: Sequence[Any]) -> list[Any]:
    return [instantiate(section) for section in sections]


def _called(layers: Sequence[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x, training=True)
    return x


def _stateful(step: Callable[..., Any], augment: Callable[[Tree], Tree]) -> Callable[..., Any]:
    """Return a training step for TensorFlow and PyTorch, where a call changes the layers' seeds."""

    def augmented_step(data: Any) -> Any:
        x, *others = data
        return step((augment(x), *others))

    return augmented_step


def _stateless(
    step: Callable[..., Any], augment: Callable[[Tree], Tree], model: Any, states: Sequence[Any]
) -> Callable[..., Any]:
    """Return a training step for JAX, which passes the layers' seeds on among the non-trainable variables."""

    def augmented_step(state: Any, data: Any) -> Any:
        trainable, others, *rest = state
        places = {id(variable): place for place, variable in enumerate(model.non_trainable_variables)}
        at = [places[id(variable)] for variable in states]
        x, *y_and_weight = data
        with keras.StatelessScope(
            [(variable, others[place]) for variable, place in zip(states, at, strict=True)]
        ) as scope:
            x = augment(x)
        others = list(others)
        for variable, place in zip(states, at, strict=True):
            others[place] = scope.get_current_value(variable)
        return step((trainable, others, *rest), (x, *y_and_weight))

    return augmented_step


def _dtype(array: Any) -> str:
    return str(keras.backend.standardize_dtype(keras.ops.convert_to_tensor(array).dtype))


def _is_jax() -> bool:
    return bool(keras.backend.backend() == "jax")
