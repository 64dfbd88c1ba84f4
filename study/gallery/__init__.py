"""The gallery: published comparisons, each with a page that shows what came out of it here.

An experiment's module, `study/gallery/experiments/<name>.py`, holds `ABOUT`, an `About`, and
`show(material) -> PageContents`. It computes every number and every sentence of its page from the material; no result
is written into it. Where two studies are not enough for a page, `SMALLEST` holds the overrides of a sweep that is, for
the tests.
"""

from __future__ import annotations

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
    """The subject of an experiment, before anything was run.

    Attributes:
        title: The page's title.
        question: What is asked.
        source: Who published the comparison, and where.
        claim: What was claimed there.
        traps: What misled there, or easily misleads, a sentence or two each.
    """

    title: str
    question: str
    source: str
    claim: str
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """Everything a page is made from.

    Attributes:
        name: The experiment's name.
        experiment: Its entries, studies and records.
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
        name: The stem of its file.
        caption: What it shows, a sentence or more.
        data: The file's bytes.
        suffix: What kind of file it is; `html` is a document of its own, with its scripts inside.
    """

    name: str
    caption: str
    data: bytes
    suffix: Suffix


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the page.

    Attributes:
        caption: What it shows.
        header: The columns' names.
        rows: The cells as text, one a column; the first cell names its row.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class PageContents:
    """The contents of an experiment's page.

    Attributes:
        pictures: In their order on the page.
        tables: In their order on the page.
        findings: Sentences computed from the numbers that were seen, whether the claim held among them.
    """

    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    findings: tuple[str, ...]
