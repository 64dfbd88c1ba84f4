"""Groups of an experiment's studies that can be compared, and the settings by which a reader selects one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.core.errors import StudyError
from study.core.records import StudyRecord

# The key by which studies on other data under the same settings are selected; it is no key of a config.
DATA = "data"
# Settings that decide about most others, and are told before them.
_FIRST = ("dataset.name", "model.name", "objective.metric", "objective.direction")
_SECTIONS = ("dataset.", "model.", "objective.")
# Of two studies with the same settings these tell which is which.
_TAGS = ("architecture", "workload_code")


@dataclass(frozen=True, kw_only=True)
class ComparableGroup:
    """Studies that can be compared with one another.

    Attributes:
        studies: Their names.
        where: Words `KEY=VALUE` that select them among the experiment's studies.
    """

    studies: tuple[str, ...]
    where: tuple[str, ...]


class NotComparableError(StudyError):
    """Studies of an experiment that cannot be compared.

    Attributes:
        experiment: Name of the experiment.
        differing: The values of each setting in which the groups differ, by key.
        groups: The groups, the largest first.
    """

    def __init__(
        self, text: str, *, experiment: str, differing: Mapping[str, Sequence[str]], groups: Sequence[ComparableGroup]
    ) -> None:
        super().__init__(text)
        self.experiment = experiment
        self.differing = {key: list(values) for key, values in differing.items()}
        self.groups = tuple(groups)


def selected(
    experiment: str, records: Sequence[StudyRecord], where: Sequence[str], *, digests: Mapping[str, str]
) -> list[StudyRecord]:
    """Return the studies that have all of some settings.

    Args:
        experiment: Name of the experiment.
        records: Its studies.
        where: Words `KEY=VALUE`, of a key of the config, or `architecture`, `workload_code` or `data`.
        digests: Digests of the data, by id of the study's run.

    Raises:
        StudyError: A word has another form, or no study has all of the settings.
    """
    found = list(records)
    for word in where:
        key, equal, value = word.partition("=")
        values = _values(found, key, digests=digests)
        if not equal or value not in values:
            known = ", ".join(f"{key}={each}" for each in dict.fromkeys(values) if each)
            allowed = known or "KEY=VALUE, a setting of these studies such as model.name=mlp"
            raise StudyError(f"--where={word}: expected {allowed} for EXPERIMENT={experiment}.")
        found = [record for record, each in zip(found, values, strict=True) if each == value]
    return found


def differing_settings(
    records: Sequence[StudyRecord], signatures: Sequence[object], *, digests: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return as few settings as tell apart the studies that cannot be compared, each with its values.

    Args:
        records: The studies.
        signatures: What studies must have in common, one for each of them.
        digests: Digests of the data, by id of the study's run.
    """
    values = {key: _values(records, key, digests=digests) for key in _candidates(records)}
    left = {key: each for key, each in values.items() if len({*each}) > 1}
    found: dict[str, list[str]] = {}
    blocks: list[tuple[str, ...]] = [()] * len(records)
    while left and len({*zip(blocks, signatures, strict=True)}) > len({*blocks}):
        # The setting that leaves the fewest studies together that cannot be; of equal ones the plainest.
        tried = {key: [(*block, each[i]) for i, block in enumerate(blocks)] for key, each in left.items()}
        key = min(tried, key=lambda key: (_n_mixed(tried[key], signatures), _place(key), len(key), key))
        blocks, found[key] = tried[key], list(dict.fromkeys(left.pop(key)))
    return found


def groups_of(
    records: Sequence[StudyRecord],
    signatures: Sequence[object],
    keys: Sequence[str],
    *,
    digests: Mapping[str, str],
) -> list[ComparableGroup]:
    """Return the groups of studies that can be compared, the largest first.

    Args:
        records: The studies.
        signatures: What studies must have in common, one for each of them.
        keys: The settings that tell the groups apart.
        digests: Digests of the data, by id of the study's run.
    """
    values = {key: _values(records, key, digests=digests) for key in keys}
    members: dict[tuple[object, tuple[str, ...]], list[int]] = {}
    for index, signature in enumerate(signatures):
        members.setdefault((signature, tuple(values[key][index] for key in keys)), []).append(index)
    found = [
        ComparableGroup(
            studies=tuple(sorted(records[index].name for index in indices)),
            where=tuple(f"{key}={value}" for key, value in zip(keys, own, strict=True)),
        )
        for (_, own), indices in members.items()
    ]
    return sorted(found, key=lambda group: -len(group.studies))


def _candidates(records: Sequence[StudyRecord]) -> list[str]:
    params = {key for record in records for key in record.params if key.startswith(_SECTIONS)}
    return [*sorted(params), *_TAGS, DATA]


def _place(key: str) -> int:
    """Return the place of a setting in the order in which they are told."""
    if key in _FIRST:
        return _FIRST.index(key)
    return len(_FIRST) + (key in (*_TAGS, DATA))


def _values(records: Sequence[StudyRecord], key: str, *, digests: Mapping[str, str]) -> list[str]:
    """Return the value of a setting in each study; empty where it has none."""
    if key == DATA:
        return [digests.get(record.run_id, "unknown") for record in records]
    if key in _TAGS:
        return [record.tags.get(key, "unknown") for record in records]
    return [record.params.get(key, "") for record in records]


def _n_mixed(blocks: Sequence[tuple[str, ...]], signatures: Sequence[object]) -> int:
    """Return how many more parts the blocks must be cut into."""
    return len({*zip(blocks, signatures, strict=True)}) - len({*blocks})
