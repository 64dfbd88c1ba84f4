"""The text of a script that trains a recorded run again: its parts as Python, put into the template."""

from __future__ import annotations

import datetime
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from study.config.epoch_rules import PLATEAU, Monitor
from study.config.instantiate import Section, parameters, takes
from study.config.losses import built_loss
from study.config.schema import StudyConfig
from study.config.task import Metric
from study.core.readable_output import in_one_line
from study.core.trainer_interface import Trial
from study.core.trees import leaves, named_leaves
from study.datasets import PARTS, Dataset
from study.report.html.templates import fill_text_template
from study.reproduction.inlined_source import is_library
from study.reproduction.script_code import ScriptCode, collect_code
from study.reproduction.script_limits import inner_targets
from study.reproduction.written_python import written_call, written_tree, written_value

_TEMPLATE = "reproduction/training_script.py.j2"
_SCALED = "study.training.build_optimizer.ScaledSchedule"
# Schedules of Keras whose first argument is a plain factor, so that the rate itself can stand there.
_DIRECT = ("keras.optimizers.schedules.CosineDecay", "keras.optimizers.schedules.ExponentialDecay")
# Keras's types of numbers, and its policy of layers, by precision.
_FLOATX = {"float32": "float32", "bfloat16": "float32"}
_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_DECAY = "weight_decay"


@dataclass(frozen=True, kw_only=True)
class ScriptFacts:
    """A recorded run, as a script needs it.

    Attributes:
        config: The study's config.
        dataset: The data set, with class weights among its sample weights.
        splits: Names of the splits that the script uses.
        trial: The trial, with its seeds and hyperparameters.
        n_epochs: Number of epochs to train.
        title: The run, in words.
        recorded_on: Date of the run.
        exported_on: The date of today.
        file_name: Name of the script's file.
        device: The device that computed the recorded numbers.
        versions: Versions of the packages that computed them.
        tolerance: The largest relative difference that counts as the same; 0: bit for bit.
        reasons: Reasons for a tolerance, as clauses; empty without.
        holds_numbers: True if the study's program may have had the optimizer's numbers in variables.
    """

    config: StudyConfig
    dataset: Dataset
    splits: tuple[str, ...]
    trial: Trial
    n_epochs: int
    title: str
    recorded_on: datetime.date
    exported_on: datetime.date
    file_name: str
    device: str
    versions: Mapping[str, str]
    tolerance: float
    reasons: tuple[str, ...]
    holds_numbers: bool

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps of one pass over the training split."""
        return -(-len(self.dataset.train) // int(self.config.trainer.section["batch_size"]))

    @property
    def n_steps(self) -> int:
        """Number of steps of the whole training, also where the run was stopped earlier."""
        return self.config.budget.total_steps(self.steps_per_epoch)


def script_text(facts: ScriptFacts) -> str:
    """Return the text of the script.

    Args:
        facts: The run.

    Raises:
        StudyError: The code of the model, the optimizer, the loss or a metric cannot be written into a script.
    """
    config = facts.config
    optimizer = _optimizer_arguments(facts)
    code = collect_code(dict(_targets(facts, optimizer)))
    early, late = _imports(code)
    return fill_text_template(
        _TEMPLATE,
        header=_header(facts, code),
        imports=early,
        late_imports=late,
        code=code.text,
        copied_from=", ".join(code.copied),
        model=_model(facts, code),
        optimizer=_optimizer(config.optimizer.target, optimizer, code),
        decay=_held_decay(facts),
        compile_arguments=list(_compile_arguments(config, code)),
        use_ema=bool(optimizer.get("use_ema")),
        rules=list(_rules(facts)),
        n_evaluated=_n_evaluated() if config.task.train_metrics == "evaluated" else 0,
        **_constants(facts),
        **_data(facts),
    )


def _constants(facts: ScriptFacts) -> dict[str, Any]:
    """Return the numbers and settings of the training, by their names in the template."""
    config, trainer = facts.config, facts.config.trainer.section
    is_cut = facts.n_steps < facts.n_epochs * facts.steps_per_epoch
    return {
        "backend": written_value(config.backend),
        "is_jax": config.backend == "jax",
        "floatx": written_value(_FLOATX[trainer["precision"]]),
        "policy": written_value(_POLICY[trainer["precision"]]),
        "run_seed": facts.trial.run_seed,
        "order_seed": facts.trial.order_seed,
        "n_epochs": facts.n_epochs,
        "steps_per_epoch": facts.steps_per_epoch,
        "n_steps": facts.n_steps if is_cut else 0,
        "batch_size": int(trainer["batch_size"]),
        "eval_batch_size": int(trainer["eval_batch_size"]),
        "tolerance": written_value(facts.tolerance),
        "versions": written_value(dict(facts.versions)),
        "shuffle": config.task.shuffle,
    }


def _data(facts: ScriptFacts) -> dict[str, Any]:
    """Return the splits as Python text, by their names in the template."""
    train = facts.dataset.train
    place, _ = named_leaves(train.x, "train.x")[0]
    return {
        "splits": [(name.upper(), _tree(facts.dataset, name)) for name in facts.splits],
        "first_array": "TRAIN[0]" if place == "train.x" else f"DATA[{written_value(place)}]",
        "is_flat": len(leaves(train.parts)) == len(train.parts),
        "has_test": "test" in facts.splits,
    }


def _targets(facts: ScriptFacts, optimizer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the dotted path of each part whose code the script needs, with its key in the config."""
    config = facts.config
    yield str(config.model.section["_target_"]), "model"
    yield config.optimizer.target, "optimizer"
    rate = optimizer.get("learning_rate")
    if isinstance(rate, _Rate):
        yield str(rate.schedule["_target_"]), "schedule"
        if not rate.is_direct:
            yield _SCALED, "schedule"
    for loss in config.task.losses.values():
        yield str(built_loss(loss)["_target_"]), "dataset.task.loss"
    for output in config.task.losses:
        for weighted in (False, True):
            for metric in config.task.metrics_of(output, weighted=weighted):
                if not isinstance(metric, str):
                    yield str(metric["_target_"]), "dataset.task.metrics"


