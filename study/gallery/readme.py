"""An experiment's page and the index as Markdown, which a code host renders; the documentation site, too."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import dedent
from types import MappingProxyType

from study.core.readable_output import shown as readable_text
from study.gallery import About, Material, PageContents, Picture, Table
from study.gallery.badges import Badge, badge_of
from study.gallery.page import (
    by_verdict,
    certainty_text,
    is_number,
    meanings,
    open_ends_told,
    size_text,
    verdict_counts,
)
from study.gallery.run_facts import RunOrigin, run_facts
from study.gallery.summary import PageSummary, left_out_told, summary_of

# The height of a cover as a part of its width, above which the index shows it narrower.
_TALL = 0.6
# Longer tables are folded.
_MOST_ROWS = 20
# Characters that begin an emphasis, a link, a formula, a cell or an element. A reference shows them as they are.
_SPECIAL = str.maketrans({character: f"&#{ord(character)};" for character in "*`|$~\\"})
# The beginning of a list, a heading, the line below one, or a definition.
_OPENING = re.compile(r"^(?:[-+](?=\s|$)|[-=]{2,}$|[#:]|\d+(?=[.)](?:\s|$)))")
_INTRO = """
    Each claim was published. Each was tried here by one command: the published settings beside tuned ones where the
    claim is about rates, fresh seeds, corrected intervals. The verdict is on the claim as it was run here. Its page
    has the numbers that decide, all pictures and the traps.
    """
_OVERVIEW_NOTE = (
    "*Two badges: the parts of a claim differ; the page says which part has which. Exact: nothing is left to chance, "
    "so every run gives the same values. 95 % intervals: all comparisons that a claim needs hold together with that "
    "probability, if scores are roughly normal. A claim about the published rates is judged at these; its page says "
    "what tuning changes. A smaller run says nothing about the published size.*"
)
_MAKE = """
    `make gallery` runs all of them at a size for two cores, `make gallery-full` at the published sizes; both write
    this folder. One alone: `study run -m experiment=NAME`, then `study gallery NAME`. `study gallery` also writes each
    page as one HTML file that needs nothing else, with `gallery.html` over all of them.
    """


def render_readme(about: About, shown: PageContents, material: Material, *, origin: RunOrigin) -> str:
    """Return an experiment's page as Markdown. Its pictures are files beside it, and badges are in the folder above.

    Args:
        about: The experiment's subject.
        shown: The contents of the page.
        material: The data of the page.
        origin: The origin of the page.
    """
    summary = summary_of(about, shown, material, origin=origin)
    lines = [
        f"# {as_markdown(about.title)}",
        _badge_line(summary.badges, up="../"),
        *([f"**{as_markdown(shown.headline)}**"] if shown.headline else []),
        f"*Question.* {as_markdown(about.question)}",
        f"*Claim.* {as_markdown(about.claim)}",
        f"*Source.* {as_markdown(about.source)}",
        *([_reduced(summary)] if summary.differences else []),
        "## Result",
        *map(as_markdown, shown.findings[:1]),
        *(text for picture in shown.pictures[:1] for text in _picture(picture)),
        _listed(shown.findings[1:]),
        *([f"<em>{as_markdown(told)}</em>"] if (told := open_ends_told(shown)) else []),
        *(text for picture in shown.pictures[1:] for text in _picture(picture)),
        *(text for table in shown.tables for text in _table(table)),
        *(["## Traps", _listed(about.traps)] if about.traps else []),
        "## How it was run",
        _fenced(origin.command),
        _facts(material),
        "[All comparisons](../README.md)",
    ]
    return readable_text("\n\n".join(filter(None, lines)) + "\n")


def render_index_readme(
    pages: Sequence[PageSummary],
    *,
    heights: Mapping[str, float] = MappingProxyType({}),
    left_out: Sequence[str] = (),
    rules: str = "",
) -> str:
    """Return the index as Markdown: a card for each page, with its cover, badges, headline and claim.

    Args:
        pages: The pages in short, in their order.
        heights: Heights of covers as parts of their widths, by the page's name. Default: none is known.
        left_out: Names of pages in the folder that have no summary. Default: none.
        rules: Address of the page with the rules. Default: empty, no link.
    """
    counts = verdict_counts(pages)
    counted = ", ".join(f"{number} {badge.label.lower()}" for badge, number in counts)
    n_verdicts = sum(number for _, number in counts)
    explained = [f"- {_badge_line([badge])} {as_markdown(badge.meaning)}" for badge in meanings(pages)]
    lines = [
        "# Published comparisons of optimizers",
        _paragraph(_INTRO),
        *([f"**{n_verdicts} verdicts on {len(pages)} comparisons: {counted}.**"] if counted else []),
        *([_overview(pages), _OVERVIEW_NOTE] if counted else []),
        *(["## Every comparison", _cards(pages, heights)] if pages else []),
        *([as_markdown(left_out_told(left_out))] if left_out else []),
        "## Badges",
        "\n".join(explained),
        f"Code chooses the word, never a person: {f'[the rules]({rules})' if rules else '`docs/gallery_rules.md`'}.",
        "## Make these pages",
        _paragraph(_MAKE),
    ]
    return readable_text("\n\n".join(lines) + "\n")


def as_markdown(text: str) -> str:
    """Return a plain text as Markdown that shows exactly this text, on one line.

    Args:
        text: The text; it may hold any characters.
    """
    plain = html.escape(" ".join(text.split()), quote=False).translate(_SPECIAL)
    # An underscore inside a word, as in `adam_then_sgd`, is no emphasis.
    plain = re.sub(r"(?<!\w)_|_(?!\w)", "&#95;", plain)
    plain = re.sub(r"\](?=[(\[:])", "&#93;", plain)
    return _OPENING.sub(lambda found: _reference(found[0]), plain)


def _bracketed(text: str) -> str:
    """Return a plain text as Markdown for the inside of brackets, which it neither opens nor closes."""
    return as_markdown(text).replace("[", "&#91;").replace("]", "&#93;")


def _reference(text: str) -> str:
    """Return the characters as references, which Markdown does not read."""
    return "".join(f"&#{ord(character)};" for character in text)


def _badge_line(badges: Iterable[Badge], *, up: str = "") -> str:
    return " ".join(f"![{badge.label}]({up}{badge.file})" for badge in badges)


def _overview(pages: Sequence[PageSummary]) -> str:
    """Return a list of all claims, those that held first, each with its certainty and the size of its run.

    A table would be too narrow on a telephone, and its cells make badges of longer words smaller.
    """
    rows = [
        f"- {_badge_line(badge_of(verdict) for verdict in page.verdicts)} **[{_bracketed(page.title)}]"
        f"({page.name}/README.md)**<br>{as_markdown(page.claim)}<br>*Certainty.* {as_markdown(certainty_text(page))}. "
        f"*Size.* {as_markdown(size_text(page))}."
        for page in by_verdict(pages)
    ]
    return "\n".join(rows)


def _cards(pages: Sequence[PageSummary], heights: Mapping[str, float]) -> str:
    """Return the pages as cards, two in a row of a table: a code host has no other way to set them side by side.

    Blank lines let a code host read the cells as Markdown; the attribute lets the documentation site do so.
    """
    cards = [*(_card(page, heights.get(page.name, 0.0)) for page in pages), *[""] * (len(pages) % 2)]
    cells = [f'<td markdown="block" width="50%" valign="top">\n\n{card}\n\n</td>' for card in cards]
    rows = ["\n".join(['<tr markdown="1">', *pair, "</tr>"]) for pair in zip(cells[::2], cells[1::2], strict=True)]
    return "\n".join(['<table markdown="1">', *rows, "</table>"])


def _card(page: PageSummary, height: float) -> str:
    link = f"{page.name}/README.md"
    parts = [
        f"[{_cover(page, height)}]({link})" if page.cover else "",
        f"**[{_bracketed(page.title)}]({link})**<br>{_badge_line(page.badges)}",
        as_markdown(page.headline),
        f"*Claim.* {as_markdown(page.claim)}",
    ]
    return "\n\n".join(filter(None, parts))


def _cover(page: PageSummary, height: float) -> str:
    """Return a cover; a tall one is made narrower, so that the card beside it is not left half empty."""
    alt, place = _one_sentence(page.cover_caption), f"{page.name}/{page.cover}"
    if height <= _TALL:
        return f"![{_bracketed(alt)}]({place})"
    return f'<img alt="{html.escape(alt)}" src="{place}" width="{100 * _TALL / height:.0f}%">'


def _listed(texts: Iterable[str]) -> str:
    return "\n".join(f"- {as_markdown(text)}" for text in texts)


def _reduced(summary: PageSummary) -> str:
    word = "Reduced size" if summary.size == "reduced" else "Other size"
    return f"**{word}.** Run with {as_markdown('; '.join(summary.differences))}."


def _picture(picture: Picture) -> tuple[str, ...]:
    """Return a picture with its caption; a document is linked, since a code host shows its source only."""
    if picture.suffix == "html":
        return (
            f"[Interactive page]({picture.file}), in the documentation site; a code host shows its source. "
            f"`study gallery` makes it, too. {as_markdown(picture.caption)}",
        )
    alt = _bracketed(_one_sentence(picture.caption))
    return f"![{alt}]({picture.file})", f"<em>{as_markdown(picture.caption)}</em>"


def _one_sentence(text: str) -> str:
    """Return the first sentence of a caption, for those who do not see the picture."""
    return " ".join(text.split()).partition(". ")[0].rstrip(".") + "."


def _table(table: Table) -> tuple[str, ...]:
    columns = list(zip(*table.rows, strict=True)) if table.rows else [()] * len(table.header)
    marks = ["---:" if _is_numeric(column) else ":---" for column in columns]
    rows = [table.header, *table.rows]
    texts = ["| " + " | ".join(as_markdown(cell) or " " for cell in row) + " |" for row in rows]
    body = "\n".join([texts[0], "| " + " | ".join(marks) + " |", *texts[1:]])
    if len(table.rows) <= _MOST_ROWS:
        return f"**{as_markdown(table.caption)}**", body
    summary = f"<summary>{as_markdown(table.caption)} ({len(table.rows)} rows)</summary>"
    return f'<details markdown="1">\n{summary}', body, "</details>"


def _is_numeric(column: Sequence[str]) -> bool:
    """Return True for a column with plain numbers; those with an interval stay at the left."""
    filled = [cell for cell in column if cell]
    return bool(filled) and all(is_number(cell) and " " not in cell for cell in filled)


def _facts(material: Material) -> str:
    lines = ["| | |", "| :--- | :--- |"]
    for name, fact in run_facts(material).items():
        text = fact if isinstance(fact, str) else "; ".join(f"{key} {value}" for key, value in fact.items())
        lines.append(f"| {name} | {as_markdown(text)} |")
    return "\n".join(lines)


def _fenced(command: str) -> str:
    """Return a command as a block of code, with a fence longer than any run of its own marks."""
    longest = max((len(run) for run in re.findall("`+", command)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{command}\n{fence}" if command else ""


def _paragraph(text: str) -> str:
    return dedent(text).strip()
