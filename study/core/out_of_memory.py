"""Recognize errors of memory that ran out, in the words of Python, NumPy, SQLite and each backend."""

from __future__ import annotations

import contextlib
import errno
import re

# Python, NumPy and the system; TensorFlow and XLA, which also say INTERNAL: ... Out of memory; CUDA; PyTorch; the
# loader of shared libraries. "in static TLS block" is another fault of the loader.
_TEXT = re.compile(
    r"^MemoryError|\bMemoryError:|Unable to allocate [\d.]+ \w+ for an array|std::bad_alloc|RESOURCE_EXHAUSTED|"
    r"ResourceExhausted|OutOfMemoryError|[Oo]ut of (?:\w+ )?memory\b|OUT_OF_MEMORY|[Ff]ailed to allocate (?!.*handle)|"
    r"can't allocate memory|[Cc]annot allocate memory(?! in static TLS)|failed to map segment|can't start new thread",
    re.MULTILINE,
)

# Libraries that go on after an allocation or an import failed; other faults have these texts too.
_CONSEQUENCES = ("partially initialized module", "error return without exception set")


def is_out_of_memory(error: BaseException | str) -> bool:
    """Return whether an error, or one of those it came from, says that memory ran out.

    Args:
        error: The error, or its text, such as a traceback.
    """
    if isinstance(error, str):
        return _TEXT.search(error) is not None
    met: BaseException | None = error
    seen: set[int] = set()
    while met is not None and id(met) not in seen:
        seen.add(id(met))
        no_memory = isinstance(met, OSError) and met.errno == errno.ENOMEM
        follows = any(text in str(met) for text in _CONSEQUENCES) and _is_limited()
        if isinstance(met, MemoryError) or no_memory or follows or _TEXT.search(f"{type(met).__name__}: {met}"):
            return True
        met = met.__cause__ or met.__context__
    return False


def _is_limited() -> bool:
    """Return whether this process may take only a part of the machine's memory, as after `ulimit -v`."""
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    return False
