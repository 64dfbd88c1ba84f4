"""The command `study`. What a subcommand needs is imported when it is called, so that `--help` answers at once."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Sequence

from study.core.errors import StudyError
from study.core.interrupt import two_stage_interrupt

COMMANDS = {
    "run": "search, confirm and record one study, or many with -m",
    "list": "the experiments and studies in the stores, their progress and best so far",
    "reproduce": "a recorded run again: the same numbers, or why not",
    "export": "the best configuration as Hydra YAML, ready for `study run best=FILE`",
    "compare": "which optimizer is better, and by how much: the side-by-side page",
    "gallery": "the pages of the published comparisons that were run",
    "sync": "deliver what waits for a tracking server that was away",
    "ui": "open MLflow on the right stores",
    "doctor": "what this machine has: backends, GPUs, data sets, stores",
}

_HELP = """study: which optimizer, at which settings, is best for this model and this data, and how sure are we?

usage: study COMMAND [ARGUMENTS]      study COMMAND --help tells more

{commands}

examples:
  study run optimizer=adam
  study run -m optimizer=sgd,momentum,adam dataset=fashion_mnist model=mlp
  study list
"""


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run a command as `main` does, in a process that ends with it.

    What is imported and compiled here lives as long as the process: to look through it for garbage again and again,
    and once more at the end, took three seconds of a study of twelve.
    """
    gc.set_threshold(100_000)
    try:
        return main(arguments)
    finally:
        gc.freeze()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 stopped or failed, 2 something to be corrected.

    Args:
        arguments: The command and its arguments; None: those of this process.
    """
    # Not list(...): once `study list` is imported, that name is this package's module.
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    if not words or words[0] in ("-h", "--help"):
        lines = "\n".join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())
        sys.stdout.write(_HELP.format(commands=lines))
        return 0
    command, *rest = words
    # Without this MLflow reports its use to its makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if command == "-sc":  # the shell asks for completion without naming a subcommand
        command, rest = "complete", rest
    elif command not in COMMANDS:
        sys.stderr.write(f"study: no command {command!r}; there are {', '.join(COMMANDS)}. See study --help.\n")
        return 2
    try:
        with two_stage_interrupt():
            return int(importlib.import_module(f"study.cli.{command}").main(rest))
    except StudyError as error:
        sys.stderr.write(f"study {command}: {error}\n")
        return error.exit_status
    except KeyboardInterrupt:
        goes_on = " The same command goes on from here." if command == "run" else ""
        sys.stderr.write(f"\nstudy {command}: stopped.{goes_on}\n")
        return 1
    except BrokenPipeError:  # the reader of our output has gone, as in `study list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
