"""Run a study in this process, or in a fresh one if it needs another Keras backend or device."""

from __future__ import annotations

import contextlib
import os

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.interactive import in_kernel
from study.core.interrupt import grace, told_through
from study.core.log_capture import captured_unseen
from study.core.subprocess_call import ProcessDiedError, call_in_subprocess
from study.core.terminal import terminal_of_errors
from study.datasets import Dataset
from study.pipeline.kept_parts import KeptParts
from study.pipeline.notebook_view import sent_through, show_events
from study.pipeline.preflight import read_again
from study.run import StudyOutcome, run_study
from study.training.backend import loaded_backend
from study.training.devices import asked_device, try_select_device


def run_anywhere(
    config: StudyConfig, *, dataset: Dataset | None = None, kept: KeptParts | None = None
) -> StudyOutcome:
    """Run a study here if Keras is not loaded or has the right backend and device, otherwise in a child process.

    Args:
        config: The study's config.
        dataset: The study's data set. None (the default): it is loaded.
        kept: Parts of earlier studies of this process. None (the default): all parts are made anew.

    Raises:
        StudyError: The study failed, or its process ended without an answer.
    """
    loaded = loaded_backend()
    with captured_unseen():  # TensorFlow logs when it looks for devices
        fits = loaded is None or (loaded == config.backend and try_select_device(loaded, asked_device(config)))
    if fits:
        return run_study(config, dataset=dataset, kept=kept)
    try:
        with grace(config.shutdown_grace_s):
            return _run_in_child(config)
    except ProcessDiedError as died:
        raise StudyError(f"the child process with trainer.backend={config.backend} ended with {died.status}") from died


def _run_in_child(config: StudyConfig) -> StudyOutcome:
    """Run a study in a child process; in a notebook, show its progress as if it ran here."""
    function = "study.cli.launch.child_start:read_and_run"
    if config.live is False or not in_kernel():
        draws = config.live is not False and terminal_of_errors() is not None
        # A child that draws says itself that it stops: what this process wrote would stay between its lines.
        with told_through(_ignore) if draws else contextlib.nullcontext():
            outcome: StudyOutcome = call_in_subprocess(function, config)
        return outcome
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as events, os.fdopen(writer, "wb", buffering=0) as theirs:

        def show() -> None:
            theirs.close()  # so that the events end with the child
            show_events(events)

        fd = theirs.fileno()
        outcome = call_in_subprocess(function, config, fd, pass_fds=[fd], meanwhile=show)
        return outcome


def ready(config: StudyConfig) -> StudyConfig:
    """Read and check a config of another process once more, in the child process that trains.

    The calling process checked arguments with its own backend; this process checks them with the one that trains.
    Reading takes less than a millisecond once Keras is imported, which must be before the study's time starts.

    Args:
        config: The study's config, from the calling process.
    """
    with captured_unseen():  # TensorFlow logs while it is imported
        return read_again(config)


def run_ready(config: StudyConfig, events: int | None) -> StudyOutcome:
    """Run a study in the child process.

    Args:
        config: The study's config, as `ready` has returned it.
        events: Descriptor to which the study's progress goes, for a notebook. None: it goes to standard error.
    """
    with contextlib.nullcontext() if events is None else sent_through(events):
        return run_study(config)


def _ignore(_: str) -> None:
    """Ignore a text."""
