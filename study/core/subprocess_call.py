"""Call a function in a fresh Python process."""

from __future__ import annotations

import json
import os
import pickle
import pkgutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from study.core.child_signals import end_with_parent, with_interrupts, without_interrupts
from study.core.errors import StudyError
from study.core.garbage import collect_rarely
from study.core.interrupt import Stopped, clean_stop
from study.core.readable_output import show_controls
from study.core.session_objects import copy_objects, take_objects

# The child looks for modules in the same folders as this process, like a child of Python's multiprocessing. With `-P`
# it finds even `json` nowhere else, such as in the working directory.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from study.core.subprocess_call import answer; sys.exit(answer(sys.argv[1]))"
)
# Files of a call. Request and answer are pickled: they hold dataclasses and paths. The objects of a session are read
# later, so they have a file of their own.
_REQUEST, _SESSION, _ANSWER, _OUTPUT = "request", "session", "answer", "output"
# Variable with the process id of the calling process.
_PARENT = "STUDY_PARENT"


class ProcessDiedError(StudyError):
    """A process ended without an answer. The message is its last line of output, if that was captured.

    Args:
        status: The exit status; negative if a signal ended the process. Also an attribute.
        last_line: The last line of output. Default: the empty text, with which the message gives the exit status.
    """

    def __init__(self, status: int, *, last_line: str = "") -> None:
        self.status = status
        super().__init__(last_line or f"exit status {status}")


class UnpackableError(StudyError):
    """Functions or data of this session cannot be copied to another process.

    Args:
        reason: The error that said so, in one line. Also an attribute.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            "a process of its own is needed, and a function or data of this session cannot be copied to it "
            f"({reason}). Choose the backend that this process has loaded, or start Python anew with KERAS_BACKEND "
            "set to the other one."
        )


def call_in_subprocess(
    function: str,
    *arguments: object,
    timeout_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
    pass_fds: Sequence[int] = (),
    meanwhile: Callable[[], None] | None = None,
) -> Any:
    """Call a function in a fresh process and return its result.

    The process searches the places of this process's `sys.path` for modules. A signal that ends this process is passed
    on: a child with a timeout is killed, and one without ends cleanly, since it may be writing. The child ends with
    this process in any case, also at `kill -9`.

    Args:
        function: The function, as `module:name`.
        *arguments: Its arguments, which are pickled.
        timeout_s: Time after which the process is killed, in seconds. None (the default): never.
        environment: Variables in addition to those of this process. None (the default): no others.
        quiet: Keep the output of the process off the terminal. Default False.
        pass_fds: Descriptors that the process has too, under the same numbers. Default: none.
        meanwhile: Called once the process has started, before waiting for its end. None (the default): nothing is
            done.

    Raises:
        StudyError: The function raised a StudyError. This error has the same message and exit status.
        UnpackableError: An object of this session cannot be copied to the process.
        ProcessDiedError: The process ended without an answer, for example by another exception.
        TimeoutError: The process did not finish within `timeout_s`.
    """
    with tempfile.TemporaryDirectory() as scratch:  # only this user can read it
        folder = Path(scratch)
        (folder / _REQUEST).write_bytes(pickle.dumps((function, arguments)))
        _copy_objects(folder / _SESSION)
        status = _run(
            folder,
            timeout_s=timeout_s,
            environment=environment or {},
            quiet=quiet,
            pass_fds=pass_fds,
            meanwhile=meanwhile,
        )
        found = folder / _ANSWER
        if status != 0 or not found.exists():
            raise ProcessDiedError(status, last_line=_last_line(folder / _OUTPUT))
        # Read inside the block: the folder is removed at its end. The child is this user's own.
        returned, failed = pickle.loads(found.read_bytes())
    if failed is not None:
        raise _passed_on(*failed)
    return returned


def answer(scratch: str) -> int:
    """Answer the request in a folder, in the child process, and return the exit status.

    A StudyError is an answer too. Any other exception ends the process with a traceback and without an answer.

    Args:
        scratch: Path of the folder with the request. The answer is written there too.
    """
    collect_rarely()
    show_controls()
    folder = Path(scratch)
    end_with_parent(int(os.environ.pop(_PARENT)))
    function, arguments = pickle.loads((folder / _REQUEST).read_bytes())
    take_objects(folder / _SESSION)
    returned, failed = None, None
    try:
        with clean_stop(quiet=True), with_interrupts():  # the calling process says that both stop
            returned = pkgutil.resolve_name(function)(*arguments)
    except StudyError as error:  # errors with arguments of their own cannot be unpickled
        failed = (str(error), error.exit_status)
    except Stopped as stopped:  # the calling process says how to continue
        return stopped.exit_status
    (folder / _ANSWER).write_bytes(pickle.dumps((returned, failed)))
    return 0


def _copy_objects(path: Path) -> None:
    """Write the objects of this session to a file for the child."""
    try:
        copy_objects(path)
    except Exception as error:  # any object can refuse in any way
        raise UnpackableError(f"{type(error).__name__}: {error}".partition("\n")[0]) from error


def _run(
    folder: Path,
    *,
    timeout_s: float | None,
    environment: Mapping[str, str],
    quiet: bool,
    pass_fds: Sequence[int],
    meanwhile: Callable[[], None] | None,
) -> int:
    """Run the child to its end and return its exit status."""
    command = [sys.executable, "-P", "-c", _START, json.dumps(_places()), str(folder)]
    with ExitStack() as opened:
        output = opened.enter_context((folder / _OUTPUT).open("wb")) if quiet else None
        with without_interrupts():
            child = opened.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if quiet else None,
                    stderr=output,
                    env={**os.environ, **environment, _PARENT: str(os.getpid())},
                    pass_fds=pass_fds,
                )
            )
        try:
            if meanwhile is not None:
                meanwhile()
            return child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            raise TimeoutError(f"not done within {timeout_s:g} s") from None
        except KeyboardInterrupt:
            # A child that has got Ctrl-C from the terminal takes no notice of the other signal.
            child.send_signal(signal.SIGTERM if timeout_s is None else signal.SIGKILL)
            child.wait()
            raise


def _places() -> list[str]:
    """Return the places where the child searches for modules.

    The working directory as the last place was added for a config. The child adds it too, once it has checked the
    config: until then a `google.py` there would come before the package `google`, which has no `__init__.py`.
    """
    places = [str(place) for place in sys.path]
    with suppress(OSError):
        if os.path.samefile(places[-1], os.curdir):
            places.pop()
    return places


def _last_line(output: Path) -> str:
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines() if output.exists() else []
    return lines[-1] if lines else ""


def _passed_on(message: str, exit_status: int) -> StudyError:
    error = StudyError(message)
    error.exit_status = exit_status
    return error
