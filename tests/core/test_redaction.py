import logging
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from study.core.errors import ConfigError, Fault, StoreError
from study.core.log_capture import captured
from study.core.redaction import redact, redacted, written_out

PASSWORD = "s3cr:t/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://me:{PASSWORD}@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:a@b@host/db", "postgresql://me:***@host/db"),
        (f"http://:{PASSWORD}@host:5000", "http://:***@host:5000"),
        ("postgresql://host/db?user=me&password=x&a=1", "postgresql://host/db?user=me&password=***&a=1"),
        (
            f"cannot open 'postgresql+psycopg://me:{PASSWORD}@h/d' now",
            "cannot open 'postgresql+psycopg://me:***@h/d' now",
        ),
        ("  db_password: hunter2\nn: 1\n", "  db_password: ***\nn: 1\n"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
        ("http://localhost:5000/#/experiments", "http://localhost:5000/#/experiments"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_passwords_are_hidden_and_nothing_else(text, shown):
    assert redact(text) == shown
    assert redact(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S"], exclude_characters="@'\"&"), min_size=1))
def test_no_password_gets_through(password):
    assert redact(f"postgresql://me:{password}@host/db") == "postgresql://me:***@host/db"


def test_no_text_is_kept():
    text = f"postgresql://me:{PASSWORD}@{id(PASSWORD)}/db"  # made here, so that only this test refers to it
    before = sys.getrefcount(text)
    redact(text)
    assert sys.getrefcount(text) == before


def test_a_config_is_recorded_without_them():
    raw = {"tracking_uri": f"http://me:{PASSWORD}@h", "dataset": {"db_password": "hunter2", "n": 3, "l": ["p", None]}}
    recorded = yaml.safe_dump(redacted(raw))
    assert PASSWORD not in recorded
    assert "hunter2" not in recorded
    assert redacted(raw)["dataset"]["l"] == ["p", None]


def test_errors_do_not_tell_them_wherever_they_are_shown():
    fault = Fault(key="storage.password", value="hunter2", allowed="x", advice="y")
    assert "hunter2" not in str(ConfigError([fault]))
    assert PASSWORD not in str(StoreError(f"postgresql://me:{PASSWORD}@h/d cannot be opened"))


def test_logs_do_not_tell_them(tmp_path):
    log = tmp_path / "study.log"
    with captured(log):
        logging.getLogger("any").warning("connecting to %s", f"postgresql://me:{PASSWORD}@h/d")
    assert "postgresql://me:***@h/d" in log.read_text()


@pytest.mark.parametrize(
    ("value", "n_faults"),
    [
        (f"postgresql://me:{PASSWORD}@h/d", 1),
        ("postgresql://me:${oc.env:DB_PASSWORD}@h/d", 0),
        ("postgresql://me@h/d", 0),
        (None, 0),
    ],
)
def test_a_password_that_is_written_out_is_found(value, n_faults):
    assert len(written_out({"storage": {"optuna_url": value}})) == n_faults
    assert all(PASSWORD not in shown for _, shown in written_out({"storage": {"optuna_url": value}}))
    assert written_out({"dataset": {"password": "${oc.env:DB}"}}) == []
    assert written_out({"dataset": {"password": "x"}}) == [("dataset.password", "***")]
