"""The command `study`. Each subcommand imports its modules when it is called, so `--help` answers quickly."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from study.cli.paragraphs import write_help, write_paragraphs
from study.cli.working_directory import check_home, import_nothing_from_working_directory, working_directory
from study.core.errors import StudyError, limit_errors
from study.core.garbage import collect_rarely
from study.core.interrupt import Stopped, clean_stop
from study.core.readable_output import open_standard_descriptors, readable_output, show_controls
from study.core.terminal import clear_line

COMMANDS = {
    "run": "search, confirm and record one study, or many with -m",
    "watch": "follow studies that run elsewhere, until nothing runs",
    "list": "show experiments and studies, their progress and best results",
    "reproduce": "train a recorded run again: the same numbers, or likely causes of a difference",
    "export": "write the best configuration as Hydra YAML for `study run best=FILE`, or as a plain Keras script",
    "register": "put the best model of a study into MLflow's model registry, with its results",
    "compare": "write the page that says which optimizer is better, and by how much",
    "plan": "show what certainty still costs: seeds and minutes until a comparison is decided",
    "gallery": "make the pages of the published comparisons that were run",
    "delete": "delete a study in both stores, the search and MLflow",
    "rename": "give a study or an experiment another name in both stores",
    "sync": "deliver the records that wait for an unreachable tracking server",
    "ui": "open MLflow on the right stores",
    "doctor": "show the backends, GPUs, data sets and stores of this machine",
}

# Commands whose whole module is an action.
_MODULES = {name: f"study.cli.actions.{name}" for name in ("delete", "rename")}

# They write nothing that a signal could cut off.
_READERS = ("watch", "list", "plan", "doctor")

_HELP_WORDS = ("-h", "--help")
_HELP = """study: which optimizer, at which settings, is best for this model and this data, and how sure are we?

usage: study COMMAND [ARGUMENTS]      study COMMAND --help shows more

{commands}

examples:
  study run optimizer=adam
  study run -m optimizer=sgd,momentum,adam dataset=fashion_mnist model=mlp
  study list

exit status:
  0  done
  1  stopped, failed, or to be tried again (a store that is away, a full disk, memory that ran out)
  2  something to correct (arguments, a config, a damaged or write-protected file)
"""


def command_line(arguments: Sequence[str] | None = None) -> int:
    """Run a command like `main`, in a process that ends with it.

    Args:
        arguments: The command and its arguments. None (the default): those of this process.
    """
    open_standard_descriptors()
    import_nothing_from_working_directory()
    # A module of the user's may import TensorFlow at any time, and its log fills the screen.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    collect_rarely()
    show_controls()
    status = main(arguments)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # All is written. Ctrl-C now ends the process, without a traceback from where libraries tidy up.
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, signal.SIG_DFL)
    return status


@readable_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    0: done. 1: stopped by Ctrl-C, or to be tried again. 2: to be corrected. 143, 129: stopped by SIGTERM, SIGHUP.

    Args:
        arguments: The command and its arguments. None (the default): those of this process.
    """
    # Not list(...): once `study list` is imported, that name is this package's module.
    command, *rest = [*(sys.argv[1:] if arguments is None else arguments)] or ["--help"]
    # Keeps MLflow from sending usage data to its developers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if command == "-sc":  # the shell asks for completion without naming a subcommand
        command = "complete"
    elif command not in (*COMMANDS, *_HELP_WORDS):
        write_paragraphs([_unknown(command)], stream=sys.stderr, hanging="  ")
        return 2
    try:
        if command not in _HELP_WORDS:
            working_directory()
            check_home()
        with clean_stop(writes=command not in _READERS), limit_errors("this command"):
            if command in _HELP_WORDS:
                return _help()
            return int(importlib.import_module(_MODULES.get(command, f"study.cli.{command}")).main(rest))
    except StudyError as error:
        write_paragraphs([f"study {command}: {error}"], stream=sys.stderr, hanging="  ")
        return error.exit_status
    except KeyboardInterrupt as stop:
        goes_on = " Run the same command again to continue." if command == "run" else ""
        with contextlib.suppress(OSError):  # the terminal was closed
            clear_line()
            sys.stderr.write(f"study {command}: stopped.{goes_on}\n")
        return stop.exit_status if isinstance(stop, Stopped) else 1
    except BrokenPipeError:  # the reader has closed our output, as in `study list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _unknown(command: str) -> str:
    near = difflib.get_close_matches(command, COMMANDS, n=1, cutoff=0.5)
    advice = f"Did you mean {near[0]}?" if near else "See study --help."
    return f"study: COMMAND={command!r}: expected one of {', '.join(COMMANDS)}. {advice}"


def _help() -> int:
    lines = "\n".join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())
    write_help(_HELP.format(commands=lines), stream=sys.stdout)
    return 0
