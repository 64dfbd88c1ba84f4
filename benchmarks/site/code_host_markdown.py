"""Turn Markdown as a code host reads it into Markdown as the site's program reads it."""

from __future__ import annotations

import re

# Pages at the top of the repository that the site has beside those of docs/; README is its first page.
TOP_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
_FENCE = re.compile(r"^(?:```|~~~)")
_ITEM = re.compile(r"^(?:[-*]|\d+\.) ")
# The comments by which tests/docs/run_examples.py knows the kind of a block, and the block's opening.
_MARKED = re.compile(r"^<!-- (file|run|prints|python)(?:: ([^>]*?))? -->\n```(\w*)$", re.MULTILINE)
_START = re.compile(r"^\*\*Start here:\*\* (.*)$", re.MULTILINE)
_CARDS = {
    "an answer in ten minutes": "From a table of your own to a page that says which optimizer is best for it.",
    "your own model": "Compare optimizers on a Keras model of yours, from the command line or from Python.",
    "gallery": "Published comparisons, run again, with a verdict on each claim.",
    "the page": "What a comparison shows: the answer, the table, the curves.",
}
_LANGUAGES = {"run": "bash", "python": "pycon", "file": "text"}


def for_site(text: str, *, page: str) -> str:
    """Return the Markdown of a page for the site.

    Args:
        text: The page as it is in the repository.
        page: Its path in docs/.
    """
    text = _MARKED.sub(_opening, text)
    text = _with_blank_lines(text)
    return _linked(text, page)


def with_cards(text: str) -> str:
    """Turn the line of links by which README begins into cards, each with what it leads to.

    Args:
        text: README, with one line `**Start here:** [name](link) · ...`; without such a line it stays as it is.
    """

    def cards(found: re.Match[str]) -> str:
        links = re.findall(r"\[([^]]+)\]\(([^)]+)\)", found[1])
        items = [
            f"-   **[{name[:1].upper()}{name[1:]}]({link})**\n\n    {_CARDS.get(name, '')}" for name, link in links
        ]
        return '<div class="grid cards" markdown="1">\n\n' + "\n\n".join(items) + "\n\n</div>"

    return _START.sub(cards, text, count=1)


def _opening(found: re.Match[str]) -> str:
    """Return the opening of a marked block: a file has its name as title."""
    kind, value, language = found.groups()
    if kind == "prints":
        return "``` { .text .no-copy }"
    language = language or _LANGUAGES[kind]
    return f'```{language} title="{value}"' if kind == "file" else f"```{language}"


def _with_blank_lines(text: str) -> str:
    """Put a blank line before each list that follows a paragraph, outside of blocks of code."""
    lines: list[str] = []
    is_code = False
    for line in text.split("\n"):
        before = lines[-1] if lines else ""
        is_first = _ITEM.match(line) and not _ITEM.match(before)
        if is_first and not is_code and before.strip() and not before.startswith((" ", "#")):
            lines.append("")
        lines.append(line)
        is_code ^= bool(_FENCE.match(line))
    return "\n".join(lines)


def _linked(text: str, page: str) -> str:
    """Let links to files that have pages of their own in the site lead to these pages."""
    depth = page.count("/")

    def lead(found: re.Match[str]) -> str:
        target = found[1]
        if target.endswith(".ipynb"):
            return f"]({target.removesuffix('.ipynb')}.md)"
        up = "../" * (depth + 1)
        if target.startswith(up) and target.partition("#")[0].removeprefix(up) in TOP_PAGES:
            return f"]({'../' * depth}{target.removeprefix(up)})"
        if target.startswith(up):
            return f"]({'../' * depth}source/{target[len(up) :].rstrip('/')}.md)"
        return found[0]

    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else re.sub(r"\]\(([^)\s]+)\)", lead, part) for part in parts)
