"""Pages for the files outside of docs/ that pages of docs/ link to, so that the site needs no code host."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.site.code_host_markdown import TOP_PAGES

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".py": "python", ".yaml": "yaml", ".md": "markdown", ".toml": "toml"}


def moved_links(text: str, *, root: Path) -> str:
    """Return a page of the repository's top as a page of docs/: its links lead to the same files.

    Args:
        text: The page.
        root: The repository.
    """

    def moved(found: re.Match[str]) -> str:
        target = found[1]
        if target.startswith("docs/"):
            return f"]({target.removeprefix('docs/')})"
        return f"](../{target})" if (root / target.partition("#")[0]).exists() and target[0] != "#" else found[0]

    return _LINK.sub(moved, text)


def outside_links(pages: Mapping[str, str]) -> list[str]:
    """Return the paths outside of docs/ that pages link to, sorted.

    Args:
        pages: The pages by their paths in docs/.
    """
    found = set()
    for page, text in pages.items():
        for target in _LINK.findall(_FENCE.sub("", text)):
            path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), target.partition("#")[0]))
            if not re.match(r"[a-z]+:|#", target) and not path.startswith("docs/") and path not in TOP_PAGES:
                found.add(path)
    return sorted(found)


def outside_pages(paths: Iterable[str], *, root: Path) -> dict[str, str]:
    """Return a page for each path: the text of a file, or of all files of a folder.

    Args:
        paths: Paths in the repository.
        root: The repository.

    Returns:
        The Markdown by the page's path in the site's sources.
    """
    pages = {}
    for path in paths:
        place = root / path
        inside = sorted(each for each in place.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
        files = inside if place.is_dir() else [place]
        blocks = [f"---\nsearch:\n  exclude: true\n---\n\n# `{path}`"]
        for file in files:
            title = file.relative_to(root)
            text = file.read_text(encoding="utf-8", errors="replace")
            blocks.append(f'````{_LANGUAGES.get(file.suffix, "text")} title="{title}"\n{text}\n````')
        pages[f"source/{path}.md"] = "\n\n".join(blocks) + "\n"
    return pages
