import ast
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from benchmarks.house import arrows, entries, imported, longest_chain, modules

ROOT = Path(__file__).parents[1]

# The entries of study/, top to bottom. An entry imports from layers below its own, and from itself. Entries of one
# layer do not import one another. The seam (study/core/trainer_interface.py), used by study/pipeline/, joins search,
# training and tracking.
LAYERS = (
    ("api",),
    ("cli",),
    ("run", "rounds", "gallery", "reproduction"),
    ("pipeline",),
    ("search", "training", "tracking", "report"),
    ("datasets", "optimizers"),
    ("config", "statistics"),
    ("core",),
)

# A library is imported in its home only, so that another version of it changes one place.
TRAINING = ("models", "study/training", "study/optimizers", "study/datasets/_sources.py")
HOMES = {
    "IPython": ("study/pipeline/notebook_view.py", "study/api"),
    "hydra": ("study/cli",),
    "omegaconf": ("study/cli",),
    "optuna": ("study/search",),
    "mlflow": ("study/tracking",),
    "keras": TRAINING,
    "tensorflow": TRAINING,
    "jax": TRAINING,
    "torch": TRAINING,
    "sklearn": ("study/datasets",),
    "plotly": ("study/report",),
    "jinja2": ("study/report/html",),
    "markupsafe": ("study/report/html",),
    "tensorboard": ("study/tracking/event_records.py",),
    "rich": ("study/pipeline/live_view.py", "study/cli"),
}

# The folders beside study/ that Python sees below it, and the folders that may import from them.
PLACED = {"conf": ("study/cli",), "models": ("models",)}  # only configs name models, code does not

MAX_LINES, MAX_FUNCTION_LINES = 400, 40
MAX_ENTRIES = 19
# Pages of the gallery have the names of their experiments, which users type.
EXPERIMENTS = [("landscape", "landscapes")]
VAGUE_NAMES = {"utils", "util", "helpers", "common", "misc"}

DEPTH = {entry: depth for depth, layer in enumerate(LAYERS) for entry in layer}


def sources():
    files = [*modules(ROOT).values(), *(ROOT / "models").glob("*.py"), ROOT / "conf" / "__init__.py"]
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}


def violations(files):
    return [
        f"{path}:{line} imports {module}: {reason}"
        for path, source in sorted(files.items())
        for line, module in imported(ast.parse(source))
        if (reason := refusal(PurePosixPath(path), module))
    ]


def refusal(path, module):
    package, *rest = module.split(".")
    if module.startswith("."):
        return "write the whole name"
    if package in HOMES and not any(path.is_relative_to(home) for home in HOMES[package]):
        return f"{package} lives in {', '.join(HOMES[package])}"
    if package in PLACED:
        return f"it is study.{package}"
    if package != "study" or not rest:  # of `from study import x`, `study.x` comes next
        return ""
    if rest[0] in PLACED:
        homes = PLACED[rest[0]]
        return (
            "" if any(path.is_relative_to(home) for home in homes) else f"study.{rest[0]} lives in {', '.join(homes)}"
        )
    if path.parts[0] != "study":
        return "only configs join it and study/"
    ours, theirs = entry_of(path), rest[0]
    if ours == "__init__":
        return ""  # the package itself offers public names of every layer
    unknown = {ours, theirs} - set(DEPTH)
    if unknown:
        return f"{', '.join(sorted(unknown))} stands in no layer; add it to LAYERS"
    return "" if ours == theirs or DEPTH[theirs] > DEPTH[ours] else f"{theirs} is not below {ours}"


def entry_of(path):
    return path.parts[1].removesuffix(".py")


def test_imports_run_down_only_and_libraries_stay_at_home():
    assert violations(sources()) == []


def test_no_module_imports_itself_through_others():
    assert len(longest_chain(arrows(ROOT))) > len(LAYERS)  # a circle would be named


