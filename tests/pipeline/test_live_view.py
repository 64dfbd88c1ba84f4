import io
import math
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from study.core.trainer_interface import BestTrial
from study.pipeline.live_view import Ended, LookPlace, View, open_view

ROOT = Path(__file__).parents[2]
ENDED = [Ended(number=0, state="complete", objective=0.5)]
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
        "confirmation 0 (tuned) complete: val_accuracy 0.9123",
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
        "trial 0 (1 of 1) failed; no val_loss yet",
        "e/adam: no val_loss from any trial after 1 h 6 min",
    ]


def test_a_diverged_training_has_no_value_of_its_own():
    stream = io.StringIO()
    with open_view("auto", stream=stream) as view:
        view.study_started("adam", experiment="e", metric="val_accuracy", n_trials=2, n_done=0)
        view.trials_ended("trial", [Ended(number=0, state="diverged", objective=0.0)], best=None)
        view.trials_ended("best", [Ended(number=0, state="diverged", objective=0.0)], best=None)
    assert stream.getvalue().splitlines()[1:] == [
        "trial 0 (1 of 2) diverged; no val_accuracy yet",
        "confirmation 0 (tuned) diverged",
    ]


def test_a_terminal_shows_the_running_trial_and_is_left_clean():
    written = on_a_terminal(STUDY)
    assert "trial 1 (2 of 2): epoch 1 of 2, val_accuracy 0.5000" in written
    assert "building and compiling" not in written  # it has trained an epoch
    assert "1 of 2 trials" in written
    assert "a [word] from the study\r\n" in written
    assert "digits-mlp/adam: best val_accuracy 0.7500 (trial 1) after 2 min 5 s\r\n" in written
    assert "trial 1 (2 of 2) complete" not in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is hidden once, shown once


def test_a_terminal_that_cannot_move_its_cursor_gets_lines():
    written = on_a_terminal(STUDY, TERM="dumb")
    assert "\x1b" not in written
    assert "trial 1 (2 of 2) complete: val_accuracy 0.7500" in written


def test_the_mode_overrules_what_the_stream_is():
    assert any("\x1b" in line for line in lines_of(True))
    assert "\x1b" not in on_a_terminal(STUDY.replace('"auto"', "False"))


def test_an_exception_ends_the_live_view_and_passes_through():
    stream = io.StringIO()
    with pytest.raises(ValueError, match="passed on"), open_view(True, stream=stream):
        raise ValueError("passed on")
    assert "\x1b[?25h" in stream.getvalue()  # the cursor is shown again


def drawn(view, *, width=100):
    stream = io.StringIO()
    Console(file=stream, width=width).print(view.render())
    return stream.getvalue()


@pytest.fixture
def clock(monkeypatch):
    """The time, which stands still until a test sets it."""
    now = SimpleNamespace(value=0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.value)
    return now


def begun(*, n_trials=6, n_confirmations=3, **arguments):
    view = View([].append, each_trial=True)
    view.study_started(
        "a", experiment="e", metric="m", n_trials=n_trials, n_done=0, n_confirmations=n_confirmations, **arguments
    )
    return view


def train(view, clock, number, *, seconds, n_epochs=2, kind="trial"):
    view.trial_started(kind, number)
    for epoch in range(n_epochs):
        clock.value += seconds
        view.epoch(kind, number, epoch=epoch, n_epochs=n_epochs, value=0.5)
    view.trials_ended(kind, [Ended(number=number, state="complete", objective=0.5)], best=None)


def test_nothing_is_extrapolated_from_the_time_of_compiling(clock):
    view = begun(n_trials=6, n_confirmations=0)
    view.trial_started("trial", 0)
    clock.value = 59.0
    assert "59 s so far; building and compiling: 59 s; time left not known yet" in drawn(view)
    view.epoch("trial", 0, epoch=0, n_epochs=2, value=0.5)  # its time is mostly that of the compilation
    assert "59 s so far, time left not known yet" in drawn(view)
    clock.value = 60.0
    view.epoch("trial", 0, epoch=1, n_epochs=2, value=0.5)
    assert "1 min 0 s so far, about 10 s left" in drawn(view)  # 5 trials of 2 epochs, each of one second
    clock.value = 63.0
    assert "about 7 s left" in drawn(view)  # it goes down between events
    clock.value = 99.0
    assert "about 1 s left" in drawn(view)


