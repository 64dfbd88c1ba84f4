import ast
from pathlib import Path

import pytest

STUDY = Path(__file__).parents[1] / "study"


def private_accesses(path):
    """Return the private names that a module uses, except those of `self`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (f"{path.name}:{node.lineno}: {n}" for n in names if n.startswith("_") and not n.startswith("__"))


@pytest.mark.parametrize(
    ("room", "quarantine"), [("search", "optuna_internals.py"), ("tracking", "mlflow_internals.py")]
)
def test_only_one_module_of_a_folder_uses_private_members_of_its_library(room, quarantine):
    modules = sorted((STUDY / room).rglob("*.py"))
    assert [place for path in modules if path.name != quarantine for place in private_accesses(path)] == []
    assert list(private_accesses(STUDY / room / quarantine))  # the check finds the allowed accesses
