"""`study -sc ...`: the completion of command lines in a shell."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys

from study.cli import COMMANDS
from study.cli.run import main as run

_WORD = re.compile(r"\S+")
# Bash expands the words that it gets, and would run a `$(command)` in the name of a file.
_PLAIN = re.compile(r"[\w.,:=/+@%^\[\]-]+")


def main(arguments: list[str]) -> int:
    """Install completion, or answer the shell: with the subcommands first, and after `run` with Hydra's completions.

    Hydra's scripts call the program itself with `-sc query=SHELL` and the line in COMP_LINE. Names of files with signs
    that a shell reads, such as `$` or `;`, are left out.

    Args:
        arguments: The words after `study -sc`.

    Returns:
        The exit status.
    """
    if not any(word.startswith("query=") for word in arguments):
        return run(["-sc", *arguments])
    program, _, rest = os.environ.get("COMP_LINE", "").partition(" ")
    command, space, line = rest.lstrip().partition(" ")
    if not space:
        sys.stdout.write(" ".join(name for name in COMMANDS if name.startswith(command)) + "\n")
        return 0
    if command != "run":
        return 0
    os.environ["COMP_LINE"] = f"{program} {line}"
    with contextlib.redirect_stdout(io.StringIO()) as answer:
        status = run(["-sc", *arguments])
    sys.stdout.write(_WORD.sub(lambda word: word[0] if _PLAIN.fullmatch(word[0]) else "", answer.getvalue()))
    return status
