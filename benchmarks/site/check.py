"""Check the built site: nothing is loaded from elsewhere, and every link inside leads to a page and a place.

python -m benchmarks.site.check SITE
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes by which a page loads something at once.
_LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}
_LARGEST_PAGE = 2_000_000  # bytes


@dataclass
class _Found(HTMLParser):
    """The links, loads and places of a page."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name") and value:
                self.places.add(value)
            elif (tag, name) in _LOADS and value:
                self.loads.append(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.append(value)


def main() -> int:
    """Print the faults of a site; the status is 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, metavar="SITE")
    site = parser.parse_args().site.resolve()
    pages = sorted(site.rglob("*.html"))
    faults = [f"{page.relative_to(site)}: {fault}" for page in pages for fault in page_faults(page, site)]
    faults += [f"{path.relative_to(site)}: {fault}" for path in site.rglob("*.css") for fault in style_faults(path)]
    sys.stdout.writelines(f"{fault}\n" for fault in faults)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) / 1e6
    sys.stdout.write(f"{site.name}/index.html: {len(pages)} pages, {size:.1f} MB, {len(faults)} faults\n")
    return 1 if faults or not pages else 0


def page_faults(page: Path, site: Path) -> Iterator[str]:
    """Yield the faults of a page.

    Args:
        page: The page.
        site: The folder of the site.
    """
    found = _read(page)
    size = page.stat().st_size
    if size > _LARGEST_PAGE and "gallery" not in page.parts:
        yield f"it has {size} bytes: expected at most {_LARGEST_PAGE}"
    for address in found.loads:
        if _is_elsewhere(address):
            yield f"it loads {address} from elsewhere"
        elif _is_inside(address) and not _target(address, page, site).exists():
            yield f"it loads {address}, which is not there"
    for address in filter(_is_inside, found.links):
        target = _target(address, page, site)
        place = unquote(urlsplit(address).fragment)
        if not target.exists():
            yield f"a link leads to {address}, which is not there"
        elif place and target.suffix == ".html" and place not in _read(target).places:
            yield f"a link leads to {address}, and that page has no place {place}"


def style_faults(path: Path) -> Iterator[str]:
    """Yield what a style sheet loads from elsewhere.

    Args:
        path: The style sheet.
    """
    for address in re.findall(r"(?:url\(|@import )[\"']?([^\"')]+)", path.read_text(encoding="utf-8")):
        if _is_elsewhere(address):
            yield f"it loads {address} from elsewhere"


@cache
def _read(page: Path) -> _Found:
    found = _Found()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def _is_elsewhere(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https")


def _is_inside(address: str) -> bool:
    return not _is_elsewhere(address) and urlsplit(address).scheme == ""


def _target(address: str, page: Path, site: Path) -> Path:
    """Return the file of an address in a page."""
    path = unquote(urlsplit(address).path)
    folder = site if path.startswith("/") else page.parent
    target = (folder / path.lstrip("/")).resolve() if path else page
    return target / "index.html" if target.is_dir() else target


if __name__ == "__main__":
    sys.exit(main())
