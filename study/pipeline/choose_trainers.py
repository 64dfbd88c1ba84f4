"""Choose the trainers of a command's studies: those they began with, that of their experiment, or the cheapest one.

Most choices are made before Keras is imported. A choice by cost needs the sizes of the models: Keras is then imported
on JAX, which starts in the shortest time, and a study that gets another backend runs in a process of its own.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from study.config.digests import digest_of
from study.config.named_settings import resolve_setting
from study.config.parse import parse
from study.config.parse_stores import read_stores
from study.config.reader import Reader
from study.config.schema import Stores
from study.core.errors import ConfigError, DataError, StudyError
from study.core.machine import cards
from study.core.names import default_experiment_name
from study.datasets import Dataset
from study.pipeline.workload import build_model, check_task, data_key, load_dataset
from study.search.storage.interface import wait_for_storage
from study.search.study_names import KnownStudy, read_known_studies
from study.training.auto import Candidates, Choice, Option, cheapest, find_candidates, is_auto, with_choice
from study.training.auto_costs import Device, StudySize, find_facts
from study.training.backend import loaded_backend, start_backend
from study.training.devices import asked_device, device, try_select_device

_CONVOLUTIONS_ON_A_CPU = Option("fit", "tensorflow")


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The trainers of a command's studies.

    Attributes:
        choices: The choices in the order of the jobs; None for a job whose config names its trainer.
        datasets: The data sets that were loaded for the choice, by `workload.data_key`. Default: none.
    """

    choices: tuple[Choice | None, ...]
    datasets: Mapping[str, Dataset] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _OpenStudy:
    """A study whose config leaves the trainer open.

    Attributes:
        raw: The resolved config.
        candidates: What the study can take.
        begun: The option that the study began with. Default: None, the study is new.
        experiment: Name of the study's experiment. Default: empty, its stores cannot be read.
        usual: The option of most studies of the experiment. Default: None, the experiment is new.
    """

    raw: Mapping[str, Any]
    candidates: Candidates
    begun: Option | None = None
    experiment: str = ""
    usual: Option | None = None


def choose_trainers(
    raws: Sequence[Mapping[str, Any]],
    *,
    folder: Path,
    helpers: Collection[str] | None = None,
    in_this_process: bool = False,
) -> Chosen:
    """Choose the trainers of a command's studies whose configs leave them open.

    A study that has begun keeps its trainer. A new one takes that of its experiment, if it can. All other studies of
    the command get one trainer if there is one that all can take.

    Args:
        raws: The resolved configs of all jobs.
        folder: The folder where relative paths start.
        helpers: Dotted keys that only references of the configs read. None (the default): they are not known.
        in_this_process: Choose new trainers for the backend that this process has loaded. Default False: studies on
            another one run in a process of their own.

    Raises:
        ConfigError: The candidates of a config cannot be read.
        StoreError: A store exists and cannot be used.
    """
    known = functools.cache(_known)  # each experiment's studies are read once
    studies = {index: _opened(raw, folder=folder, known=known) for index, raw in enumerate(raws) if is_auto(raw)}
    sizing = _Sizing(folder=folder, helpers=helpers)
    choices: dict[int, Choice] = {}
    notes: dict[int, str] = {}
    for index, study in studies.items():
        settled, notes[index] = _by_stores(study, sizing)
        choices |= {index: settled} if settled is not None else {}
    left = [index for index in studies if index not in choices]
    together = [left] if _common([studies[index] for index in left]) else [[index] for index in left]
    for group in filter(None, together):
        members = [studies[index] for index in group]
        common = _as_others(members, choices.values(), sizing)
        found = [common] * len(group) if common else _choose(members, sizing, in_this_process=in_this_process)
        choices |= {index: _with_note(choice, notes[index]) for index, choice in zip(group, found, strict=True)}
    return Chosen(choices=tuple(choices.get(index) for index in range(len(raws))), datasets=sizing.datasets)


def _known(stores: Stores, experiment: str) -> list[KnownStudy]:
    """Return the studies of an experiment, the oldest first."""
    return wait_for_storage(stores, lambda: list(read_known_studies(stores, experiment).values()))


