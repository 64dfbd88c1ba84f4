"""Commands on a terminal: copied from it, they are what was meant."""

import io
import shlex

import pytest

from study.cli import paragraphs
from study.cli.paragraphs import write_typed

WORDS = [
    "study", "run", "-m", "optimizer=sgd,adam,momentum", "experiment_name=my own digits", "model.hidden=[8,8]",
    "study_name=it's", "budget.confirm=sequential", "budget.n_confirmations=36",
]  # fmt: skip


def written(monkeypatch, *, width):
    stream = io.StringIO()
    monkeypatch.setattr(paragraphs, "is_screen", lambda _: width is not None)
    monkeypatch.setattr(paragraphs, "width_of", lambda _: width)
    write_typed([shlex.join(WORDS)], stream=stream)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_wide_command_is_broken_between_words_so_that_a_shell_reads_it_as_it_was(monkeypatch, width):
    text = written(monkeypatch, width=width)
    lines = text.splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= width
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert shlex.split(text.replace("\\\n", "")) == WORDS  # as a shell takes a backslash before the end of a line


@pytest.mark.parametrize("width", [None, 400])
def test_a_command_that_fits_or_goes_to_a_file_is_one_line(monkeypatch, width):
    assert written(monkeypatch, width=width) == f"  {shlex.join(WORDS)}\n"
