"""Remarks on a data set's streams, and their effect on the determinism of a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from study.config.schema import StudyConfig
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import Stream
from study.training.trainer_check import is_vectorized


def settle_streams(config: StudyConfig, dataset: Dataset) -> tuple[StudyConfig, Dataset]:
    """Return a study's config and data set with remarks on its streams.

    A stream whose order is not ours decides which examples come together in a step. Such a study is not deterministic,
    unless its trainer reads the stream once.

    Args:
        config: The study's config.
        dataset: The study's data set.
    """
    streams = _streams(dataset)
    if not streams:
        return config, dataset
    if is_vectorized(config):
        told = ", ".join(f"{stream.name} ({len(stream)} examples)" for stream in streams)
        remarks = [f"Read once and kept in memory, since trainer={config.trainer.name} holds all data: {told}."]
    else:
        remarks = [
            f"The order of {stream.name} is that of its own stream, not that of order_seed. So the study is not "
            "deterministic: trainings of equal seeds may differ."
            for stream in streams
            if stream.has_own_order
        ]
        sizes = [max(stream.batch_sizes) for stream in streams if stream.name == "train"]
        remarks += [
            f"The batches of train are those of its stream, of up to {size} examples: trainer.batch_size is not used."
            for size in sizes
            if size != config.trainer.section.get("batch_size")
        ]
        config = replace(config, deterministic=config.deterministic and not has_foreign_order(config, dataset))
    return config, replace(dataset, remarks=tuple(dict.fromkeys([*dataset.remarks, *remarks])))


def has_foreign_order(config: StudyConfig, dataset: Dataset) -> bool:
    """Return whether the order of a stream, which is not ours, decides which examples come together in a step.

    Args:
        config: The study's config.
        dataset: The study's data set.
    """
    return not is_vectorized(config) and any(stream.has_own_order for stream in _streams(dataset))


def _streams(dataset: Dataset) -> list[Stream]:
    splits: Iterable[Split | Stream] = dataset.splits.values()
    return [split for split in splits if isinstance(split, Stream)]