def _opened(
    raw: Mapping[str, Any], *, folder: Path, known: Callable[[Stores, str], Sequence[KnownStudy]]
) -> _OpenStudy:
    """Read what a study can take, and what the stores say of it and of its experiment."""
    candidates, read = find_candidates(raw), Reader(raw)
    named = [read.value(f"{part}.name", default=None) for part in ("dataset", "model")]
    experiment = str(read.value("experiment_name", default=None) or default_experiment_name(*map(str, named)))
    stores = read_stores(read, folder)
    if read.faults:  # refused later, with all others
        return _OpenStudy(raw=raw, candidates=candidates)
    begun_ones = known(stores, experiment)
    # Of several such studies, the one that began first.
    begun = (
        option for study in begun_ones for option in candidates.for_begun if _is_this(study, raw, option, experiment)
    )
    return _OpenStudy(
        raw=raw, candidates=candidates, begun=next(begun, None), experiment=experiment, usual=_usual(begun_ones)
    )


def _by_stores(study: _OpenStudy, sizing: _Sizing) -> tuple[Choice | None, str]:
    """Return the trainer that a study began with, or that of its experiment, if it can take it; and if not, why."""
    if study.begun is not None:
        return Choice(option=study.begun, reason="this study began with it"), ""
    usual = study.usual
    if usual is None:
        return None, ""
    why = study.candidates.only_because
    if usual in study.candidates.options and not (why := sizing.refusal(study.raw, usual)):
        return Choice(option=usual, reason=f"as the other studies of {study.experiment}"), ""
    told = f"which this one cannot take ({why})" if why else "which this one cannot take"
    return (
        None,
        f"the other studies of {study.experiment} have {usual}, {told}; their numbers are of different trainers",
    )


def _is_this(study: KnownStudy, raw: Mapping[str, Any], option: Option, experiment: str) -> bool:
    """Return whether a study in the store is that of a config with an option."""
    try:
        resolved = resolve_setting(raw).raw
    except ConfigError:  # refused later
        return False
    typed = with_choice(resolved, Choice(option=option, reason=""))
    return study.typed_digest == digest_of(typed, experiment_name=study.began_in or experiment)


def _usual(known: Sequence[KnownStudy]) -> Option | None:
    """Return the trainer of most studies, of the latest ones if several are as frequent; None if none is recorded."""
    recorded = [study.conditions for study in reversed(known)]
    options = [Option(each["trainer"], each["backend"]) for each in recorded if {"trainer", "backend"} <= {*each}]
    return Counter(options).most_common(1)[0][0] if options else None


def _common(studies: Sequence[_OpenStudy]) -> list[Option]:
    """Return the options that all studies have, in the order of the first one."""
    first, *others = (study.candidates.options for study in studies) if studies else ((),)
    return [option for option in first if all(option in options for options in others)]


def _as_others(studies: Sequence[_OpenStudy], choices: Collection[Choice], sizing: _Sizing) -> Choice | None:
    """Return the trainer of the command's other studies, if they agree and these can take it."""
    settled = {choice.option for choice in choices}
    if len(settled) != 1 or not settled <= {*_common(studies)}:
        return None
    (option,) = settled
    if any(sizing.refusal(study.raw, option) for study in studies):
        return None
    return Choice(option=option, reason="as the other studies of this command")


def _with_note(choice: Choice, note: str) -> Choice:
    return Choice(option=choice.option, reason="; ".join(filter(None, (choice.reason, note))))


def _choose(studies: Sequence[_OpenStudy], sizing: _Sizing, *, in_this_process: bool) -> list[Choice]:
    """Return the option that costs least for all studies together; another one for a study that cannot take it.

    Raises:
        DataError: A data set cannot be loaded, with any option.
    """
    options = _common(studies)
    if in_this_process:
        options = [option for option in options if loaded_backend() in (None, option.backend)] or options
    if len(options) == 1:
        only = studies[0].candidates.only_because or "the only one that can be taken here"
        return [Choice(option=options[0], reason=only)] * len(studies)
    has_card = bool(cards()) and all(study.raw["trainer"].get("device", "auto") != "cpu" for study in studies)
    kinds = {Reader(study.raw).value("model.kind", default=None) for study in studies}
    if not has_card and kinds == {"convolutional"} and _CONVOLUTIONS_ON_A_CPU in options:
        choice = Choice(option=_CONVOLUTIONS_ON_A_CPU, reason="the quickest for convolutions on a CPU")
        return [choice] * len(studies)
    sized_on = next((option for option in options if option.backend == "jax"), options[0])
    other = next((option for option in options if option.backend != sized_on.backend), options[0])
    sizes: list[StudySize] = []
    refused: dict[int, str] = {}
    for index, study in enumerate(studies):
        try:
            sizes.append(sizing.size(with_choice(study.raw, Choice(option=sized_on, reason=""))))
        except DataError:
            raise
        except StudyError as error:  # if it is a fault of the config, the checks find it again
            refused[index] = f"it does not work on {sized_on.backend} ({_first_line(error)})"
    if in_this_process:
        options = [option for option in options if option.backend == sized_on.backend]
    side_by_side = [option for option in options if studies[0].candidates.trains_side_by_side(option)]
    if not sizing.fits_in_memory or sizing.alone:
        options = [option for option in options if option not in side_by_side] or options
    best = sizes and _by_cost(options, sizes, side_by_side=side_by_side, device=sizing.device if has_card else "cpu")
    if best and sizing.alone:
        best = _with_note(best, f"side by side needs {sizing.alone[0]}")
    return [
        Choice(option=other, reason=refused[index]) if index in refused or not best else best
        for index in range(len(studies))
    ]


