"""A finished store in which every text holds an escape, or one value was changed: a result or one message.

Each fault is put into a real store, by SQL and into the journal, and real commands run on it.
"""

import contextlib
import io
import os
import random
import shutil
import sqlite3
import sys
from contextlib import closing

import pytest

from study.cli import main

pytestmark = pytest.mark.slow

# An escape of each kind: a color, a title with a bell, one byte of C1, a way back, a turn, and a space without width.
ESCAPE = "\x1b[31m\x1b]0;t\x07\x9b5m\r\b\u202e\u200b"
EXPERIMENT = "digits-mlp"
TEXTS = (None, "", f"abc{ESCAPE}", "-1", "9" * 40, "{", "[]", "nan", "1e999", "[1,[2]]", "\n")
NUMBERS = (None, "nan", 1.7976931348623157e308, -1e300)
READING = (
    ("list",),
    ("list", "--json"),
    ("list", "--all"),
    ("compare", EXPERIMENT, "--no-log", "--output", "page.html"),
    ("compare", EXPERIMENT, "--no-log", "--force", "--json", "--output", "page.html"),
    ("export", f"{EXPERIMENT}/adam", "-o", "-"),
    ("gallery", "--no-log"),
)
QUICK = (READING[0], READING[3], READING[5])
N_SHORT = 8


