import io
import math
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from study.cli.text_table import render_table
from study.core.trainer_interface import BestTrial
from study.pipeline.live_view import Ended, View, open_view

ROOT = Path(__file__).parents[2]
STUDY = """
import sys, time
from study.core.trainer_interface import BestTrial
from study.pipeline.live_view import Ended, open_view
with open_view("auto", stream=sys.stderr) as view:
    view.study_started("adam", experiment="digits-mlp", metric="val_accuracy", n_trials=2, n_done=1)
    view.trial_started("trial", 1)
    view.epoch("trial", 1, epoch=0, n_epochs=2, value=0.5)
    time.sleep(0.6)
    view.message("a [word] from the study")
    best = BestTrial(number=1, point={}, objective=0.75)
    view.trials_ended("trial", [Ended(number=1, state="complete", objective=0.75)], best=best)
    view.study_ended(best=best, seconds=125)
"""


def on_a_terminal(script, **environment):
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


def lines_of(mode="auto", *, n_done=0, kinds=("trial", "best")):
    stream, best = io.StringIO(), BestTrial(number=0, point={}, objective=0.912345)
    with open_view(mode, stream=stream) as view:  # type: ignore[arg-type]
        view.study_started("adam", experiment="digits-mlp", metric="val_accuracy", n_trials=2, n_done=n_done)
        for kind in kinds:
            view.trial_started(kind, 0)  # type: ignore[arg-type]
            view.epoch(kind, 0, epoch=0, n_epochs=1, value=0.25)  # type: ignore[arg-type]
            ended = [Ended(number=0, state="complete", objective=0.912345)]
            view.trials_ended(kind, ended, best=best)  # type: ignore[arg-type]
        view.study_ended(best=best, seconds=8.34)
    return stream.getvalue().splitlines()


def test_without_a_terminal_each_event_is_a_line_and_epochs_are_silent():
    assert lines_of() == [
        "digits-mlp/adam: 2 trials",
        "trial 0 (1 of 2) complete: val_accuracy 0.9123; best val_accuracy 0.9123 (trial 0)",
        "confirmation 0 (best) complete: val_accuracy 0.9123",
        "digits-mlp/adam: best val_accuracy 0.9123 (trial 0) after 8.3 s",
    ]
    assert lines_of(n_done=1)[0] == "digits-mlp/adam: 2 trials, 1 of them already done"


def test_a_study_in_which_nothing_succeeded_says_so():
    stream = io.StringIO()
    with open_view("auto", stream=stream) as view:
        view.study_started("adam", experiment="e", metric="val_loss", n_trials=1, n_done=0)
        view.trials_ended("trial", [Ended(number=0, state="failed", objective=None)], best=None)
        view.study_ended(best=None, seconds=4000)
    assert stream.getvalue().splitlines() == [
        "e/adam: 1 trial",
        "trial 0 (1 of 1) failed: val_loss none; no val_loss yet",
        "e/adam: no val_loss yet after 1 h 6 min",
    ]


def test_a_terminal_shows_the_running_trial_and_is_left_clean():
    written = on_a_terminal(STUDY)
    assert "trial 1 (2 of 2): epoch 1 of 2, val_accuracy 0.5" in written
    assert re.search(r"\d s so far, about \d", written)
    assert "a [word] from the study\r\n" in written
    assert "digits-mlp/adam: best val_accuracy 0.75 (trial 1) after 2 min 5 s\r\n" in written
    assert "trial 1 (2 of 2) complete" not in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is hidden once, shown once


def test_a_terminal_that_cannot_move_its_cursor_gets_lines():
    written = on_a_terminal(STUDY, TERM="dumb")
    assert "\x1b" not in written
    assert "trial 1 (2 of 2) complete: val_accuracy 0.75" in written


def test_the_mode_overrules_what_the_stream_is():
    assert any("\x1b" in line for line in lines_of(True))
    assert "\x1b" not in on_a_terminal(STUDY.replace('"auto"', "False"))


def test_an_exception_ends_the_live_view_and_passes_through():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="passed on"), open_view(True, stream=stream):
        raise ValueError("passed on")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def drawn(view):
    stream = io.StringIO()
    Console(file=stream, width=100).print(view.render())
    return stream.getvalue()


