"""Write a recorded configuration as Hydra YAML, with its origin."""

from __future__ import annotations

import datetime
import math
from typing import Any

from study.core.packages import VERSIONS
from study.report.confirmed import confirmed_metrics, confirmed_text
from study.report.objective_metric import confirmed_on_of
from study.reproduction.exported_file import exported_text
from study.reproduction.recorded_run import RecordedRun, recorded_seed

# Keys of a budget that one training and its confirmations need.
_BUDGET = ("name", "n_epochs", "n_steps", "n_confirmations")
_SECTIONS = ("dataset", "model", "schedule", "trainer")
_VALUES = ("objective", "study_seed", "order_seed", "split_seed", "deterministic")


def export(target: RecordedRun, *, exported_on: datetime.date) -> str:
    """Return a run's configuration as the text of a YAML file that `study run best=FILE` trains.

    Args:
        target: The run.
        exported_on: The date, for the header.
    """
    return exported_text(_sections(target), provenance=_provenance(target, exported_on))


def selected_objective(target: RecordedRun) -> float | None:
    """Return the objective by which a configuration was selected: that of the best trial, else the run's own.

    Args:
        target: The run.

    Returns:
        The objective in the units of the metric; None if the run has none.
    """
    return target.study.metrics["best_objective"] if _is_selected(target) else target.run.metrics.get("objective")


def _is_selected(target: RecordedRun) -> bool:
    """Return True for a confirmation of the best trial of a search."""
    return target.run.kind == "best" and "best_objective" in target.study.metrics


def _sections(target: RecordedRun) -> dict[str, Any]:
    """Return the recorded config with the run's own values fixed, and without the keys for a search."""
    raw = target.at_point
    recorded = raw["optimizer"]
    arguments = {key: list(v) if isinstance(v, tuple) else v for key, v in target.arguments.items()}
    optimizer = {"name": recorded["name"], "_target_": recorded["_target_"], **arguments, "search_only": []}
    if recorded.get("exclude") is not None:
        optimizer["exclude"] = recorded["exclude"]
    sections: dict[str, Any] = {key: dict(raw[key]) for key in _SECTIONS}
    if sections["dataset"].get("split_seed") == raw["split_seed"]:
        del sections["dataset"]["split_seed"]  # conf/ derives the seed, but only if the file does not have it
    sections["budget"] = {key: raw["budget"].get(key) for key in _BUDGET}
    sections["budget"]["confirm"] = raw["budget"].get("confirm", "fixed")  # a config of before has no such key
    return {"optimizer": optimizer, **sections, **{key: raw[key] for key in _VALUES}}


def _provenance(target: RecordedRun, exported_on: datetime.date) -> dict[str, Any]:
    study, run, raw = target.study, target.run, target.raw
    same = [other for other in study.confirmations if other.kind == run.kind and not other.superseded]
    objective = {"metric": raw["objective"]["metric"]}
    if _is_selected(target):
        trial = study.metrics.get("best_trial_number")
        objective["best_trial"] = int(trial) if trial is not None and math.isfinite(trial) else None
    objective["value"] = selected_objective(target)
    return {
        "experiment": study.experiment,
        "study": study.name,
        "study_id": study.study_id,
        "run_id": run.run_id,
        "run": run.words,
        "recorded_on": datetime.datetime.fromtimestamp(run.started, tz=datetime.UTC).date().isoformat(),
        "exported_on": exported_on.isoformat(),
        "objective": objective,
        confirmed_on_of(study.tags): {
            name: confirmed_text(found, digits=".6g")
            for name, found in confirmed_metrics(
                [(other.state, other.metrics) for other in same], study.params, study.tags
            ).items()
        },
        "seeds": {
            "study_seed": raw["study_seed"],
            "order_seed": raw["order_seed"],
            "split_seed": raw["split_seed"],
            "run_seeds_confirmed": [recorded_seed(other, "run_seed") for other in same],
        },
        "data_digest": ", ".join(target.data_digests),
        "device": study.tags.get("device"),
        "git_commit": study.tags.get("git_commit"),
        "versions": {name: study.tags[name] for name in VERSIONS if name in study.tags},
    }
