"""Descriptions in MLflow's pages that were written here, told from those that a person wrote or changed."""

from __future__ import annotations

import hashlib
import re

# MLflow's tag of the description of a run or an experiment.
NOTE = "mlflow.note.content"
# A definition that Markdown does not show, with the digest of the text above it.
_SEAL = "\n\n[written-by-study]: # ({})\n"
_SEALED = re.compile(r"(?P<text>.*)\n\n\[written-by-study\]: # \((?P<digest>[0-9a-f]{12})\)\s*", re.DOTALL)
# Length of the line that seals a description, in characters.
SEAL_LENGTH = len(_SEAL.format(12 * "0"))
# What Markdown takes as a sign. A `_` inside a word is not one.
_SIGNS = re.compile(r"[\\`*\[\]<>|~]|(?<!\w)_|_(?!\w)")


def sealed(text: str) -> str:
    """Return a description with a line, which Markdown does not show, by which `is_own` knows it.

    Args:
        text: The description.
    """
    return text + _SEAL.format(_digest(text))


def is_own(text: str, *, earlier: str | None = None) -> bool:
    """Return whether a description is empty, or was written here and not changed since.

    Args:
        text: The description in the store.
        earlier: The start of descriptions of earlier versions, which have no seal. None (the default): none.
    """
    found = _SEALED.fullmatch(text)
    if found is not None:
        return _digest(found["text"]) == found["digest"]
    return not text.strip() or (earlier is not None and text.startswith(earlier) and "[written-by-study]" not in text)


def without_seal(text: str) -> str:
    """Return a description that was written here without the line that seals it.

    Args:
        text: The description in the store.
    """
    found = _SEALED.fullmatch(text)
    return text if found is None else found["text"]


def plain(text: str) -> str:
    r"""Return text in Markdown that shows it letter by letter, in one line, whatever signs a name has.

    Args:
        text: The text.

    >>> print(plain("a|b <i> *c* beta_1"))
    a\|b \<i\> \*c\* beta_1
    """
    return _SIGNS.sub(r"\\\g<0>", " ".join(text.split()))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