def test_the_time_left_counts_parts_of_trials_and_the_confirmations(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    view = View([].append, each_trial=True)
    view.study_started("a", experiment="e", metric="m", n_trials=6, n_done=1, n_confirmations=3)
    assert "time left unknown" in drawn(view)
    view.trials_ended("trial", [Ended(number=1, state="pruned", objective=1.0)], best=None)
    view.epoch("trial", 2, epoch=0, n_epochs=2, value=None)
    now[0] = 30.0  # one trial and a half of eight
    assert "30.0 s so far, about 2 min 10 s left" in drawn(view)


def batch(view, *, n=64, n_trials=64):
    view.study_started("a", experiment="e", metric="m", n_trials=n_trials, n_done=0, direction="minimize")
    for number in range(n):
        view.trial_started("trial", number)


def test_a_batch_is_one_line_of_the_view():
    view = View([].append, each_trial=False)
    batch(view)
    assert "batch of 64, starting: 64 training\n" in drawn(view)
    for number in range(62):
        view.epoch("trial", number, epoch=2, n_epochs=10, value=float(number))
    view.stopped("trial", 61, "pruned")
    view.stopped("trial", 62, "diverged")
    view.stopped("trial", 63, "diverged")
    text = drawn(view)
    assert "batch of 64, epoch 3 of 10: 61 training, 1 pruned, 2 diverged; m best 0, median 30.5\n" in text
    assert "trial 1 " not in text
    view.study_ended(best=None, seconds=1.0)
    assert drawn(view).strip() == ""


def test_lanes_taken_over_by_new_trials_are_told_by_their_first_and_last_epoch():
    view = View([].append, each_trial=False)
    batch(view, n=6)
    for number in range(6):
        view.epoch("trial", number, epoch=number // 3, n_epochs=None, value=math.nan)
    assert "batch of 6, epochs 1 to 2: 6 training\n" in drawn(view)


def test_few_at_once_are_shown_one_by_one():
    view = View([].append, each_trial=False)
    batch(view, n=4)
    assert "trial 3 (4 of 64): starting" in drawn(view)


def test_without_a_terminal_a_batch_is_a_line_and_what_failed_another():
    lines = []
    view = View(lines.append, each_trial=True)
    batch(view, n=6, n_trials=70)
    states = ["complete", "pruned", "diverged", "failed", "complete", "complete"]
    objectives = [0.5, 0.01, 1e9, None, 0.7, 0.25]
    ended = [Ended(number=n, state=s, objective=o) for n, (s, o) in enumerate(zip(states, objectives, strict=True))]  # type: ignore[arg-type]
    view.trials_ended("trial", ended, best=BestTrial(number=5, point={}, objective=0.25))
    view.trials_ended("default", ended[:5], best=BestTrial(number=5, point={}, objective=0.25))
    assert lines[1:] == [
        "trial 3 (4 of 70) failed: m none; best m 0.25 (trial 5)",
        "6 trials (0 to 5): 3 complete, 1 diverged, 1 failed, 1 pruned; m best 0.25, median 0.5; "
        "best m 0.25 (trial 5)",
        "confirmation 3 (default) failed: m none",
        "5 confirmations (default) (0 to 4): 2 complete, 1 diverged, 1 failed, 1 pruned; m best 0.5, median 0.6",
    ]


def test_ten_thousand_epochs_cost_less_than_a_second():
    stream = io.StringIO()
    with open_view(True, stream=stream) as view:
        view.study_started("a", experiment="e", metric="m", n_trials=1, n_done=0)
        started = time.perf_counter()
        for epoch in range(10_000):
            view.epoch("trial", 0, epoch=epoch, n_epochs=10_000, value=0.5)
        assert time.perf_counter() - started < 1.0


def test_a_piped_table_is_markdown_with_every_character():
    stream = io.StringIO()
    long = "learning_rate=0.0123456789, " * 12
    render_table(["optimizer", "accuracy", "at"], [["adam [1]", "0.93", long], ["sgd", "0.9", ""]], stream=stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert [cell.strip() for cell in lines[2].split("|")] == ["", "adam [1]", "0.93", long.strip(), ""]
    assert lines[3].startswith("| sgd       |      0.9 |")
    assert stream.getvalue().isascii()
