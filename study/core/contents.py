"""The contents of a study: the data, the code and the architecture from which its numbers come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# The digest or version of something that one side does not have.
NONE = "none"
_CODE = "code of "


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Digests of everything besides the settings that changes a study's numbers.

    Attributes:
        data: Digest of the data set's arrays.
        architecture: Digest of the model as Keras serializes it.
        data_text: The data set as text, such as `1257 + 180 + 360 examples of shape (64,)`; not compared. Default:
            empty.
        architecture_text: The model as text, such as `4 layers, 9034 weights`; not compared. Default: empty.
        source: Digest of each definition in the user's own modules that a `_target_` reaches, by `module.name`.
            Default: empty.
        versions: Version of the numbers of each part of this project that the config names, and release of each other
            package that it names. Default: empty.
        workload_code: Digest of the code that makes data set, model and loss, the same for all studies of a
            comparison. Default: empty.
        weights: Digest of the weights that the model is given while it is built, as by a file. Default: empty, all
            follow from seeds.
    """

    data: str
    architecture: str
    data_text: str = ""
    architecture_text: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    workload_code: str = ""
    weights: str = ""

    @property
    def digest(self) -> str:
        """Digest of all compared attributes: twelve hexadecimal digits."""
        weights = {"weights": self.weights} if self.weights else {}
        return _digest({"data": self.data, "architecture": self.architecture, **weights, **self._code})

    @property
    def code(self) -> str:
        """Digest of the source and the versions: six hexadecimal digits."""
        return _digest(self._code)[:6]

    @property
    def _code(self) -> dict[str, Any]:
        return {"source": dict(self.source), "versions": dict(self.versions)}

    def to_json(self) -> str:
        """Return the contents as JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Contents:
        """Read a text that `to_json` wrote.

        Args:
            text: The text.

        Raises:
            ValueError: The text has no contents of a study.
        """
        found = json.loads(text)
        if not isinstance(found, dict) or not {"data", "architecture"} <= set(found):
            raise ValueError(f"expected the contents of a study, and this is {text[:40]!r}")
        return cls(**{key: value for key, value in found.items() if key in cls.__dataclass_fields__})

    def changes_from(self, before: Contents) -> tuple[ContentsChange, ...]:
        """Return the differences from earlier contents: of the data, the code and the architecture, in this order.

        Args:
            before: The earlier contents.
        """
        return tuple(_changes(before, self))


@dataclass(frozen=True, kw_only=True)
class ContentsChange:
    """A difference between the contents of a study and those of an earlier run.

    Attributes:
        kind: `data`, `code` or `model`.
        subject: The changed thing: `data`, `code of mynet.build`, `version of study.models.mlp.build`, `architecture`,
            `weights that the model is given`.
        before: Digest or version in the earlier run; `none` if the thing is new.
        after: Digest or version now; `none` if the thing is gone.
    """

    kind: str
    subject: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.before == NONE or self.after == NONE:
            return f"the {self.subject} ({'new' if self.before == NONE else 'gone'})"
        if self.subject.startswith(_CODE):  # its digests tell a reader nothing
            return f"the {self.subject}"
        return f"the {self.subject} ({self.before} before, {self.after} now)"


def _changes(before: Contents, after: Contents) -> Iterator[ContentsChange]:
    if before.data != after.data:
        was, now = (_with(each.data, each.data_text) for each in (before, after))
        yield ContentsChange(kind="data", subject="data", before=was, after=now)
    for prefix, old, new in (
        (_CODE, before.source, after.source),
        ("version of ", before.versions, after.versions),
    ):
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                was, now = (str(each.get(name, NONE)) for each in (old, new))
                yield ContentsChange(kind="code", subject=f"{prefix}{name}", before=was, after=now)
    if before.architecture != after.architecture:
        was, now = (_with(each.architecture, each.architecture_text) for each in (before, after))
        yield ContentsChange(kind="model", subject="architecture", before=was, after=now)
    if before.weights != after.weights:
        was, now = (each.weights or NONE for each in (before, after))
        yield ContentsChange(kind="model", subject="weights that the model is given", before=was, after=now)


def _with(digest: str, text: str) -> str:
    return f"{digest}, {text}" if text else digest


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
