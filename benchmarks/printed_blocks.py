"""Run the commands that a page shows, as they stand, and write what they print into the page.

    python -m benchmarks.printed_blocks [PAGE ...]

The default pages are README.md and docs/tutorial.md. An HTML comment before a fenced block says what the block is:

    <!-- file: NAME -->  the content of a file
    <!-- run -->         commands of a shell, which run in an empty folder and in a terminal of 80 columns
    <!-- prints -->      the end of what they print, from the block's first line on

A number in that first line may be another one. `make TARGET` runs the commands of the target.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "tutorial.md")
# The width for which commands format what they print. The terminal is wider, so it breaks no line at its edge;
# sentences are broken here, between words.
COLUMNS = 80
_TERMINAL, _LINES, _MOST_LINES = 2000, 50, 2000
_BLOCK = re.compile(r"^<!-- (file|run|prints)(?:: (\S+))? -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A block of commands that ran.

    Attributes:
        commands: The block.
        status: Exit status of the first command that failed, or 0.
        output: The lines on the terminal at its end, with those that left it at the top.
        printed: What the page says that it prints; empty if it says nothing.
    """

    commands: str
    status: int
    output: str
    printed: str


def main() -> None:
    """Run the pages and write the printed blocks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES, metavar="PAGE")
    for page in parser.parse_args().pages:
        text = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            for ran in run_page(text, Path(folder)):
                sys.stdout.write(f"{page.name}: status {ran.status}: {ran.commands.splitlines()[0]}\n")
                if ran.status:
                    sys.exit(f"{page}: nothing was written:\n{ran.output}")
                if ran.printed:
                    # With the fence, since a short block can be a part of another one.
                    text = text.replace(f"\n{ran.printed}```", f"\n{printed_from(ran.output, ran.printed)}```")
        page.write_text(text, encoding="utf-8")


def run_page(text: str, folder: Path) -> Iterator[Ran]:
    """Write the files of a page, run its commands, and yield each block of commands with its output.

    Args:
        text: The page.
        folder: An empty folder, in which the commands run.
    """
    blocks = _BLOCK.findall(text)
    for index, (kind, name, content) in enumerate(blocks):
        if kind == "file":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        elif kind == "run":
            follows = blocks[index + 1] if index + 1 < len(blocks) else ("", "", "")
            status, output = in_terminal(commands_of(content), folder)
            yield Ran(
                commands=content, status=status, output=output, printed=follows[2] if follows[0] == "prints" else ""
            )


def commands_of(block: str) -> str:
    """Return the commands of a block, with those of the Makefile's target in place of `make TARGET`."""
    return re.sub(r"^make (\w+).*$", lambda found: _recipe(found[1]), block, flags=re.MULTILINE)


def _recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"make {target}: expected a target of the Makefile with commands.")
    return re.sub(r"^\t@?", "", found[1].replace("$(BIN)/", ""), flags=re.MULTILINE).strip()


def in_terminal(commands: str, folder: Path) -> tuple[int, str]:
    """Run commands in a terminal; return the status of the first that fails, or 0, and the lines of the terminal.

    Args:
        commands: Commands of bash.
        folder: The working directory.
    """
    screen = pyte.HistoryScreen(_TERMINAL, _LINES, history=_MOST_LINES, ratio=1)
    stream = pyte.ByteStream(screen)
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _TERMINAL, 0, 0))
    process = subprocess.Popen(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env=_environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 1 << 16)
            except OSError:  # the last writer has closed the terminal
                return
            if not data:
                return
            stream.feed(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)  # and all that the commands have started
        raise
    reader.join()
    os.close(ours)
    above = ["".join(line[column].data for column in range(_TERMINAL)) for line in screen.history.top]
    lines = [line.rstrip() for line in (*above, *screen.display)]
    return status, "\n".join(lines).rstrip() + "\n"


def _environment() -> dict[str, str]:
    """Return the variables of a user's shell, in which `study` and `python` are those of this checkout."""
    kept = {key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "NO_COLOR", "CI")}
    ours = {"PYTHONPATH": str(ROOT / ".ci" / "editable"), "TERM": "xterm-256color"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, **ours, "PATH": path, "COLUMNS": str(COLUMNS), "LINES": str(_LINES)}


def printed_from(output: str, printed: str) -> str:
    """Return the end of an output, from the line on that is the first one of a block but for its numbers.

    Args:
        output: The output.
        printed: The block as it was.

    Raises:
        ValueError: The output has no such line.
    """
    lines, first = output.splitlines(), _without_numbers(printed.splitlines()[0])
    starts = [index for index, line in enumerate(lines) if _without_numbers(line) == first]
    if not starts:
        raise ValueError(f"expected a line as {printed.splitlines()[0]!r} in the output:\n{output}")
    return "\n".join(broken for line in lines[starts[-1] :] for broken in _broken(line)) + "\n"


def _broken(line: str) -> list[str]:
    """Return a sentence as lines of `COLUMNS` characters at most; a row of a table as it is."""
    indent = " " * (len(line) - len(line.lstrip()))
    is_row = re.search(r"\S {2,}\S|[|─│━]", line) is not None
    if is_row or len(line) <= COLUMNS:
        return [line]
    return textwrap.wrap(line, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _without_numbers(line: str) -> str:
    return re.sub(r"[\d.]+", "0", line.strip())


if __name__ == "__main__":
    main()
