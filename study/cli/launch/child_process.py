"""Run a study in this process, or in a fresh one where it needs another Keras backend than this one holds."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.interrupt import two_stage_interrupt
from study.core.trainer_interface import BestTrial
from study.pipeline.preflight import load_config
from study.run import StudyOutcome, run_study
from study.training.backend import loaded_backend


def run_anywhere(config: StudyConfig) -> StudyOutcome:
    """Run a study here if Keras is not loaded or holds the right backend, else in a child process.

    Raises:
        StudyError: The study failed; a child has printed why.
    """
    if loaded_backend() in (None, config.backend):
        return run_study(config)
    with tempfile.TemporaryDirectory() as scratch:
        answer = Path(scratch) / "outcome.json"
        request = {"raw": config.raw, "folder": str(config.folder), "labels": config.labels, "answer": str(answer)}
        status = _wait_for([sys.executable, "-m", "study.cli.launch.child_process"], json.dumps(request))
        if status != 0:
            raise StudyError(f"the child process with trainer.backend={config.backend} ended with {status}")
        outcome = json.loads(answer.read_text())
    best = outcome.pop("best")
    return StudyOutcome(**outcome, best=best and BestTrial(**best))


def _wait_for(command: list[str], request: str) -> int:
    """Run a process to its end, also where Ctrl-C, which reaches it as well, has it end early; return its status."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as child:
        try:
            child.communicate(request)
        except KeyboardInterrupt:
            child.wait()  # subprocess.run would kill it while it writes what has ended
            raise
    return child.returncode


def _main() -> int:
    """Run the study that standard input describes."""
    request = json.load(sys.stdin)
    try:
        with two_stage_interrupt():
            outcome = run_study(
                load_config(request["raw"], folder=Path(request["folder"]), labels=request["labels"]),
            )
    except StudyError as error:
        sys.stderr.write(f"study run: {error}\n")
        return error.exit_status
    except KeyboardInterrupt:  # the process above tells how to go on
        return 1
    Path(request["answer"]).write_text(json.dumps(dataclasses.asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
