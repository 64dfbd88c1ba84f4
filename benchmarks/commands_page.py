"""Write docs/commands.md, the reference of the commands, from their parsers.

python -m benchmarks.commands_page [PAGE]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from study.cli import _MODULES, COMMANDS
from study.core.wrapped_text import folded_help

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "commands.md"
CONF = ROOT / "conf"
_HEAD = """# Commands

`study COMMAND --help` shows the same in a terminal. `make reference` writes this page from the commands themselves.

| command | purpose |
|---|---|
{rows}

- Stores are in `mlruns/` of the folder where a command is started, unless `--folder` or `--tracking-uri` says
  otherwise.
- The exit status is 0 when all is done; 1 when it stopped, failed, or can be tried again; 2 when something is to be
  corrected first. [Guarantees](guarantees.md#exit-status) has all of them.
- `eval "$(study -sc install=bash)"` completes commands, groups and keys."""
# The options that most commands share, described once.
_SHARED = ("help", "folder", "tracking_uri", "optuna_url")
# Letters that fit a line of the site beside both of its lists.
_WIDTH = 76
_RUN_TAIL = "[Config keys](configs/README.md) has all groups, their choices and their keys."


class _Found(BaseException):
    """Carries a parser out of the command that made it."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=PAGE, metavar="PAGE", help=f"default: {PAGE.name}")
    parser.parse_args().page.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page as Markdown."""
    rows = "\n".join(f"| [`study {name}`](#study-{name}) | {purpose} |" for name, purpose in COMMANDS.items())
    parsers = {name: parser_of(name) for name in COMMANDS}
    blocks = [_HEAD.format(rows=rows)]
    for name, purpose in COMMANDS.items():
        blocks.append(f"## study {name}")
        parser = parsers[name]
        blocks += [_help_of(name), _RUN_TAIL] if parser is None else _described(parser, purpose)
    blocks += ["## Options of most commands", *_options(_shared(filter(None, parsers.values())))]
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def parser_of(command: str) -> argparse.ArgumentParser | None:
    """Return the parser that a command makes; None if it has none.

    Args:
        command: Name of the command.
    """

    def found(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _Found(parser)

    module = importlib.import_module(_MODULES.get(command, f"study.cli.{command}"))
    names = ("parse_args", "parse_intermixed_args", "parse_known_args", "parse_known_intermixed_args")
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(argparse.ArgumentParser, name, found))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        try:
            module.main(["--help"])
        except _Found as carried:
            return carried.parser
    return None


def _help_of(command: str) -> str:
    """Return the help of a command without a parser as a block of code, as it is in an empty folder."""
    written = io.StringIO()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(written):
        os.chdir(folder)
        try:
            importlib.import_module(f"study.cli.{command}").main(["--help"])
        finally:
            os.chdir(before)
    # The groups have pages with all their keys.
    groups = "|".join(sorted(path.name for path in CONF.iterdir() if path.is_dir()))
    text = re.sub(rf"^  (?:{groups}) +\w.*\n", "", written.getvalue().strip(), flags=re.MULTILINE)
    text = re.sub(r"\n{3,}", "\n\n", text.replace("(below)", "(see the config keys)"))
    return f"```text\n{folded_help(text, width=_WIDTH)}\n```"


def _described(parser: argparse.ArgumentParser, purpose: str) -> list[str]:
    """Return usage, description and tables of a parser."""
    actions = [action for action in parser._actions if action.dest not in _SHARED]
    positionals = [action for action in actions if not action.option_strings]
    options = [action for action in actions if action.option_strings]
    shared = [action.option_strings[-1] for action in parser._actions if action.dest in _SHARED[1:]]
    words = [parser.prog, *(["[OPTION ...]"] if options or shared else []), *map(_usage, positionals)]
    texts = [parser.description or f"{purpose[0].upper()}{purpose[1:]}."]
    blocks = [f"```text\n{' '.join(words)}\n```", *texts]
    if positionals:
        blocks.append(_table("argument", [(f"`{_usage(action)}`", _help(action)) for action in positionals]))
    if options:
        blocks += _options(options)
    if shared:
        named = ", ".join(f"`{name}`" for name in shared)
        blocks.append(f"Also {named}: [options of most commands](#options-of-most-commands).")
    return [*blocks, parser.epilog or ""]


def _shared(parsers: Iterator[argparse.ArgumentParser]) -> list[argparse.Action]:
    """Return the shared options, each from the first command that has it."""
    found: dict[str, argparse.Action] = {}
    for parser in parsers:
        for action in parser._actions:
            if action.dest in _SHARED:
                found.setdefault(action.dest, action)
    return [found[name] for name in _SHARED if name in found]


def _usage(action: argparse.Action) -> str:
    """Return a positional argument as usage lines write it."""
    name = str(action.metavar or action.dest.upper())
    return {"+": f"{name} [{name} ...]", "*": f"[{name} ...]", "?": f"[{name}]"}.get(str(action.nargs), name)


def _help(action: argparse.Action) -> str:
    """Return the help of an argument as argparse shows it."""
    return (action.help or "") % vars(action)


def _options(actions: Sequence[argparse.Action]) -> list[str]:
    rows = []
    for action in actions:
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        rows.append((", ".join(f"`{name}{value}`" for name in action.option_strings), _help(action)))
    return [_table("option", rows)]


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = [
        f"| {name} | {text} |"
        for name, text in ((name.replace("|", r"\|"), text.replace("|", r"\|")) for name, text in rows)
    ]
    return "\n".join([f"| {title} | meaning |", "|---|---|", *cells])


if __name__ == "__main__":
    sys.exit(main())
