"""The templates of all pages, `*.html.j2` below `study/`: Jinja2 fills them and escapes every value."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from study.core.readable_output import shown
from study.report.html.figure_data import packed
from study.report.marked_text import Command, pieces


def fill_template(template: str, /, **data: Any) -> str:
    r"""Return a template filled with data, without control characters: they are written out, such as `\x1b`.

    Args:
        template: Its path below `study/`.
        data: The values by their names in the template; they may hold any characters.

    Raises:
        jinja2.UndefinedError: The template uses a value that is not given.
    """
    return shown(environment().get_template(template).render(**data))


def fill_text_template(template: str, /, **data: Any) -> str:
    """Return a template of plain text, such as a program, filled with data as it is.

    Args:
        template: Its path below `study/`.
        data: The values by their names in the template, already in the form of the text.

    Raises:
        jinja2.UndefinedError: The template uses a value that is not given.
    """
    return environment().overlay(autoescape=False).get_template(template).render(**data)


@cache
def environment() -> Environment:
    """Return the environment of all templates.

    In a template, `source("report/html/page.css")` is the text of a file, `packed(text)` a text that a script unpacks,
    `text | pieces` cuts a sentence at its marks into pieces, of which some are `command`, and
    `tojson` makes JSON for a script.
    """
    made = Environment(
        loader=PackageLoader("study", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["source"] = _source
    made.globals["packed"] = packed
    made.filters["pieces"] = pieces
    made.tests["command"] = lambda piece: isinstance(piece, Command)
    made.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return made


def _source(name: str) -> Markup:
    """Return a style sheet or a script of the project; a page takes it over as it is."""
    return Markup(files("study").joinpath(name).read_text("utf-8"))
