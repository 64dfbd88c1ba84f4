import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / ".ci" / "plain_english"


@pytest.fixture(scope="module")
def plain_english():
    loader = importlib.machinery.SourceFileLoader("plain_english", str(PROGRAM))
    spec = importlib.util.spec_from_loader("plain_english", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


# Joined here, so that this file passes its own check.
REPORTED, NOT_THERE = "is " + "told", "is " + "none"


@pytest.mark.parametrize("word", ["What", "Which", "How", "Who", "Whether", "Where"])
def test_a_docstring_that_opens_with_a_question_word_is_found(plain_english, word):
    source = f'"""Fine."""\n\n\nclass A:\n    """{word} it is."""\n\n    def f(self):\n        """Do it."""\n'
    assert list(plain_english.check("a.py", source)) == [f"a.py:5: the docstring opens with {word!r}"]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", f'"""Fine.\n\nIt {REPORTED.replace(" ", chr(10))} twice."""\n', "a.py:3"),
        ("a.py", f"x = 1  # there {NOT_THERE}\n", "a.py:1"),
        ("a.py", f'raise E(f"{{x}} {NOT_THERE}")\n', "a.py:1"),
        ("a.md", f"# Title\n\nIt {REPORTED}.\n", "a.md:3"),
        ("a.html.j2", f"{{% if a %}}\n<p>It {REPORTED}.</p>\n", "a.html.j2:2"),
        ("a.yaml", f"a: 1\nb: 2 # it {REPORTED}\n", "a.yaml:2"),
    ],
)
def test_a_phrase_is_found_in_prose(plain_english, name, text, found):
    (finding,) = plain_english.check(name, text)
    assert finding.startswith(f"{found}: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "x = y if y is None else z\n"),
        ("a.py", f'"""The paper says “it {REPORTED}”."""\n'),
        ("a.py", '"""Whatever comes."""\n'),
        ("a.yaml", f"it {REPORTED}: 3\n"),
        ("a.md", "The best of the rest.\n"),
    ],
)
def test_code_and_quotations_are_free(plain_english, name, text):
    assert list(plain_english.check(name, text)) == []
