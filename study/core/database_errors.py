"""Errors of a database server: those that pass, and those of its address, which are to be corrected."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError, SQLAlchemyError

# Classes of codes, by PostgreSQL's appendix A: no connection, no slots or disk left, shut down or starting up.
_PASSING_CLASSES = ("08", "53", "57P")
# A transaction that was idle for too long; a server that is still read-only, as after a failover.
_PASSING_CODES = ("25P03", "25006")
_DROPPED = "57P04"
# A refused connection has no code, only a text. These texts do not pass by themselves.
_WRONG = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "permission denied",
    "Name or service not known",
    "No address associated with hostname",
    "nodename nor servname",
    "invalid connection option",
    "invalid port number",
)
# No connection was made, as the driver says it.
_UNCONNECTED = ("connection failed", "connection is bad", "connection timeout", "[Errno ")
# These texts come from a server, so that its address is right.
_ANSWERS = ("the database system is", "too many clients", "too many connections", "connection slots")


def answers(error: BaseException) -> bool:
    """Return whether an error shows that there is a server: it starts, stops, or has no connection left.

    Args:
        error: The error.
    """
    text = str(_failed_call(error))
    return any(known in text for known in _ANSWERS) or not any(known in text for known in _UNCONNECTED)


def passes(error: BaseException) -> bool:
    """Return whether the same call may succeed later.

    Args:
        error: The error, or one that it caused.
    """
    failed = _failed_call(error)
    if isinstance(failed, PendingRollbackError):  # the connection was lost earlier
        return True
    if not isinstance(failed, DBAPIError):
        return False
    code = getattr(failed.orig, "sqlstate", None)
    if code is not None:
        return (code.startswith(_PASSING_CLASSES) and code != _DROPPED) or code in _PASSING_CODES
    if failed.connection_invalidated:
        return True
    is_of_connection = isinstance(failed, OperationalError | InterfaceError)
    return is_of_connection and not any(text in str(failed) for text in _WRONG)


def _failed_call(error: BaseException) -> BaseException:
    """Return SQLAlchemy's error behind an error."""
    while error.__cause__ is not None and not isinstance(error, SQLAlchemyError):
        error = error.__cause__
    return error