def test_a_sign_of_the_device_ends_the_compilation_so_the_first_epoch_counts(clock):
    view = begun(n_trials=2, n_confirmations=0)
    view.trial_started("trial", 0)
    view.trial_started("trial", 1)
    clock.value = 30.0
    view.trains()
    assert "building" not in drawn(view)
    clock.value = 32.0
    for number in range(2):
        view.epoch("trial", number, epoch=0, n_epochs=10, value=0.5)
    assert "32 s so far, about 18 s left" in drawn(view)


def test_a_compilation_that_is_still_ahead_is_taken_to_need_what_the_one_before_needed(clock):
    view = begun(n_trials=2, n_confirmations=2)
    view.trial_started("trial", 0)
    clock.value = 20.0
    view.trains()
    for epoch in range(2):
        clock.value += 1.0
        view.epoch("trial", 0, epoch=epoch, n_epochs=2, value=0.5)
    view.trials_ended("trial", ENDED, best=None)
    # One trial and two confirmations of two seconds, and the program of the confirmations.
    assert "22 s so far, about 26 s left" in drawn(view)
    train(view, clock, 1, seconds=1.0)
    view.trial_started("best", 0)
    clock.value += 5.0
    assert "building and compiling: 5 s; then about 4 s left" in drawn(view)


def test_trials_of_other_workers_count_in_the_bar_and_not_in_the_time_left(clock):
    view = begun(n_trials=10, n_confirmations=0)
    train(view, clock, 0, seconds=1.0)
    view.trial_started("trial", 1)
    clock.value += 2.0
    view.trials_ended("trial", [Ended(number=1, state="complete", objective=0.5)], best=None, n_spent=6)
    assert "6 of 10 trials" in drawn(view)
    assert "about 8 s left" in drawn(view)  # four trials of two seconds


def test_a_study_that_goes_on_shows_the_best_of_before():
    view = View([].append, each_trial=False)
    best = BestTrial(number=2, point={}, objective=0.75)
    view.study_started("a", experiment="e", metric="m", n_trials=4, n_done=3, best=best)
    assert "best m 0.7500 (trial 2)" in drawn(view)


def test_a_budget_of_steps_has_no_time_before_a_second_training(clock):
    view = begun(n_trials=3, n_confirmations=0)
    for number, left in ((0, "time left not known yet"), (1, "about 10 s left")):
        view.trial_started("trial", number)
        clock.value += 10.0
        view.epoch("trial", number, epoch=0, n_epochs=None, value=0.5)
        view.trials_ended("trial", [Ended(number=number, state="complete", objective=0.5)], best=None)
        assert left in drawn(view)


def test_search_and_confirmations_have_a_bar_each_that_counts_parts_of_trainings(clock):
    view = begun(n_trials=4, n_confirmations=3, n_default=1, place=(2, 3))
    view.trial_started("trial", 0)
    view.epoch("trial", 0, epoch=0, n_epochs=2, value=0.5)
    lines = drawn(view, width=80).splitlines()
    assert lines[0] == "e/a   study 2 of 3"
    assert lines[1] == "  search           ━━━━──────────────────────────  0 of 4 trials"
    assert lines[2] == "  confirm tuned    ──────────────────────────────  0 of 2"
    assert lines[3] == "  confirm untuned  ──────────────────────────────  0 of 1"
    for number in range(4):
        train(view, clock, number, seconds=1.0)
    train(view, clock, 0, seconds=1.0, kind="best")
    lines = drawn(view, width=80).splitlines()
    assert lines[1].endswith(f"{'━' * 30}  4 of 4 trials")
    assert lines[2].endswith(f"{'━' * 15}{'─' * 15}  1 of 2")
    assert lines[3].endswith(f"{'─' * 30}  0 of 1")
    train(view, clock, 1, seconds=1.0, kind="best")
    train(view, clock, 0, seconds=1.0, kind="default")
    assert "recording the results" in drawn(view)


