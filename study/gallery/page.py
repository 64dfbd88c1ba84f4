"""An experiment's page, a self-contained HTML file, and the index of all pages."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Any

from study.core.packages import VERSIONS
from study.gallery import About, Material, PageContents, Picture, Table

_MIME = {"svg": "image/svg+xml", "png": "image/png", "gif": "image/gif"}
# Names of the parts of a budget: singular and plural.
_BUDGET = {
    "n_trials": ("trial of a search", "trials of a search"),
    "n_epochs": ("epoch", "epochs"),
    "n_steps": ("step", "steps"),
    "n_confirmations": ("confirmation seed", "confirmation seeds"),
}
_LENGTHS = {"n_epochs", "n_steps"}
_IN_REPOSITORY = (
    "Each comparison has a page of one HTML file with all its pictures, tables and findings. `make gallery` runs all "
    "of them and makes the pages in this folder; `study gallery` makes those of your own runs."
)
_NUMBER = re.compile("[+.\u2212-]?\\d.*")
# Pictures keep their size: on a telephone, broad ones scroll instead of shrinking until they are illegible.
_BROAD = 620.0


@dataclass(frozen=True, kw_only=True)
class RunOrigin:
    """The origin of a page.

    Attributes:
        command: The command that ran the experiment.
        published: The budget of the published size; None if unknown.
        made: The time when the page was made, as text.
    """

    command: str
    published: Mapping[str, Any] | None
    made: str


def render(about: About, shown: PageContents, material: Material, *, origin: RunOrigin) -> str:
    """Return an experiment's page as HTML."""
    card = {
        "Source": escape(about.source),
        "Claim": escape(about.claim),
        "Command": f"<code>{escape(origin.command)}</code>",
    }
    parts = [
        f'<header><p class="eyebrow">Published comparison · {escape(material.name)}</p>'
        f'<h1>{escape(about.title)}</h1><p class="lead">{escape(about.question)}</p>{_card(card)}</header><main>',
        _reduction(material, origin.published),
        "<h2>What was seen</h2>",
        _list(shown.findings, "findings"),
        *(_figure(picture) for picture in shown.pictures),
        *(_table(table) for table in shown.tables),
        "<h2>Traps</h2>" + _list(about.traps, "traps") if about.traps else "",
        "<h2>How it was run</h2>",
        _card(_how(material)),
        "</main>",
        f"<footer>Made {escape(origin.made)} from the studies in MLflow by "
        f'<code>study gallery {escape(material.name)}</code>. <a href="index.html">All comparisons</a></footer>',
    ]
    return _document(about.title, "".join(parts))


def render_index(pages: Sequence[tuple[str, About, PageContents]], *, made: str) -> str:
    """Return the index of the pages, with the first picture of each from its folder.

    Args:
        pages: Name, subject and contents of each experiment, in their order.
        made: The time when it was made, as text.
    """
    rooms = "".join(_room(name, about, shown) for name, about, shown in pages)
    body = (
        '<header><p class="eyebrow">Gallery</p><h1>Published comparisons of optimizers</h1>'
        '<p class="lead">Each was run here by one command, with the same program as every other study. Each page '
        f"gives the claim and the result.</p></header><main><ul class=rooms>{rooms}</ul></main>"
        f"<footer>Made {escape(made)} by <code>study gallery</code>.</footer>"
    )
    return _document("Published comparisons of optimizers", body)


def render_markdown(pages: Sequence[tuple[str, About, PageContents]]) -> str:
    """Return the index as Markdown, for a code host: question, first finding and cover of each page.

    A code host shows no HTML, so the pages are named and not linked.
    """
    lines = ["# Published comparisons of optimizers", "", _IN_REPOSITORY]
    for name, about, shown in pages:
        lines += [
            "",
            f"## {about.title}",
            "",
            f"{about.question} (`{name}.html`)",
            *(["", shown.findings[0]] if shown.findings else []),
        ]
        if picture := cover(shown):
            lines += ["", f"![{picture.caption}]({cover_file(name, picture)})"]
    return "\n".join([*lines, ""])


def cover(shown: PageContents) -> Picture | None:
    """Return the picture that stands for a page; None for a page without one."""
    return next((picture for picture in shown.pictures if picture.suffix != "html"), None)


def cover_file(name: str, picture: Picture) -> str:
    """Return the file of a page's cover, seen from the gallery's folder."""
    return f"covers/{name}.{picture.suffix}"


def budget_differences(
    budgets: Iterable[Mapping[str, Any]], published: Mapping[str, Any]
) -> tuple[tuple[str, ...], bool]:
    """Return the differences from the published budget, and whether anything is smaller.

    A difference is text such as `3 epochs instead of 20`.

    Args:
        budgets: The budgets of the studies.
        published: The published budget.
    """
    given = list(budgets)
    told, less = [], False
    for key, (one, many) in _BUDGET.items():
        found = sorted({budget[key] for budget in given if isinstance(budget.get(key), int)})
        # The length of a training is given in epochs or in steps.
        counted = key
        if not isinstance(published.get(key), int) and key in _LENGTHS:
            counted = next(iter(_LENGTHS - {key}))
        full = published.get(counted)
        if found and isinstance(full, int) and (counted != key or found != [full]):
            shown = " or ".join(map(str, found))
            instead = f"{full} {_BUDGET[counted][full != 1]}" if counted != key else f"{full}"
            told.append(f"{shown} {one if found == [1] else many} instead of {instead}")
            less |= counted == key and found[0] < full
    return tuple(told), less


