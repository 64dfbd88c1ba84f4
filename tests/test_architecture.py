import ast
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]

# The rooms of study/, top to bottom. A room imports from layers below its own, and from itself; rooms of one layer do
# not know one another: the seam (study/results.py), held by study/run.py and its phases, joins search, training and
# tracking.
LAYERS = (
    ("cli",),
    ("reproduce", "export"),
    ("child", "retrain", "measure"),
    ("doctor", "run", "targets"),
    ("recording",),
    ("confirming",),
    ("phases", "advice", "gallery"),
    ("advice_facts",),
    ("search", "search_importance", "training", "tracking", "report", "live", "noise"),
    ("search_names", "search_plots", "live_progress"),
    ("search_claims",),
    ("search_pruners", "search_samplers", "search_storage", "search_tally"),
    ("search_local", "search_server"),
    ("search_journal",),
    ("parse",),
    ("parse_optimizer", "parse_stores", "failures", "settings", "stability"),
    ("checks", "config", "allowed", "records", "datasets", "exported", "what_if", "machine", "surface"),
    ("components", "results", "optimizers"),
    ("errors", "space", "seeds", "statistics", "interruption"),
    ("redaction",),
)

# A library is known in its home only, so that another version of it touches one place.
TRAINING = ("models", "study/training", "study/optimizers", "study/datasets/_sources.py")
HOMES = {
    "hydra": ("study/cli",),
    "omegaconf": ("study/cli",),
    "optuna": tuple(
        f"study/search{part}.py"
        for part in (
            *("", "_claims", "_importance", "_journal", "_local", "_names", "_plots", "_pruners"),
            *("_samplers", "_server", "_storage", "_tally"),
        )
    ),
    "mlflow": ("study/tracking",),
    "keras": TRAINING,
    "tensorflow": TRAINING,
    "jax": TRAINING,
    "torch": TRAINING,
    "sklearn": ("study/datasets",),
    "plotly": ("study/report",),
    "rich": ("study/live.py", "study/cli"),
    "conf": ("study/cli",),
    "models": ("models",),  # configs name models, code does not
}

MAX_LINES = 300
VAGUE_NAMES = {"utils", "util", "helpers", "common", "misc"}

DEPTH = {room: depth for depth, layer in enumerate(LAYERS) for room in layer}


def sources() -> dict[str, str]:
    files = (path for package in ("study", "models", "conf") for path in (ROOT / package).rglob("*.py"))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}


def violations(files: Mapping[str, str]) -> list[str]:
    return [
        f"{path}:{line} imports {module}: {reason}"
        for path, source in sorted(files.items())
        for line, module in imported(ast.parse(source))
        if (reason := refusal(PurePosixPath(path), module))
    ]


def refusal(path: PurePosixPath, module: str) -> str:
    package, *rest = module.split(".")
    if module.startswith("."):
        return "write the whole name"
    if package in HOMES and not any(path.is_relative_to(home) for home in HOMES[package]):
        return f"{package} lives in {', '.join(HOMES[package])}"
    if package != "study":
        return ""
    if path.parts[0] != "study":
        return "study is not known outside study/; configs join the two"
    if not rest:
        return "name a room: from study.search import ..."
    ours, theirs = room_of(path), rest[0]
    unknown = {ours, theirs} - set(DEPTH)
    if unknown:
        return f"{', '.join(sorted(unknown))} stands in no layer; add it to LAYERS"
    return "" if ours == theirs or DEPTH[theirs] > DEPTH[ours] else f"{theirs} is not below {ours}"


def room_of(path: PurePosixPath) -> str:
    return path.parts[1].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module="study", names=names, level=0):
                yield from ((node.lineno, f"study.{name.name}") for name in names)
            case ast.ImportFrom(module=module, level=level):
                yield node.lineno, "." * level + (module or "")
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield node.lineno, module


def test_imports_run_down_only_and_libraries_stay_at_home() -> None:
    assert violations(sources()) == []


def test_every_room_stands_in_a_layer() -> None:
    rooms = {room_of(PurePosixPath(path)) for path in sources() if path.startswith("study/")}
    assert rooms - {"__init__"} <= set(DEPTH), "add the new room to LAYERS"


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("study/search.py", "from study.tracking.store import open_store", "tracking is not below search"),
        ("study/training/fit.py", "def f():\n    from study import search", "search is not below training"),
        ("study/errors.py", "import study.config", "config is not below errors"),
        ("study/run.py", "import optuna.trial", "optuna lives in study/search"),
        ("study/run.py", "import importlib\nimportlib.import_module('mlflow')", "mlflow lives in study/tracking"),
        ("study/datasets/digits.py", "import keras", "keras lives in models, study/training"),
        ("study/report/page.py", "from hydra import main", "hydra lives in study/cli"),
        ("study/searching.py", "from study.errors import Fault", "searching stands in no layer"),
        ("study/run.py", "import study", "name a room"),
        ("study/run.py", "from . import search", "write the whole name"),
        ("models/mlp.py", "from study.errors import ConfigError", "configs join the two"),
        ("study/training/fit.py", "from models.mlp import build", "models lives in models"),
    ],
)
def test_a_planted_violation_is_caught(path: str, source: str, told: str) -> None:
    (violation,) = violations({path: source})
    assert violation.startswith(f"{path}:")
    assert told in violation


def test_what_is_allowed_is_not_caught() -> None:
    allowed = {
        "study/cli/run.py": "import hydra, rich\nfrom study.run import run_study",
        "study/search.py": "import optuna\nfrom study.space import Range",
        "study/training/fit.py": "import keras\nfrom study.training.watch import Watcher",
        "models/mlp.py": "import keras\nfrom models._layers import output_layer",
    }
    assert violations(allowed) == []


def test_modules_are_short_and_say_what_they_hold() -> None:
    lengths = {path: len(source.splitlines()) for path, source in sources().items()}
    assert {path: n for path, n in lengths.items() if n > MAX_LINES} == {}
    assert [path for path in lengths if PurePosixPath(path).stem in VAGUE_NAMES] == []
