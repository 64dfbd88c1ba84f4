import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, PendingRollbackError, ProgrammingError

from study.core.database_errors import answers, passes
from study.core.errors import StoreAwayError

REFUSED = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '


def met(text, *, code=None, kind=OperationalError):
    """Return SQLAlchemy's error, as the cause of one of ours."""
    original = sqlite3.OperationalError(text)
    original.sqlstate = code
    error = StoreAwayError("the database is away")
    error.__cause__ = kind("SELECT 1", {}, original)
    return error


@pytest.mark.parametrize(
    "error",
    [
        met("terminating connection due to administrator command", code="57P01"),
        met("the database system is in recovery mode", code="57P03"),
        met("terminating connection due to idle-in-transaction timeout", code="25P03"),
        met("cannot execute INSERT in a read-only transaction", code="25006", kind=ProgrammingError),
        met("could not extend file: No space left on device", code="53100"),
        met("sorry, too many clients already", code="53300"),
        met("connection failure", code="08006"),
        met("consuming input failed: server closed the connection unexpectedly"),
        met("consuming input failed: SSL connection has been closed unexpectedly"),
        met(f"{REFUSED}Connection refused"),
        met(f"{REFUSED}FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute"),
        met("connection timeout expired"),
        met("[Errno -3] Temporary failure in name resolution"),
        PendingRollbackError("Can't reconnect until invalid transaction is rolled back."),
    ],
    ids=str,
)
def test_outages_pass(error):
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        met(f'{REFUSED}FATAL:  password authentication failed for user "study"'),
        met(f'{REFUSED}FATAL:  database "optuna" does not exist'),
        met(f'{REFUSED}FATAL:  role "study" does not exist'),
        met(f"{REFUSED}fe_sendauth: no password supplied"),
        met(f'{REFUSED}FATAL:  no pg_hba.conf entry for host "10.0.0.1"'),
        met("[Errno -2] Name or service not known"),
        met('database "optuna" was dropped', code="57P04"),
        met("permission denied for schema public", code="42501", kind=ProgrammingError),
        met("duplicate key", code="23505", kind=IntegrityError),
        ValueError("something else"),
    ],
    ids=str,
)
def test_faults_of_the_address_do_not_pass(error):
    assert not passes(error)


def test_a_server_that_answers_has_the_right_address():
    assert answers(met(f"{REFUSED}FATAL:  the database system is starting up"))
    assert answers(met(f"{REFUSED}FATAL:  sorry, too many clients already"))
    assert answers(met("server closed the connection unexpectedly"))
    assert not answers(met(f"{REFUSED}Connection refused"))
    assert not answers(met("connection timeout expired"))
    assert not answers(met("[Errno -3] Temporary failure in name resolution"))
