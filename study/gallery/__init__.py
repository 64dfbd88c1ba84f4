"""The gallery: published comparisons, each with a page that shows its results here.

An experiment's module, `study/gallery/experiments/<name>.py`, holds `ABOUT`, an `About`, and
`show(material) -> PageContents`. It computes every number and every sentence of its page from the material; no result
is written into it. If a page needs more than two studies, `SMALLEST` holds the overrides of the smallest sweep for
it; tests use them.
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
    """Subject of an experiment, known before it runs.

    Attributes:
        title: The page's title.
        question: The question.
        source: Authors and place of the published comparison.
        claim: The claim of the source.
        traps: Points that misled there or easily mislead, a sentence or two each; default: none.
    """

    title: str
    question: str
    source: str
    claim: str
    traps: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Material:
    """Data that a page is made from.

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
        caption: Its content, in a sentence or more.
        data: The file's bytes.
        suffix: The kind of file; `html` is a complete document with its scripts.
    """

    name: str
    caption: str
    data: bytes
    suffix: Suffix


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the page.

    Attributes:
        caption: Its content.
        header: The columns' names.
        rows: The cells as text, one for each column; the first cell is the name of the row.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class PageContents:
    """Contents of an experiment's page.

    Attributes:
        pictures: In their order on the page.
        tables: In their order on the page.
        findings: Sentences computed from the results; one of them says whether the claim holds.
    """

    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    findings: tuple[str, ...]
