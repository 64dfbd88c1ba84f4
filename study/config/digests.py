"""Digests of settings: equal values give equal digests, however they are spelled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from study.config.same_numbers import in_earlier_words

# Keys whose values may change and the study stays the same study.
NOT_IDENTITY = (
    "budget.name",
    "budget.n_trials",
    "budget.n_confirmations",
    "budget.time_limit_s",
    "budget.confirm",
    "budget.until",
    "objective.margin",
    "dataset.task.objective.margin",
    "dataset.path",  # the data's digest identifies it, wherever it lies
    "trainer.capacity",
    "trainer.device",  # recorded with every study, as its versions are
    "trainer.checkpoint_every_n_epochs",
    "model.kind",
    "advice",
    "tracking",
    "tracking_uri",
    "storage",
    "live",
    "worker",
    "allow_targets",
    "max_failed_trials",
    "shutdown_grace_s",
    "retry_failed",
    "only_trial",
    "accept_changes",
    "study_name",
    "experiment",
    # The section `optimizer` has the values of a setting.
    "settings",
    "setting",
    "gallery",
    # The sections that a variant of an experiment changes have the variant's values.
    "variants",
    "variant",
)


def digest_of(raw: Mapping[str, Any], *, experiment_name: str) -> str:
    """Return the digest of the settings in a resolved config: twelve hexadecimal digits.

    The keys that may change are left out.

    Args:
        raw: The resolved config.
        experiment_name: Name of the MLflow experiment.
    """
    return digest_of_value(settings_of(raw, experiment_name=experiment_name))


def digest_of_value(value: Any) -> str:
    """Return the digest of a value as JSON: twelve hexadecimal digits, the same for 1 and 1.0."""
    canonical = json.dumps(_plain_numbers(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def settings_of(raw: Mapping[str, Any], *, experiment_name: str) -> dict[str, Any]:
    """Return a copy of a resolved config without the keys that may change, with the experiment's name.

    Args:
        raw: The resolved config.
        experiment_name: Name of the MLflow experiment.
    """
    identity: dict[str, Any] = json.loads(json.dumps({**raw, "experiment_name": experiment_name}))
    for key in NOT_IDENTITY:
        *parents, last = key.split(".")
        node = identity
        for parent in parents:
            found = node.get(parent)
            node = found if isinstance(found, dict) else {}
        node.pop(last, None)
    if not identity.get("search"):
        identity.pop("search", None)
    return in_earlier_words(identity)


def _plain_numbers(value: Any) -> Any:
    """Write whole numbers as integers, so that 0 and 0.0 are equal; minus zero is zero."""
    if isinstance(value, Mapping):
        return {str(key): _plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
