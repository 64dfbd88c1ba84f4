"""The digest of a user's own source: it follows what is called, and ignores what changes no number."""

import importlib
import sys

import pytest

from study.config.own_source import source_digests

NET = '''"""A net."""
import keras
from parts import WIDTH, hidden
from package import inner as renamed

DEPTH = 2
UNUSED = 5


def build(input_shape, n_outputs):
    """Build it."""
    return [hidden(WIDTH) for _ in range(DEPTH)] + [renamed.layer()]


def other():
    return UNUSED
'''
PARTS = """WIDTH = 8

def act(x):
    return max(x, 0)

def hidden(n):
    return n, act

class Base:
    slope = 1

class Layer(Base):
    def call(self, x):
        return act(x) * self.slope

def unused():
    return 1
"""
FILES = {
    "net.py": NET,
    "parts.py": PARTS,
    "package/__init__.py": "from .inner import layer\n",
    "package/inner.py": "from . import deep\n\ndef layer():\n    return deep.value()\n\ndef unused():\n    return 0\n",
    "package/deep.py": "LEVEL = 1\n\ndef value():\n    from package.late import number\n    return number + LEVEL\n",
    "package/late.py": "number = 3\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in {path.split("/")[0].removesuffix(".py") for path in FILES}:
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            del sys.modules[module]


def digests(*targets):
    importlib.invalidate_caches()
    return source_digests(targets or ["net.build"])


def edit(folder, name, old, new):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.usefixtures("folder")
def test_it_follows_calls_constants_and_imports_through_all_own_modules():
    assert set(digests()) == {
        "net.build",
        "net.DEPTH",
        "parts.WIDTH",
        "parts.hidden",
        "parts.act",
        "package.inner.layer",
        "package.deep.value",
        "package.deep.LEVEL",
        "package.late.number",
    }


def test_what_an_installer_has_recorded_in_a_folder_of_any_name_is_not_the_users_own(folder):
    everything = {*digests()}
    record = folder / "parts-1.0.dist-info" / "RECORD"
    record.parent.mkdir()
    record.write_text("another/parts.py,sha256=,1\nparts-1.0.dist-info/RECORD,,\n")
    assert {*digests()} == everything
    record.write_text("parts-1.0.dist-info/RECORD,,\nparts.py,sha256=,1\npackage/__init__.py,sha256=,1\n")
    # The rest of the package is not recorded, so somebody has put it there.
    assert {*digests()} == {"net.build", "net.DEPTH", "package.inner.layer"} | {
        name for name in everything if name.startswith("package.")
    }
    record.write_text("parts.py,,\npackage/__init__.py,,\npackage/inner.py,,\n")
    assert {*digests()} == {"net.build", "net.DEPTH"}


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("net.py", "range(DEPTH)", "range(DEPTH + 1)", "net.build"),
        ("net.py", "DEPTH = 2", "DEPTH = 3", "net.DEPTH"),
        ("parts.py", "max(x, 0)", "min(x, 0)", "parts.act"),
        ("parts.py", "WIDTH = 8", "WIDTH = 9", "parts.WIDTH"),
        ("package/deep.py", "number + LEVEL", "number - LEVEL", "package.deep.value"),
        ("package/late.py", "number = 3", "number = 4", "package.late.number"),
        ("net.py", "DEPTH = 2", "DEPTH = 2\nfor _ in range(3):\n    DEPTH += 1", "net.(statements)"),
    ],
)
def test_a_change_anywhere_on_the_way_is_named(folder, name, old, new, changed):
    before = digests()
    edit(folder, name, old, new)
    after = digests()
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} == {changed}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("net.py", '"""Build it."""', '"""Build it another way."""  # a comment'),
        ("net.py", '"""A net."""', '"""Another net."""'),
        ("net.py", "[hidden(WIDTH) for _ in range(DEPTH)]", "[\n        hidden( WIDTH ) for _ in range(DEPTH)\n    ]"),
        ("net.py", "UNUSED = 5", "UNUSED = 6"),
        ("parts.py", "    return 1\n", "    return 2\n"),
        ("package/inner.py", "    return 0\n", "    return 1\n"),
        ("net.py", "def other", "if __name__ == '__main__':\n    print(1)\n\ndef other"),
    ],
)
def test_what_changes_no_number_changes_nothing(folder, name, old, new):
    before = digests()
    edit(folder, name, old, new)
    assert digests() == before


def test_a_class_brings_its_methods_and_its_bases(folder):
    before = digests("parts.Layer")
    assert set(before) == {"parts.Layer", "parts.Base", "parts.act"}
    edit(folder, "parts.py", "slope = 1", "slope = 2")
    after = digests("parts.Layer")
    assert {key for key in before if before[key] != after[key]} == {"parts.Base"}


def test_a_star_import_and_a_module_passed_on_bring_what_they_could_use(folder):
    (folder / "net.py").write_text("from parts import *\n\ndef build():\n    return hidden(WIDTH)\n")
    assert {"parts.hidden", "parts.act", "parts.WIDTH"} < set(digests())
    (folder / "net.py").write_text("import parts\n\ndef build(name='hidden'):\n    return getattr(parts, name)(1)\n")
    assert {"parts.hidden", "parts.unused", "parts.Layer"} < set(digests())


def test_a_definition_inside_a_condition_counts_with_its_module(folder):
    (folder / "net.py").write_text(
        "try:\n    import parts\nexcept ImportError:\n    parts = None\n\n"
        "if parts:\n    def build():\n        return parts.hidden(1)\n"
    )
    before = digests()
    edit(folder, "net.py", "hidden(1)", "hidden(2)")
    assert digests() != before


def test_code_of_others_is_left_out(folder):
    (folder / "net.py").write_text(
        "import json\nimport keras\nfrom study.models import mlp\n\n"
        "def build():\n    return mlp.build, keras.Model, json\n"
    )
    assert set(digests()) == {"net.build"}
    assert digests("keras.losses.Huber", "study.models.mlp.build", "no_such_module.build") == {}


def test_circles_and_broken_modules_end(folder):
    (folder / "parts.py").write_text("import net\n\nWIDTH = 1\n\ndef hidden(n):\n    return net.build\n")
    assert {"net.build", "parts.hidden"} < set(digests())
    (folder / "parts.py").write_text("def hidden(:\n")
    assert "net.build" in digests()
