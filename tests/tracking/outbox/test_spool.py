import math

import pytest
from mlflow.entities import Metric

from study.core.errors import StoreError
from study.tracking.outbox.entries import File, Finish, Log, Start, from_line, to_line
from study.tracking.outbox.spool import Address, open_spool, read_spool, taken, waiting

ADDRESS = Address(tracking_uri="http://host", experiment_id="1", experiment="e", study="s", run_id="r")
ENTRIES = [
    Start(run="new-1", name="a", tags={"a": "ü\n"}, params={"b": "1"}, started=5, before=["x"], goes_on=True),
    Log(run="new-1", metrics=[Metric("loss", 0.1 + 0.2, 7, 1), Metric("loss", -math.inf, 8, 2)], tags={"t": "u"}),
    File(run="new-1", path="a/b.bin", content=bytes(range(256))),
    Finish(run="new-1", status="FINISHED", ended=9),
]


def test_entries_come_back_as_they_were(tmp_path):
    spool = open_spool(tmp_path, "d", ADDRESS)
    spool.append(ENTRIES[:1])
    spool.append(ENTRIES[1:])
    assert read_spool(spool.path) == (ADDRESS, ENTRIES)
    nan = from_line(to_line(Log(run="a", metrics=[Metric("loss", math.nan, 1, 1)])))
    assert isinstance(nan, Log)
    assert math.isnan(nan.metrics[0].value)
    spool.clear()
    assert read_spool(spool.path) == (ADDRESS, [])
    spool.append(ENTRIES[:1])
    assert read_spool(spool.path) == (ADDRESS, ENTRIES[:1])


def test_an_incomplete_last_line_is_left_out(tmp_path):
    spool = open_spool(tmp_path, "d", ADDRESS)
    spool.append(ENTRIES)
    content = spool.path.read_bytes()
    for n_lost in range(1, len(to_line(ENTRIES[-1])) + 1):
        spool.path.write_bytes(content[:-n_lost])
        assert read_spool(spool.path) == (ADDRESS, ENTRIES[:-1])


@pytest.mark.parametrize("content", [b"", b"[]\n", b'{"a": 1}\n', b"\xff\xfe\n"])
def test_a_file_that_is_no_spool_is_refused(tmp_path, content):
    path = tmp_path / "d-0.jsonl"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"d-0\.jsonl: expected records of a study"):
        read_spool(path)


def test_each_worker_has_a_spool_and_only_those_of_dead_workers_can_be_taken(tmp_path):
    first, second = (open_spool(tmp_path, "d", ADDRESS) for _ in range(2))
    other = open_spool(tmp_path, "other", ADDRESS)
    assert waiting(tmp_path, "d") == [first.path, second.path]
    assert len(waiting(tmp_path)) == 3
    with taken(first.path) as is_ours:
        assert not is_ours
    first.close(remove=False)
    second.close(remove=True)
    other.close(remove=True)
    assert waiting(tmp_path) == [first.path]
    with taken(first.path) as is_ours:
        assert is_ours


def test_a_folder_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="records for the server cannot be kept here"):
        open_spool(tmp_path / "file", "d", ADDRESS)