def _header(facts: ScriptFacts, code: ScriptCode) -> list[str]:
    data = facts.file_name.removesuffix(".py") + ".npz"
    needs = [f"{name} {number}" for name, number in facts.versions.items()] + list(code.libraries)
    lines = [
        f"Train {facts.title} again, with Keras alone.",
        "",
        f"  python {shlex.quote(facts.file_name)}",
        "",
        "prints the loss and the metrics of each epoch, and compares them with the recorded ones. Status 0: they are",
        "the same; 1: they are not.",
        "",
        f"Beside this file: {data}, with the data and the recorded numbers.",
        f"Needed: {', '.join(needs)}.",
    ]
    inner = inner_targets(facts.config.model.section).values()
    own = dict.fromkeys([*code.own_modules, *(each.rpartition(".")[0] for each in inner if not is_library(each))])
    if own:
        lines.append(f"Needed too, so that Python can import them: {', '.join(own)}.")
    lines += [
        f"Recorded on {facts.recorded_on} on {facts.device}; written by `study export --script` on "
        f"{facts.exported_on}.",
        f"Data: {facts.dataset.name}, digest {facts.dataset.digest}.",
    ]
    if facts.reasons:
        lines += ["", f"Not bit for bit, but within {facts.tolerance:g} (relative):", *facts.reasons]
        lines[-1] += "."
    return [line and line[: len(line) - len(line.lstrip())] + in_one_line(line.strip()) for line in lines]


