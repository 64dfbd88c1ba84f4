"""Errors in the words of Python: a call in place of a command's arguments, and no traceback of a library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from study.core.errors import ConfigError, StudyError, limit_errors
from study.core.log_capture import captured_unseen

# The beginning of a command's message, such as `TARGET=digits-mlp/adm: expected ...`.
_TYPED = re.compile(
    r"\A(?:--script: |(?:TARGET|EXPERIMENT|NAME|--[a-z-]+)=.*?: (?=(expected|cannot|the search has|MLflow has) ))",
    re.DOTALL,
)
# Options of commands that advice names, and the arguments in their place.
_ARGUMENTS = {
    "--force": "force=True",
    "--overwrite": "overwrite=True",
    "--folder": "folder=...",
    "--tracking-uri": "tracking_uri=...",
    "--output": "another path",
    "--alias": "alias",
    "--name": "name",
    "--script": "script()",
}
_OPTION = re.compile("|".join(rf"{re.escape(option)}\b" for option in _ARGUMENTS))


@contextmanager
def python_call(call: str) -> Iterator[None]:
    """Do the work of a call: the log lines of libraries are dropped, and errors name the call.

    Args:
        call: The call as the user wrote it, such as `best('adam')`.

    Raises:
        StudyError: The work raised it, or memory or the disk ran out.
    """
    failed: StudyError | None = None
    try:
        with captured_unseen(), limit_errors(call):
            yield
    except StudyError as error:
        failed = error
    if failed is not None:
        raise in_python_words(failed, call) from None


def in_python_words(error: StudyError, call: str) -> StudyError:
    """Return an error of a command's work as the error of a call.

    Args:
        error: The error.
        call: The call as the user wrote it.
    """
    if isinstance(error, ConfigError):  # its faults name keys of the config
        return error
    kind = type(error)
    told = kind.__new__(kind)  # not copied: the arguments of a class's own __init__ are not kept
    told.__dict__.update(vars(error))
    text = _TYPED.sub(lambda _: f"{call}: ", str(error), count=1)
    told.args = (_OPTION.sub(lambda option: _ARGUMENTS[option[0]], text),)
    return told
