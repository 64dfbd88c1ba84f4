import ast
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from study.report.html.templates import environment, fill_template

STUDY = Path(__file__).parents[3] / "study"


def fill(source, **data):
    return environment().from_string(source).render(**data)


def test_values_are_escaped_in_texts_and_attributes():
    assert fill('<a href="{{ x }}">{{ x }}</a>', x="\"'<&") == '<a href="&#34;&#39;&lt;&amp;">&#34;&#39;&lt;&amp;</a>'


def test_a_missing_value_is_an_error():
    with pytest.raises(UndefinedError, match="'overview' is undefined"):
        fill_template("gallery/index.html.j2", pages=[], counts=[], meanings=[])


def test_json_cannot_leave_its_script_and_holds_numbers_only():
    assert fill("{{ x | tojson }}", x={"a": ["</script>", 1.5]}) == '{"a":["\\u003c/script\\u003e",1.5]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        fill("{{ x | tojson }}", x=float("nan"))


def test_a_style_sheet_is_taken_over_as_it_is():
    assert fill('{{ source("gallery/page.css") }}') == (STUDY / "gallery" / "page.css").read_text()


def test_only_files_of_the_project_skip_the_escaping():
    templates = [path.read_text() for path in STUDY.rglob("*.j2")]
    assert templates
    assert not any(re.search(r"\|\s*safe\b|autoescape", text) for text in templates)
    skipping = [
        ast.unparse(node)
        for path in (STUDY / "report" / "html").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Markup"
    ]
    assert skipping == ["Markup(files('study').joinpath(name).read_text('utf-8'))"]
