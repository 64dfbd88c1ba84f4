"""Functions and data of a running Python session that a config names although no module has them.

A notebook's cell, a script and the body of a function define functions that nothing can import. A config names such an
object as `python_session.NAME`. This process keeps it under that name, and a child process gets it by cloudpickle.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    """

    called: Callable[..., Any]
    digest: str
    source: str = ""


class NotOfSessionError(ImportError):
    """No object of this session has the name.

    Args:
        name: The name, without `python_session`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was a function or data of a Python session, and this process has none of this name. Call "
            f"compare() in a session that defines it, or open_experiment(...).reproduce(...) after that"
        )


class _Session:
    """The objects of this process. Those of the calling process are unpickled when the first one is asked for.

    Unpickling imports the modules of the objects, Keras among them, so the backend must have been chosen before.
    """

    def __init__(self) -> None:
        self.objects: dict[str, SessionObject] = {}
        self.waiting: bytes | None = None

    def read(self) -> dict[str, SessionObject]:
        if self.waiting is not None:
            packed, self.waiting = self.waiting, None
            self.objects = {**pickle.loads(packed), **self.objects}
        return self.objects


_session = _Session()


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


def pack() -> bytes:
    """Return the objects of this process for a child process; empty if there are none.

    Raises:
        Exception: An object cannot be pickled, for example since it holds an open file.
    """
    if _session.waiting is not None:
        return _session.waiting
    if not _session.objects:
        return b""
    import cloudpickle  # most processes have no such objects

    packed: bytes = cloudpickle.dumps(_session.objects)
    return packed


def unpack_later(packed: bytes) -> None:
    """Keep the objects of the calling process until one is asked for.

    Args:
        packed: What `pack` returned there.
    """
    _session.waiting = packed or None


def sources(targets: Mapping[str, str]) -> dict[str, str]:
    """Return the sources of some objects, by `_target_`, without those that have none.

    Args:
        targets: Digests by `_target_`, as the contents of a study have them.
    """
    objects = _session.read() if any(map(is_of_session, targets)) else {}
    named = {target: objects.get(target.removeprefix(f"{PREFIX}.")) for target in targets if is_of_session(target)}
    return {target: found.source for target, found in named.items() if found is not None and found.source}
