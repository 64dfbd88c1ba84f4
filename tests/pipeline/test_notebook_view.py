import io
import os
import pickle
import re
import sys
import threading
import time
from types import SimpleNamespace

import nbformat
import pytest

from benchmarks.notebooks import execute, streams
from study.core.trainer_interface import BestTrial
from study.pipeline.live_view import Ended, View, open_view
from study.pipeline.notebook_view import kernels_display, open_display, sent_through, show_events

BEST = BestTrial(number=1, point={}, objective=0.75)
ENDED = [Ended(number=1, state="complete", objective=0.75)]
FAILED = [Ended(number=2, state="failed", objective=None)]


class Cell:
    """A cell of a notebook, which keeps every state of its outputs."""

    def __init__(self):
        self.n_outputs = 0
        self.states = []

    def show(self, bundle):
        self.n_outputs += 1
        self.states.append(bundle)
        return self

    def update(self, bundle, *, raw):
        assert raw
        self.states.append(bundle)

    @property
    def text(self):
        return self.states[-1]["text/plain"]


@pytest.fixture
def clock(monkeypatch):
    """The time, which stands still until a test sets it."""
    now = SimpleNamespace(value=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: now.value)
    return now


@pytest.fixture
def cell():
    return Cell()


def begin(display, *, n_trials=4, n_done=0):
    view = View(display.line, each_trial=False, changed=display.draw)
    view.study_started("adam", experiment="digits", metric="val_accuracy", n_trials=n_trials, n_done=n_done)
    return view


def test_the_progress_is_one_output_that_is_updated(cell, clock):
    with open_display(cell.show) as display:
        view = begin(display)
        for epoch in range(2):
            clock.value += 1
            view.epoch("trial", 0, epoch=epoch, n_epochs=2, value=0.5)
        html = cell.states[-1]["text/html"]
        assert re.search(r"<b>digits/adam</b> <progress value=\"1.0\" max=\"4\"", html)
        for told in ("trial 0 (1 of 4): epoch 2 of 2, val_accuracy 0.5", "2 s so far, about 6 s left"):
            assert told in html
            assert told in cell.text
        view.trials_ended("trial", ENDED, best=BEST)
        clock.value += 1
        view.trial_started("trial", 2)
        assert "best val_accuracy 0.7500 (trial 1)" in cell.states[-1]["text/html"]
        view.study_ended(best=BEST, seconds=3)
    assert cell.n_outputs == 1
    assert cell.text == "digits/adam: best val_accuracy 0.7500 (trial 1) after 3.0 s"
    assert re.findall(r"<(div|progress|b)\b", cell.states[-1]["text/html"]) == ["div", "div"]
    assert f"<div>{cell.text}</div>" in cell.states[-1]["text/html"]


def test_lines_remain_and_their_markup_is_text(cell, clock):
    with open_display(cell.show) as display:
        view = begin(display, n_done=1)
        clock.value += 1
        view.message("a <b>bold</b> word\x1b[31m")
        assert "a &lt;b&gt;bold&lt;/b&gt; word\\x1b[31m" in cell.states[-1]["text/html"]
        view.trials_ended("trial", FAILED, best=None)
        view.study_ended(best=None, seconds=1)
    assert cell.text.splitlines() == [
        "digits/adam: 4 trials, 1 of them already done",
        "a <b>bold</b> word\\x1b[31m",
        "trial 2 (3 of 4) failed; no val_accuracy yet",
        "digits/adam: no val_accuracy from any trial after 1.0 s",
    ]


def test_there_are_at_most_four_updates_in_a_second_and_nothing_is_lost(cell, clock):
    with open_display(cell.show) as display:
        view = begin(display)
        times = []
        for step in range(1000):
            clock.value += 0.01
            before = len(cell.states)
            view.epoch("trial", 0, epoch=step, n_epochs=1000, value=0.5)
            if step % 7 == 0:
                view.message(f"line {step}")
            times += [clock.value] * (len(cell.states) - before)
        assert 20 < len(times) < 45  # 10 seconds
        assert all(later - earlier > 0.99 for earlier, later in zip(times, times[4:], strict=False))
    assert [line for line in cell.text.splitlines() if line.startswith("line")] == [
        f"line {step}" for step in range(0, 1000, 7)
    ]


def test_a_line_appears_at_once_between_updates_of_the_progress(cell, clock):
    with open_display(cell.show) as display:
        view = begin(display)
        view.epoch("trial", 0, epoch=0, n_epochs=5, value=0.5)
        assert "epoch 1" not in cell.text
        clock.value += 0.01
        view.message("look at this")
        assert "look at this" in cell.text
        assert "epoch 1 of 5" in cell.text


