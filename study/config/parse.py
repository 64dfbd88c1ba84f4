"""Turn a resolved config into a `StudyConfig`, or into one error that names all faults."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from study.config.allowlist import target_faults
from study.config.argument_domains import schedule_faults
from study.config.arguments import (
    argument_type_faults,
    nested_faults,
    signature_faults,
)
from study.config.instantiate import is_too_deep
from study.config.known_keys import unknown_keys
from study.config.parse_augment import read_augment
from study.config.parse_budget import check_until, read_budget
from study.config.parse_enqueue import read_enqueue
from study.config.parse_epoch_rules import read_objective_and_rules
from study.config.parse_optimizer import read_optimizer
from study.config.parse_search import fixed_and_searched, read_search, with_optimizer_ranges
from study.config.parse_stores import read_stores
from study.config.parse_task import read_task
from study.config.reader import Reader
from study.config.schema import (
    BACKENDS,
    KINDS,
    Component,
    OptimizerConfig,
    StudyConfig,
    TrackingConfig,
)
from study.core.errors import ConfigError, Fault
from study.core.names import default_experiment_name

# Keys that describe their section and are not arguments of its target.
_DESCRIPTION = ("name", "requires")
# Arguments of samplers that the study fills in.
_OF_THE_STUDY = ("seed", "study_seed", "ranges")
# Update rules in NumPy, and our trainers that use them.
_RULES, _TRAINERS, _RULE_TRAINER = "study.optimizers.reference.", "study.training.", "study.training.numpy."


def parse(
    raw: Mapping[str, Any],
    *,
    folder: Path,
    labels: Sequence[str] = (),
    allow: Collection[str] | None = None,
    helpers: Collection[str] | None = None,
    load_own: bool = True,
) -> StudyConfig:
    """Read and check a resolved config.

    Checking arguments imports the targets, and Keras with them. So Keras's backend must be chosen before.

    Args:
        raw: The resolved config as plain mappings and lists.
        folder: The folder where relative paths start.
        labels: Names for the study; the first free one is taken. Default: empty, which stands for the optimizer's
            name.
        allow: Packages that the config may name, besides those of `study.config.allowlist`. None (the default): those
            of the config's own `allow_targets`; only for a config that the user wrote.
        helpers: Dotted keys that only references of the config read. None (the default): they are not known.
        load_own: Import the modules of the user's folder that the config names, after the check of all names. If
            False, a config that names any counts as one with faults. Default True.

    Raises:
        ConfigError: The config has faults. The error holds all of them; if some are forbidden targets, only those.
    """
    if is_too_deep(raw):
        advice = "Remove the section that contains itself."
        raise ConfigError([Fault(key="(config)", value="...", allowed="a few levels of sections", advice=advice)])
    contradictions, raw = fixed_and_searched(raw), with_optimizer_ranges(raw)
    read = Reader(raw)
    read.faults += contradictions
    allowed = read.texts("allow_targets") if allow is None else allow
    if faults := target_faults(raw, folder=folder, allow=allowed, load_own=load_own):
        raise ConfigError(faults)
    if allow is None:  # an earlier version may have recorded other keys
        read.faults += [*unknown_keys(raw, helpers=helpers), *nested_faults(raw)]
    config = _study_config(read, raw, folder=folder, labels=labels, recorded=allow is not None)
    if allow is None:
        read.faults += _too_many_structures(config)
        told = {fault.key for fault in read.faults}
        found = [*argument_type_faults(raw), *_argument_faults(raw)]
        read.faults += [fault for fault in found if fault.key not in told]
    if read.faults:
        raise ConfigError(read.faults)
    return config


def _too_many_structures(config: StudyConfig) -> list[Fault]:
    n, n_trials = config.n_structures, config.n_trials
    if n <= max(n_trials, 1):
        return []
    allowed = f"at most one structure for each of {n_trials} trials (budget.n_trials), and these ranges have {n}"
    advice = "Search fewer choices and whole numbers, or raise budget.n_trials."
    counted = ", ".join(f"{key} ({of_key})" for key, of_key in config.structures.items())
    return [Fault(key="search", value=counted, allowed=allowed, advice=advice)]


def read_parts(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a study's config that differ between its trials, read again, as arguments of `StudyConfig`.

    Args:
        raw: The resolved config of a trial.

    Raises:
        ConfigError: A value is not allowed.
    """
    read = Reader(raw)
    task = read_task(read, recorded=True)
    parts = {
        "task": task,
        "model": _model(read),
        "schedule": _component(read, "schedule"),
        "trainer": _trainer(read),
        "augment": read_augment(read),
    }
    rules = read_objective_and_rules(read, task, recorded=True)
    read.faults += _argument_faults({"schedule": raw["schedule"]})
    if read.faults:
        raise ConfigError(read.faults)
    return {**parts, **{name: rules[name] for name in ("early_stopping", "rate_reduction")}}


