"""Common parts of the pages on landscapes: studies, their paths and last losses, and their pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from study.core.records import RunRecord
from study.gallery import Material, Picture
from study.gallery.figures.animation import animated
from study.gallery.figures.interactive import interactive
from study.gallery.figures.paths import Floats, Scene, build_scene, landscape_of, still, walked
from study.optimizers.landscape import Landscape
from study.report.figures.style import styles
from study.report.studies import ComparedStudy


def studies_of(
    material: Material, *, model: str | None = None, setting: str | None = None, order: Sequence[str] = ()
) -> list[ComparedStudy]:
    """Return the studies of a model and a setting, in a given order of optimizers.

    Args:
        material: The data of the page.
        model: The model's YAML name. None (the default): any model.
        setting: Name of the setting. None (the default): any setting.
        order: Optimizers in their order; others come last. Default: empty, the order of the experiment.

    Raises:
        LookupError: The experiment has no such study.
    """
    configs = material.configs
    found = [
        study
        for study in material.experiment.studies
        if model in (None, study.record.model) and setting in (None, configs[study.record.name].get("setting"))
    ]
    if not found:
        raise LookupError(f"model={model} setting={setting}")
    places = {name: place for place, name in enumerate(order)}
    return sorted(found, key=lambda study: places.get(study.record.optimizer, len(places)))


def run_of(study: ComparedStudy) -> RunRecord:
    """Return the run that represents a study: its best trial, or its first trial if all diverged.

    Args:
        study: The study.

    Raises:
        LookupError: The study has no trial.
    """
    if not study.trials:
        raise LookupError(f"{study.record.name} has no trial")
    return study.best or study.trials[0]


def landscape_walked(material: Material, studies: Sequence[ComparedStudy]) -> Landscape:
    """Return the landscape that studies share.

    Args:
        material: The data of the page.
        studies: The studies, at least one.
    """
    return landscape_of(material.configs[studies[0].record.name])


def scene_of(material: Material, studies: Sequence[ComparedStudy]) -> Scene:
    """Return the paths of studies on the landscape that they share; no two optimizers of eight have one color.

    Args:
        material: The data of the page.
        studies: The studies, at least one.
    """
    looks = styles([study.record.optimizer for study in studies])
    paths = [walked(material, study, style=look) for study, look in zip(studies, looks, strict=True)]
    return build_scene(landscape_walked(material, studies), paths)


def last_loss(material: Material, run: RunRecord) -> float:
    """Return the loss after a run's last step; infinite if it was not finite or the run stopped before this step.

    Args:
        material: The data of the page.
        run: The run.
    """
    losses = material.history(run, "loss")
    asked = int(run.metrics.get("n_steps", len(losses)))
    return float(losses[-1]) if len(losses) and len(losses) >= asked and np.isfinite(losses[-1]) else float("inf")


def pictures_of(scene: Scene, *, name: str, title: str, apart: bool = True) -> tuple[Picture, ...]:
    """Return a scene as contours, as an animation and as an interactive page.

    Args:
        scene: The landscape and the paths.
        name: First part of the pictures' names.
        title: The pictures' title.
        apart: Draw each path in its own panel of the contours. Default True.
    """
    rates = "its panel's title gives the rate" if apart else "the legend gives the rates"
    n_steps = max(path.n_steps for path in scene.paths)
    steps = "1 step" if n_steps == 1 else f"{n_steps} steps"
    return (
        Picture(
            name=f"{name}-contours",
            caption=f"{title}: the path of each optimizer in {steps}, from the {scene.start_text}; {rates}.",
            data=still(scene, title=title, apart=apart),
            suffix="svg",
        ),
        Picture(
            name=f"{name}-animation",
            caption=f"{title}: all of them step by step, from the {scene.start_text}; the legend gives the rates.",
            data=animated(scene, title=title),
            suffix="svg",
        ),
        Picture(
            name=f"{name}-interactive",
            caption=f"{title}: play the paths or go step by step; the box of a name hides its path.",
            data=interactive(scene, title=title),
            suffix="html",
        ),
    )


def detour(path: Floats) -> float:
    """Return the length of a path over that of the straight line between its ends; infinite for a closed path.

    Args:
        path: The positions, shape (n_steps + 1, n_dimensions).
    """
    straight = float(np.linalg.norm(path[-1] - path[0]))
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum()) / straight if straight else float("inf")


def number(value: float) -> str:
    """Return a number for a table or a sentence; a loss that is not finite is `beyond all numbers`.

    Args:
        value: The number.
    """
    return f"{value:.4g}" if np.isfinite(value) else "beyond all numbers"
