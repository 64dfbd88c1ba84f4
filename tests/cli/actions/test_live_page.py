import gzip
import threading
from types import SimpleNamespace

import pytest

from study.cli.actions import live_page
from study.cli.actions.live_page import LivePage, MadePage
from study.core.errors import StoreError

MINUTE = "2026-01-01 00:00 UTC"


class Store:
    """A store that a test changes, and the page that shows it."""

    def __init__(self):
        self.text, self.stamp, self.made, self.error, self.kind = "one", 0, 0, None, "running"

    def change(self, text):
        self.text, self.stamp = text, self.stamp + 1

    def make(self):
        self.made += 1
        if self.error:
            raise self.error
        html = f'<html data-version="">{self.text}, made at {self.made}</html>'
        return MadePage(html=html, kind=self.kind, text=self.text, passing=f"made at {self.made}")


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def page(store, monkeypatch):
    monkeypatch.setattr(live_page, "_LEAST_PAUSE_S", 0.0)
    return LivePage(store.make, lambda: store.stamp)


def look_again(page):
    """Look after any pause, wait until no page is being made, and return what the next reader gets."""
    page._earliest = 0.0
    page.look()
    for thread in threading.enumerate():
        if thread.name == "page":
            thread.join(10)
    return page._page


def test_a_store_that_did_not_change_is_read_once(store, page):
    first = page.look()
    assert look_again(page) == first
    assert store.made == 1
    assert first.body == f'<html data-version="{first.version}">one, made at 1</html>'.encode()
    assert gzip.decompress(first.packed) == first.body


def test_while_a_study_runs_an_unchanged_store_is_read_again_since_a_process_may_have_died(store, page):
    page._latest = 0.0
    look_again(page)
    assert store.made == 2
    look_again(page)
    assert store.made == 2
    store.kind = "ended"
    store.change("two")
    look_again(page)
    page._latest = 0.0
    look_again(page)
    assert store.made == 3


def test_a_change_makes_a_new_version_and_another_time_alone_does_not(store, page):
    first = page.look()
    store.change("two")
    second = look_again(page)
    assert (store.made, second.text) == (2, "two")
    assert second.version != first.version
    store.change("two")
    third = look_again(page)
    assert store.made == 3
    assert third.version == second.version


def test_a_change_while_the_stores_are_read_is_seen_by_the_next_look(store):
    begun, go_on = threading.Event(), threading.Event()
    make = store.make

    def slowly():
        made = make()
        if store.made == 2:
            begun.set()
            assert go_on.wait(10)
        return made

    page = LivePage(slowly, lambda: store.stamp)
    store.change("two")
    page.look()
    assert begun.wait(10)
    store.change("three")
    assert page.look().text == "one"  # the page that is there, at once
    assert store.made == 2  # one at a time
    go_on.set()
    assert look_again(page).text == "two"
    assert look_again(page).text == "three"


def test_making_a_page_takes_a_small_share_of_the_time(store, page, monkeypatch):
    clock = iter([100.0, 100.0, 104.0])  # of the look, and of the start and the end of the making
    monkeypatch.setattr(live_page, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    store.change("two")
    look_again(page)
    monkeypatch.undo()
    assert page._earliest == 104.0 + 16.0


def test_a_fault_keeps_the_last_page_and_says_so_until_it_is_mended(store, page, capsys):
    first = page.look()
    store.error = StoreError("tracking_uri=postgresql://me:secret@host/db: no server answers")
    store.change("two")
    faulty = look_again(page)
    assert (faulty.body, faulty.version) == (first.body, first.version)
    assert "no server answers" in faulty.fault
    assert "secret" not in faulty.fault
    store.error = RuntimeError("unforeseen")
    assert look_again(page).fault == "RuntimeError: unforeseen"
    assert "RuntimeError: unforeseen" in capsys.readouterr().err
    store.error = None
    mended = look_again(page)
    assert (mended.text, mended.fault) == ("two", "")


def test_a_store_that_comes_back_as_it_was_ends_the_fault(store, page):
    first, stamp = page.look(), store.stamp
    store.error = StoreError("there is no store")
    store.change("gone")
    assert look_again(page).fault
    store.text, store.stamp, store.error = "one", stamp, None
    found = look_again(page)
    assert (found.fault, found.version) == ("", first.version)


def test_a_store_that_does_not_answer_is_said_until_it_does(store, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(live_page, "_LEAST_PAUSE_S", 0.0)
    monkeypatch.setattr(live_page, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(live_page, "_TIMES", 0.0)
    page = LivePage(lambda: (store.made and go_on.wait(10), store.make())[1], lambda: store.stamp)
    first = page.look()
    store.change("two")
    page.look()
    silent = page.look()
    assert "have not answered" in silent.fault
    assert (silent.version, silent.body) == (first.version, first.body)
    go_on.set()
    assert (look_again(page).text, page.look().fault) == ("two", "")


def test_the_first_page_says_at_once_why_there_is_none(store):
    store.error = StoreError("it cannot be read")
    with pytest.raises(StoreError, match="it cannot be read"):
        LivePage(store.make, lambda: store.stamp)
