import io
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from study.live import Best, View, open_view, render_table

ROOT = Path(__file__).parents[1]
STUDY = """
import sys, time
from study.live import Best, open_view
with open_view("auto", stream=sys.stderr) as view:
    view.study_started("adam", experiment="digits-mlp", metric="val_accuracy", n_trials=2, n_done=1)
    view.trial_started("trial", 1)
    view.epoch("trial", 1, epoch=0, n_epochs=2, value=0.5)
    time.sleep(0.6)
    view.message("a [word] from the study")
    view.trial_ended("trial", 1, state="complete", objective=0.75, best=Best(number=1, objective=0.75))
    view.study_ended(best=Best(number=1, objective=0.75), seconds=125)
"""


def on_a_terminal(script: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environment}
    with subprocess.Popen([sys.executable, "-c", script], stderr=theirs, cwd=ROOT, env=environment) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # Linux's word for the end of a terminal
                break
            if not chunk:
                break
            written += chunk
    os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def lines_of(mode: bool | str = "auto", *, n_done: int = 0, kinds: Sequence[str] = ("trial", "best")) -> list[str]:
    stream, best = io.StringIO(), Best(number=0, objective=0.912345)
    with open_view(mode, stream=stream) as view:  # type: ignore[arg-type]
        view.study_started("adam", experiment="digits-mlp", metric="val_accuracy", n_trials=2, n_done=n_done)
        for kind in kinds:
            view.trial_started(kind, 0)  # type: ignore[arg-type]
            view.epoch(kind, 0, epoch=0, n_epochs=1, value=0.25)  # type: ignore[arg-type]
            view.trial_ended(kind, 0, state="complete", objective=0.912345, best=best)  # type: ignore[arg-type]
        view.study_ended(best=best, seconds=8.34)
    return stream.getvalue().splitlines()


def test_without_a_terminal_each_event_is_a_line_and_epochs_are_silent() -> None:
    assert lines_of() == [
        "digits-mlp/adam: 2 trials",
        "trial 0 (1 of 2) complete: val_accuracy 0.9123; best val_accuracy 0.9123 (trial 0)",
        "confirmation 0 (best) complete: val_accuracy 0.9123",
        "digits-mlp/adam: best val_accuracy 0.9123 (trial 0) after 8.3 s",
    ]
    assert lines_of(n_done=1)[0] == "digits-mlp/adam: 2 trials, 1 of them done before"


def test_a_study_in_which_nothing_succeeded_says_so() -> None:
    stream = io.StringIO()
    with open_view("auto", stream=stream) as view:
        view.study_started("adam", experiment="e", metric="val_loss", n_trials=1, n_done=0)
        view.trial_ended("trial", 0, state="failed", objective=None, best=None)
        view.study_ended(best=None, seconds=4000)
    assert stream.getvalue().splitlines() == [
        "e/adam: 1 trial",
        "trial 0 (1 of 1) failed: val_loss none; no val_loss yet",
        "e/adam: no val_loss yet after 1 h 6 min",
    ]


def test_a_terminal_shows_the_running_trial_and_is_left_clean() -> None:
    written = on_a_terminal(STUDY)
    assert "trial 1 (2 of 2): epoch 1 of 2, val_accuracy 0.5" in written
    assert re.search(r"\d s so far, about \d", written)
    assert "a [word] from the study\r\n" in written
    assert "digits-mlp/adam: best val_accuracy 0.75 (trial 1) after 2 min 5 s\r\n" in written
    assert "trial 1 (2 of 2) complete" not in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is hidden once, shown once


def test_a_terminal_that_cannot_move_its_cursor_gets_lines() -> None:
    written = on_a_terminal(STUDY, TERM="dumb")
    assert "\x1b" not in written
    assert "trial 1 (2 of 2) complete: val_accuracy 0.75" in written


def test_the_mode_overrules_what_the_stream_is() -> None:
    assert any("\x1b" in line for line in lines_of(True))
    assert "\x1b" not in on_a_terminal(STUDY.replace('"auto"', "False"))


def test_an_exception_ends_the_live_view_and_passes_through() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="passed on"), open_view(True, stream=stream):
        raise ValueError("passed on")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def drawn(view: View) -> str:
    stream = io.StringIO()
    Console(file=stream, width=100).print(view.render())
    return stream.getvalue()


def test_the_time_left_counts_parts_of_trials_and_the_confirmations(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    view = View([].append, each_trial=True)
    view.study_started("a", experiment="e", metric="m", n_trials=6, n_done=1, n_confirmations=3)
    assert "time left unknown" in drawn(view)
    view.trial_ended("trial", 1, state="pruned", objective=1.0, best=None)
    view.epoch("trial", 2, epoch=0, n_epochs=2, value=None)
    now[0] = 30.0  # one trial and a half of eight
    assert "30.0 s so far, about 2 min 10 s left" in drawn(view)


def test_a_large_batch_is_summed_up() -> None:
    view = View([].append, each_trial=True)
    view.study_started("a", experiment="e", metric="m", n_trials=64, n_done=0)
    for number in range(64):
        view.trial_started("trial", number)
    text = drawn(view)
    assert "trial 2 (3 of 64): starting" in text
    assert "trial 3 (4 of 64)" not in text
    assert "and 61 more at the same time" in text
    view.study_ended(best=None, seconds=1.0)
    assert drawn(view).strip() == ""


def test_ten_thousand_epochs_cost_less_than_a_second() -> None:
    stream = io.StringIO()
    with open_view(True, stream=stream) as view:
        view.study_started("a", experiment="e", metric="m", n_trials=1, n_done=0)
        started = time.perf_counter()
        for epoch in range(10_000):
            view.epoch("trial", 0, epoch=epoch, n_epochs=10_000, value=0.5)
        assert time.perf_counter() - started < 1.0


def test_a_piped_table_is_markdown_with_every_character() -> None:
    stream = io.StringIO()
    long = "learning_rate=0.0123456789, " * 12
    render_table(["optimizer", "accuracy", "at"], [["adam [1]", "0.93", long], ["sgd", "0.9", ""]], stream=stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert [cell.strip() for cell in lines[2].split("|")] == ["", "adam [1]", "0.93", long.strip(), ""]
    assert lines[3].startswith("| sgd       |      0.9 |")
    assert stream.getvalue().isascii()
