import logging

from study.search import waiting
from study.search.waiting import Wait


def test_a_wait_names_the_workers_once_and_again_when_they_are_others(monkeypatch, caplog):
    monkeypatch.setattr(waiting, "PATIENCE_S", 0.0)
    monkeypatch.setattr(waiting, "POLL_S", 0.0)
    texts = iter(["", "trial 1 of process 5", "trial 1 of process 5", "trial 2 of process 6"])
    wait = Wait(lambda: next(texts))
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            wait.pause()
    assert [text.partition(" for ")[2] for text in caplog.messages if text.startswith("waiting")] == [
        "trial 1 of process 5",
        "trial 2 of process 6",
    ]


def test_a_short_wait_says_nothing(caplog):
    wait = Wait(lambda: "trial 1 of process 5")
    wait.pause()
    assert not any(text.startswith("waiting") for text in caplog.messages)
