"""Tables on terminals of every width, and Markdown elsewhere."""

import io
import re

import pytest

from study.cli.text_table import render_table

HEADERS = ("study", "trials", "search best", "validation", "test, tuned", "best point")
ROWS = (
    ("adam", "4/4", "0.9444", "0.9315", "0.9389 [0.8850, 0.9928]", "learning_rate=0.01135 beta_1=0.95852"),
    ("momentum", "12/12", "0.8778", "0.8315", "0.8722 [0.8540, 0.8905]", "learning_rate=0.010038 momentum=0.8088"),
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, headers, rows, *, width, below=()):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    render_table(headers, rows, stream=stream, below=below)
    return re.sub(r"\x1b\[\d*m", "", stream.getvalue()).splitlines()


def test_a_piped_table_is_markdown_with_every_character():
    stream = io.StringIO()
    long = "learning_rate=0.0123456789, " * 12
    render_table(["optimizer", "accuracy", "at"], [["adam [1]", "0.93", long], ["sgd", "0.9", ""]], stream=stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4
    assert [cell.strip() for cell in lines[2].split("|")] == ["", "adam [1]", "0.93", long.strip(), ""]
    assert lines[3].startswith("| sgd       |      0.9 |")
    assert stream.getvalue().isascii()


def test_a_wide_terminal_gets_a_line_for_each_row(monkeypatch):
    lines = shown(monkeypatch, HEADERS, ROWS, width=140)
    assert [len(line.split("  ")) > 3 for line in lines] == [True, False, True, True]
    assert lines[2].startswith("  adam         4/4")
    assert set(lines[1].strip()) == {"─"}
    ends = [line.index("0.9315") if "0.9315" in line else line.find("0.8315") for line in lines[2:]]
    assert ends[0] == ends[1] > 0  # numbers stand below one another


def test_a_narrow_terminal_gets_a_second_line_for_each_row(monkeypatch):
    lines = shown(monkeypatch, HEADERS, ROWS, width=80)
    assert max(map(len, lines)) <= 80
    at = next(index for index, line in enumerate(lines) if line.startswith("  adam"))
    assert lines[at + 1].strip() == "best point learning_rate=0.01135 beta_1=0.95852"
    assert lines[at + 2].startswith("  momentum")
    assert "0.8722 [0.8540, 0.8905]" in lines[at + 2]


def test_columns_go_to_the_second_line_in_the_order_asked_for(monkeypatch):
    lines = shown(monkeypatch, HEADERS, ROWS, width=56, below=("best point", "search best"))
    assert max(map(len, lines)) <= 56
    assert "    search best 0.9444; best point learning_rate=0.01135" in lines
    assert all("0.9444" not in line for line in lines if line.startswith("  adam"))


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 81, 119, 140, 200])
@pytest.mark.parametrize("name", ["sgd", "momentum-learning_rate=0.01-trainer.batch_size=128", "漢字" * 9])
def test_no_line_is_broken_and_no_cell_is_lost_at_any_width(monkeypatch, width, name):
    rows = [(name, *ROWS[0][1:]), *ROWS]
    lines = shown(monkeypatch, HEADERS, rows, width=width)
    words = {word for row in rows for cell in row for word in cell.split()}
    assert words <= set(" ".join(lines).replace(";", " ").split())
    longest = max(sum(2 if ord(sign) > 0x2E80 else 1 for sign in word) for word in words)
    cells = [sum(2 if ord(sign) > 0x2E80 else 1 for sign in line) for line in lines]
    assert max(cells) <= max(width, longest + 6)


def test_control_characters_and_line_ends_of_a_cell_are_shown_on_a_terminal(monkeypatch):
    lines = shown(monkeypatch, ("a", "b"), [("x\x1b[31m", "y\nz")], width=80)
    assert any("x\\x1b[31m" in line and "y\\nz" in line for line in lines)


def test_a_table_without_rows_has_its_headers(monkeypatch):
    assert "study" in shown(monkeypatch, HEADERS, [], width=140)[0]
