"""Signals that end a process: Ctrl-C, SIGTERM and SIGHUP end a command cleanly, a second Ctrl-C immediately."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

from study.core.bounded_waits import is_called, is_readable
from study.core.child_signals import end_with_parent, signal_children
from study.core.interactive import is_interactive
from study.core.stopped import Stopped as Stopped
from study.core.stopped import status_of

# Time from SIGTERM or SIGHUP to the end of the process at the latest, in seconds, unless a config gives another.
# Kubernetes and Slurm kill after 30 s.
GRACE_S = 25.0
# Share of the grace in which a training may go on to its next checkpoint; the rest is for the stores.
_SHARE_OF_CHECKPOINT = 0.8
# A second Ctrl-C that comes sooner than this is the first one, delivered twice, in seconds: `timeout -s INT` sends the
# signal to its child and to the child's group, and a wrapper passes on what the terminal has sent to both.
_DOUBLE_S = 0.2
# Time from a swallowed exception to the next attempt, in seconds.
_AGAIN_S = 0.05
# Longest wait for a place on the terminal, in seconds.
_DRAWN_IN_S = 0.5
# No signal has the number 0. The end of the pipe would not do: a forked process keeps it open.
_END = b"\0"
_NUMBERS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def clean_stop(*, quiet: bool = False, writes: bool = True) -> Iterator[None]:
    """Let the first signal of the block raise `Stopped`, which lets all parts write their last results.

    A slow store takes long for the last writes. A second Ctrl-C ends the process immediately, and so does the end of
    the grace after SIGTERM or SIGHUP. This loses no more than `kill -9` does: the same command continues the study.
    Another SIGTERM or SIGHUP changes nothing: `timeout`, shells and systemd send it twice.

    A notebook, or another process that a person goes on using, is not ended by a second Ctrl-C: it raises `Stopped`
    again, at once, in the midst of the last writes.

    Signals reach the main thread alone. In other threads, and where a signal is ignored or has a handler, nothing
    changes.

    Args:
        quiet: Write nothing, since the calling process does, except through `told_through`. Default False.
        writes: The block writes results. Default True; False: nothing is said of them, nor anything else.
    """
    signals = _Signals(quiet=quiet, writes=writes)
    if threading.current_thread() is not threading.main_thread() or not signals.numbers:
        yield
        return
    signals.install()
    try:
        yield
    except Stopped as stopped:
        if signals.is_kept and stopped.asks_for_the_end:
            signals.remove()
            signal.raise_signal(stopped.number)  # all is written, and a person's process has no command to end with
        raise
    finally:
        signals.remove()


@contextlib.contextmanager
def job_of_launcher() -> Iterator[None]:
    """Let a signal to this process of a launcher raise `Stopped` in the block, which is a job, or in all later ones.

    Between two jobs, the process waits for the launcher and takes no other notice of the signal: to a launcher, a
    process that exits is an error of all its jobs. The process ends when the launcher does.

    Raises:
        Stopped: The process got the signal before the block.
    """
    signals = _installed
    if signals is None:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = _Signals(quiet=True)
        signals.install()
        end_with_parent(os.getppid(), polls=True)
    signals.is_idle = False
    try:
        signals.stop_if_received()
        yield
    finally:
        signals.is_idle = True
        signals.cancel()


@contextlib.contextmanager
def grace(seconds: float) -> Iterator[None]:
    """Set the time from SIGTERM or SIGHUP to the end of the process at the latest, for the block.

    Args:
        seconds: The time, in seconds.
    """
    signals = _installed
    if signals is None:
        yield
        return
    before, signals.grace_s = signals.grace_s, seconds
    try:
        yield
    finally:
        signals.grace_s = before


@contextlib.contextmanager
def checkpoints_follow(follow: bool) -> Iterator[None]:
    """Let SIGTERM and SIGHUP wait for the next checkpoint of the block, which calls `stop_here` once it is saved.

    Args:
        follow: False: the block saves no checkpoints, so nothing changes.
    """
    signals = _installed
    if signals is None or not follow:
        yield
        return
    signals.n_waiting += 1
    try:
        yield
    finally:
        signals.n_waiting -= 1


def is_stopping() -> bool:
    """Return whether a signal waits for a checkpoint."""
    return _installed is not None and _installed.delayed is not None


def stop_here() -> None:
    """Raise a signal that has waited for this place, at which nothing is lost.

    Raises:
        Stopped: A signal has waited.
    """
    if _installed is not None and _installed.delayed is not None:
        _installed.stop(_installed.delayed)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay signals to the end of the block, in which an exception would leave something half done.

    Only the main thread receives signals; in other threads there is nothing to delay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in _NUMBERS
        if signal.getsignal(number) not in (signal.SIG_IGN, None)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in received:  # also after an exception, which a caller may expect and go on from
            if callable(handler := before[number]):
                handler(number, None)
            else:
                signal.raise_signal(number)


@contextlib.contextmanager
def passed_to_children() -> Iterator[None]:
    """Pass the first signal on to all child processes that handle it, and raise it only at the end of the block.

    For a launcher that kills its workers when its process gets an exception.

    Raises:
        Stopped: A signal arrived in the block.
    """
    signals = _installed
    if signals is None:
        yield
        return
    signals.passes_on = True
    try:
        yield
    finally:
        signals.passes_on = False
        stop_here()  # in place of the errors of jobs that the signal ended


@contextlib.contextmanager
def told_through(tell: Callable[[str], None]) -> Iterator[None]:
    """Say through a function that this process ends, for a block that draws on the terminal.

    Args:
        tell: Shows a line above what is drawn. It is called in another thread.
    """
    signals = _installed
    if signals is None:
        yield
        return
    before, signals.tells = signals.tells, tell
    try:
        yield
    finally:
        signals.tells = before


class _Signals:
    """The handlers of this process, and the thread that acts where the main thread is busy in a library's code."""

    def __init__(self, *, quiet: bool, writes: bool = True) -> None:
        self.numbers = [
            number for number in _NUMBERS if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
        ]
        self.grace_s, self.n_waiting, self.passes_on, self.is_idle = GRACE_S, 0, False, False
        self.delayed: int | None = None
        self.is_kept = is_interactive()
        self.tells: Callable[[str], None] | None = None
        self._quiet, self._writes, self._stopped = quiet, writes, 0
        self._received: Counter[int] = Counter()
        self._double_until: float | None = None
        self._timers: list[threading.Timer] = []
        self._raised: weakref.ref[Stopped] | None = None
        self._repeats, self._is_removed = False, False
        self._has_told = threading.Event()

    def install(self) -> None:
        """Handle the signals from now on."""
        global _installed
        # The terminal itself: while a study runs, what is written to standard error goes to its log.
        self._terminal = os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2)
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._watcher = threading.Thread(target=self._watch, name="signals", daemon=True)
        self._watcher.start()
        self._before = _installed, signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        _installed = self
        self._handlers = {number: signal.signal(number, self._handle) for number in self.numbers}

    def remove(self) -> None:
        """Leave the signals to the handlers before; a second call does nothing."""
        global _installed
        if self._is_removed:
            return
        self._is_removed = True
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        _installed, wakeup = self._before
        signal.set_wakeup_fd(wakeup)
        os.write(self._writer, _END)
        self._watcher.join()
        self.cancel()
        for descriptor in (self._reader, self._writer, self._terminal):
            os.close(descriptor)

    def cancel(self) -> None:
        """Stop keeping the time of the grace."""
        for timer in self._timers:
            timer.cancel()

    def stop(self, number: int) -> NoReturn:
        """Raise `Stopped` in the main thread, once, and again if that was swallowed.

        Python drops exceptions of callbacks of its garbage collector, such as JAX's, and of finalizers; some libraries
        drop those of their imports.
        """
        self._stopped, self.delayed = number, None
        stopped = Stopped(number)
        self._raised = weakref.ref(stopped, lambda _: self._swallowed())
        try:
            raise stopped
        finally:
            del stopped  # which holds this frame

    def _swallowed(self) -> None:
        """Raise again after an exception that ended inside of the block; not here, where a finalizer may still run."""
        if _installed is self and not self.is_idle:
            again = threading.Timer(_AGAIN_S, self._repeat)
            again.daemon = True
            again.start()

    def _repeat(self, number: int | None = None) -> None:
        if _installed is self and not self.is_idle and self._stopped:
            number, self._stopped, self._repeats = number or self._stopped, 0, True
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def stop_if_received(self) -> None:
        """Raise `Stopped` if a signal has arrived at any time."""
        if number := self.delayed or self._stopped:
            self.stop(number)

    def _handle(self, number: int, _: FrameType | None) -> None:
        """Act in the main thread, as soon as it runs Python code."""
        if self._stopped:
            return
        if self.passes_on:
            if self.delayed is None:
                signal_children(signal.SIGTERM)
            self.delayed = number
        elif self.is_idle or (self.n_waiting > 0 and number != signal.SIGINT):
            self.delayed = number
        else:
            self._has_told.wait(2 * _DRAWN_IN_S)  # before the exception removes what is drawn on the terminal
            self.stop(number)

    def _watch(self) -> None:
        """Act at once: say that the process ends, and end it when the time is over."""
        numbers = b""
        while _END not in numbers:
            # What came while this thread told something, or did not run, counts as sooner: its time is not known.
            if self._double_until is not None and not is_readable(self._reader, until=self._double_until):
                self._double_until = None
            numbers = os.read(self._reader, 64)
            for number in numbers:
                if number in self.numbers:
                    self._arrived(number)
                    self._has_told.set()

    def _arrived(self, number: int) -> None:
        if self._repeats:
            self._repeats = False
            return
        if number == signal.SIGINT:
            if self._double_until is not None:
                return
            self._double_until = time.monotonic() + _DOUBLE_S
        self._received[number] += 1
        if number == signal.SIGINT and self._received[number] > 1:
            self._tell("stopped immediately.")
            if not self.is_kept:
                os._exit(status_of(number))
        if number == signal.SIGINT and self._received.total() > 1 and self.is_kept:
            self._repeat(number)
        if number == signal.SIGINT and self._received.total() == 1:
            again = "interrupt" if self.is_kept else "press Ctrl-C"
            self._tell(f"stopping: writing finished results; {again} again to stop immediately.")
        if number == signal.SIGINT or self._timers:
            return
        name, seconds = signal.Signals(number).name, self.grace_s
        first = "the next checkpoint and " if self.n_waiting else ""
        self._tell(f"{name}: stopping: writing {first}finished results, for at most {seconds:g} s.")
        self._after(seconds, lambda: self._end(number))
        self._after(seconds * _SHARE_OF_CHECKPOINT, lambda: self._wait_no_longer(number))

    def _end(self, number: int) -> None:
        self._tell(f"stopped immediately: {self.grace_s:g} s after {signal.Signals(number).name}.")
        os._exit(status_of(number))

    def _wait_no_longer(self, number: int) -> None:
        if self.delayed is not None and not self.passes_on:
            self.n_waiting = 0
            signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), action)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _tell(self, text: str) -> None:
        if not self._writes:
            return
        is_told = self.tells is not None and is_called(self.tells, text, within_s=_DRAWN_IN_S)
        if not is_told and not self._quiet:
            with contextlib.suppress(OSError):  # the terminal was closed
                os.write(self._terminal, f"\n{text}\n".encode())


# The handlers of a process exist once, and so does this.
_installed: _Signals | None = None


def _forget() -> None:
    """Give a forked process the system's own handlers: it shares the pipe of its parent."""
    global _installed
    if _installed is not None:
        signal.set_wakeup_fd(-1)
        for number in _installed.numbers:
            default: Any = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)
        _installed = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