def _by_cost(
    options: Sequence[Option], sizes: Sequence[StudySize], *, side_by_side: Sequence[Option], device: Device
) -> Choice:
    """Return the option that costs least; one that trains side by side if no cost is known."""
    facts = find_facts(device)
    if facts is not None:
        loaded = loaded_backend()
        found = cheapest(options, sizes, facts, side_by_side=side_by_side, device=device, loaded=loaded)
        if found is not None:
            return found
    reason = f"costs on a {device.upper()} are not known; `study doctor --measure` measures them"
    return Choice(option=next(iter(side_by_side), options[0]), reason=reason)


@dataclass(frozen=True, kw_only=True)
class _Sizing:
    """Finds the sizes of studies; each data set is loaded once, and each model built once for it."""

    folder: Path
    helpers: Collection[str] | None
    datasets: dict[str, Dataset] = field(default_factory=dict)
    models: dict[str, Any] = field(default_factory=dict)
    alone: list[str] = field(default_factory=list)  # why trials of a model cannot train side by side

    def size(self, raw: Mapping[str, Any]) -> StudySize:
        """Load a study's data, build its model without values, and check its loss and metrics.

        Args:
            raw: The resolved config, with a trainer.

        Raises:
            StudyError: The config has faults, the data set cannot be loaded, or model, loss or metrics do not work.
        """
        start_backend(str(raw["trainer"]["backend"]))
        from study.training.model_size import study_size  # these import Keras
        from study.training.step_check import side_by_side_fault

        config = parse(resolve_setting(raw).raw, folder=self.folder, helpers=self.helpers)
        if loaded_backend() == config.backend:
            try_select_device(config.backend, asked_device(config))  # before the model starts the backend
        key = data_key(config)
        if key not in self.datasets:
            self.datasets[key] = load_dataset(config)
        dataset = self.datasets[key]
        workload = json.dumps([key, config.raw["model"], config.raw["trainer"]], sort_keys=True)
        if workload not in self.models:
            model = build_model(config, dataset)
            check_task(config, dataset)
            self.models[workload] = model
            if fault := side_by_side_fault(config, dataset, model):
                self.alone.append(fault.allowed)
        return study_size(config, dataset, self.models[workload])

    def refusal(self, raw: Mapping[str, Any], option: Option) -> str:
        """Return why a study cannot be set up with an option; empty if it can, or on a backend of another process.

        Args:
            raw: The resolved config, which leaves the trainer open.
            option: The option.

        Raises:
            DataError: The data set cannot be loaded, with any option.
        """
        if loaded_backend() not in (None, option.backend):
            return ""
        try:
            self.size(with_choice(raw, Choice(option=option, reason="")))
        except DataError:
            raise
        except StudyError as error:
            return _first_line(error)
        return ""

    @property
    def fits_in_memory(self) -> bool:
        """True if the loaded data sets fit into the memory of the device, where many trials train at once."""
        if loaded_backend() != "jax":
            return True
        from study.training.vectorized.held_data import fits  # imports JAX

        return all(fits(dataset) for dataset in self.datasets.values())

    @property
    def device(self) -> Device:
        """The kind of device that the loaded backend computes on."""
        return "gpu" if device().startswith("gpu") else "cpu"


def _first_line(error: StudyError) -> str:
    return str(error.faults[0]) if isinstance(error, ConfigError) else str(error).splitlines()[0]
