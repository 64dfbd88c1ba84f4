"""Write docs/api.md, the reference of the Python API, from the docstrings of `study`.

    python -m benchmarks.api_page [PAGE]

It has the names of `study.__all__` and the classes that their functions return. Nothing of `study` is imported.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
_HEAD = """# The Python API

All arguments and methods. [A notebook](notebooks/first_comparison.ipynb) shows the first steps, [worked
examples](python.md) also the functions below this API. `make reference` writes this page from the docstrings.

```python
from study import {names}
```
"""
_WIDTH = 100
# A type that has no annotation is not a fault: the docstrings have none.
_OPTIONS = {"warnings": False}
# The text of the result, which griffe would divide at its first colon.
_RETURNS = re.compile(r"^(Returns|Yields):\n((?: {4}.*\n|\n)+)", re.MULTILINE)
# How a parameter is written in a signature, by its kind.
_STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", nargs="?", type=Path, default=PAGE, metavar="PAGE", help=f"default: {PAGE.name}")
    parser.parse_args().page.write_text(page(), encoding="utf-8")


def page(root: Path = ROOT, *, package: str = "study") -> str:
    """Return the page as Markdown.

    Args:
        root: The folder of the package. Default: this checkout.
        package: Name of the package. Default `study`.

    Raises:
        ValueError: A public name, or a public member of it, has no docstring.
    """
    loader = griffe.GriffeLoader(search_paths=[root], docstring_parser="google", docstring_options=_OPTIONS)
    top = loader.load(package, try_relative_path=False)
    public = [_target(top[name]) for name in top.exports or ()]
    functions = [each for each in public if each.is_function]
    classes = [each for each in public if each.is_class]
    further = [each for each in _returned([*functions, *classes], loader) if each not in classes]
    shown = {each.name for each in (*functions, *classes, *further)}
    blocks = [_HEAD.format(names=", ".join(sorted(each.name for each in public)))]
    blocks += [
        "\n".join(f"- [`{each.name}`](#{each.name.lower()}): {_summary(each)}" for each in (*functions, *classes))
    ]
    for function in functions:
        blocks += _function(function, f"## {function.name}", shown)
    for each in classes:
        blocks += _class(each, shown, is_made_by_users="dataclass" in each.labels)
    if further:
        blocks += ["# Classes that these functions return"]
    for each in further:
        blocks += _class(each, shown, is_made_by_users=False)
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _target(found: griffe.Object | griffe.Alias) -> griffe.Object:
    """Return what a name of the package stands for, in the module that defines it."""
    return found.final_target if isinstance(found, griffe.Alias) else found


def _returned(public: Sequence[griffe.Object], loader: griffe.GriffeLoader) -> list[griffe.Object]:
    """Return the classes of the package that public functions, methods and properties return, in their order."""
    found: dict[str, griffe.Object] = {}
    waiting = list(public)
    while waiting:
        each = waiting.pop(0)
        members = [each] if each.is_function else _members(each)
        for name in [name for member in members for name in _names(member)]:
            if name.startswith("study.") and name not in found:
                target = _target(loader.modules_collection[name])
                if target.is_class and target not in public:
                    found[name] = target
                    waiting.append(target)
    return list(found.values())


def _names(member: griffe.Object) -> Iterator[str]:
    """Yield the full names in the annotation of a function's result or of a property."""
    annotation = getattr(member, "returns", None) if member.is_function else getattr(member, "annotation", None)
    if isinstance(annotation, griffe.Expr):
        for part in annotation.iterate(flat=True):
            if isinstance(part, griffe.ExprName):
                yield part.canonical_path


def _members(found: griffe.Object) -> list[griffe.Object]:
    """Return the public methods and properties of a class, in the order of the source."""
    members = [each for name, each in found.members.items() if not name.startswith("_")]
    return [each for each in members if each.is_function or "property" in each.labels]


def _class(found: griffe.Object, shown: set[str], *, is_made_by_users: bool) -> list[str]:
    blocks = [f"## {found.name}"]
    if is_made_by_users:
        blocks += [_signature(found.name, list(found.parameters)[1:], "")]
    blocks += _sections(found, shown, has_parameters=is_made_by_users)
    for member in _members(found):
        heading = f"### {found.name}.{member.name}"
        if member.is_function:
            blocks += _function(member, heading, shown)
        else:
            blocks += [heading, f"A property: {_type(member.annotation, shown)}.", *_sections(member, shown)]
    return blocks


