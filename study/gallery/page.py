"""An experiment's page, a self-contained HTML file, and the index of all pages."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Sequence

from study.gallery import About, Material, PageContents, Picture
from study.gallery.analysis.verdicts import ClaimVerdict, verdicts_in
from study.gallery.badges import ALL, Badge, badge_of
from study.gallery.run_facts import RunOrigin, run_facts
from study.gallery.summary import PageSummary, left_out_told, summary_of
from study.report.html.templates import fill_template

_MIME = {"svg": "image/svg+xml", "png": "image/png", "gif": "image/gif"}
_NUMBER = re.compile("[+.\u2212-]?\\d.*")
# An end that an interval leaves out, as `span_text` writes it; that of a ratio is 1.
_OPEN_END = re.compile(r"\[above ([01]) to [^]]*\]|\[[^]]* to below ([01])\b[^]]*\]")
# An interval in a finding, with its unit perhaps.
_INTERVAL = re.compile(r"\[[^]]*\d[^]]* to [^]]*\d[^]]*\]")
# Broader pictures keep their size: on a telephone they scroll instead of shrinking until they are illegible.
_BROAD = 720.0


def render(about: About, shown: PageContents, material: Material, *, origin: RunOrigin) -> str:
    """Return an experiment's page as HTML.

    Args:
        about: The experiment's subject.
        shown: The contents of the page.
        material: The data of the page.
        origin: The origin of the page.
    """
    return fill_template(
        "gallery/page.html.j2",
        name=material.name,
        about=about,
        contents=shown,
        summary=summary_of(about, shown, material, origin=origin),
        findings=[finding_parts(finding) for finding in shown.findings],
        pictures=[(picture, _source(picture), _width(picture) > _BROAD) for picture in shown.pictures],
        facts=run_facts(material),
        is_number=is_number,
        origin=origin,
        open_ends=open_ends_told(shown),
    )


def render_index(pages: Sequence[PageSummary], *, made: str, left_out: Sequence[str] = ()) -> str:
    """Return the index of the pages, with the cover of each from its folder.

    Args:
        pages: The pages in short, in their order.
        made: The time when it was made, as text.
        left_out: Names of pages in the folder that have no summary. Default: none.
    """
    return fill_template(
        "gallery/index.html.j2",
        pages=pages,
        counts=verdict_counts(pages),
        overview=[(page, size_text(page), certainty_text(page)) for page in by_verdict(pages)],
        meanings=meanings(pages),
        made=made,
        left_out=left_out_told(left_out) if left_out else "",
    )


def finding_parts(finding: str) -> tuple[Badge | None, str]:
    """Return the badge of a finding that begins with a verdict, and the rest of the finding; None for another.

    Args:
        finding: A finding of a page.
    """
    found = verdicts_in(finding)
    return (badge_of(found[0]) if found and finding.startswith(found[0]) else None), finding


def open_ends_told(shown: PageContents) -> str:
    """Return a sentence that explains intervals with an end `above 0` or `below 0`; empty if no text has one.

    Args:
        shown: The contents of the page.
    """
    cells = (cell for table in shown.tables for row in table.rows for cell in row)
    found = next(filter(None, (_OPEN_END.search(text) for text in (*shown.findings, *cells))), None)
    if found is None:
        return ""
    # The ratio's end is 1, the difference's 0.
    end, side = (found[1], "begins right above") if found[1] else (found[2], "ends right below")
    return (
        f"An interval such as {found[0]} {side} {end} and leaves {end} out: the direction of the difference is shown, "
        "and no least size. Holm's procedure, which keeps the error of all comparisons together at 5 %, gives such "
        "ends."
    )


def verdict_counts(pages: Sequence[PageSummary]) -> list[tuple[Badge, int]]:
    """Return each verdict's badge with the number of pages whose claim, or a part of it, has it.

    Args:
        pages: The pages in short.
    """
    found = Counter(verdict for page in pages for verdict in page.verdicts)
    return [(badge_of(verdict), found[verdict]) for verdict in ClaimVerdict if found[verdict]]


def by_verdict(pages: Sequence[PageSummary]) -> list[PageSummary]:
    """Return pages with a verdict, those of claims that held first; pages of one verdict keep their order.

    Args:
        pages: The pages in short.
    """
    order = list(ClaimVerdict)
    return sorted((page for page in pages if page.verdicts), key=lambda page: order.index(page.verdicts[0]))


def size_text(page: PageSummary) -> str:
    """Return the size of a page's run in a few words: what was smaller, or that it is the published one.

    Args:
        page: The page in short.
    """
    return "; ".join(page.differences) or ("as published" if page.size == "published" else "unknown")


def certainty_text(page: PageSummary) -> str:
    """Return how sure the verdicts of a page are, in a few words.

    A verdict on a path, in which nothing is left to chance, stands in a sentence without an interval.

    Args:
        page: The page in short.
    """
    if set(page.verdicts) == {ClaimVerdict.INCONCLUSIVE}:
        return "none: the run cannot judge it"
    if not _INTERVAL.search(page.finding):
        return "exact: no chance in it"
    is_open = not set(page.verdicts) & {ClaimVerdict.HELD, ClaimVerdict.CONTRADICTED}
    return "open: an interval includes both sides" if is_open else "95 % intervals, all together"


def meanings(pages: Sequence[PageSummary]) -> list[Badge]:
    """Return the badges to explain: all verdicts, and the sizes that occur.

    Args:
        pages: The pages in short.
    """
    used = {badge.kind for page in pages for badge in page.badges}
    verdicts = {verdict.name.lower() for verdict in ClaimVerdict}
    return [badge for badge in ALL if badge.kind in used | verdicts]


def is_number(text: str) -> bool:
    """Return True for a cell with a number, which may have a unit or an interval.

    Args:
        text: The text of the cell.
    """
    return _NUMBER.fullmatch(text) is not None


def _source(picture: Picture) -> str:
    """Return a picture as text for an attribute: a document as it is, another kind as an address with the data."""
    if picture.suffix == "html":
        return picture.data.decode("utf-8")
    return f"data:{_MIME[picture.suffix]};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _width(picture: Picture) -> float:
    """Return the width of an SVG in pixels; 0 for other kinds, which fit the page."""
    found = re.search(rb'<svg[^>]*?\swidth="([\d.]+)pt"', picture.data[:2000]) if picture.suffix == "svg" else None
    return float(found.group(1)) * 96 / 72 if found else 0.0