def test_another_thread_draws_nothing_and_its_line_comes_with_the_next_change(cell, clock):
    with open_display(cell.show) as display:
        view = begin(display)
        n_before = len(cell.states)
        clock.value += 10
        thread = threading.Thread(target=view.message, args=("the server is away",))
        thread.start()
        thread.join()
        assert len(cell.states) == n_before
        view.trial_started("trial", 0)
        assert "the server is away" in cell.text


def stop_after_a_trial(cell):
    with open_display(cell.show) as display:
        begin(display).trials_ended("trial", ENDED, best=BEST)
        raise KeyboardInterrupt


def test_a_study_that_is_stopped_says_so(cell):
    with pytest.raises(KeyboardInterrupt):
        stop_after_a_trial(cell)
    assert cell.text == "digits/adam: stopped; best val_accuracy 0.7500 (trial 1)"
    assert "<progress" not in cell.states[-1]["text/html"]


def test_what_fails_before_the_study_shows_nothing(cell):
    with pytest.raises(ValueError, match="fault"), open_display(cell.show):
        raise ValueError("fault")
    assert cell.n_outputs == 0


@pytest.mark.parametrize(("mode", "is_display"), [("auto", True), (True, True), (False, False)])
def test_a_kernel_gets_the_display_unless_lines_are_asked_for(mode, is_display, cell, monkeypatch, capsys):
    def display(bundle, *, raw, display_id):
        assert raw
        assert display_id
        return cell.show(bundle)

    fake = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    with open_view(mode, stream=sys.stderr) as view:
        view.study_started("adam", experiment="digits", metric="val_accuracy", n_trials=1, n_done=0)
        view.trials_ended("trial", ENDED, best=BEST)
        view.study_ended(best=BEST, seconds=1)
    assert (cell.n_outputs == 1) is is_display
    assert ("digits/adam: 1 trial\n" in capsys.readouterr().err) is not is_display


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as events:
        yield events, writer


def test_a_study_of_a_child_process_is_shown_by_the_kernel(pipe, cell, clock):
    events, writer = pipe
    with sent_through(writer):
        assert not os.get_inheritable(writer)
        with open_view("auto", stream=io.StringIO()) as view:
            view.study_started("adam", experiment="digits", metric="val_accuracy", n_trials=4, n_done=0)
            for epoch in range(100):
                clock.value += 0.1
                view.epoch("trial", 0, epoch=epoch, n_epochs=200, value=0.5)
            view.message("from the child")
            view.trials_ended("trial", ENDED, best=BEST)
            view.study_ended(best=BEST, seconds=3)
    assert kernels_display() is None
    show_events(events, show=cell.show)
    assert cell.n_outputs == 1
    assert "digits/adam\n" in cell.states[0]["text/plain"]
    assert cell.text.splitlines() == ["from the child", "digits/adam: best val_accuracy 0.7500 (trial 1) after 3.0 s"]


def test_a_child_that_asks_for_lines_gets_them(pipe):
    events, writer = pipe
    stream = io.StringIO()
    with sent_through(writer), open_view(False, stream=stream) as view:
        view.message("a line")
    assert stream.getvalue() == "a line\n"
    assert events.read() == b""


def test_a_child_that_is_killed_leaves_what_it_has_sent(pipe, cell):
    events, writer = pipe
    whole = pickle.dumps(("line", "the last words"))
    os.write(writer, whole + whole[:-3])
    os.close(writer)
    show_events(events, show=cell.show)
    assert cell.text == "the last words"


def test_a_kernel_that_has_ended_does_not_disturb_a_child(pipe):
    events, writer = pipe
    events.close()
    with sent_through(writer), open_view("auto", stream=io.StringIO()) as view:
        view.message("a line that nothing reads")
        view.study_started("adam", experiment="digits", metric="val_accuracy", n_trials=4, n_done=0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer)


