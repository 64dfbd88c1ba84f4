"""Redirect the standard error of libraries to a log file."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import TextIO

from study.core.errors import StoreError
from study.core.redaction import redact

# Attribute of our stand-in for sys.stderr, through which a nested capture finds the terminal, not the outer log.
_TERMINAL = "terminal_behind_the_log"


@contextmanager
def captured(log_path: Path) -> Iterator[TextIO]:
    """Send standard error to a file, and yield a stream to its former destination.

    The file descriptor itself is redirected, since TensorFlow and XLA log from C++ and child processes inherit it.
    Handlers of the root logger are put aside for one that writes to the file; warnings follow `sys.stderr` there.
    On exit everything is restored, also after an exception, which is passed on. A nested capture logs to its own
    file and yields the same terminal.

    Args:
        log_path: The file to append to. Its folder is created.

    Yields:
        A line-buffered text stream to the real standard error.

    Raises:
        StoreError: The log cannot be written; nothing has been redirected then.
    """
    log_fd = _opened(log_path)
    before = sys.stderr
    with ExitStack() as undo:  # runs every step, last first, also where one of them fails
        undo.callback(os.close, log_fd)
        before.flush()
        previous_fd = os.dup(2)
        undo.callback(os.close, previous_fd)
        terminal: TextIO = getattr(before, _TERMINAL, None) or undo.enter_context(_text(os.dup(2), closefd=True))
        os.dup2(log_fd, 2)
        undo.callback(os.dup2, previous_fd, 2)
        # A stream on descriptor 2 itself, never closed: library handlers that hold it keep working after the capture.
        stand_in = _text(2, closefd=False)
        setattr(stand_in, _TERMINAL, terminal)
        # absl closes its handler's stream when Hydra sets up logging; Optuna's formatter still uses the same stream.
        setattr(stand_in, "close", lambda: None)  # noqa: B010 - a method, which mypy would not let us assign
        undo.callback(delattr, stand_in, _TERMINAL)
        undo.callback(stand_in.flush)
        undo.callback(before.flush)
        undo.enter_context(redirect_stderr(stand_in))
        undo.callback(logging.root.handlers.__setitem__, slice(None), logging.root.handlers[:])
        logging.root.handlers[:] = [_handler(stand_in)]
        yield terminal


@contextmanager
def removed_without_stores(log_path: Path, journal: Path | None) -> Iterator[None]:
    """Remove a new log and its new folders if the block fails before the study has written to its search.

    Args:
        log_path: The log file.
        journal: The file that holds the search once the search has begun; None: a server holds the search.
    """
    before = _last_change(journal)
    new = [path for path in (log_path, log_path.parent, log_path.parent.parent) if not path.exists()]
    try:
        yield
    except BaseException:
        if log_path in new and _last_change(journal) == before:
            with contextlib.suppress(OSError):
                log_path.unlink(missing_ok=True)
            for folder in new[1:]:
                with contextlib.suppress(OSError):  # another process has put a file there
                    folder.rmdir()
        raise


def _opened(log_path: Path) -> int:
    try:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"{log_path}: the log cannot be written ({error.strerror or error}). Allow writing there, or move "
            "away what is in its place, then run the same command again."
        ) from error


def _last_change(path: Path | None) -> int:
    """Return the time of the last change of a file, in nanoseconds; 0 without a file."""
    return path.stat().st_mtime_ns if path is not None and path.exists() else 0


def _text(fd: int, *, closefd: bool) -> TextIO:
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=closefd)


def _handler(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    plain = formatter.format
    setattr(formatter, "format", lambda record: redact(plain(record)))  # noqa: B010 - as above
    handler.setFormatter(formatter)
    return handler