def _function(found: griffe.Object, heading: str, shown: set[str]) -> list[str]:
    parameters = [each for each in found.parameters if each.name not in ("self", "cls")]
    returns = "" if found.returns is None else f" -> {found.returns}"
    return [heading, _signature(found.name, parameters, returns), *_sections(found, shown)]


def _signature(name: str, parameters: Sequence[griffe.Parameter], returns: str) -> str:
    """Return a signature as a block of code, an argument a line if it is long."""
    written: list[str] = []
    is_keyword_only = False
    for each in parameters:
        if each.kind is griffe.ParameterKind.keyword_only and not is_keyword_only:
            is_keyword_only = True
            if not any(word.startswith("*") for word in written):
                written.append("*")
        annotation = "" if each.annotation is None else f": {each.annotation}"
        default = "" if each.default is None or each.kind in _STARS else f" = {_public(each.default)}"
        written.append(f"{_STARS.get(each.kind, '')}{each.name}{annotation}{default}")
    line = f"{name}({', '.join(written)}){returns}"
    if len(line) > _WIDTH:
        line = "\n".join([f"{name}(", *(f"    {word}," for word in written), f"){returns}"])
    return f"```python\n{line}\n```"


def _public(default: griffe.Expr | str) -> str:
    """Return a default value as its source writes it; `...` in place of a name that users do not see."""
    return "..." if str(default).startswith("_") else str(default)


def _sections(found: griffe.Object, shown: set[str], *, has_parameters: bool = True) -> list[str]:
    """Return the parts of a docstring as blocks of Markdown."""
    if found.docstring is None:
        raise ValueError(f"{found.path}: expected a docstring. Write one: docs/api.md shows it.")
    blocks: list[str] = []
    for section in found.docstring.parsed:
        kind, value = section.kind.value, section.value
        if kind == "text":
            blocks += [value]
        elif kind == "parameters" and has_parameters:
            blocks += ["**Arguments**", "\n".join(f"- `{each.name}`: {_indented(each.description)}" for each in value)]
        elif kind == "attributes":
            blocks += ["**Attributes**", "\n".join(_attribute(each, shown) for each in value)]
        elif kind in ("returns", "yields"):
            told = _RETURNS.search(f"{inspect.cleandoc(found.docstring.value)}\n")
            blocks += [f"**{kind.title()}** {_type(found.returns, shown)}: {dedent(told[2]).strip() if told else ''}"]
        elif kind == "raises":
            errors = [f"- {_type(each.annotation, shown)}: {_indented(each.description)}" for each in value]
            blocks += ["**Raises**", "\n".join(errors)]
        elif kind == "admonition":
            blocks += [f"**{section.title or value.annotation.title()}**", _example(value.description)]
        elif kind == "examples":
            blocks += ["**Examples**", *(_example(text) for _, text in value)]
    return blocks


def _attribute(each: griffe.DocstringAttribute, shown: set[str]) -> str:
    kind = f" ({_type(each.annotation, shown)})" if each.annotation is not None else ""
    return f"- `{each.name}`{kind}: {_indented(each.description)}"


def _indented(text: str) -> str:
    """Return a text for an item of a list: its further lines belong to the item."""
    return text.strip().replace("\n", "\n  ")


def _example(text: str) -> str:
    """Return an example as a block of code, without the directives of doctest."""
    text = re.sub(r"^```\w*\n|\n```$", "", text.strip("\n")).strip("\n")
    lines = [line.partition("  # doctest:")[0].rstrip() for line in text.splitlines()]
    return "\n".join(["```python", *lines, "```"])


def _type(annotation: griffe.Expr | str | None, shown: set[str]) -> str:
    """Return a type as code, with a link if the page describes it."""
    text = str(annotation)
    return f"[`{text}`](#{text.lower()})" if text in shown else f"`{text}`"


def _summary(found: griffe.Object) -> str:
    """Return the first line of a docstring."""
    return found.docstring.value.partition("\n")[0] if found.docstring else ""


if __name__ == "__main__":
    sys.exit(main())