CONFIG = """
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
overrides = [
    "optimizer=sgd", "trainer=fit", "trainer.backend=tensorflow", "model.hidden=[16]", "budget.n_trials=3",
    "budget.n_epochs=2", "budget.n_confirmations=1", "tracking.system_metrics=false", "tracking.log_model=false",
]
with initialize_config_module("study.conf", version_base=None):
    raw = OmegaConf.to_container(compose("config", overrides), resolve=True)
from study.run import run_study
"""
LINES = """
raw["live"] = False
raw["budget"]["n_trials"] = 4
outcome = run_study(raw)
raw["live"] = "auto"
"""
INTERRUPTED = """
import os, signal
from study.core.interrupt import clean_stop
from study.pipeline.notebook_view import NotebookDisplay

draw, sent = NotebookDisplay.draw, []

def draw_and_interrupt(display, progress):
    draw(display, progress)
    if progress is not None and progress.n_ended == 2 and not sent:
        sent.append(True)
        os.kill(os.getpid(), signal.SIGINT)

NotebookDisplay.draw = draw_and_interrupt
raw["budget"]["n_trials"] = 50
try:
    with clean_stop():
        run_study(raw)
finally:
    NotebookDisplay.draw = draw
"""
# The kernel has loaded Keras on TensorFlow.
ELSEWHERE = """
from study.cli.launch.child_process import run_anywhere
from study.pipeline.preflight import load_config
raw["trainer"]["backend"] = "jax"
raw["experiment_name"] = "elsewhere"
outcome = run_anywhere(load_config(raw))
raw["trainer"]["backend"] = "tensorflow"
raw["experiment_name"] = None
"""
AFTERWARDS = """
import logging, sys
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.set_wakeup_fd(-1) == -1
assert type(sys.stderr).__name__ == "OutStream" and logging.root.handlers == []
assert [type(handler.stream).__name__ for handler in logging.getLogger("optuna").handlers] == ["OutStream"]
raw["budget"]["n_trials"] = 6
outcome = run_study(raw)
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """The cells of a notebook, run in a kernel; one is interrupted after two trials."""
    sources = (CONFIG, "outcome = run_study(raw)", LINES, ELSEWHERE, INTERRUPTED, AFTERWARDS)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    execute(made, folder=tmp_path_factory.mktemp("kernel"), allow_errors=True)
    return SimpleNamespace(
        **dict(zip(("config", "first", "lines", "elsewhere", "stopped", "last"), made.cells, strict=True))
    )


in_a_kernel = pytest.mark.long(reason="a kernel with five studies, one of them in a process of its own")


def kinds(cell):
    return [output.output_type for output in cell.outputs]


@pytest.mark.slow
@in_a_kernel
def test_a_study_in_a_kernel_leaves_one_output_and_no_noise_of_libraries(cells):
    assert cells.config.outputs == []
    (output,) = cells.first.outputs
    assert output.output_type == "display_data"
    assert re.fullmatch(r"digits-mlp/sgd: best val_accuracy \S+ \(trial \d\) after .*s", output.data["text/plain"])
    assert "<progress" not in output.data["text/html"]


@pytest.mark.slow
@in_a_kernel
def test_lines_in_a_kernel_are_written_in_order_and_without_noise(cells):
    assert set(kinds(cells.lines)) == {"stream"}
    lines = streams(cells.lines, "stderr").splitlines()
    assert lines[0] == "digits-mlp/sgd: 4 trials, 3 of them already done"
    assert lines[1].startswith("trial 3 (4 of 4) complete: val_accuracy")
    assert lines[-1].startswith("digits-mlp/sgd: best val_accuracy")
    assert len(lines) <= 4


@pytest.mark.slow
@in_a_kernel
def test_a_study_in_a_process_of_its_own_is_shown_in_the_cell_too(cells):
    assert kinds(cells.elsewhere) == ["display_data"]
    text = cells.elsewhere.outputs[0].data["text/plain"]
    assert re.fullmatch(r"elsewhere/sgd: best val_accuracy \S+ \(trial \d\) after .*s", text)


@pytest.mark.slow
@in_a_kernel
def test_an_interrupted_kernel_stops_the_study_once_and_can_go_on(cells):
    told = [output for output in cells.stopped.outputs if output.output_type == "error"]
    assert [(error.ename, error.traceback) for error in told] == [
        ("Stopped", ["Stopped: finished results are stored. Run the same cell again to continue."])
    ]
    assert streams(cells.stopped, "stderr").split("\n")[1:] == [
        "stopping: writing finished results; interrupt again to stop immediately.",
        "",
    ]
    (shown,) = [output.data for output in cells.stopped.outputs if output.output_type == "display_data"]
    assert shown["text/plain"].splitlines()[-1].startswith("digits-mlp/sgd: stopped; best val_accuracy")
    assert kinds(cells.last) == ["display_data"]
    text = cells.last.outputs[0].data["text/plain"]
    assert text.splitlines()[0] == "digits-mlp/sgd: 6 trials, 6 of them already done"
