import os
import signal
import threading

import pytest

from study.search.ask_tell import open_search
from study.search.storage.journal import Journal


def test_entries_are_seen_at_once_and_waited_for_once(tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(os, "fsync", waits.append)
    journal, other = Journal(tmp_path / "journal"), Journal(tmp_path / "journal")
    journal.append_logs([{"n": 0}])
    assert len(waits) == 1
    with journal.together():
        for n in range(1, 5):
            journal.append_logs([{"n": n}])
        assert [entry["n"] for entry in other.read_logs(0)] == list(range(5))
        assert len(waits) == 1
    assert len(waits) == 2
    journal.append_logs([{"n": 5}])
    assert len(waits) == 3
    assert [entry["n"] for entry in other.read_logs(3)] == [3, 4, 5]


@pytest.mark.parametrize(
    ("sampler", "n_trials", "n_at_once"),
    [("random", 60, 60), ("qmc", 60, 60), ("tpe", 60, 10), ("tpe", 300, 30), ("cmaes", 60, 6), ("cmaes", 3, 1)],
)
def test_a_sampler_that_learns_is_asked_for_fewer_at_once(compose, sampler, n_trials, n_at_once):
    config = compose(f"sampler={sampler}", f"budget.n_trials={n_trials}")
    assert config.n_at_once == n_at_once
    with open_search(config) as search:
        assert len(search.ask(256)) == n_at_once


def test_an_interruption_waits_until_the_entries_are_written(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path)
    append = journal._append

    def interrupted(logs):
        signal.raise_signal(signal.SIGINT)
        append(logs)

    journal._append = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        journal.append_logs([{"entry": 1}])
    assert list(journal.read_logs(0)) == [{"entry": 1}]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_incomplete_entry_of_a_crash_is_dropped_by_the_next_one(tmp_path):
    path = tmp_path / "journal"
    Journal(path).append_logs([{"n": 0}, {"n": 1}])
    with path.open("ab") as file:
        file.write(b'{"n":2,"tor')
    journal = Journal(path)
    journal.check_end()  # another process may be writing it
    with journal.together():
        journal.append_logs([{"n": 3}])
    assert [entry["n"] for entry in Journal(path).read_logs(0)] == [0, 1, 3]


@pytest.mark.parametrize("last", [b"{not json}\n", b"1\n", b"\n", b"\xff\n"])
def test_an_invalid_entry_raises_before_anything_is_written_behind_it(tmp_path, last):
    path = tmp_path / "journal"
    path.write_bytes(b'{"n":0}\n' + last)
    with pytest.raises(ValueError):  # noqa: PT011 - the message depends on the kind of damage
        Journal(path).check_end()


def test_a_lock_that_a_killed_process_left_in_a_folder_that_was_moved_is_removed(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("study.search.storage.journal._GRACE_S", 0.2)
    path = tmp_path / "new" / "optuna.journal"
    path.parent.mkdir()
    journal = Journal(path)
    (tmp_path / "new" / "optuna.journal.lock").symlink_to(tmp_path / "old" / "optuna.journal")
    journal.append_logs([{"entry": 1}])
    assert list(journal.read_logs(0)) == [{"entry": 1}]
    assert [file.name for file in path.parent.iterdir()] == ["optuna.journal"]
    assert "optuna.journal.lock: removed, since the process that left it is gone" in caplog.text


def test_a_living_process_with_another_path_to_the_folder_keeps_its_lock(tmp_path):
    path = tmp_path / "optuna.journal"
    journal, lock = Journal(path), tmp_path / "optuna.journal.lock"
    lock.symlink_to("/another/path/optuna.journal")
    held = threading.Timer(0.3, lock.unlink)
    held.start()
    journal.append_logs([{"entry": 1}])
    held.join()  # fails if the journal had removed the lock
    assert list(journal.read_logs(0)) == [{"entry": 1}]
