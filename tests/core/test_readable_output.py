"""Control characters are shown, not sent; real names stay as they are."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from study.cli.text_table import render_table
from study.core.errors import StudyError
from study.core.log_capture import captured
from study.core.readable_output import in_one_line, own_sequences, readable, readable_output, show_controls, shown
from study.pipeline.live_view import open_view

STUDY = Path(__file__).parents[2] / "study"
# Modules that write sequences of their own, those of rich, with every other text in them escaped.
OWN_WRITERS = {
    *("cli/actions/overview.py", "cli/actions/watch.py", "cli/paragraphs.py", "cli/text_table.py"),
    *("core/terminal.py", "pipeline/live_view.py"),
}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("red \x1b[31m", "red \\x1b[31m"),
        ("title \x1b]0;x\x07", "title \\x1b]0;x\\x07"),
        ("one byte \x9b31m", "one byte \\x9b31m"),
        ("over\rwritten\b\b\x7f", "over\\x0dwritten\\x08\\x08\\x7f"),
        ("turned \u202egnp.exe", "turned \\u202egnp.exe"),
        ("ad\u200bam \u2066x\u2069 \ufeff", "ad\\u200bam \\u2066x\\u2069 \\ufeff"),
        ("ad\u200dam ad\u200cam", "ad\\u200dam ad\\u200cam"),
        ("line\u2028end\u2029 \x85 \x0b\x0c", "line\\u2028end\\u2029 \\x85 \\x0b\\x0c"),
        ("blank \u3164\u115f\u034f", "blank \\u3164\\u115f\\u034f"),
        ("hidden \U000e0061\U000e0062", "hidden \\U000e0061\\U000e0062"),
        ("half \ud83d", "half \\ud83d"),
    ],
)
def test_control_characters_are_written_out(text, told):
    assert shown(text) == in_one_line(text) == told


@pytest.mark.parametrize(
    "name",
    [
        "adam",
        "漢字",
        "é e\u0301",
        "😀 ❤️",
        "👩‍🔬 👩🏽‍🔬 🏳️‍🌈 🧑‍⚕️",
        "می‌خواهم",
        "क्‍ष",
        "葛\U000e0100",
        "a\tb\n",
        "٢٣",
        "\u0601٣٤",
    ],
)
def test_real_names_stay_as_they_are(name):
    assert shown(name) == name


def test_line_ends_are_written_out_only_in_one_line():
    assert shown("a\n\tb") == "a\n\tb"
    assert in_one_line("a\n\tb") == "a\\n\\tb"


def test_all_writers_of_the_block_show_them(capsys):
    with readable_output():
        sys.stdout.write("a\x1b[31m")
        sys.stdout.writelines(["b\x07", "c"])
        sys.stderr.write("d\u202e\n")
        assert readable(sys.stdout) is sys.stdout
    sys.stdout.write("\x1b[0m")  # ours again
    assert capsys.readouterr() == ("a\\x1b[31mb\\x07c\x1b[0m", "d\\u202e\n")


def test_a_process_shows_them_for_good_and_escapes_what_its_encoding_lacks(monkeypatch):
    behind = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", behind)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    show_controls()
    sys.stdout.write("é\x1b\n")
    sys.stdout.flush()
    assert behind.buffer.getvalue() == b"\\xe9\\x1b\n"


_CLOSED = """
import os, sys
for number in {closed}:
    os.close(number)
sys.stdout = sys.stdout if 1 not in {closed} else None
from study.core.readable_output import open_standard_descriptors, show_controls
open_standard_descriptors()
show_controls()
opened = os.open({path!r}, os.O_WRONLY | os.O_CREAT)
os.write(2, b"an error of a library")
sys.stdout.write("dropped")
sys.stdout.flush()
assert opened > 2, opened
"""


@pytest.mark.parametrize("closed", [(0, 1, 2), (1, 2), (2,), (0,)])
def test_no_file_of_the_process_takes_the_place_of_a_closed_descriptor(closed, tmp_path):
    journal = tmp_path / "optuna.journal"
    code = _CLOSED.format(closed=closed, path=str(journal))
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert journal.read_bytes() == b""


def test_a_process_without_output_and_errors_drops_the_text(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    show_controls()
    with sys.stdout.behind, sys.stderr.behind:
        sys.stdout.write("a\ud83d\n")
        sys.stderr.write("b")
        assert sys.stdout.behind.name == sys.stderr.behind.name == os.devnull


def test_a_terminal_gets_our_own_sequences_and_no_other():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    behind = Terminal()
    stream = readable(behind)
    render_table(("na\x1bme",), [("evil\x1b[2J\nname",)], stream=stream)
    assert "evil\\x1b[2J\\nname" in behind.getvalue()
    assert "na\\x1bme" in behind.getvalue()
    assert "\x1b[1m" in behind.getvalue()  # the headline is bold
    assert "\x1b[2J" not in behind.getvalue()
    assert own_sequences(stream) is behind


@pytest.mark.parametrize("live", [True, False])
def test_the_view_of_a_running_study_shows_them(live, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    behind = io.StringIO()
    with open_view(live, stream=readable(behind)) as view:
        view.study_started("evil\x1b[2J", experiment="x\u202e", metric="acc\x07", n_trials=1, n_done=0)
        view.message("told\x9b31m")
    text = behind.getvalue()
    assert "x\\u202e/evil\\x1b[2J" in text
    assert "told\\x9b31m" in text
    assert not {"\x1b[2J", "\x07", "\u202e", "\x9b"} & {text[n : n + k] for n in range(len(text)) for k in (1, 4)}


def test_the_log_and_errors_show_them(tmp_path):
    with captured(tmp_path / "study.log"):
        sys.stderr.write("a\x1b[31m\n")
    assert (tmp_path / "study.log").read_text() == "a\\x1b[31m\n"
    assert str(StudyError("b\x1b[31m")) == "b\\x1b[31m"


def names_used(source):
    """Names and attributes of a module, and the modules that it imports."""
    tree = ast.parse(source)
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_no_other_module_goes_past_the_streams():
    past = {"own_sequences", "__stdout__", "rich"}
    files = {path.relative_to(STUDY).as_posix(): names_used(path.read_text()) for path in STUDY.rglob("*.py")}
    assert {name for name, used in files.items() if past & used} == OWN_WRITERS
    assert names_used("from rich.text import Text\nsys.__stdout__.write(1)") >= {"rich", "__stdout__"}


def test_a_handler_that_closes_its_stream_leaves_the_one_behind_open():
    behind = io.StringIO()
    readable(behind).close()
    assert behind in (readable(behind),)
    assert io.StringIO() not in (readable(behind),)
    behind.write("goes on")
    assert behind.getvalue() == "goes on"


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_streams_that_the_caller_has_closed_go_to_no_file_that_is_opened_later(tmp_path, closed):
    script = (
        "import os, sys; from study.core import readable_output; readable_output.open_standard_descriptors(); "
        "readable_output.show_controls(); file = open(sys.argv[1], 'w'); os.write(2, b'from C++'); "
        "sys.stderr.write('an error'); print('done'); os.system('echo a child >&2'); file.write(str(file.fileno()))"
    )
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", script, str(tmp_path / "database")]
    assert subprocess.run(command, cwd=STUDY.parent, check=False).returncode == 0
    assert int((tmp_path / "database").read_text()) > 2
