"""Run the examples of pages in one process, each page in a folder of its own, and write the results to a JSON file.

An HTML comment before a fenced block says what the block is:

    <!-- file: NAME -->  the content of a file
    <!-- run -->         commands, `study ...` or `python FILE`; each must end with status 0
    <!-- prints -->      lines that the commands before it print, with `...` for any text
    <!-- python -->      a doctest; the examples of a page share their names

    python run_examples.py OUTPUT PAGE ...
"""

from __future__ import annotations

import contextlib
import doctest
import json
import os
import re
import runpy
import shlex
import sys
import tempfile
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from study.core.garbage import collect_rarely

# Records that take time and that no example shows.
QUICK = ("tracking.system_metrics=false", "tracking.log_model=false")
_BLOCK = re.compile(r"^<!-- (file|run|prints|python)(?:: (\S+))? -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Block:
    """A marked block of a page: its kind, the file that it names, and its text."""

    kind: str
    file: str
    text: str


def blocks(page):
    """Return the marked blocks of a page, in their order."""
    return [Block(kind=kind, file=file, text=text) for kind, file, text in _BLOCK.findall(page)]


def run_page(page):
    """Write the files of a page, run its blocks, and yield the kind, the status and the output of each."""
    names = {}
    for block in blocks(page):
        if block.kind == "file":
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "run":
            status, output = _captured(partial(_run_all, block.text))
            yield {"kind": "run", "status": status, "output": output}
        elif block.kind == "python":
            status, output = _captured(partial(_run_doctest, block.text, names))
            yield {"kind": "python", "status": status, "output": output}


def _run_all(commands):
    """Run commands, one a line, and return the status of the first that fails, or 0."""
    return next(filter(None, map(_run, commands.splitlines())), 0)


def _run(command):
    """Run a command in this process and return its status."""
    program, *arguments = shlex.split(command)
    if program == "study":
        from study.cli import main

        return main([*arguments, *QUICK] if arguments[0] == "run" else arguments)
    if program == "python":
        runpy.run_path(arguments[0], run_name="__main__")
        return 0
    raise ValueError(f"{command}: expected study or python")


def _run_doctest(text, names):
    """Run a doctest, which adds to the names, and return how many of its examples failed."""
    test = doctest.DocTestParser().get_doctest(text, names, "example", None, None)
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, clear_globs=False)
    names.update(test.globs)
    return failed


def _captured(run):
    """Call a function; return its status and what was written to the file descriptors 1 and 2."""
    with tempfile.TemporaryFile() as file:
        with _redirected(file.fileno()):
            try:
                status = run()
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else int(error.code is not None)
            except BaseException:
                traceback.print_exc()
                status = 1
        file.seek(0)
        return status, file.read().decode()


@contextlib.contextmanager
def _redirected(target):
    kept = [os.dup(1), os.dup(2)]
    for stream in (1, 2):
        os.dup2(target, stream)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)


if __name__ == "__main__":
    collect_rarely()
    output, *pages = map(Path, sys.argv[1:])
    results = {}
    for page in pages:
        folder = output.parent / page.stem
        folder.mkdir()
        os.chdir(folder)
        sys.path[0] = str(folder)  # as `python FILE` has it there
        results[page.name] = list(run_page(page.read_text(encoding="utf-8")))
    output.write_text(json.dumps(results), encoding="utf-8")
