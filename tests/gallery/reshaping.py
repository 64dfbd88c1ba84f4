"""Material for a page's test, made of that of the fixtures: other metrics, other configs, other histories."""

from dataclasses import replace

from study.report.studies import Entry


def reshaped(
    material,
    *,
    metrics,
    config,
    history,
    metric,
):
    """Return material of an entry a study, whose confirmations and configs have more, by the study's name."""
    entries = []
    for study in (study for entry in material.experiment.entries for study in entry.studies):
        name, record = study.record.name, study.record
        tuned = tuple(replace(run, metrics={**run.metrics, **metrics(name, run)}) for run in study.tuned)
        entries.append(Entry(label=name, optimizer=record.optimizer, studies=(replace(study, tuned=tuned),)))
    configs = {name: {**known, **config(name)} for name, known in material.configs.items()}
    is_loss = metric.endswith("loss")
    experiment = replace(
        material.experiment,
        entries=tuple(entries),
        metric=replace(
            material.experiment.metric,
            name=metric,
            direction="minimize" if is_loss else "maximize",
            is_share=not is_loss,
        ),
    )
    return replace(material, experiment=experiment, configs=configs, history=history)