def _imports(code: ScriptCode) -> tuple[list[str], list[str]]:
    """Return the lines of imports before and after the backend is chosen: of Python's library, and of others."""
    lines = {"import os", "import sys", "from pathlib import Path", "import keras", "import numpy as np"}
    lines |= {"from importlib.metadata import version", *code.imports}
    early = [line for line in lines if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    return _sorted(early), _sorted([line for line in lines if line not in early])


def _sorted(lines: Sequence[str]) -> list[str]:
    return sorted(lines, key=lambda line: (line.startswith("from "), line.lower()))


def _tree(dataset: Dataset, name: str) -> str:
    """Return a split as Python text: a tuple of inputs, targets and perhaps weights."""
    parts = dataset.splits[name].parts
    places = [place for part, tree in zip(PARTS, parts, strict=False) for place, _ in named_leaves(tree, part)]
    return written_tree(parts, [f"{name}.{place}" for place in places], of="DATA")


def _model(facts: ScriptFacts, code: ScriptCode) -> str:
    section = facts.config.model.section
    told = {"input_shape": facts.dataset.input_shape, "n_outputs": facts.dataset.n_outputs}
    given = {name: value for name, value in told.items() if takes(section["_target_"], name)}
    return _call({**given, **section, **given}, code, indent=4)


def _call(section: Section, code: ScriptCode, *, indent: int) -> str:
    arguments = {key: written_value(value) for key, value in section.items() if key != "_target_"}
    return written_call(code.names[section["_target_"]], arguments, indent=indent)


@dataclass(frozen=True, kw_only=True)
class _Rate:
    """A learning rate that follows a schedule of factors."""

    rate: float
    schedule: Section

    @property
    def is_direct(self) -> bool:
        """True if the rate itself can be the schedule's first value, with the same numbers."""
        section = self.schedule
        is_plain = section.get("initial_learning_rate") == 1 and section.get("warmup_target") is None
        return section["_target_"] in _DIRECT and is_plain


def _optimizer_arguments(facts: ScriptFacts) -> dict[str, Any]:
    """Return the optimizer's arguments, as the trainers build it."""
    from study.training.build_optimizer import coerce, filled_section  # imports Keras

    target, schedule = facts.config.optimizer.target, facts.config.schedule.section
    arguments = coerce(target, facts.trial.hyperparameters)
    if "n_steps" in parameters(target):
        arguments.setdefault("n_steps", facts.n_steps)
    if schedule.get("_target_") not in (None, PLATEAU):
        rate = arguments.get("learning_rate", parameters(target)["learning_rate"].default)
        arguments["learning_rate"] = _Rate(rate=rate, schedule=filled_section(schedule, n_steps=facts.n_steps))
    return arguments


def _optimizer(target: str, arguments: Mapping[str, Any], code: ScriptCode) -> str:
    written = {
        name: _written_rate(value, code) if isinstance(value, _Rate) else written_value(value)
        for name, value in arguments.items()
    }
    return written_call(code.names[target], written, indent=4)


def _written_rate(rate: _Rate, code: ScriptCode) -> str:
    schedule = rate.schedule
    if rate.is_direct:
        return _call({**schedule, "initial_learning_rate": rate.rate}, code, indent=8)
    factor = _call(schedule, code, indent=12)
    return written_call(code.names[_SCALED], {"rate": written_value(rate.rate), "factor": factor}, indent=8)


def _rules(facts: ScriptFacts) -> Iterator[str]:
    """Yield the callbacks of Keras that lower the rate on a plateau and stop the training early."""
    config, hyperparameters = facts.config, facts.trial.hyperparameters
    if (reduction := config.rate_reduction) is not None:
        default = parameters(config.optimizer.target)["learning_rate"].default
        lowest = float(hyperparameters.get("learning_rate", default)) * reduction.min_factor
        own = {"factor": reduction.factor, "cooldown": reduction.cooldown, "min_lr": lowest}
        yield _rule("keras.callbacks.ReduceLROnPlateau", reduction.monitor, own)
    if (stopping := config.early_stopping) is not None:
        own = {"restore_best_weights": stopping.restore_best}
        yield _rule("keras.callbacks.EarlyStopping", stopping.monitor, own)


def _rule(name: str, monitor: Monitor, own: Mapping[str, Any]) -> str:
    shared = {
        "monitor": monitor.metric,
        "mode": monitor.direction[:3],
        "patience": monitor.patience,
        "min_delta": monitor.min_delta,
    }
    arguments = {key: written_value(value) for key, value in {**shared, **own}.items()}
    return written_call(name, arguments, indent=12)


def _held_decay(facts: ScriptFacts) -> str:
    """Return the weight decay as Python text if the study's program had it in a variable; empty if not."""
    config, dataset, trainer = facts.config, facts.dataset, facts.config.trainer.section
    how = trainer.get("jit_compile", "auto")
    # Without XLA, TensorFlow computes one operation after the other.
    if not facts.holds_numbers or (config.backend == "tensorflow" and how is not True):
        return ""
    from study.training.fit.program import FitProgram  # these import Keras
    from study.training.model_setup import fresh_model

    build = partial(fresh_model, config, dataset, precision=str(trainer["precision"]))
    program = FitProgram(config, dataset, build_model=build, n_steps=facts.n_steps, jit_compile=how)
    model = program.prepare(facts.trial)
    given = facts.trial.hyperparameters.get(_DECAY, parameters(config.optimizer.target)[_DECAY].default)
    return written_value(given) if model is not None and program.holds(_DECAY) else ""


def _compile_arguments(config: StudyConfig, code: ScriptCode) -> Iterator[tuple[str, str]]:
    """Yield the arguments of `compile` beside the optimizer, as `study.training.compile_task` makes them."""
    task = config.task
    losses = {output: _call(built_loss(loss), code, indent=8) for output, loss in task.losses.items()}
    yield "loss", losses[""] if "" in losses else _written_dict(losses)
    yield "metrics", _metrics(task.metrics, code)
    if task.loss_weights is not None:
        yield "loss_weights", written_value({output: task.loss_weights.get(output, 1.0) for output in task.losses})
    if task.weighted_metrics:
        yield "weighted_metrics", _metrics(task.weighted_metrics, code)
    yield "jit_compile", written_value(config.trainer.section.get("jit_compile", "auto"))


def _metrics(metrics: Sequence[Metric] | Mapping[str, Sequence[Metric]], code: ScriptCode) -> str:
    if isinstance(metrics, Mapping):
        return _written_dict({output: _metrics(each, code) for output, each in metrics.items()})
    written = [written_value(each) if isinstance(each, str) else _call(each, code, indent=8) for each in metrics]
    return "[" + ", ".join(written) + "]"


def _written_dict(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{written_value(key)}: {text}" for key, text in texts.items()) + "}"


def _n_evaluated() -> int:
    from study.training.model_setup import N_LOSS_EXAMPLES  # imports Keras

    return N_LOSS_EXAMPLES
