"""Redirect the standard error of libraries to a log file."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from study.core.errors import LimitAdvice, StoreError, limit_advice
from study.core.interactive import in_kernel
from study.core.interrupt import Stopped
from study.core.readable_output import ReadableStream, readable
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

    In the kernel of a notebook, the cell takes the terminal's place.

    Args:
        log_path: The file to append to. Its folder is created.

    Yields:
        A line-buffered text stream to the real standard error, or to the output of a notebook's cell.

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
        terminal: TextIO = (
            getattr(before, _TERMINAL, None)
            or _cell()
            or undo.enter_context(_text(os.dup(2), encoding=_encoding(before)))
        )
        os.dup2(log_fd, 2)
        undo.callback(os.dup2, previous_fd, 2)
        # A stream on descriptor 2 itself, never closed: library handlers that hold it keep working after the capture.
        stand_in = cast(TextIO, _LogStream(log_path, terminal))
        setattr(stand_in, _TERMINAL, terminal)
        # absl closes its handler's stream when Hydra sets up logging; Optuna's formatter still uses the same stream.
        setattr(stand_in, "close", lambda: None)  # noqa: B010 - a method, which mypy would not let us assign
        undo.callback(delattr, stand_in, _TERMINAL)
        undo.callback(stand_in.flush)
        undo.callback(before.flush)
        undo.enter_context(redirect_stderr(stand_in))
        undo.enter_context(_handlers_moved(before, stand_in))
        undo.callback(logging.root.handlers.__setitem__, slice(None), logging.root.handlers[:])
        logging.root.handlers[:] = [_handler(stand_in)]
        yield terminal


@contextmanager
def captured_unseen() -> Iterator[TextIO]:
    """Send standard error to a file that is removed, for a block whose errors are exceptions.

    Yields:
        The stream of `captured`.
    """
    with tempfile.NamedTemporaryFile() as log, captured(Path(log.name)) as terminal:
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
    except Exception:  # after a signal, other workers of the study may go on with this log
        if log_path in new and _last_change(journal) == before:
            with contextlib.suppress(OSError):
                log_path.unlink(missing_ok=True)
            for folder in new[1:]:
                with contextlib.suppress(OSError):  # another process has put a file there
                    folder.rmdir()
        raise


def behind_the_log(stream: TextIO) -> TextIO | None:
    """Return the terminal while standard error goes to a log; None otherwise.

    Args:
        stream: Standard error as Python sees it.
    """
    found: TextIO | None = getattr(stream, _TERMINAL, None)
    return found


def _opened(log_path: Path) -> int:
    try:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        advice = "Allow writing there, or move away what is in its place, then run the same command again."
        told = limit_advice(error) or LimitAdvice(advice=advice, error=StoreError)
        raise told.error(
            f"{log_path}: the log cannot be written ({error.strerror or error}). {told.advice}"
        ) from error


def _last_change(path: Path | None) -> int:
    """Return the time of the last change of a file, in nanoseconds; 0 without a file."""
    return path.stat().st_mtime_ns if path is not None and path.exists() else 0


class _Output(io.FileIO):
    """A file descriptor to write to. What is written to a terminal or a pipe that was closed is dropped.

    A pipe whose reader has gone, as in `2>&1 | head`, stops the study as Ctrl-C does: it would train on unseen.
    """

    _is_broken = False

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            if error.errno == errno.EPIPE and not self._is_broken:
                self._is_broken = True
                if threading.current_thread() is threading.main_thread():
                    raise Stopped(signal.SIGPIPE) from error
            return memoryview(data).nbytes


class _LogStream(ReadableStream):
    """A stream to descriptor 2, the log. A log that cannot be written does not end a study: this is said once.

    Nothing is buffered, so no text is left that would go to the terminal after the capture.

    Args:
        path: Path of the log, for the message.
        terminal: The stream that gets the message.
    """

    def __init__(self, path: Path, terminal: TextIO) -> None:
        raw = cast(BinaryIO, io.FileIO(2, "wb", closefd=False))
        super().__init__(io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True))
        self._path, self._terminal = path, terminal
        self._is_lost = False

    def write(self, text: str) -> int:
        """Write a text, or drop it if the log cannot be written."""
        try:
            return super().write(text)
        except OSError as error:
            if not self._is_lost:
                self._is_lost = True
                lost = f"The log {self._path} cannot be written ({error}). Its further lines are lost."
                self._terminal.write(f"{lost}\n")
            return len(text)


def _cell() -> TextIO | None:
    """Return the output of a notebook's cell; None outside of a kernel.

    The kernel reads descriptor 2 in a thread of its own, so text that goes there can be shown out of order.
    """
    return readable(sys.stderr) if in_kernel() else None


@contextmanager
def _handlers_moved(before: TextIO, stream: TextIO) -> Iterator[None]:
    """Let handlers of libraries write to a stream in place of a notebook's cell, in the block.

    Elsewhere, a handler such as Optuna's writes to descriptor 2, which goes to the log. In a kernel, it writes to the
    cell without a descriptor.
    """
    if not in_kernel() or behind_the_log(before) is not None:
        yield
        return
    loggers = [each for each in list(logging.root.manager.loggerDict.values()) if isinstance(each, logging.Logger)]
    found = [
        handler for logger in loggers for handler in logger.handlers if isinstance(handler, logging.StreamHandler)
    ]
    # TensorFlow's own handler writes to standard output where a person goes on.
    moved = [(handler, handler.stream) for handler in found if handler.stream in (before, sys.stdout)]
    try:
        for handler, _ in moved:
            handler.setStream(stream)
        yield
    finally:
        for handler, earlier in moved:
            handler.setStream(earlier)


def _text(fd: int, *, encoding: str = "utf-8") -> TextIO:
    raw = io.BufferedWriter(_Output(fd, "w"))
    return readable(io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace", line_buffering=True))


def _encoding(stream: TextIO) -> str:
    """Return the encoding of a stream, which is that of the terminal; UTF-8 where it has none."""
    return getattr(stream, "encoding", None) or "utf-8"


def _handler(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    plain = formatter.format
    setattr(formatter, "format", lambda record: redact(plain(record)))  # noqa: B010 - as above
    handler.setFormatter(formatter)
    return handler
