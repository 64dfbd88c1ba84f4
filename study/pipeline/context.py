"""The parts of one running study, which its phases share."""

from __future__ import annotations

from dataclasses import dataclass

from study.config.schema import StudyConfig
from study.core.trainer_interface import Trainer
from study.datasets import Dataset
from study.pipeline.live_view import View
from study.search.ask_tell import Search
from study.tracking.event_files import EventFiles
from study.tracking.study_tracker import StudyTracker


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """The parts of one running study.

    Attributes:
        config: The study's config.
        dataset: The study's data set.
        search: The search, which proposes trials and records their ends.
        tracker: Records runs in MLflow.
        trainer: Trains trials.
        view: Shows progress on the terminal.
        events: Writes event files for TensorBoard. Default: none.
    """

    config: StudyConfig
    dataset: Dataset
    search: Search
    tracker: StudyTracker
    trainer: Trainer
    view: View
    events: EventFiles | None = None