def test_a_line_that_does_not_fit_leaves_out_its_last_parts_and_cuts_no_word(clock):
    view = begun(n_trials=4, n_confirmations=0, place=(1, 3))
    train(view, clock, 0, seconds=1.0)
    said = "  2 s so far, about 6 s left; about 22 s with 2 more studies like it"
    for width, told in ((len(said), said), (len(said) - 1, said.partition(";")[0]), (27, "  2 s so far")):
        assert drawn(view, width=width).splitlines()[-1] == told
    assert drawn(view, width=10).splitlines()[-1].endswith("…")


def test_all_studies_of_a_command_have_a_time_once_this_one_has(clock):
    view = begun(n_trials=4, n_confirmations=0, place=(1, 3))
    train(view, clock, 0, seconds=1.0)
    assert "2 s so far, about 6 s left; about 22 s with 2 more studies" in drawn(view)
    view = begun(n_trials=4, n_confirmations=0, place=(3, 3))
    train(view, clock, 0, seconds=1.0)
    assert "more" not in drawn(view)


def test_the_other_studies_are_taken_to_start_and_compile_as_this_one_did(clock):
    view = View([].append, each_trial=True, study="e/a")
    clock.value = 4.0  # its data and stores were opened
    view.study_started("a", experiment="e", metric="m", n_trials=4, n_done=0, n_confirmations=2, place=(1, 2))
    view.trial_started("trial", 0)
    clock.value = 14.0
    view.trains()
    train(view, clock, 0, seconds=1.0)
    # For each study 16 s, 5 trainings of two seconds, and a program of 10 s for the confirmations.
    assert "16 s so far, about 20 s left; about 56 s with 1 more study like it" in drawn(view)


def test_looks_that_are_still_planned_are_said_and_not_counted(clock):
    look = LookPlace(1, 3, first=0, last=5)
    view = begun(n_trials=4, n_confirmations=0, place=(1, 2), look=look)
    train(view, clock, 0, seconds=1.0)
    assert "2 s so far, about 6 s left; at least 14 s with 1 more study" in drawn(view)
    view = begun(n_trials=4, n_confirmations=0, place=(2, 2), look=look)
    train(view, clock, 0, seconds=1.0)
    assert "about 6 s left; looks at more seeds may follow" in drawn(view)
    view = begun(n_trials=4, n_confirmations=0, look=LookPlace(3, 3, first=10, last=20))
    train(view, clock, 0, seconds=1.0)
    assert "follow" not in drawn(view)


def test_a_round_has_a_bar_of_its_confirmations_alone(clock):
    look = LookPlace(2, 3, first=5, last=10)
    view = begun(n_trials=4, n_confirmations=5, is_round=True, look=look, place=(1, 2))
    train(view, clock, 3, seconds=1.0, kind="best")
    assert drawn(view).startswith("e/a   look 2 of 3 (5 to 10 seeds), study 1 of 2\n")
    assert "search" not in drawn(view)
    assert "further confirmations" in drawn(view)
    assert "1 of 5" in drawn(view)


def test_no_line_is_broken_or_longer_than_the_terminal():
    view = View([].append, each_trial=True)
    name = "a_study_with_a_long_name" * 5
    view.study_started(name, experiment="e", metric="m", n_trials=4, n_done=0, n_confirmations=2)
    for number in range(3):
        view.trial_started("trial", number)
        view.epoch("trial", number, epoch=0, n_epochs=10, value=1e-30)
    for width in (20, 40, 80):
        lines = drawn(view, width=width).splitlines()
        assert len(lines) == 7
        assert max(map(len, lines)) <= width


def test_the_start_of_a_study_is_named_before_it_has_trials(clock):
    view = View([].append, each_trial=False, study="digits-mlp/adam")
    clock.value = 4.2
    assert "digits-mlp/adam: opening data and stores: 4 s" in drawn(view)
    view.study_started("adam", experiment="digits-mlp", metric="m", n_trials=1, n_done=0)
    view.study_ended(best=None, seconds=1.0)
    assert drawn(view).strip() == ""


def test_bars_are_ascii_where_the_terminal_has_no_other_signs():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with open_view(True, stream=stream) as view:
        view.study_started("a", experiment="e", metric="m", n_trials=2, n_done=1)
    stream.flush()
    assert "#" * 15 + "-" * 15 in re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", stream.buffer.getvalue().decode("ascii"))


