"""Material for a page's test, made of that of the fixtures: other metrics, other configs, other histories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from study.core.records import RunRecord
from study.gallery import Material
from study.report.studies import Entry


def reshaped(
    material: Material,
    *,
    metrics: Callable[[str, RunRecord], Mapping[str, float]],
    config: Callable[[str], Mapping[str, Any]],
    history: Callable[[RunRecord, str], Any],
    metric: str,
) -> Material:
    """Return material of an entry a study, whose confirmations and configs have more, by the study's name."""
    entries = []
    for study in (study for entry in material.experiment.entries for study in entry.studies):
        name, record = study.record.name, study.record
        tuned = tuple(replace(run, metrics={**run.metrics, **metrics(name, run)}) for run in study.tuned)
        entries.append(Entry(label=name, optimizer=record.optimizer, studies=(replace(study, tuned=tuned),)))
    configs = {name: {**known, **config(name)} for name, known in material.configs.items()}
    direction = "minimize" if metric.endswith("loss") else "maximize"
    experiment = replace(
        material.experiment,
        entries=tuple(entries),
        metric=replace(material.experiment.metric, name=metric, direction=direction),
    )
    return replace(material, experiment=experiment, configs=configs, history=history)
