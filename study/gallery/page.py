"""An experiment's page, a self-contained HTML file, and the index of all pages."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from study.core.packages import VERSIONS
from study.core.readable_output import shown as readable_text
from study.core.records import StudyRecord
from study.gallery import About, Material, PageContents, Picture
from study.report.html.templates import fill_template

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
    budgets = [config.get("budget", {}) for config in material.configs.values()]
    differences, is_smaller = budget_differences(budgets, origin.published or {})
    return fill_template(
        "gallery/page.html.j2",
        name=material.name,
        about=about,
        contents=shown,
        pictures=[(picture, _source(picture), _width(picture) > _BROAD) for picture in shown.pictures],
        facts=_facts(material),
        differences=differences,
        is_smaller=is_smaller,
        is_number=_NUMBER.fullmatch,
        origin=origin,
    )


def render_index(pages: Sequence[tuple[str, About, PageContents]], *, made: str) -> str:
    """Return the index of the pages, with the first picture of each from its folder.

    Args:
        pages: Name, subject and contents of each experiment, in their order.
        made: The time when it was made, as text.
    """
    covered = [(name, about, shown, cover(shown)) for name, about, shown in pages]
    return fill_template("gallery/index.html.j2", pages=covered, made=made)


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
    return readable_text("\n".join([*lines, ""]))


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


def _facts(material: Material) -> dict[str, str | dict[str, str]]:
    """Return budget, seeds, trainer, time and versions of the studies, without those that are not recorded."""
    configs, records = list(material.configs.values()), material.experiment.records
    versions = {name: _values(record.tags.get(name) for record in records) for name in VERSIONS}
    versions["git_commit"] = _values(record.tags.get("git_commit") for record in records)[:12]
    facts: dict[str, str | dict[str, str]] = {
        "Studies": _studies(material),
        "Budget": _budget([config.get("budget", {}) for config in configs]),
        "Trainer": _counted(_trainer(config) for config in configs),
        "Seeds": {
            key: _values(config.get(key) for config in configs) for key in ("study_seed", "order_seed", "split_seed")
        },
        "Data": _counted(_part(config, "dataset") for config in configs),
        "Model": _counted(_part(config, "model") for config in configs),
        "Time": f"{_seconds_in_all(records) / 60:.1f} minutes, from the beginning to the end of the studies",
        "Device": _values(record.tags.get("device") for record in records),
        "Versions": ", ".join(f"{name} {found}" for name, found in versions.items() if found),
    }
    return {name: fact for name, fact in facts.items() if fact}


def _seconds_in_all(records: Sequence[StudyRecord]) -> float:
    """Return the time in which at least one study was under way: studies at the same time count once."""
    seconds, until = 0.0, 0.0
    for record in sorted(records, key=lambda record: record.started):
        end = record.ended or record.started
        seconds += max(0.0, end - max(until, record.started))
        until = max(until, end)
    return seconds


def _studies(material: Material) -> str:
    records = material.experiment.records
    states = Counter(str(run.state) for record in records for run in (*record.trials, *record.confirmations))
    n_trials, n_confirmations = sum(len(r.trials) for r in records), sum(len(r.confirmations) for r in records)
    other = ", ".join(f"{n} {state}" for state, n in states.items() if state != "complete")
    return f"{len(records)}, with {n_trials} trials and {n_confirmations} confirmations" + (
        f" ({other})" if other else ""
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
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def _counted(texts: Iterable[str]) -> str:
    """Return the different texts; if there are several, with the number of studies that have each."""
    found = Counter(texts)
    return "; ".join(found if len(found) == 1 else (f"{text} ({n} studies)" for text, n in found.items()))


def _source(picture: Picture) -> str:
    """Return a picture as text for an attribute: a document as it is, another kind as an address with the data."""
    if picture.suffix == "html":
        return picture.data.decode("utf-8")
    return f"data:{_MIME[picture.suffix]};base64,{base64.b64encode(picture.data).decode('ascii')}"


def _width(picture: Picture) -> float:
    """Return the width of an SVG in pixels; 0 for other kinds, which fit the page."""
    found = re.search(rb'<svg[^>]*?\swidth="([\d.]+)pt"', picture.data[:2000]) if picture.suffix == "svg" else None
    return float(found.group(1)) * 96 / 72 if found else 0.0
