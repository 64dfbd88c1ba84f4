import errno
import os
import sqlite3

import pytest

from study.core.errors import MemoryRanOutError, StoreAwayError, StoreError, limit_errors, told_with_place
from study.core.machine_limits import is_disk_full, is_locked, is_out_of_memory, is_write_protected


def os_error(number, path=None):
    return OSError(number, os.strerror(number), path)


def raised_from(cause):
    """An error of another kind that a library raises from the one that tells."""
    try:
        try:
            raise cause
        except Exception as error:
            raise ValueError("the model cannot be built") from error
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        os_error(errno.ENOMEM),
        ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"),
        RuntimeError("INTERNAL: Failed to launch: Out of memory while trying to allocate 8 bytes."),
        RuntimeError("can't start new thread"),
        sqlite3.OperationalError("out of memory"),
    ],
)
def test_memory_that_ran_out_is_said_with_status_1(error):
    for each in (error, raised_from(error)):
        assert is_out_of_memory(each)
        with (
            pytest.raises(MemoryRanOutError, match="importing x: memory ran out") as caught,
            limit_errors("importing x"),
        ):
            raise each
        assert caught.value.exit_status == 1
    with pytest.raises(MemoryRanOutError):
        told_with_place(error)


@pytest.mark.parametrize(
    "error",
    [
        ImportError("libfoo.so: cannot allocate memory in static TLS block"),
        ImportError("No module named 'memory'"),
        AttributeError("partially initialized module 'mine' has no attribute 'x'"),
        ValueError("memory_size=0: expected more"),
    ],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)), limit_errors("this"):
        raise error


@pytest.mark.parametrize(
    ("error", "recognized", "status"),
    [
        (os_error(errno.ENOSPC, "/x/y.log"), is_disk_full, 1),
        (os_error(errno.EDQUOT), is_disk_full, 1),
        (sqlite3.OperationalError("database or disk is full"), is_disk_full, 1),
        (sqlite3.OperationalError("database is locked"), is_locked, 1),
        (os_error(errno.EROFS, "/x/y.log"), is_write_protected, 2),
        (sqlite3.OperationalError("attempt to write a readonly database"), is_write_protected, 2),
    ],
)
def test_places_that_cannot_be_written_are_said_with_their_status(error, recognized, status):
    assert recognized(error)
    assert recognized(raised_from(error))
    with pytest.raises(StoreError) as caught, limit_errors("this study"):
        raise error
    assert isinstance(caught.value, StoreAwayError) == (status == 1)
    assert caught.value.exit_status == status
    assert "this study cannot go on" in str(caught.value)
    assert str(caught.value).startswith("/x/y.log: ") == (getattr(error, "filename", None) is not None)