def _argument_faults(raw: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of the values in sections whose targets check little or nothing themselves."""
    schedule, sampler = raw.get("schedule"), raw.get("sampler")
    advice = "Remove it: study_seed gives the seed, and optimizer.search the ranges."
    ignored = [
        Fault(key=f"sampler.{name}", value=sampler[name], allowed="no value, since it is ignored", advice=advice)
        for name in _OF_THE_STUDY
        if isinstance(sampler, Mapping) and name in sampler
    ]
    return [*(schedule_faults(schedule) if isinstance(schedule, Mapping) else ()), *ignored]


def _study_config(
    read: Reader, raw: Mapping[str, Any], *, folder: Path, labels: Sequence[str], recorded: bool
) -> StudyConfig:
    """Read every key; a placeholder replaces a faulty value."""
    dataset = _component(read, "dataset", without=("task", "augment"))
    model = _model(read)
    optimizer = read_optimizer(read, recorded=recorded)
    _check_rule(read, optimizer)
    task = read_task(read, recorded=recorded)
    search = read_search(read, raw)
    config = StudyConfig(
        dataset=_with_absolute_path(read, dataset, folder),
        task=task,
        model=model,
        optimizer=optimizer,
        schedule=_component(read, "schedule"),
        trainer=_trainer(read),
        backend=read.one_of("trainer.backend", BACKENDS),
        sampler=_sampler(read),
        pruner=_component(read, "pruner"),
        budget=read_budget(read),
        **read_objective_and_rules(read, task, recorded=recorded),
        stores=read_stores(read, folder),
        tracking=_tracking(read),
        experiment_name=read.name("experiment_name", optional=True)
        or default_experiment_name(dataset.name, model.name),
        study_name=read.name("study_name", optional=True, parts=False) or None,
        labels=tuple(labels) or (optimizer.name,),
        **_read_seeds(read),
        deterministic=read.boolean("deterministic"),
        live=read.one_of("live", ("auto", True, False)),
        max_failed_trials=read.integer("max_failed_trials", minimum=1, optional=True),
        **_read_ways(read),
        **read_enqueue(read, raw, optimizer, search["searched"]),
        folder=folder,
        augment=read_augment(read),
        **search,
    )
    check_until(read, config.budget, config.objective)
    return config


def _read_seeds(read: Reader) -> dict[str, Any]:
    return {name: read.integer(name, minimum=0) or 0 for name in ("study_seed", "order_seed", "split_seed")}


def _read_ways(read: Reader) -> dict[str, Any]:
    """Read the keys by which a command treats a study that has begun in a way of its own."""
    return {
        "shutdown_grace_s": read.number("shutdown_grace_s", optional=True, above=0) or StudyConfig.shutdown_grace_s,
        "retry_failed": read.boolean("retry_failed", default=False),
        "only_trial": read.integer("only_trial", minimum=0, optional=True),
        "accept_changes": read.boolean("accept_changes", default=False),
    }


def _component(read: Reader, key: str, *, supplied: Collection[str] = (), without: Collection[str] = ()) -> Component:
    """Read a section with a `_target_`, and check its arguments against the target's signature.

    Args:
        read: The reader.
        key: The section's key.
        supplied: Arguments that the project passes itself.
        without: Keys that are not arguments.
    """
    section = read.section(key)
    name = read.name(f"{key}.name")
    described = {k: v for k, v in section.items() if k not in (*_DESCRIPTION, *without)}
    required = read.texts(f"{key}.requires")
    for module in required:
        if not module.isidentifier():  # looking for a.b would import a
            read.fault(f"{key}.requires", module, allowed="names of top-level packages", advice="Correct the name.")
    missing = [module for module in required if module.isidentifier() and importlib.util.find_spec(module) is None]
    for module in missing:
        advice = f"Install it (pip install 'optimizer-study[{module}]'), or choose another {key}."
        read.fault(key, name, allowed=f"one whose package is installed, and {module} is not", advice=advice)
    target = read.value(f"{key}._target_")
    arguments = {k: v for k, v in described.items() if k != "_target_"}
    if target is None and "_target_" in described:
        for argument, value in arguments.items():
            advice = f"Remove it, or choose another {key}: this one builds nothing."
            read.fault(f"{key}.{argument}", value, allowed=f"no arguments for {key}={name}", advice=advice)
    if target is not None and not missing:
        own = [argument for argument in arguments if argument in supplied]
        for argument in own:
            read.fault(
                f"{key}.{argument}",
                arguments[argument],
                allowed="no value",
                advice="Remove it: the study fills it in.",
            )
        read.faults += signature_faults(key, str(target), arguments, names=read.names)
    return Component(name=name, section=described)


def _model(read: Reader) -> Component:
    """Read the model and its optional kind, which `trainer=auto` uses."""
    kind = read.value("model.kind", default=None)
    if kind is not None and kind not in KINDS:
        advice = "Name its main operation, or leave it out: trainer=auto then takes a trainer for any model."
        read.fault("model.kind", kind, allowed=f"one of {', '.join(KINDS)}", advice=advice)
    return _component(read, "model", supplied=("input_shape", "n_outputs"), without=("kind",))


def _sampler(read: Reader) -> Component:
    """Read the sampler; its `n_startup_trials` sets the number of trials proposed at once."""
    read.integer("sampler.n_startup_trials", minimum=0, optional=True)
    return _component(read, "sampler")


def _with_absolute_path(read: Reader, dataset: Component, folder: Path) -> Component:
    """Make `dataset.path` absolute: a relative path starts at the folder where the command was started."""
    path = read.path("dataset.path", optional=True)
    if not path:
        return dataset
    return Component(name=dataset.name, section={**dataset.section, "path": str(folder / Path(path).expanduser())})


def _trainer(read: Reader) -> Component:
    """Read the trainer, with the two arguments that every trainer has: an installed backend and a batch size.

    A trainer of one's own may have no batch size for evaluation.
    """
    backend = read.value("trainer.backend", default=None)
    if backend in BACKENDS and importlib.util.find_spec(backend) is None:
        installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
        advice = f"Install it (pip install {backend}), or set trainer.backend={installed[0]}."
        allowed = f"an installed backend: {', '.join(installed)}"
        read.fault("trainer.backend", backend, allowed=allowed, advice=advice)
    read.integer("trainer.batch_size", minimum=1)
    if "eval_batch_size" in read.section("trainer"):
        read.integer("trainer.eval_batch_size", minimum=1)
    return _component(read, "trainer", supplied=("config", "dataset"))


def _check_rule(read: Reader, optimizer: OptimizerConfig) -> None:
    """Refuse an update rule in NumPy together with a trainer that needs Keras's optimizers."""
    trainer = read.value("trainer._target_")
    by_keras = isinstance(trainer, str) and trainer.startswith(_TRAINERS) and not trainer.startswith(_RULE_TRAINER)
    if by_keras and optimizer.target.startswith(_RULES):
        name = read.value("trainer.name", default=None)
        advice = "This one is a rule in NumPy: set trainer=numpy, or choose another optimizer."
        read.fault("optimizer", optimizer.name, allowed=f"an optimizer of Keras for trainer={name}", advice=advice)


def _tracking(read: Reader) -> TrackingConfig:
    return TrackingConfig(
        every_n_steps=read.integer("tracking.every_n_steps", minimum=1, optional=True),
        system_metrics=read.boolean("tracking.system_metrics"),
        log_model=read.boolean("tracking.log_model"),
        tensorboard=read.boolean("tracking.tensorboard", default=False),  # configs of earlier versions lack it
    )
