"""The start of a child process that runs a study, which says what it loads before it loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from study.config.schema import StudyConfig
from study.core.status_line import status_line

if TYPE_CHECKING:
    from study.run import StudyOutcome


def read_and_run(config: StudyConfig, events: int | None = None) -> StudyOutcome:
    """Run a study in a child process, which reads its config again.

    Args:
        config: The study's config, from the calling process.
        events: Descriptor to which the study's progress goes, for a notebook. None (the default): it goes to standard
            error.
    """
    with status_line(f"study run: starting a process for trainer.backend={config.backend}"):
        from study.cli.launch.child_process import ready, run_ready

        config = ready(config)
    return run_ready(config, events)