def test_study_has_few_entries_and_each_stands_in_a_layer():
    names = {name.removesuffix(".py") for name in entries(ROOT)}
    assert names - {"__init__", "conf", "models", "py.typed"} == set(DEPTH)
    assert len(names - {"py.typed"}) <= MAX_ENTRIES


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("study/search/ask_tell.py", "from study.tracking.connection import connect", "tracking is not below search"),
        ("study/training/fit/trainer.py", "def f():\n    from study import search", "search is not below training"),
        ("study/core/errors.py", "import study.config.schema", "config is not below core"),
        ("study/run.py", "import optuna.trial", "optuna lives in study/search"),
        ("study/run.py", "import importlib\nimportlib.import_module('mlflow')", "mlflow lives in study/tracking"),
        ("study/datasets/digits.py", "import keras", "keras lives in models, study/training"),
        ("study/report/html/page.py", "import hydra", "hydra lives in study/cli"),
        ("study/gallery/page.py", "import jinja2", "jinja2 lives in study/report/html"),
        ("study/searching.py", "import study.core.errors", "searching stands in no layer"),
        ("study/run.py", "from . import search", "write the whole name"),
        ("models/mlp.py", "import study.core.errors", "only configs join it and study/"),
        ("study/training/fit/trainer.py", "import study.models.mlp", "study.models lives in models"),
        ("models/mlp.py", "from models._layers import output_layer", "it is study.models"),
        ("study/pipeline/start.py", "import study.conf", "study.conf lives in study/cli"),
    ],
)
def test_a_planted_violation_is_caught(path, source, told):
    caught = violations({path: source})
    assert caught
    assert all(violation.startswith(f"{path}:") for violation in caught)
    assert told in caught[-1] or told in caught[0]


def test_an_allowed_import_is_not_caught():
    allowed = {
        "study/cli/run.py": "import hydra, rich\nfrom study.run import run_study",
        "study/search/ask_tell.py": "import optuna\nfrom study.core.search_space import Range",
        "study/training/fit/trainer.py": "import keras\nfrom study.training.callbacks import Watcher",
        "models/mlp.py": "import keras\nfrom study.models._layers import output_layer",
    }
    assert violations(allowed) == []


def test_a_circle_is_named():
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"b"})}
    with pytest.raises(ValueError, match="a circle: b -> c -> b"):
        longest_chain(graph)


def test_modules_are_short_and_have_clear_names():
    lengths = {path: len(source.splitlines()) for path, source in sources().items()}
    assert {path: n for path, n in lengths.items() if n > MAX_LINES} == {}
    assert [path for path in lengths if PurePosixPath(path).stem in VAGUE_NAMES] == []


def annotated(source):
    """Return the functions of a source, with their lines, that annotate a parameter or their result."""
    return [
        f"{node.name}:{node.lineno}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for parameters in [[n for n in ast.walk(node.args) if isinstance(n, ast.arg)]]
        if node.returns is not None or any(each.annotation is not None for each in parameters)
    ]


def test_functions_of_tests_carry_no_annotations():
    found = {path.relative_to(ROOT): annotated(path.read_text()) for path in (ROOT / "tests").rglob("*.py")}
    assert {str(path): names for path, names in found.items() if names} == {}


def test_an_annotation_is_found():
    source = "def f(x): ...\ndef g(*x: int): ...\ndef h() -> None: ...\n"
    assert annotated(source) == ["g:2", "h:3"]


def functions(source):
    """Return the number of lines of each function, its docstring left out."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            is_documented = ast.get_docstring(node, clean=False) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if is_documented else 0
            found[f"{node.name}:{node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1 - docstring
    return found


def test_functions_fit_on_a_screen():
    long = {
        f"{path}:{name}": n
        for path, source in sources().items()
        for name, n in functions(source).items()
        if n > MAX_FUNCTION_LINES
    }
    assert long == {}


def twins(names):
    """Return the names that occur twice, or differ only by a leading underscore or a plural."""
    plain = sorted(name.lstrip("_").lower() for name in names)
    known = set(plain)
    twice = [(name, name) for name, n in Counter(plain).items() if n > 1]
    return twice + [(name, f"{name}{end}") for name in sorted(known) for end in ("s", "es") if f"{name}{end}" in known]


def test_every_class_has_a_name_of_its_own():
    names = [
        node.name
        for source in sources().values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef)
    ]
    assert twins(names) == []


def test_no_two_modules_differ_by_a_plural():
    stems = {PurePosixPath(path).stem for path in sources()}
    assert [pair for pair in twins(stems) if pair not in EXPERIMENTS] == []


def test_similar_names_are_found():
    assert twins(["Batch", "Batches", "Lane", "_Lane", "Adam", "AdamW"]) == [("lane", "lane"), ("batch", "batches")]
