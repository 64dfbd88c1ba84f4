"""Read the task of a data set: losses, metrics and weights, for one output or for several."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from study.config.arguments import section_faults
from study.config.logits import logits_faults
from study.config.loss_faults import loss_faults
from study.config.parse_objective import is_taken, read_metrics
from study.config.reader import Reader, is_number
from study.config.task import BALANCED, Metric, Task, has_target

_TASK = "dataset.task"
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")


def read_task(read: Reader, *, recorded: bool) -> Task:
    """Read the task.

    Args:
        read: The reader, which collects faults.
        recorded: True for a config from a store, whose sections are not checked again.
    """
    n_before = len(read.faults)
    loss = read.section(f"{_TASK}.loss")
    outputs = _outputs(read, loss)
    metrics = _metrics(read, f"{_TASK}.metrics", outputs)
    weighted = _metrics(read, f"{_TASK}.weighted_metrics", outputs)
    task = Task(
        loss=loss,
        metrics=metrics,
        train_metrics=read.one_of(f"{_TASK}.train_metrics", ("running", "evaluated"), "running"),
        shuffle=read.boolean(f"{_TASK}.shuffle", True),
        loss_weights=_loss_weights(read, outputs),
        weighted_metrics=weighted,
        class_weight=_class_weight(read, outputs),
    )
    if not recorded:
        _check_sections(read, task)
        if len(read.faults) == n_before:  # otherwise a name may be at fault twice
            _check_names(read, task)
    return task


def _outputs(read: Reader, loss: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the names of several outputs; empty if there is one loss."""
    if has_target(loss):
        return ()
    for name, section in loss.items():
        if not _NAME.fullmatch(str(name)):
            allowed = "the name of an output: a letter, then letters, digits and underscores"
            advice = "For a model that returns a tuple, write the names of its output layers, in their order."
            read.fault(f"{_TASK}.loss.{name}", section.get("_target_"), allowed=allowed, advice=advice)
    return tuple(map(str, loss))


def _metrics(read: Reader, key: str, outputs: Sequence[str]) -> Sequence[Metric] | dict[str, Sequence[Metric]]:
    """Read a list of metrics, or such a list for each output."""
    if not outputs:
        return read_metrics(read, key)
    given = read.value(key, default=None)
    if given is not None and not isinstance(given, Mapping):
        advice = f"Write {{{outputs[0]}: [accuracy]}}."
        read.fault(key, given, allowed="a list of metrics for each output, since loss has several", advice=advice)
        return {}
    _refuse_others(read, key, given, outputs)
    return {output: read_metrics(read, f"{key}.{output}") for output in outputs}


def _refuse_others(read: Reader, key: str, given: Any, outputs: Sequence[str]) -> None:
    """Refuse names that are none of the outputs that have a loss."""
    for name in given if isinstance(given, Mapping) else ():
        if str(name) not in outputs:
            advice = f"Correct it, or give {_TASK}.loss.{name}."
            read.fault(f"{key}.{name}", given[name], allowed=f"an output of loss: {', '.join(outputs)}", advice=advice)


def _loss_weights(read: Reader, outputs: Sequence[str]) -> dict[str, float] | None:
    key = f"{_TASK}.loss_weights"
    given = read.value(key, default=None)
    if given is None:
        return None
    if not outputs or not isinstance(given, Mapping):
        allowed = f"a number for each output: {', '.join(outputs)}" if outputs else "no value for a single loss"
        read.fault(key, given, allowed=allowed, advice="Write it by the names of the outputs, or leave it out.")
        return None
    _refuse_others(read, key, given, outputs)
    for name, weight in given.items():
        if not is_number(weight):
            read.fault(f"{key}.{name}", weight, allowed="a finite number", advice="Correct it.")
    return {str(name): weight for name, weight in given.items()}


def _class_weight(read: Reader, outputs: Sequence[str]) -> Any:
    key = f"{_TASK}.class_weight"
    given = read.value(key, default=None)
    if given is None:
        return None
    if outputs:
        if not isinstance(given, Mapping) or not set(map(str, given)) <= set(outputs):
            allowed = f"weights by the name of an output: {', '.join(outputs)}"
            read.fault(key, given, allowed=allowed, advice=f"Write {{{outputs[0]}: {BALANCED}}}.")
            return None
        for name, weights in given.items():
            _check_class_weight(read, f"{key}.{name}", weights)
    else:
        _check_class_weight(read, key, given)
    return given


def _check_class_weight(read: Reader, key: str, given: Any) -> None:
    advice = f"Write {BALANCED}, or a number for each class index, such as {{0: 1, 1: 20}}."
    if given == BALANCED:
        return
    if not isinstance(given, Mapping) or not given:
        read.fault(key, given, allowed=f"{BALANCED}, or weights by class index", advice=advice)
        return
    for name, weight in given.items():
        if not str(name).isdecimal():
            read.fault(f"{key}.{name}", weight, allowed="class indices as keys", advice=advice)
        elif not is_number(weight) or weight < 0:
            read.fault(f"{key}.{name}", weight, allowed="a finite number of at least 0", advice=advice)


def _check_sections(read: Reader, task: Task) -> None:
    """Check the arguments of losses and metrics, and that metrics read outputs as the loss does."""
    for output, loss in task.losses.items():
        dotted = f".{output}" if output else ""
        read.faults += loss_faults(f"{_TASK}.loss{dotted}", loss)
        for kind in ("metrics", "weighted_metrics"):
            of_output = task.metrics_of(output, weighted=kind == "weighted_metrics")
            key = f"{_TASK}.{kind}{dotted}"
            for position, metric in enumerate(of_output):
                read.faults += section_faults(f"{key}.{position}", metric) if isinstance(metric, Mapping) else []
            read.faults += logits_faults(loss, of_output, key=key)


def _check_names(read: Reader, task: Task) -> None:
    """Refuse losses and metrics whose names, as Keras makes them, are taken or not distinct."""
    names = [each.name for each in task.watched()]
    for name in dict.fromkeys(names):
        if "" not in task.losses and (is_taken(name) or name.startswith("val_")):
            allowed = "names of outputs that lead to other names than those of numbers that every run has"
            read.fault(f"{_TASK}.loss", name, allowed=allowed, advice="Rename the output in model, data and task.")
        elif (n := names.count(name)) > 1:
            allowed = f"losses and metrics of different names: {n} of them would have this one"
            key = f"{_TASK}.weighted_metrics" if "" in task.losses else f"{_TASK}.loss"
            read.fault(key, name, allowed=allowed, advice="Give one of them another name.")
