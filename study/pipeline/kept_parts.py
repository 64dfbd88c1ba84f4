"""Parts that the studies of a command share: the loaded data, and trainers with their compiled programs."""

from __future__ import annotations

import json
from collections import OrderedDict

from study.config.digests import settings_of
from study.config.schema import StudyConfig
from study.core.trainer_interface import Trainer
from study.datasets import Dataset
from study.pipeline.workload import build_trainer, data_key, load_dataset

# A compiled program of a large model takes some ten MB.
_MOST_TRAINERS = 16
_VECTORIZED = "study.training.vectorized.VectorizedTrainer"
# Keys of a config that decide what a study trains, but not how it trains it.
_OF_SEARCH = ("study_seed", "order_seed", "sampler", "pruner", "experiment_name", "max_failed_trials", "search")


class KeptParts:
    """Parts that later studies of a command, and later rounds of its confirmations, take over from earlier ones.

    Studies share a trainer if they differ in nothing but their seeds and the values of the optimizer's arguments. Such
    numbers are arguments of the program, so it is compiled once for `adam` under all study seeds, and once for all
    looks. The results are the same as with a trainer for each study.

    Attributes:
        told: Cautions that an earlier study has shown. Default: none.
    """

    def __init__(self) -> None:
        self.told: set[str] = set()
        self._data: tuple[str, Dataset] | None = None
        self._trainers: OrderedDict[str, Trainer] = OrderedDict()

    def dataset(self, config: StudyConfig) -> Dataset:
        """Return the study's data set, loaded now if the last one is another.

        Args:
            config: The study's config.

        Raises:
            DataError: The data set cannot be loaded.
            ConfigError: An argument is wrong.
        """
        key = data_key(config)
        if self._data is None or self._data[0] != key:
            self._data = None  # frees its memory first
            self._data = key, load_dataset(config)
        return self._data[1]

    def trainer(self, config: StudyConfig, dataset: Dataset) -> Trainer:
        """Return a trainer for the study: that of an earlier study if one fits, else a new one.

        Args:
            config: The study's config, with its contents.
            dataset: The study's data set.

        Raises:
            StudyError: The trainer cannot be built.
        """
        if (key := _key(config, dataset)) is None:
            return build_trainer(config, dataset)
        if key not in self._trainers:
            self._trainers[key] = build_trainer(config, dataset)
        self._trainers.move_to_end(key)
        while len(self._trainers) > _MOST_TRAINERS:
            self._trainers.popitem(last=False)
        return self._trainers[key]

    def rest(self) -> None:
        """Free what the kept trainers hold on the devices; it is put there again when they train."""
        for trainer in self._trainers.values():
            if callable(free := getattr(trainer, "free_devices", None)):
                free()


def _key(config: StudyConfig, dataset: Dataset) -> str | None:
    """Return a text that is equal for studies that can share a trainer; None for a study that needs its own.

    Files of checkpoints belong to one study. What is searched besides the optimizer's arguments changes the model or
    the training. Data that is not in memory is read into it by each trainer.
    """
    section = config.trainer.section
    if section.get("_target_") != _VECTORIZED or config.searched or config.contents is None:
        return None
    is_in_memory = all(split.is_in_memory for split in dataset.splits.values())
    if section.get("checkpoint_every_n_epochs") is not None or not is_in_memory:
        return None
    settings = settings_of(config.raw, experiment_name=config.experiment_name)
    shared = {key: value for key, value in settings.items() if key not in (*_OF_SEARCH, "optimizer", "trainer")}
    exclude = config.optimizer.exclude
    optimizer = [config.optimizer.target, None if exclude is None else [exclude.layers, exclude.optimizer]]
    counts = [config.n_trials, config.n_at_once, config.budget.n_confirmations, config.tracking.every_n_steps]
    return json.dumps([config.contents.digest, shared, optimizer, section, counts], sort_keys=True, default=str)
