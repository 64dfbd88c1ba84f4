"""Names of studies, made of the overrides that set them apart, such as `adam-schedule=cosine`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from study.cli.launch.overrides import TypedValue
from study.cli.launch.search_words import SEARCH, searched_keys
from study.config.reader import Reader
from study.core.names import in_label, shortened

# Targets in a value that is a section or a list of them.
_TARGETS = re.compile(r"_target_:\s*([\w.]+)")
# Overrides that names of studies leave out: all studies of an experiment share them, or they change no result.
_NOT_TELLING = (
    "dataset",
    "model",
    "optimizer",
    "experiment",
    "experiment_name",
    "study_name",
    "storage",
    "tracking_uri",
    "live",
    "worker",
    "budget",
    "objective.margin",
    "dataset.task.objective.margin",
    "allow_targets",
    "max_failed_trials",
    "shutdown_grace_s",
    "retry_failed",
    "only_trial",
    "accept_changes",
    "settings",
)
_NOT_TELLING_SECTIONS = (
    "settings.",
    "budget.",
    "storage.",
    "tracking.",
    "hydra.",
    "hydra/",
    "dataset.path",
    "trainer.capacity",
    "trainer.device",
)


def label(values: Sequence[TypedValue], raw: Any, *, only: Collection[str] | None = None) -> str:
    """Return the optimizer's name and the overrides that set a study apart.

    A searched key has its range: `dropout=0..0.5`, `learning_rate=1e-05..0.1_log`, `hidden=[[64],[256]]`.

    Args:
        values: The overrides of the study.
        raw: The resolved config.
        only: The keys that the name may have. None (the default): all.
    """
    parts = []
    named = [typed for typed in values if only is None or typed.key in only]
    for typed in named:
        key = typed.key
        if key in _NOT_TELLING or key.startswith(_NOT_TELLING_SECTIONS) or _is_search(key):
            continue
        built = [target.rpartition(".")[2] for target in _TARGETS.findall(typed.text)]  # of a list of callbacks
        parts.append(in_label(f"{_short(key)}={'+'.join(built) or typed.text}"))
    told = searched_keys(named)
    for key, found in searched_keys(values).items():
        if key in told:
            parts.append(in_label(f"{_short(key)}={_range_text(found)}"))
    optimizer = str(Reader(raw).value("optimizer.name", default="optimizer"))
    return shortened("-".join([in_label(optimizer), *sorted(parts)]))


def searched_label(values: Sequence[TypedValue], raw: Any) -> tuple[str, ...]:
    """Return a shorter name of a study that searches typed keys: the optimizer's name and the last parts of the keys.

    Args:
        values: The overrides of the study.
        raw: The resolved config.

    Returns:
        One name, such as `adam-search-dropout-l2`; none without typed ranges.
    """
    keys = sorted({key.rpartition(".")[2] for key in searched_keys(values)})
    optimizer = str(Reader(raw).value("optimizer.name", default="optimizer"))
    return (shortened("-".join([in_label(optimizer), SEARCH, *map(in_label, keys)])),) if keys else ()


def _is_search(key: str) -> bool:
    return key == SEARCH or key.startswith(f"{SEARCH}.")


def _short(key: str) -> str:
    return key.removeprefix("optimizer.").removeprefix("trainer.").removeprefix("model.")


def _range_text(found: Mapping[str, str]) -> str:
    """Return the typed parts of a range as a part of a name."""
    given = {part: text for part, text in found.items() if text not in ("null", "false", "linear")}
    if "choices" in given:
        return given["choices"]
    ends = f"{given.get('low', '')}..{given.get('high', '')}"
    kind = ["int"] if "integer" in given else []
    step = [f"step{given['step']}"] if "step" in given else []
    return "_".join([ends, *([given["scale"]] if "scale" in given else []), *kind, *step])
