import re

import pytest

import study
from benchmarks.api_page import PAGE, page


@pytest.fixture(scope="module")
def written():
    return page()


def headings(text):
    return re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)


def test_the_page_is_what_the_docstrings_say_now(written):
    assert PAGE.read_text(encoding="utf-8") == written, "run: make reference"


def test_every_public_name_and_method_has_a_section(written):
    members = [name for name in vars(study.ExperimentView) if not name.startswith("_")]
    assert {*study.__all__, *(f"ExperimentView.{name}" for name in members)} <= set(headings(written))
    assert len(members) > 10
    assert "BestRun.model" in headings(written)  # of a class that a method returns


def test_links_lead_to_sections(written):
    places = {heading.lower().replace(".", "") for heading in headings(written)}
    linked = set(re.findall(r"\(#([^)]+)\)", written))
    assert len(linked) > 4
    assert linked <= places


PACKAGE = {
    "__init__.py": """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from study.parts import Box, open_box

        __all__ = ["Box", "open_box"]
    """,
    "parts.py": '''
        from dataclasses import dataclass

        _SMALL = 3

        def open_box(name: str, *, size: int = _SMALL, lid: bool = True) -> "Box":
            """Open a box.

            Args:
                name: Its name,
                    on two lines.
                size: Its size. Default 3.
                lid: Whether it has one.

            Returns:
                A box (`small`: three inches), with

                - sides: four.

            Raises:
                OSError: It is locked.

            Example:
                >>> open_box("a")  # doctest: +SKIP
            """

        @dataclass(frozen=True)
        class Box:
            """A box.

            Attributes:
                name: Its name.
            """

            name: str

            @property
            def lid(self) -> Lid:
                """Its lid."""

            def _hidden(self) -> None: ...

        class Lid:
            """A lid."""
    ''',
}
EXPECTED = """## open_box

```python
open_box(name: str, *, size: int = ..., lid: bool = True) -> Box
```

Open a box.

**Arguments**

- `name`: Its name,
  on two lines.
- `size`: Its size. Default 3.
- `lid`: Whether it has one.

**Returns** [`Box`](#box): A box (`small`: three inches), with

- sides: four.

**Raises**

- `OSError`: It is locked.

**Example**

```python
>>> open_box("a")
```

## Box

```python
Box(name: str)
```

A box.

**Attributes**

- `name` (`str`): Its name.

### Box.lid

A property: [`Lid`](#lid).

Its lid.

# Classes that these functions return

## Lid

A lid.
"""


def planted(folder, files):
    (folder / "study").mkdir()
    for name, text in files.items():
        lines = text.strip("\n").splitlines()
        indent = len(lines[0]) - len(lines[0].lstrip())
        (folder / "study" / name).write_text("\n".join(line[indent:] for line in lines))
    return folder


def test_a_section_has_all_parts_of_a_docstring(tmp_path):
    found = page(planted(tmp_path, PACKAGE))
    assert found[found.index("## open_box") :] == EXPECTED


def test_a_public_name_without_a_docstring_is_refused(tmp_path):
    files = {**PACKAGE, "parts.py": PACKAGE["parts.py"].replace('"""Its lid."""', "pass")}
    with pytest.raises(ValueError, match=r"study\.parts\.Box\.lid: expected a docstring"):
        page(planted(tmp_path, files))
