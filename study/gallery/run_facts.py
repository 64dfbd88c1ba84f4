"""Facts about the studies of a page: origin, size beside the published one, seeds, time and versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from study.core.packages import VERSIONS
from study.core.records import StudyRecord
from study.gallery import Material

# Names of the parts of a budget: singular and plural.
_BUDGET = {
    "n_trials": ("trial of a search", "trials of a search"),
    "n_epochs": ("epoch", "epochs"),
    "n_steps": ("step", "steps"),
    "n_confirmations": ("confirmation seed", "confirmation seeds"),
}
_LENGTHS = {"n_epochs", "n_steps"}
Size = Literal["published", "reduced", "other", "unknown"]


@dataclass(frozen=True, kw_only=True)
class RunOrigin:
    """The origin of a page.

    Attributes:
        command: The command that ran the experiment.
        published: The budget of the published size; None if unknown.
        made: The time when the page was made, as text.
    swept: The values of each key that the published comparison varies. Default: unknown, none.
    """

    command: str
    published: Mapping[str, Any] | None
    made: str
    swept: Mapping[str, Sequence[str]] = field(default_factory=dict)


def budget_differences(
    budgets: Iterable[Mapping[str, Any]], published: Mapping[str, Any]
) -> tuple[tuple[str, ...], bool]:
    """Return the differences from the published budget, and whether anything is smaller.

    A difference is text such as `3 epochs instead of 20`.

    Args:
        budgets: The budgets of the studies.
        published: The published budget.
    """
    given = list(budgets)
    told, less = [], False
    for key, (one, many) in _BUDGET.items():
        found = sorted({budget[key] for budget in given if isinstance(budget.get(key), int)})
        # The length of a training is given in epochs or in steps.
        counted = key
        if not isinstance(published.get(key), int) and key in _LENGTHS:
            counted = next(iter(_LENGTHS - {key}))
        full = published.get(counted)
        if found and isinstance(full, int) and (counted != key or found != [full]):
            shown = " or ".join(map(str, found))
            instead = f"{full} {_BUDGET[counted][full != 1]}" if counted != key else f"{full}"
            told.append(f"{shown} {one if found == [1] else many} instead of {instead}")
            less |= counted == key and found[0] < full
    return tuple(told), less


def size_of(material: Material, origin: RunOrigin) -> tuple[Size, tuple[str, ...]]:
    """Return the size of a run beside the published one, and the differences as texts.

    Args:
        material: The data of the page.
        origin: The origin of the page, with the published budget.
    """
    if origin.published is None:
        return "unknown", ()
    budgets = [config.get("budget", {}) for config in material.configs.values()]
    differences, is_smaller = budget_differences(budgets, origin.published)
    parts = parts_left_out(list(material.configs.values()), origin.swept)
    differences = (*parts, *differences)
    return ("reduced" if is_smaller or parts else "other") if differences else "published", differences


def parts_left_out(configs: Sequence[Mapping[str, Any]], swept: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return what a run leaves out of the published comparison, such as `2 of 8 values of optimizer`.

    Args:
        configs: The resolved configs of the studies.
        swept: The values of each key that the published comparison varies.
    """
    told = []
    for key, published in swept.items():
        seen = {_value_of(config, key) for config in configs}
        n_run = sum(value in seen for value in published)
        if n_run < len(published) and None not in seen:  # a key that is not recorded says nothing
            told.append(f"{n_run} of {len(published)} values of {key}")
    return tuple(told)


def _value_of(config: Mapping[str, Any], key: str) -> str | None:
    """Return a config's value of a key, or the name of a group's choice, as text; None if it is not recorded."""
    found: Any = config
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping):
        found = found.get("name")
    return None if found is None else str(found)


def run_facts(material: Material) -> dict[str, str | dict[str, str]]:
    """Return budget, seeds, trainer, time and versions of the studies, without those that are not recorded.

    Args:
        material: The data of the page.
    """
    configs, records = list(material.configs.values()), material.experiment.records
    versions = {name: _values(record.tags.get(name) for record in records) for name in VERSIONS}
    versions["git_commit"] = _values(record.tags.get("git_commit") for record in records)[:12]
    facts: dict[str, str | dict[str, str]] = {
        "Studies": _studies(material),
        "Budget": _budget([config.get("budget", {}) for config in configs]),
        "Trainer": _counted(_trainer(config) for config in configs),
        "Seeds": {
            key: _values(config.get(key) for config in configs) for key in ("study_seed", "order_seed", "split_seed")
        },
        "Data": _counted(_part(config, "dataset") for config in configs),
        "Model": _counted(_part(config, "model") for config in configs),
        "Time": f"{_seconds_in_all(records) / 60:.1f} minutes, from the beginning to the end of the studies",
        "Date": _date(records),
        "Device": _values(record.tags.get("device") for record in records),
        "Versions": ", ".join(f"{name} {found}" for name, found in versions.items() if found),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _date(records: Sequence[StudyRecord]) -> str:
    """Return the day on which the last study ended, in UTC."""
    ends = [record.ended or record.started for record in records]
    return datetime.fromtimestamp(max(ends), UTC).strftime("%Y-%m-%d") if ends else ""


def _seconds_in_all(records: Sequence[StudyRecord]) -> float:
    """Return the time in which at least one study was under way: studies at the same time count once."""
    seconds, until = 0.0, 0.0
    for record in sorted(records, key=lambda record: record.started):
        end = record.ended or record.started
        seconds += max(0.0, end - max(until, record.started))
        until = max(until, end)
    return seconds


def _studies(material: Material) -> str:
    records = material.experiment.records
    states = Counter(str(run.state) for record in records for run in (*record.trials, *record.confirmations))
    n_trials, n_confirmations = sum(len(r.trials) for r in records), sum(len(r.confirmations) for r in records)
    other = ", ".join(f"{n} {state}" for state, n in states.items() if state != "complete")
    return f"{len(records)}, with {n_trials} trials and {n_confirmations} confirmations" + (
        f" ({other})" if other else ""
    )


def _budget(budgets: Sequence[Mapping[str, Any]]) -> str:
    told = []
    for key, (one, many) in _BUDGET.items():
        if found := _values(budget.get(key) for budget in budgets):
            told.append(f"{found} {one if found == '1' else many}")
    return ", ".join(told)


def _trainer(config: Mapping[str, Any]) -> str:
    trainer = config.get("trainer", {})
    return f"{trainer.get('name')} on {trainer.get('backend')}, batches of {trainer.get('batch_size')}"


def _part(config: Mapping[str, Any], key: str) -> str:
    return str(config.get(key, {}).get("name", ""))


def _values(values: Iterable[Any]) -> str:
    """Return the different values as text, without None."""
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def _counted(texts: Iterable[str]) -> str:
    """Return the different texts; if there are several, with the number of studies that have each."""
    found = Counter(texts)
    return "; ".join(found if len(found) == 1 else (f"{text} ({n} studies)" for text, n in found.items()))
