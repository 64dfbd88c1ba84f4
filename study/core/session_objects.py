"""Functions and data of a running Python session that a config names although no module has them.

A notebook's cell, a script and the body of a function define functions that nothing can import. A config names such an
object as `python_session.NAME`. This process keeps it under that name, and a child process gets it by cloudpickle.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The first part of a `_target_` that names an object of the session.
PREFIX = "python_session"


@dataclass(frozen=True, kw_only=True)
class SessionObject:
    """An object of the session.

    Attributes:
        called: The object: a function, or another thing that can be called.
        digest: Digest of its source and of all values that it reads; empty if others identify what it returns, as the
            digest of a data set does.
        source: Its source, for readers. Default: empty.
        imported: Dotted paths of what it reads of modules. Default: none.
    """

    called: Callable[..., Any]
    digest: str
    source: str = ""
    imported: tuple[str, ...] = ()


class NotOfSessionError(ImportError):
    """No object of this session has the name.

    Args:
        name: The name, without `python_session`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was a function or data of a Python session, and this process has none of this name. Define it as "
            "it was (the artifact python_session of the study's run has its source), and let Python train: "
            "open_experiment(NAME).reproduce(STUDY, model=build, data=(x, y), validation=..., test=...)"
        )


class _Session:
    """The objects of this process. Those of the calling process are unpickled when the first one is asked for.

    Unpickling imports the modules of the objects, Keras among them, so the backend must have been chosen before.
    """

    def __init__(self) -> None:
        self.objects: dict[str, SessionObject] = {}
        self.waiting: Path | None = None

    def read(self) -> dict[str, SessionObject]:
        if self.waiting is not None:
            path, self.waiting = self.waiting, None
            with path.open("rb") as file:
                self.objects = {**pickle.load(file), **self.objects}
        return self.objects


class _Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


def is_of_session(target: str) -> bool:
    """Return whether a `_target_` names an object of a session.

    Args:
        target: The dotted path.
    """
    return target.startswith(f"{PREFIX}.")


def keep(name: str, given: SessionObject) -> str:
    """Keep an object under a name, in place of an earlier one, and return its `_target_`.

    Args:
        name: The name, an identifier.
        given: The object.
    """
    _session.read()[name] = given
    return f"{PREFIX}.{name}"


def keep_new(name: str, given: SessionObject, *, role: str) -> str:
    """Keep an object beside others, under its name or, if that is taken, with its role, and return its `_target_`.

    Args:
        name: The name, an identifier.
        given: The object.
        role: The part of the config that it is for, such as `model`.
    """
    return keep(f"{name}_{role}" if name in _session.read() else name, given)


def all_objects() -> dict[str, SessionObject]:
    """Return the objects of this process by name, as they are now."""
    return dict(_session.read())


@contextlib.contextmanager
def kept_objects(objects: Mapping[str, SessionObject] | None, *, stay: bool = False) -> Iterator[None]:
    """Keep other objects in the block, such as those of an earlier call, and those of before after it.

    Args:
        objects: The objects by name; None: those of now.
        stay: Keep the block's objects beside those of before, unless it fails. Default False.
    """
    before = all_objects()
    _session.objects = dict(before if objects is None else objects)
    added: dict[str, SessionObject] = {}
    try:
        yield
        added = all_objects() if stay else added
    finally:
        _session.objects = before | added


def session_object(target: str) -> SessionObject:
    """Return the object that a `_target_` names.

    Args:
        target: The dotted path, which begins with `python_session`.

    Raises:
        NotOfSessionError: This process has no such object.
    """
    name = target.removeprefix(f"{PREFIX}.")
    found = _session.read().get(name)
    if found is None:
        raise NotOfSessionError(name)
    return found


def copy_objects(path: Path) -> None:
    """Write the objects of this process to a file for a child process; none without objects.

    Args:
        path: Path of the file.

    Raises:
        Exception: An object cannot be copied, for example since it holds a lock.
    """
    if _session.waiting is not None:
        shutil.copyfile(_session.waiting, path)
    elif _session.objects:
        with path.open("wb") as file:
            _dump(file)


def uncopied_reason() -> str:
    """Return why the objects of this process cannot be copied to another one; empty if they can."""
    try:
        if _session.read():
            _dump(_Nowhere())
    except Exception as error:  # any object can refuse in any way
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    return ""


def take_objects(path: Path) -> None:
    """Take the objects of the calling process from a file as soon as one is asked for.

    Args:
        path: Path of the file, which exists until this process has answered; it may be missing.
    """
    _session.waiting = path if path.exists() else None


def _dump(file: Any) -> None:
    import cloudpickle  # most processes have no such objects

    cloudpickle.dump(_session.objects, file)


def sources(targets: Mapping[str, str]) -> dict[str, str]:
    """Return the sources of some objects, by `_target_`, without those that have none.

    Args:
        targets: Digests by `_target_`, as the contents of a study have them.
    """
    objects = _session.read() if any(map(is_of_session, targets)) else {}
    named = {target: objects.get(target.removeprefix(f"{PREFIX}.")) for target in targets if is_of_session(target)}
    return {target: found.source for target, found in named.items() if found is not None and found.source}


# The objects of a process exist once, and so does this.
_session = _Session()