def batch(view, *, n=64, n_trials=64):
    view.study_started("a", experiment="e", metric="m", n_trials=n_trials, n_done=0, direction="minimize")
    for number in range(n):
        view.trial_started("trial", number)


def test_a_batch_is_two_lines_of_the_view():
    view = View([].append, each_trial=False)
    batch(view)
    assert "64 trials begin together\n" in drawn(view)
    for number in range(62):
        view.epoch("trial", number, epoch=2, n_epochs=10, value=float(number))
    assert "no m yet" not in drawn(view)  # there are values, below
    view.stopped("trial", 61, "pruned")
    view.stopped("trial", 62, "diverged")
    view.stopped("trial", 63, "diverged")
    text = drawn(view, width=80)
    assert "batch of 64 trials, epoch 3 of 10: 61 training, 1 pruned, 2 diverged\n" in text
    assert "now: m best 0.0000, median 30.5000\n" in text
    assert "trial 1 " not in text
    view.study_ended(best=None, seconds=1.0)
    assert drawn(view).strip() == ""


def test_lanes_taken_over_by_new_trials_are_told_by_their_first_and_last_epoch():
    view = View([].append, each_trial=False)
    batch(view, n=6)
    for number in range(6):
        view.epoch("trial", number, epoch=number // 3, n_epochs=None, value=math.nan)
    assert "batch of 6 trials, epochs 1 to 2: 6 training\n" in drawn(view)


def test_the_words_beside_a_bar_count_the_epochs_of_a_batch_as_the_bar_does():
    view = View([].append, each_trial=False)
    batch(view, n=10, n_trials=20)
    assert f"  search  {'─' * 30}  0 of 20 trials\n" in drawn(view, width=80)
    for number in range(10):
        view.epoch("trial", number, epoch=4, n_epochs=5, value=0.5)
    assert f"  search  {'━' * 15}{'─' * 15}  10 of 20 at epoch 5 of 5\n" in drawn(view, width=80)
    ended = [Ended(number=number, state="complete", objective=0.5) for number in range(10)]
    view.trials_ended("trial", ended, best=None)
    for number in range(10, 20):
        view.trial_started("trial", number)
        view.epoch("trial", number, epoch=0, n_epochs=5, value=0.5)
    assert f"  search  {'━' * 18}{'─' * 12}  10 of 20, 10 at epoch 1 of 5\n" in drawn(view, width=80)


def test_few_at_once_are_shown_one_by_one():
    view = View([].append, each_trial=False)
    batch(view, n=4)
    view.epoch("trial", 0, epoch=0, n_epochs=3, value=0.5)
    assert "trial 0 (1 of 64): epoch 1 of 3, m 0.5000" in drawn(view)
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
        "trial 3 (4 of 70) failed; best m 0.2500 (trial 5)",
        "6 trials (0 to 5): 3 complete, 1 diverged, 1 failed, 1 pruned; m best 0.2500, median 0.5000; "
        "best m 0.2500 (trial 5)",
        "confirmation 3 (untuned) failed",
        "5 confirmations (untuned) (0 to 4): 2 complete, 1 diverged, 1 failed, 1 pruned; m best 0.5000, median 0.6000",
    ]


def test_lines_of_a_sweep_name_their_study():
    lines = []
    view = View(lines.append, each_trial=True)
    view.study_started("a", experiment="e", metric="m", n_trials=1, n_done=0, place=(2, 3))
    view.trials_ended("trial", ENDED, best=None)
    view.study_ended(best=None, seconds=1.0)
    assert lines == [
        "e/a (study 2 of 3): 1 trial",
        "e/a: trial 0 (1 of 1) complete: m 0.5000; no m yet",
        "e/a (study 2 of 3): no m from any trial after 1.0 s",
    ]


def test_ten_thousand_epochs_cost_less_than_a_second_of_a_core():
    stream = io.StringIO()
    with open_view(True, stream=stream) as view:
        view.study_started("a", experiment="e", metric="m", n_trials=1, n_done=0)
        started = time.thread_time()
        for epoch in range(10_000):
            view.epoch("trial", 0, epoch=epoch, n_epochs=10_000, value=0.5)
        assert time.thread_time() - started < 1.0
