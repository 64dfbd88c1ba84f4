"""Tags that only programs read, packed into one tag of a run, so that MLflow's pages show the tags for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from study.core.packages import VERSIONS
from study.core.redaction import redacted

# The tag with all others of `_PACKED`, as one JSON object of texts.
INTERNALS = "internals"
# MLflow's length of the longest tag, in characters.
_LONGEST = 8000
_PACKED = frozenset(
    {
        # Identity: what was computed, from which code and data, and with which packages.
        *("settings_id", "contents", "data_digest", "architecture", "workload_code"),
        *("git_commit", *VERSIONS),
        # How the study searches and confirms, and how its metric is read.
        *("n_at_once", "confirm", "n_confirmations", "looks", "until", "opened_ms", "command_studies"),
        *("objective_direction", "objective_is_share", "objective_margin", "earlier_margin"),
        *("n_train", "n_validation", "n_test", "targets_per_example", "tracking.log_model"),
    }
)
# A trial or a confirmation is found through its study, whose run shows these.
_PACKED_OF_CHILD = frozenset({"study_id", "dataset", "model", "optimizer", "device"})


def packed(tags: Mapping[str, str], *, recorded: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return tags with those that only programs read packed into the tag `internals`.

    A run of an earlier version has them as tags of their own. What such a run has already stays a tag of its own, so
    that no value is there twice.

    Args:
        tags: Tags of a run, packed or not.
        recorded: The tags that the run has in the store. None (the default): it is new.
    """
    recorded = recorded or {}
    every = all_tags(tags)
    names = _PACKED | _PACKED_OF_CHILD if every.get("role") in ("trial", "confirmation") else _PACKED
    inner = {key: str(redacted(every[key], key=key)) for key in every if key in names and key not in recorded}
    before = _inner(recorded)
    text = json.dumps(dict(sorted({**before, **inner}.items())), ensure_ascii=False, separators=(", ", ": "))
    if not inner or len(text) > _LONGEST:
        return every
    return {**{key: value for key, value in every.items() if key not in inner}, INTERNALS: text}


def all_tags(stored: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run as a program reads them: each by its own name, also of a run of an earlier version.

    Args:
        stored: Tags as the store has them.
    """
    return {**_inner(stored), **{key: value for key, value in stored.items() if key != INTERNALS}}


def is_damaged(stored: Mapping[str, str], metrics: Collection[str]) -> bool:
    """Return whether the packed tags of a study's run were removed or broken, so that its results cannot be read.

    Args:
        stored: Tags as the store has them.
        metrics: Names of the run's metrics. Those of a search are as new as the packing.
    """
    if INTERNALS in stored:
        return not _inner(stored)
    return "objective_direction" not in stored and "best_so_far" in metrics


def _inner(stored: Mapping[str, str]) -> dict[str, str]:
    """Return the packed tags; none if a person has broken the JSON in MLflow's pages."""
    try:
        found = json.loads(stored.get(INTERNALS) or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