def _reduction(material: Material, published: Mapping[str, Any] | None) -> str:
    if published is None:
        return ""
    budgets = [config.get("budget", {}) for config in material.configs.values()]
    found, less = budget_differences(budgets, published)
    if not found:
        return '<p class="workload">Run in the published size.</p>'
    name = "Reduced" if less else "Another size"
    return f'<p class="reduced"><b>{name}.</b> Run with {escape("; ".join(found))}.</p>'


def _how(material: Material) -> dict[str, str]:
    """Return budget, seeds, trainer, time and versions of the studies."""
    configs, records = list(material.configs.values()), material.experiment.records
    told = {
        "Studies": _studies(material),
        "Budget": _budget([config.get("budget", {}) for config in configs]),
        "Trainer": _counted(_trainer(config) for config in configs),
        "Seeds": "; ".join(
            f"<code>{key}</code> {_values(config.get(key) for config in configs)}"
            for key in ("study_seed", "order_seed", "split_seed")
        ),
        "Data": _counted(_part(config, "dataset") for config in configs),
        "Model": _counted(_part(config, "model") for config in configs),
        "Time": f"{sum((record.ended or record.started) - record.started for record in records) / 60:.1f} minutes",
        "Device": _values(record.tags.get("device") for record in records),
        "Versions": ", ".join(
            f"{name} {escape(found[:12] if name == 'git_commit' else found)}"
            for name in (*VERSIONS, "git_commit")
            if (found := _values(record.tags.get(name) for record in records))
        ),
    }
    return {name: text for name, text in told.items() if text}


def _studies(material: Material) -> str:
    records = material.experiment.records
    states = Counter(str(run.state) for record in records for run in (*record.trials, *record.confirmations))
    n_trials, n_confirmations = sum(len(r.trials) for r in records), sum(len(r.confirmations) for r in records)
    other = ", ".join(f"{n} {state}" for state, n in states.items() if state != "complete")
    return f"{len(records)}, with {n_trials} trials and {n_confirmations} confirmations" + (
        f" ({escape(other)})" if other else ""
    )


def _budget(budgets: Sequence[Mapping[str, Any]]) -> str:
    told = []
    for key, (one, many) in _BUDGET.items():
        if found := _values(budget.get(key) for budget in budgets):
            told.append(f"{found} {one if found == '1' else many}")
    return ", ".join(told)


def _trainer(config: Mapping[str, Any]) -> str:
    trainer = config.get("trainer", {})
    return f"{trainer.get('name')} on {trainer.get('backend')}, batches of {trainer.get('batch_size')}"


def _part(config: Mapping[str, Any], key: str) -> str:
    return str(config.get(key, {}).get("name", ""))


def _values(values: Iterable[Any]) -> str:
    """Return the different values as text, without None."""
    return escape(", ".join(dict.fromkeys(str(value) for value in values if value is not None)))


def _counted(texts: Iterable[str]) -> str:
    """Return the different texts; if there are several, with the number of studies that have each."""
    found = Counter(texts)
    return escape("; ".join(found if len(found) == 1 else (f"{text} ({n} studies)" for text, n in found.items())))


def _figure(picture: Picture) -> str:
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>"
    if picture.suffix == "html":
        document = escape(picture.data.decode("utf-8"), quote=True)
        # The document's scripts run in a sandbox.
        frame = f'<iframe sandbox="allow-scripts" title="{escape(picture.name)}" srcdoc="{document}"></iframe>'
        return f'<figure class="shown"><div class="sheet">{frame}</div>{caption}</figure>'
    broad = " broad" if _width(picture) > _BROAD else ""
    return f'<figure class="shown"><div class="sheet{broad}">{_image(picture)}</div>{caption}</figure>'


def _image(picture: Picture) -> str:
    encoded = base64.b64encode(picture.data).decode("ascii")
    return _img(picture, f"data:{_MIME[picture.suffix]};base64,{encoded}")


def _img(picture: Picture, source: str) -> str:
    drawn = ' class="drawn"' if picture.suffix == "svg" else ""
    return f'<img{drawn} alt="{escape(picture.caption)}" src="{source}">'


def _file(name: str, picture: Picture) -> str:
    return f"{name}/{picture.name}.{picture.suffix}"


def _width(picture: Picture) -> float:
    """Return the width of an SVG in pixels; 0 for other kinds, which fit the page."""
    found = re.search(rb'<svg[^>]*?\swidth="([\d.]+)pt"', picture.data[:2000]) if picture.suffix == "svg" else None
    return float(found.group(1)) * 96 / 72 if found else 0.0


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.header)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(map(_cell, row[1:])) + "</tr>" for row in table.rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(table.caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return f'<td class="num">{escape(text)}</td>' if _NUMBER.fullmatch(text) else f"<td>{escape(text)}</td>"


def _list(items: Sequence[str], kind: str) -> str:
    return f'<ul class="{kind}">' + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _card(lines: Mapping[str, str]) -> str:
    return '<dl class="card">' + "".join(f"<dt>{escape(k)}</dt><dd>{v}</dd>" for k, v in lines.items()) + "</dl>"


def _room(name: str, about: About, shown: PageContents) -> str:
    picture = cover(shown)
    thumb = "" if picture is None else f'<div class="thumb">{_img(picture, escape(_file(name, picture)))}</div>'
    finding = f"<p>{escape(shown.findings[0])}</p>" if shown.findings else ""
    return (
        f'<li><a href="{escape(name)}.html">{thumb}<div class="words"><h2>{escape(about.title)}</h2>'
        f"<p>{escape(about.question)}</p>{finding}</div></a></li>"
    )


def _document(title: str, body: str) -> str:
    style = files("study.report.html").joinpath("page.css").read_text("utf-8")
    style += files("study.gallery").joinpath("page.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>{body}</body></html>\n"
    )
