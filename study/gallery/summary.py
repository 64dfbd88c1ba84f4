"""The short form of a page: what the index shows of it. It lies beside the page, so that one run renews one page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from study.core.errors import StudyError
from study.gallery import About, Material, PageContents, Picture
from study.gallery.analysis.verdicts import ClaimVerdict, verdicts_in
from study.gallery.badges import Badge, badges_of
from study.gallery.run_facts import RunOrigin, Size, size_of

FILE = "summary.json"
_FILE_NAME = re.compile("[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class PageSummary:
    """A page in short.

    Attributes:
        name: Name of the experiment.
        title: The page's title.
        question: The question that the page answers.
        claim: The claim of the source.
        verdicts: Verdicts on the parts of the claim, from the first finding; empty if it has none.
        headline: The result in a short sentence; empty without one.
        finding: The first finding, with the interval that decides; empty without one.
        size: The size of the run beside the published one.
        differences: The differences from the published size, as texts.
        cover: File of the picture that stands for the page, in the page's folder; empty without one.
        cover_caption: The caption of this picture.
        files: All files in the page's folder.
    """

    name: str
    title: str
    question: str
    claim: str
    verdicts: tuple[ClaimVerdict, ...]
    headline: str
    finding: str
    size: Size
    differences: tuple[str, ...]
    cover: str
    cover_caption: str
    files: tuple[str, ...]

    @property
    def badges(self) -> tuple[Badge, ...]:
        """The badges of the page."""
        return badges_of(self.verdicts, self.size)


def summary_of(about: About, shown: PageContents, material: Material, *, origin: RunOrigin) -> PageSummary:
    """Return a page in short.

    Args:
        about: The experiment's subject.
        shown: The contents of the page.
        material: The data of the page.
        origin: The origin of the page.
    """
    size, differences = size_of(material, origin)
    finding = shown.findings[0] if shown.findings else ""
    picture = cover(shown)
    return PageSummary(
        name=material.name,
        title=about.title,
        question=about.question,
        claim=about.claim,
        verdicts=verdicts_in(finding),
        headline=shown.headline,
        finding=finding,
        size=size,
        differences=differences,
        cover=picture.file if picture else "",
        cover_caption=picture.caption if picture else "",
        files=("README.md", FILE, *(picture.file for picture in shown.pictures)),
    )


def cover(shown: PageContents) -> Picture | None:
    """Return the picture that stands for a page; None for a page without one.

    Args:
        shown: The contents of the page.
    """
    return next((picture for picture in shown.pictures if picture.suffix != "html"), None)


def to_json(summary: PageSummary) -> str:
    """Return a summary as JSON.

    Args:
        summary: The summary.
    """
    return json.dumps(asdict(summary) | {"verdicts": [each.name for each in summary.verdicts]}, indent=2) + "\n"


def read_summary(folder: Path) -> PageSummary | None:
    """Return the summary of the page in a folder; None if the folder has no page.

    Args:
        folder: The page's folder.

    Raises:
        StudyError: The file cannot be read, or is not one of this program.
    """
    path = folder / FILE
    try:
        given = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    try:
        return _checked(given, folder)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def left_out_told(names: Sequence[str]) -> str:
    """Say that an index leaves pages out, and how to have them in it.

    Args:
        names: Names of the pages, at least one.
    """
    counted = "1 page of this folder is" if len(names) == 1 else f"{len(names)} pages of this folder are"
    return (
        f"{counted} not shown here, without a {FILE} (made by an earlier version): {', '.join(names)}. "
        f"To have {'it' if len(names) == 1 else 'them'} here, run: study gallery {' '.join(names)}"
    )


def cover_height(folder: Path, page: PageSummary) -> float:
    """Return the height of a page's cover as a part of its width; 0 where it is no SVG with a size.

    Args:
        folder: The page's folder.
        page: The page in short.
    """
    try:
        start = (folder / page.cover).read_text("utf-8", errors="replace")[:2000] if page.cover else ""
    except OSError:
        return 0.0
    found = [re.search(rf'<svg[^>]*?\s{side}="([\d.]+)', start) for side in ("height", "width")]
    height, width = (float(each[1]) if each else 0.0 for each in found)
    return height / width if width else 0.0


def _checked(given: Mapping[str, Any], folder: Path) -> PageSummary:
    """Return the content of a file as a summary.

    Raises:
        KeyError: A key is missing, or a verdict is unknown.
        TypeError: A value has another type.
        ValueError: The size, the page's name or a file's name is not allowed.
    """
    values: dict[str, Any] = {}
    for field in fields(PageSummary):
        value = given[field.name]
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            value = tuple(value)
        elif not isinstance(value, str):
            raise TypeError(f"{field.name}={value!r}")
        if isinstance(value, tuple) != (field.name in ("verdicts", "differences", "files")):
            raise TypeError(f"{field.name}={value!r}")
        values[field.name] = value
    values["verdicts"] = tuple(ClaimVerdict[each] for each in values["verdicts"])
    if values["size"] not in get_args(Size):
        raise ValueError(f"size={values['size']!r}")
    for name in (*values["files"], *filter(None, [values["cover"]])):
        if not _FILE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a file in the page's folder")
    if values["name"] != folder.name:
        raise ValueError(f"name={values['name']!r} in the folder {folder.name}")
    return PageSummary(**values)


def _unreadable(path: Path, reason: str) -> StudyError:
    return StudyError(
        f"{path}: expected the summary of a page, as `study gallery` writes it ({reason}). Delete the file, then make "
        f"the page again: study gallery {path.parent.name}"
    )
