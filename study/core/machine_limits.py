"""Recognize errors of memory that ran out, of full disks, write-protected places and locked databases."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Iterator, Sequence

# Python, NumPy and the system; TensorFlow and XLA, which also say INTERNAL: ... Out of memory; CUDA; PyTorch; the
# loader of shared libraries. "in static TLS block" is another fault of the loader.
_TEXT = re.compile(
    r"^MemoryError|\bMemoryError:|Unable to allocate [\d.]+ \w+ for an array|std::bad_alloc|RESOURCE_EXHAUSTED|"
    r"ResourceExhausted|OutOfMemoryError|[Oo]ut of (?:\w+ )?memory\b|OUT_OF_MEMORY|[Ff]ailed to allocate (?!.*handle)|"
    r"Dst tensor is not initialized|can't allocate memory|[Cc]annot allocate memory(?! in static TLS)|"
    r"failed to map segment|can't start new thread",
    re.MULTILINE,
)

# The memory of a GPU: CUDA, PyTorch, TensorFlow, and XLA, whose text for a CPU is "Out of memory allocating".
_CARD_TEXT = re.compile(
    r"CUDA[ _](?:ERROR_)?(?:error: )?out.of.memory|device:GPU:\d|on device ordinal|Dst tensor is not initialized|"
    r"Out of memory while trying to allocate",
    re.IGNORECASE,
)

# Libraries that go on after an allocation or an import failed; other faults have these texts too.
_CONSEQUENCES = ("partially initialized module", "error return without exception set", "returned NULL without setting")

_FULL = ("disk is full", "No space left on device", "Disk quota exceeded")
_PROTECTED = ("readonly database", "Read-only file system", "Permission denied")


def is_out_of_memory(error: BaseException | str) -> bool:
    """Return whether an error, or one of those it came from, says that memory ran out.

    Args:
        error: The error, or its text, such as a traceback.
    """
    if isinstance(error, str):
        return _TEXT.search(error) is not None
    for met in _chain(error):
        follows = any(text in str(met) for text in _CONSEQUENCES) and address_space_limit() is not None
        if isinstance(met, MemoryError) or follows or _TEXT.search(f"{type(met).__name__}: {met}"):
            return True
    return _has_number(error, errno.ENOMEM)


def is_out_of_card_memory(error: BaseException | str) -> bool:
    """Return whether an error, or one of those it came from, says that the memory of a GPU ran out.

    Args:
        error: The error, or its text, such as a traceback.
    """
    texts = [error] if isinstance(error, str) else [str(met) for met in _chain(error)]
    return is_out_of_memory(error) and any(_CARD_TEXT.search(text) for text in texts)


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error, or one of those it came from, says that a disk or a quota is full.

    Args:
        error: The error.
    """
    return _has_number(error, errno.ENOSPC, errno.EDQUOT) or _has_text(error, _FULL)


def is_locked(error: BaseException) -> bool:
    """Return whether an error, or one of those it came from, says that another program holds an SQLite database.

    Args:
        error: The error.
    """
    return _has_text(error, ("database is locked", "database table is locked"))


def is_write_protected(error: BaseException) -> bool:
    """Return whether an error, or one of those it came from, says that a place may not be written to.

    Args:
        error: The error.
    """
    return _has_number(error, errno.EROFS, errno.EACCES, errno.EPERM) or _has_text(error, _PROTECTED)


def file_of(error: BaseException) -> str:
    """Return the path that an error, or one of those it came from, names; empty without one.

    Args:
        error: The error.
    """
    return next((str(met.filename) for met in _chain(error) if isinstance(met, OSError) and met.filename), "")


def address_space_limit() -> int | None:
    """Return the bytes of address space that this process may take, as after `ulimit -v`; None without a limit."""
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        return None if limit == resource.RLIM_INFINITY else limit
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those it came from."""
    met: BaseException | None = error
    seen: set[int] = set()
    while met is not None and id(met) not in seen:
        seen.add(id(met))
        yield met
        met = met.__cause__ or met.__context__


def _has_number(error: BaseException, *numbers: int) -> bool:
    return any(isinstance(met, OSError) and met.errno in numbers for met in _chain(error))


def _has_text(error: BaseException, texts: Sequence[str]) -> bool:
    return any(text in str(met) for met in _chain(error) for text in texts)
