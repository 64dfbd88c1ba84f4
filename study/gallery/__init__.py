"""The gallery: published comparisons, each with a page that shows its results here.

An experiment's module, `study/gallery/experiments/<name>.py`, has `ABOUT`, an `About`, and
`show(material) -> PageContents`. It computes every number and every sentence of its page from the material; no result
is written in the module. If a page needs more than two studies, `SMALLEST` has the overrides of the smallest sweep for
the page; tests use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from study.core.records import RunRecord
from study.report.studies import ComparedExperiment

Suffix = Literal["svg", "png", "gif", "html"]


@dataclass(frozen=True, kw_only=True)
class About:
    """The subject of an experiment, known before it runs.

    Attributes:
        title: The page's title.
        question: The question that the page answers.
        source: Authors and place of the published comparison.
        claim: The claim of the source.
        traps: Points of the source that misled or easily mislead, one or two sentences each. Default: none.
    """

    title: str
    question: str
    source: str
    claim: str
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """The data of a page.

    Attributes:
        name: Name of the experiment.
        experiment: The experiment's entries, studies and records.
        configs: The resolved config of each study, by the study's name.
        history: Returns the values of a metric of a run, in the order of the steps, shape (n_logged,).
    """

    name: str
    experiment: ComparedExperiment
    configs: Mapping[str, Mapping[str, Any]]
    history: Callable[[RunRecord, str], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of the page.

    Attributes:
        name: Name of the file, without the suffix.
        caption: The caption, one or more sentences on the picture's content.
        data: Content of the file.
        suffix: Suffix of the file; `html` is a complete document with its scripts.
    """

    name: str
    caption: str
    data: bytes
    suffix: Suffix

    @property
    def file(self) -> str:
        """Name of the file, without characters that have a meaning in a path or an address."""
        return f"{re.sub('[^A-Za-z0-9_.-]+', '-', self.name).lstrip('.')}.{self.suffix}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the page.

    Attributes:
        caption: The caption.
        header: Names of the columns.
        rows: The rows, each with a text for each column; the first text names the row.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class PageContents:
    """The contents of an experiment's page.

    Attributes:
        pictures: The pictures, in their order on the page.
        tables: The tables, in their order on the page.
        findings: Sentences computed from the results; the first one begins with the verdict on the claim.
        headline: The result in a short sentence, for the index and the top of the page; computed, too. Default: the
            empty text, no headline.
    """

    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    findings: tuple[str, ...]
    headline: str = ""
