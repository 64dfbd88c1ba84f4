import contextlib
import threading

import pytest

from study.config.instantiate import Unimportable, locate
from study.core.session_objects import (
    NotOfSessionError,
    SessionObject,
    all_objects,
    copy_objects,
    is_of_session,
    keep,
    kept_objects,
    session_object,
    sources,
    take_objects,
    uncopied_reason,
)
from study.core.subprocess_call import UnpackableError, call_in_subprocess


@pytest.fixture(autouse=True)
def _own_session(monkeypatch):
    monkeypatch.setattr("study.core.session_objects._session", type(_session())())


def _session():
    from study.core import session_objects

    return session_objects._session


def test_an_object_is_found_under_its_name_and_the_last_one_counts():
    assert keep("build", SessionObject(called=lambda: 1, digest="a")) == "python_session.build"
    keep("build", SessionObject(called=lambda: 2, digest="b", source="def build(): ..."))
    assert session_object("python_session.build").called() == 2
    assert locate("python_session.build")() == 2
    assert is_of_session("python_session.build")
    assert not is_of_session("python_sessions.build")
    assert sources({"python_session.build": "b", "mynet.build": "c"}) == {"python_session.build": "def build(): ..."}


def test_other_objects_are_kept_for_a_block():
    keep("build", SessionObject(called=lambda: 1, digest="a"))
    with kept_objects({"other": SessionObject(called=lambda: 2, digest="b")}):
        assert set(all_objects()) == {"other"}
    assert set(all_objects()) == {"build"}
    with kept_objects({}, stay=True):
        keep("data", SessionObject(called=lambda: 3, digest=""))
    assert set(all_objects()) == {"build", "data"}
    with contextlib.suppress(ValueError), kept_objects({}, stay=True):
        keep("lost", SessionObject(called=lambda: 4, digest=""))
        raise ValueError("wrong")
    assert set(all_objects()) == {"build", "data"}


def test_a_missing_object_is_named_with_the_next_step():
    with pytest.raises(NotOfSessionError, match="build was a function or data of a Python session"):
        session_object("python_session.build")
    with pytest.raises(Unimportable, match=r"open_experiment\(NAME\).reproduce\(STUDY, model=build"):
        locate("python_session.build")


def test_objects_travel_through_a_file_and_are_read_when_one_is_asked_for(tmp_path, monkeypatch):
    factor = 3
    keep("build", SessionObject(called=lambda: factor * 2, digest="a"))
    copy_objects(tmp_path / "first")
    monkeypatch.setattr("study.core.session_objects._session", type(_session())())
    take_objects(tmp_path / "first")
    copy_objects(tmp_path / "second")  # for a child of this process, before anything is read
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert session_object("python_session.build").called() == 6
    take_objects(tmp_path / "missing")
    assert session_object("python_session.build").called() == 6


def test_a_child_process_has_the_objects_of_this_one():
    text = "of this session"
    keep("told", SessionObject(called=lambda: text, digest="a"))
    assert call_in_subprocess("study.config.instantiate:instantiate", {"_target_": "python_session.told"}) == text


def test_objects_that_cannot_be_copied_are_named_before_a_process_starts():
    assert uncopied_reason() == ""
    lock = threading.Lock()
    keep("told", SessionObject(called=lambda: lock, digest="a"))
    assert uncopied_reason() == "TypeError: cannot pickle '_thread.lock' object"
    with pytest.raises(UnpackableError, match=r"cannot be copied to it \(TypeError: cannot pickle '_thread.lock'"):
        call_in_subprocess("study.config.instantiate:instantiate", {"_target_": "python_session.told"})
