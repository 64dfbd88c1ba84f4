import importlib
import sys

import pytest

from study.config.loaded_source import changed_since_import

SOURCE = '''
"""A module."""
size = 8


def part(x):
    """Return it."""
    return {"a", "b"}, [x + size for _ in (1, 2)]


class Net:
    width: int = 3

    def call(self):
        return part(self.width)


def build():
    return Net()
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "edited_module.py").write_text(SOURCE)
    yield importlib.import_module("edited_module"), tmp_path / "edited_module.py"
    del sys.modules["edited_module"]


def test_nothing_has_changed_in_a_fresh_module(module):
    assert changed_since_import(["edited_module.build"]) == []
    _, file = module
    file.write_text(f"# A comment.\n\n{SOURCE}\n\nother = 3\n")
    assert changed_since_import(["edited_module.build"]) == []


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("size = 8", "size = 9", "size"),
        ("x + size", "x - size", "part"),
        ('"a", "b"', '"a", "c"', "part"),
        ("part(self.width)", "part(1)", "Net"),
        ("return Net()", "return Net", "build"),
    ],
)
def test_an_edit_without_a_reload_is_named(module, old, new, name):
    loaded, file = module
    file.write_text(SOURCE.replace(old, new))
    assert changed_since_import(["edited_module.build"]) == [f"edited_module.{name}"]
    importlib.invalidate_caches()
    exec(compile(file.read_text(), str(file), "exec"), vars(loaded))  # as a reload does
    assert changed_since_import(["edited_module.build"]) == []


def test_a_value_that_was_assigned_in_the_session_is_named(module):
    loaded, _ = module
    loaded.size = 64
    assert changed_since_import(["edited_module.build"]) == ["edited_module.size"]


def test_values_that_a_module_itself_changes_do_not_count(module):
    loaded, file = module
    values = "cache = None\ngrown = []\ngrown.append(3)\ntwice = 1\ntwice += 1\n"
    file.write_text(f"{SOURCE}\n{values}\ndef load():\n    global cache\n    cache = (cache, grown, twice)\n")
    exec(compile(file.read_text(), str(file), "exec"), vars(loaded))
    loaded.load()
    assert changed_since_import(["edited_module.load"]) == []
