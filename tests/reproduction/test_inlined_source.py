import ast
import builtins
import sys
from pathlib import Path

import pytest

from study.reproduction.inlined_source import NotInlinableError, inline_source, is_library

ROOT = Path(__file__).parents[2]
TAKEN = {"keras": "import keras", "np": "import numpy as np", "train": "the script"}
BUILT_IN = [path.stem for path in (ROOT / "models").glob("[!_]*.py") if "def build(" in path.read_text()]


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write modules of a user, by name, that Python finds."""

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(path.stem, None)


def _names(code):
    return [getattr(node, "name", None) or ast.unparse(node) for node in ast.parse(code).body]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_model_stands_alone(name):
    inlined = inline_source([f"study.models.{name}.build"], taken=TAKEN)
    assert "import study" not in inlined.code
    assert "from study" not in "\n".join((*inlined.imports, inlined.code))
    assert "build" in _names(inlined.code)
    assert set(inlined.libraries) <= {"keras", "numpy"}
    known = {*dir(builtins), *(each.split()[-1] for each in inlined.imports)}
    tree = ast.parse(inlined.code)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.name}
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert read <= bound | known


@pytest.mark.parametrize(
    "target",
    [
        *("study.optimizers.adabelief.AdaBelief", "study.optimizers.prodigy.Prodigy"),
        *("study.optimizers.adam_then_sgd.AdamThenSGD", "study.optimizers.inverse_square_root.InverseSquareRoot"),
        "study.training.build_optimizer.ScaledSchedule",
    ],
)
def test_optimizers_and_schedules_of_this_project_stand_alone(target):
    inlined = inline_source([target], taken=TAKEN)
    assert "study" not in "\n".join(inlined.imports)
    assert target.rpartition(".")[2] in _names(inlined.code)
    assert "require_hooks" not in inlined.code


def test_only_what_is_used_is_copied_with_its_comments_and_without_remarks_for_checkers(modules):
    modules(
        net_one="import math\nimport json\n\n# The width.\nWIDTH = 3  # units\nOTHER = 4\n\n\n"
        "def build():\n    return _double(WIDTH)  # noqa: ARG001\n\n\ndef unused():\n    return json\n\n\n"
        "def _double(x):\n    text = '# noqa'\n    return math.floor(2 * x), text\n"
    )
    inlined = inline_source(["net_one.build"], taken=TAKEN)
    assert inlined.imports == ("import math",)
    assert inlined.code == (
        "# The width.\nWIDTH = 3  # units\n\n\ndef build():\n    return _double(WIDTH)\n\n\n"
        "def _double(x):\n    text = '# noqa'\n    return math.floor(2 * x), text"
    )


def test_a_base_class_of_this_project_comes_before_the_class(modules):
    modules(net_two="from study.models._outputs import OutputMean\n\n\nclass Mine(OutputMean):\n    pass\n")
    inlined = inline_source(["net_two.Mine"], taken=TAKEN)
    assert _names(inlined.code) == ["_OutputMoments", "OutputMean", "Mine"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import own_part\n\n\ndef build():\n    return own_part.x\n", "it imports own_part"),
        ("from study.models import _layers\n\n\ndef build():\n    return _layers\n", "study.models import _layers"),
        ("def build():\n    from study.core import seeds\n\n    return seeds\n", "it imports study.core"),
        ("def build():\n    return train()\n\n\ndef train():\n    return 1\n", "define train"),
        ("print('loaded')\n\n\ndef build():\n    return 1\n", "other statements than definitions, in line 1"),
        ("def other():\n    return 1\n", "no definition of build"),
    ],
)
def test_source_that_does_not_stand_alone_is_refused(modules, text, told):
    modules(net_three=text, own_part="x = 1\n")
    with pytest.raises(NotInlinableError, match=told):
        inline_source(["net_three.build"], taken=TAKEN)


def test_two_definitions_of_one_name_are_refused(modules):
    modules(net_four="def build():\n    return 1\n", net_five="def build():\n    return 2\n")
    with pytest.raises(NotInlinableError, match="both define build"):
        inline_source(["net_four.build", "net_five.build"], taken=TAKEN)


def test_libraries_are_those_of_python_and_installed_ones(modules):
    modules(net_six="x = 1\n")
    assert [
        is_library(name) for name in ("keras.layers.Dense", "json.dumps", "study.run", "net_six.x", "nowhere.x")
    ] == [*(True, True, False, False, False)]
