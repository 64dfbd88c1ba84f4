"""A folder as someone hands it on, with modules of every name that a command may import, and what commands do in it.

    python foreign_folder.py FOLDER COMMANDS     runs command lines, a JSON list of lists of words, in this process

Every Python process with `WATCHER` as its sitecustomize writes what it reads, runs and starts in the folder to a file:
a line for each, with the command, the kind, and the path below the folder. This program adds the files that change.
"""

import importlib.metadata
import json
import os
import sys
from collections import defaultdict
from pathlib import Path

# Modules that libraries look for without needing them, and that are rarely installed.
OPTIONAL = (
    "IPython boto3 cupy databricks dbruntime google_colab ipywidgets kaleido numexpr orjson psycopg2 pyspark ray "
    "snappy torch torchvision torch_xla win32api xarray"
)
# Kinds of plugins that MLflow, JAX, SQLAlchemy and others load from any folder on Python's path.
PLUGINS = (
    *("mlflow.tracking_store", "mlflow.artifact_repository", "mlflow.run_context_provider", "mlflow.app"),
    *("mlflow.request_header_provider", "mlflow.request_auth_provider", "mlflow.model_registry_store", "jax_plugins"),
    *("sqlalchemy.dialects", "sqlalchemy.plugins", "fsspec.specs", "opentelemetry_context", "pydantic", "plotly"),
)
ALWAYS = ("sitecustomize", "usercustomize", "study", "conf", "models", "tests", "benchmarks")
WATCHER = """
import os
import sys

FOLDER, TO = os.environ.get("WATCHED"), os.environ.get("WATCHED_TO")
EVENTS = {"open": "reads", "sqlite3.connect": "reads", "exec": "runs", "subprocess.Popen": "starts"}
EVENTS["pickle.find_class"] = "unpickles"


def watch(event, given):
    if event not in EVENTS or busy[0]:
        return
    busy[0] = True
    try:
        if event == "subprocess.Popen":
            what = os.path.basename(os.fsdecode(given[0]))
        elif event == "pickle.find_class":
            what = f"{given[0]}.{given[1]}"
        else:
            path = given[0].co_filename if event == "exec" else given[0]
            if path is None or isinstance(path, int):
                return
            path = os.fsdecode(path).removeprefix("file:").partition("?")[0]
            what = os.path.relpath(os.path.join(FOLDER, path), FOLDER)
            # A name that does not exist there is relative to another folder, or is written.
            if path.startswith("<") or what.startswith("..") or not os.path.isfile(os.path.join(FOLDER, path)):
                return
            if os.path.basename(os.path.dirname(what)) == "__pycache__":  # what runs from it is an event of its own
                return
        line = "\\t".join((os.environ.get("WATCHED_COMMAND", "?"), EVENTS[event], what)) + "\\n"
        file = os.open(TO, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode(errors="replace"))
        os.close(file)
    finally:
        busy[0] = False


if FOLDER:
    busy = [False]
    sys.addaudithook(watch)
"""


def planted_names():
    """Return every top-level name that a process of this project may import, and more."""
    installed = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
    names = {*sys.stdlib_module_names, *installed, *sys.modules, *OPTIONAL.split(), *ALWAYS}
    return sorted(name for name in names if name.isidentifier() and not name.startswith(("__", "pytest", "_pytest")))


def plant(folder, marks):
    """Fill a folder with code that leaves a mark when it runs, and with a landscape that a config may name."""
    marked = f"open({str(marks)!r} + '/' + __name__, 'a').close()\n"
    for name in planted_names():
        (folder / f"{name}.py").write_text(marked)
    for path in ("hydra_plugins/planted.py", "gunicorn.conf.py", "unnamed_data.py", "unnamed_net.py"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(marked)
    (folder / "hydra_plugins.py").unlink(missing_ok=True)
    plugins = folder / "planted-1.0.dist-info"
    plugins.mkdir()
    (plugins / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (plugins / "entry_points.txt").write_text("".join(f"[{group}]\nplanted = unnamed_net\n" for group in PLUGINS))
    (folder / "matplotlibrc").write_text("text.usetex: True\nbackend: module://unnamed_net\n")
    (folder / ".env").write_text("PYTHONSTARTUP=unnamed_net.py\n")
    (folder / "named_net.py").write_text(
        f"{marked}from named_part import square\n\ndef height(x):\n    return square(x)\n"
    )
    (folder / "named_part.py").write_text(f"{marked}\ndef square(x):\n    return x * x\n")
    configs = {
        "model/named.yaml": "name: named\n_target_: study.models.landscape.build\nkind: dense\n"
        "function: {_target_: named_net.height}\nstart: [-3.0]\ndomain: [[-4.0, 4.0]]\n",
        "model/unnamed.yaml": "name: unnamed\n_target_: unnamed_net.build\n",
        "dataset/unnamed.yaml": "name: unnamed\n_target_: unnamed_data.load\n",
    }
    for name, text in configs.items():
        (folder / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "conf" / name).write_text(text)


def watching(folder, watcher):
    """Write the watcher into a new folder, and return the environment variables with which Python starts it."""
    watcher.mkdir()
    (watcher / "sitecustomize.py").write_text(WATCHER)
    return {"PYTHONPATH": str(watcher), "WATCHED": str(folder), "WATCHED_TO": str(watcher / "events")}


def events(watcher):
    """Return what was noted: for each command, the things of each kind."""
    found = defaultdict(lambda: defaultdict(set))
    for line in (watcher / "events").read_text().splitlines():
        command, kind, what = line.split("\t")
        found[command][kind].add(what)
    return found


def run_commands(folder, commands):
    """Run command lines in this process, each as if it were the first, and return their statuses."""
    from study.cli import main
    from study.cli.working_directory import import_nothing_from_working_directory

    import_nothing_from_working_directory()
    places, answers = [*sys.path], []
    for name, words in commands:
        os.environ["WATCHED_COMMAND"] = name
        before = _files(folder)
        try:
            answers.append(main(words))
        except SystemExit as end:
            answers.append(int(end.code or 0))
        after = _files(folder)
        changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
        with open(os.environ["WATCHED_TO"], "a", encoding="utf-8") as file:
            file.writelines(f"{name}\twrites\t{path}\n" for path in sorted(changed))
        sys.path[:] = places
        for module in [module for module in sys.modules if module.startswith("named_")]:
            del sys.modules[module]
    return answers


def _files(folder):
    # Python keeps the bytecode of modules that run, unless it was told not to.
    paths = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    paths = [path for path in paths if path.name != "mlflow.db-shm"]
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


if __name__ == "__main__":
    statuses = run_commands(Path(sys.argv[1]), json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(statuses)}\n")
