from types import SimpleNamespace

from study.cli.actions.liveness import listed_once, living
from study.core.errors import StoreError


def record(study_id, status="RUNNING"):
    return SimpleNamespace(study_id=study_id, run_id=f"run-{study_id}", status=status)


def searches_of(**is_open):
    return [lambda: [SimpleNamespace(digest=digest, is_open=found) for digest, found in is_open.items()]]


def test_a_study_that_runs_is_alive_or_not_by_its_search_and_unknown_without_one():
    records = [record("a"), record("b"), record("c"), record("d", "FINISHED")]
    assert living(records, searches_of(a=True, b=False, d=True)) == {"run-a": True, "run-b": False}


def test_a_search_that_cannot_be_read_tells_nothing():
    def broken():
        raise StoreError("away")

    assert living([record("a")], [broken]) == {}


def test_no_search_is_read_where_nothing_runs():
    def unread():
        raise AssertionError("it was read")

    assert living([record("a", "FINISHED")], [unread]) == {}


def test_searches_that_are_passed_on_are_listed_once():
    asked = []
    (search,) = listed_once([lambda: asked.append(1) or [SimpleNamespace(digest="a", is_open=True)]])
    assert [living([record("a")], [search]) for _ in range(3)] == [{"run-a": True}] * 3
    assert len(asked) == 1
