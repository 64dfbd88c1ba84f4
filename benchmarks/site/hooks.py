"""The hooks of MkDocs for the documentation site, which `make docs` builds from docs/ (mkdocs.yml).

The pages of docs/ are written for a code host. The hooks add what a site needs besides: the pages at the top of the
repository, notebooks as pages, the files that pages link to, and blank lines that Python-Markdown expects.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from benchmarks.site.code_host_markdown import TOP_PAGES, for_site, with_cards
from benchmarks.site.layers import layers_of
from benchmarks.site.notebook_page import notebook_page
from benchmarks.site.outside_files import moved_links, outside_links, outside_pages

ROOT = Path(__file__).parents[2]
ASSETS = Path(__file__).with_name("assets")
# Factors on the rank of pages in the search, by page or folder.
_WEIGHTS = {
    **{"tutorial.md": 3, "everyday.md": 3, "commands.md": 3, "words.md": 4, "how_sure.md": 3, "protocol.md": 2},
    **{"configs": 2, "gallery": 0.5, "decisions": 0.5, "error_rates.md": 0.2, "sequential_rates.md": 0.2},
}
# Folders whose pages come after the listed ones in their part of the navigation, in the order of their names.
_ADDED = {"Decisions": "decisions", "Gallery": "gallery"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages of folders to the navigation."""
    docs = Path(config.docs_dir)
    for part in config.nav or []:
        for title, pages in part.items():
            if title in _ADDED:
                found = [*docs.glob(f"{_ADDED[title]}/[0-9]*.md"), *docs.glob(f"{_ADDED[title]}/*/README.md")]
                pages += [str(path.relative_to(docs)) for path in sorted(found)]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages and files that are not in docs/."""
    docs = Path(config.docs_dir)
    for name in TOP_PAGES:
        if name in files.src_uris:  # docs/README.md, the list of pages that a code host shows
            files.remove(files.src_uris[name])
        text = moved_links((ROOT / name).read_text(encoding="utf-8"), root=ROOT)
        files.append(File.generated(config, name, content=text))
    for path in sorted(docs.glob("notebooks/*.ipynb")):
        files.remove(files.src_uris[str(path.relative_to(docs))])
        name = str(path.relative_to(docs).with_suffix(".md"))
        files.append(File.generated(config, name, content=notebook_page(path)))
    for path in sorted(ASSETS.iterdir()):
        files.append(File.generated(config, f"assets/{path.name}", content=path.read_text(encoding="utf-8")))
    if "gallery/index.html" in files.src_uris:  # of `study gallery`; the site's own index takes its place
        files.remove(files.src_uris["gallery/index.html"])
    pages = {file.src_uri: file.content_string for file in files.documentation_pages()}
    for name, text in outside_pages(outside_links(pages), root=ROOT).items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Return a page in the Markdown of the site, with its weight in the search and the parts that it hides."""
    folder = page.file.src_uri.partition("/")[0]
    if folder in _WEIGHTS:
        page.meta.setdefault("search", {"boost": _WEIGHTS[folder]})
    if page.file.src_uri == "README.md":
        markdown = with_cards(markdown)
    text = for_site(markdown, page=page.file.src_uri)
    if page.file.src_uri == "architecture.md":
        text = re.sub(r"^```mermaid\n(.*?)^```$", lambda found: layers_of(found[1]), text, flags=re.M | re.S)
    return text
