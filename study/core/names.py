"""Names of experiments and studies: what a typed one may contain, and safe ones made of typed values."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence

# Bytes in UTF-8. A file name has at most 255, and ours add a digest, a number or an ending.
LONGEST = 200
_QUOTES = "'\"`"
_DIGEST = 6
# Texts that Hydra reads as they are, and as texts; it reads these words as other values.
_BARE = re.compile(r"([.]{0,2}/)?[A-Za-z_][\w./-]*( +[\w./-]+)*", re.ASCII)
_OTHER_VALUES = ("null", "true", "false", "nan", "inf")


def in_label(text: str) -> str:
    """Return typed text as a part of a name: without quotes, separators, percent signs and unprintable characters.

    Args:
        text: The text, of any length.
    """
    bare = text.translate({ord(sign): None for sign in _QUOTES}).replace("/", ".")
    return "".join(sign if sign.isprintable() and sign not in "\\%" else "_" for sign in bare)


def shortened(name: str, *, longest: int = LONGEST) -> str:
    """Return a name that is not too long; a long one is cut and ends with a digest, so that long ones stay distinct.

    Args:
        name: The name.
        longest: The longest allowed name, in bytes of UTF-8. Default `LONGEST`.
    """
    written = name.encode("utf-8", "backslashreplace")
    if len(written) <= longest:
        return name
    digest = hashlib.sha256(written).hexdigest()[:_DIGEST]
    kept = name.encode("utf-8", "replace")[: longest - _DIGEST - 1].decode("utf-8", "ignore")
    return f"{kept}-{digest}"


def mended(name: str) -> str:
    """Return the name of a study, or a safe one in place of a name that an earlier version accepted.

    Args:
        name: The recorded name.
    """
    return shortened(in_label(name)) if name_fault(name, parts=False) else name


def in_file_name(name: str) -> str:
    """Return a name as a part of a file name: letters, digits, `_`, `.` and `-`, and not too long.

    Args:
        name: The name of an experiment or a study.
    """
    return shortened(re.sub(r"[^\w.-]+", "_", name).strip(".") or "_")


def typed_command(name: str, *targets: str) -> str:
    """Return a command of `study` for a message, with each word quoted where a shell needs it.

    Args:
        name: Name of the command, such as `delete`.
        *targets: Names of experiments and studies.

    >>> typed_command("delete", "my digits/adam")
    "study delete 'my digits/adam'"
    """
    ended = ["--"] if any(target.startswith("-") for target in targets) else []
    return shlex.join(["study", name, *ended, *targets])


def one_trial_command(words: Sequence[str], number: int) -> str:
    """Return the command that trains one trial of a study alone, with each word quoted where a shell needs it.

    Args:
        words: The words after `study run` that make the study.
        number: The trial's number.

    >>> one_trial_command(["optimizer=sgd", "model.hidden=[8,8]"], 3)
    "study run optimizer=sgd 'model.hidden=[8,8]' only_trial=3"
    """
    return shlex.join(["study", "run", *words, f"only_trial={number}"])


def typed_override(key: str, text: str) -> str:
    r"""Return an override for a message, quoted where Hydra or a shell needs it.

    Args:
        key: The dotted key.
        text: The value.

    >>> typed_override("experiment_name", "digits, again")
    "'experiment_name=\"digits, again\"'"
    """
    return shlex.quote(f"{key}={hydra_text(text)}")


def hydra_text(text: str) -> str:
    r"""Return a text as Hydra reads it back, in quotes where it needs them.

    Args:
        text: The text.

    >>> hydra_text("digits, again")
    '"digits, again"'
    """
    is_bare = _BARE.fullmatch(text) and text.lower() not in _OTHER_VALUES
    inner = text.replace("\\", "\\\\").replace('"', '\\"')
    return text if is_bare else f'"{inner}"'


def default_experiment_name(dataset: str, model: str) -> str:
    """Return the name of the experiment of a data set and a model, where the config names none.

    Args:
        dataset: Name of the data set.
        model: Name of the model.
    """
    return shortened(f"{dataset}-{model}")


def name_fault(name: str, *, parts: bool) -> str:
    """Return the allowed names in words if a typed name is not one of them; empty if it is.

    Args:
        name: The typed name.
        parts: Accept several names with `/` between them.
    """
    last = "and parts without a letter between slashes" if parts else "and slashes"
    allowed = f"at most {LONGEST} bytes of printable characters, without quotes, backslashes {last}"
    is_plain = name.isprintable() and not any(sign in name for sign in f"{_QUOTES}\\")
    is_short = is_plain and len(name.encode()) <= LONGEST  # printable characters have a form in UTF-8
    pieces = name.split("/")
    is_path = (parts or len(pieces) == 1) and all(any(map(str.isalnum, piece)) for piece in pieces)
    return "" if is_short and is_path else allowed