@pytest.fixture
def folder(finished, tmp_path, monkeypatch):
    """A copy of it, which is the working directory."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path / "copy"


def call(*words, answer=""):
    """Run a command in this process, and return its status and its text; an exception of any kind passes."""
    out, err = io.StringIO(), io.StringIO()
    before, sys.stdin = sys.stdin, io.StringIO(answer)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(words)
            except SystemExit as error:
                status = int(error.code or 0)
    finally:
        sys.stdin = before
    return status, out.getvalue(), err.getvalue()


def sent(text):
    """The control characters of a text, line ends and tabs left out."""
    return {
        sign for sign in text if sign not in "\n\t" and (sign < " " or "\x7f" <= sign <= "\x9f" or sign in ESCAPE[-2:])
    }


@contextlib.contextmanager
def changing(folder):
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as connection:
        yield connection
        connection.commit()


def values_of(folder):
    """All values of a study, of one of its trials and of one of its confirmations: table, run, key."""
    with changing(folder) as database:
        (study,) = database.execute("SELECT run_uuid FROM tags WHERE key = 'role' AND value = 'study'").fetchone()
        runs = [study]
        for role in ("trial", "confirmation"):
            child = (
                "SELECT r.run_uuid FROM tags r JOIN tags p ON p.run_uuid = r.run_uuid "
                "WHERE r.key = 'role' AND r.value = ? AND p.key = 'mlflow.parentRunId' AND p.value = ?"
            )
            runs += database.execute(child, (role, study)).fetchone()
        return [
            (table, run, key)
            for run in runs
            for table in ("tags", "params", "latest_metrics")
            for (key,) in database.execute(f"SELECT key FROM {table} WHERE run_uuid = ? ORDER BY key", (run,))
        ]


@contextlib.contextmanager
def changed(folder, table, run, key, new):
    """Change a value during the block; None removes it."""
    with changing(folder) as database:
        where = (run, key)
        row = database.execute(f"SELECT * FROM {table} WHERE run_uuid = ? AND key = ?", where).fetchone()
        if new is None:
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND key = ?", where)
        elif new == "nan" and table == "latest_metrics":
            database.execute("UPDATE latest_metrics SET value = 0, is_nan = 1 WHERE run_uuid = ? AND key = ?", where)
        else:
            database.execute(f"UPDATE {table} SET value = ? WHERE run_uuid = ? AND key = ?", (new, *where))
    yield
    with changing(folder) as database:
        database.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND key = ?", where)
        database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def faults_of(folder, *, commands, limit, seed):
    """Change values one by one, run the commands that read, and return what is wrong, with the number of calls."""
    every = [
        (*value, new) for value in values_of(folder) for new in (NUMBERS if value[0] == "latest_metrics" else TEXTS)
    ]
    random.Random(seed).shuffle(every)
    wrong, n_calls = [], 0
    for table, run, key, new in every[:limit]:
        with changed(folder, table, run, key, new):
            for words in commands:
                n_calls += 1
                try:
                    status, out, err = call(*words)
                except Exception as error:
                    wrong.append((table, key, new, words[0], repr(error)))
                    continue
                if (
                    status not in (0, 2)
                    or sent(out + err)
                    or (status == 2 and not err.startswith(f"study {words[0]}: "))
                ):
                    wrong.append((table, key, new, words[0], status, err))
    return wrong, n_calls


def test_one_changed_value_gives_a_result_or_one_message(folder, counted):
    wrong, n_calls = faults_of(folder, commands=QUICK, limit=N_SHORT, seed=1)
    counted(f"{N_SHORT} values changed in a store, {n_calls} commands")
    assert wrong == []


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(4))
def test_one_changed_value_of_many_gives_a_result_or_one_message(folder, counted, seed):
    wrong, n_calls = faults_of(folder, commands=READING, limit=200, seed=100 + seed)
    counted(f"200 values changed in a store, {n_calls} commands")
    assert wrong == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE runs SET start_time = -99999999999999999", "start_time=-99999999999999999, expected milliseconds"),
        ("UPDATE runs SET end_time = 9223372036854775807", "end_time=9223372036854775807, expected milliseconds"),
        ("UPDATE tags SET value = NULL WHERE key = 'study_name'", "has no tags study_name, which were removed"),
        ("UPDATE tags SET value = 'x' WHERE key = 'n_trials'", "has the tag n_trials=x, expected a whole number"),
    ],
)
def test_what_a_database_should_not_hold_is_refused_in_one_message(folder, statement, told):
    with changing(folder) as database:
        database.execute(statement)
    for words in QUICK:
        status, out, err = call(*words)
        assert (status, out) == (2, ""), words
        assert told in err


@pytest.fixture
def escaped(folder):
    """A store whose every text that is no number, digest or key of ours ends with an escape."""
    kept = "('role', 'state', 'number', 'config', 'study_id', 'settings_id', 'mlflow.parentRunId')"
    with changing(folder) as database:
        database.execute("UPDATE experiments SET name = name || ? WHERE experiment_id != 0", (ESCAPE,))
        database.execute("UPDATE runs SET name = name || ?, user_id = user_id || ?", (ESCAPE, ESCAPE))
        not_number = f"key NOT IN {kept} AND value GLOB '[a-zA-Z]*' AND value NOT IN ('true', 'false', 'null')"
        database.execute(f"UPDATE tags SET value = value || ? WHERE {not_number}", (ESCAPE,))
        own = "key NOT GLOB '*_target_*' AND key NOT GLOB '*.scale' AND key NOT GLOB 'objective*'"
        database.execute(f"UPDATE params SET value = value || ? WHERE {not_number} AND {own}", (ESCAPE,))
        database.execute("INSERT INTO tags SELECT 'best' || ?, 'x' || ?, run_uuid FROM runs", (ESCAPE, ESCAPE))
    journal = folder / "mlruns" / "optuna.journal"
    written = "".join(f"\\u{ord(sign):04x}" for sign in ESCAPE)
    journal.write_text(journal.read_text().replace(f'"{EXPERIMENT}"', f'"{EXPERIMENT}{written}"'))
    return folder


SHOWN = "\\x1b[31m\\x1b]0;t\\x07\\x9b5m\\x0d\\x08\\u202e\\u200b"


def test_every_text_with_an_escape_is_shown_and_none_is_sent(escaped, counted):
    name = f"{EXPERIMENT}{SHOWN}"
    status, out, err = call("list")
    assert (status, sent(out + err)) == (0, set())
    assert f"{name}: 2 studies" in out
    study = next(word for word in out.split() if word.startswith("adam"))
    assert study.endswith(SHOWN)
    commands = [
        ("list", "--json"),
        ("list", "--all"),
        ("list", "unknown"),
        ("compare", name, "--output", "page.html", "--figures", "figures"),
        ("compare", name, "--json", "--no-log", "--output", "page.html"),
        ("compare", "unknown"),
        ("export", f"{name}/{study}", "-o", "exported.yaml"),
        ("export", f"{name}/{study}", "-o", "-"),
        ("export", f"{name}/unknown"),
        ("register", f"{name}/unknown"),
        ("reproduce", "unknown"),
        ("gallery",),
        ("sync",),
        ("delete", f"{name}/unknown"),
        ("rename", f"{name}/adam", "plain"),
        ("delete", f"{name}/adam"),
    ]
    for words in commands:
        status, out, err = call(*words, answer="n\n")
        assert sent(out + err) == set(), words
        assert status == (
            2 if "unknown" in words[-1] or words[0] == "gallery" else 1 if words[0] in ("rename", "delete") else 0
        ), (words, err)
    for file in ("page.html", "exported.yaml", *map(str, (escaped / "figures").rglob("*.svg"))):
        with open(file, encoding="utf-8") as opened:
            assert sent(opened.read()) == set(), file
    counted(f"{len(commands) + 1} commands on a store whose every text holds an escape")


def test_a_shown_name_can_be_typed_and_renamed(escaped):
    assert call("rename", f"{EXPERIMENT}{SHOWN}", "plain", "--yes")[0] == 0
    status, out, _ = call("list", "--all")
    assert status == 0
    assert "| plain/adam" in out
    assert EXPERIMENT not in out
    assert os.listdir(escaped) == ["mlruns"]
