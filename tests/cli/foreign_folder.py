"""A folder as someone hands it on, with modules of every name that a command may import, and what commands do in it.

    python foreign_folder.py COMMANDS     runs command lines, a JSON list of lists of words, in this process

Every Python process that has the folder of `WATCHER` on its path writes what it reads, writes, runs and starts in the
working directory to a file: a line for each, with the command, the kind, and the path below the folder.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import sys

# Modules that libraries look for without needing them, and that are rarely installed.
OPTIONAL = (
    "IPython boto3 cupy databricks dbruntime google_colab ipywidgets kaleido numexpr orjson psycopg2 pyspark ray snappy "
    "torch torchvision torch_xla vtk win32api xarray"
)
STARTS = ("sitecustomize", "usercustomize", "study", "conf", "models", "tests", "benchmarks")
WATCHER = '''
import os
import sys

FOLDER, FILE = os.environ.get("WATCHED"), os.environ.get("WATCHED_TO")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def note(kind, what):
    line = "\\t".join((os.environ.get("WATCHED_COMMAND", "?"), kind, what)) + "\\n"
    file = real_open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode(errors="replace"))
    os.close(file)


def watch(event, given):
    if event not in ("open", "exec", "sqlite3.connect", "subprocess.Popen") or watching[0]:
        return
    watching[0] = True
    try:
        if event == "subprocess.Popen":
            return note("starts", os.path.basename(os.fsdecode(given[0])))
        path = given[0].co_filename if event == "exec" else given[0]
        if isinstance(path, int) or path is None:
            return
        path = os.fsdecode(path).removeprefix("file:").partition("?")[0]
        below = os.path.relpath(os.path.join(FOLDER, path) if not os.path.isabs(path) else path, FOLDER)
        if path.startswith("<") or below.startswith(".."):
            return
        if event == "exec":
            note("runs", below)
        elif event == "open" and (given[1] or "r").strip("bt") not in ("r", "") or event == "open" and (given[2] or 0) & WRITES:
            note("writes", below)
        else:
            note("reads", below)
    finally:
        watching[0] = False


if FOLDER:
    real_open, watching = os.open, [False]
    sys.addaudithook(watch)
'''


def planted_names():
    """Return every top-level name that a process of this project can import, except those of this test."""
    installed = {name for name in importlib.metadata.packages_distributions() if name.isidentifier()}
    return sorted({*sys.stdlib_module_names, *installed, *OPTIONAL.split(), *STARTS} - {"__main__"})


def plant(folder, marks):
    """Fill a folder with modules that leave a mark when they run, with plugins of Hydra, and with an own model."""
    marked = f"open({str(marks)!r} + '/' + __name__, 'a').close()\n"
    for name in planted_names():
        (folder / f"{name}.py").write_text(marked)
    (folder / "hydra_plugins").mkdir()
    (folder / "hydra_plugins" / "planted.py").write_text(marked)
    (folder / "hydra_plugins.py").unlink(missing_ok=True)
    (folder / "gunicorn.conf.py").write_text(marked)
    (folder / "matplotlibrc").write_text("text.usetex: True\nbackend: module://planted\n")
    (folder / ".env").write_text("PLANTED=1\n")
    for name in ("dataset", "model"):
        (folder / "conf" / name).mkdir(parents=True)
    (folder / "conf" / "model" / "named.yaml").write_text("name: named\n_target_: named_net.build\nwidth: 8\n")
    (folder / "conf" / "dataset" / "unnamed.yaml").write_text("name: unnamed\n_target_: unnamed_data.load\n")
    (folder / "unnamed_data.py").write_text(marked)
    (folder / "named_part.py").write_text(f"{marked}from study.models.mlp import build\n")
    (folder / "named_net.py").write_text(
        f"{marked}import keras\nimport named_part\n\n"
        "def build(input_shape, n_outputs, width: int = 8):\n"
        "    return named_part.build(input_shape, n_outputs, hidden=[width])\n"
    )


def run_commands(commands):
    """Run command lines in this process, each as if it were the first, and print their statuses and output as JSON."""
    from study.cli import main
    from study.cli.working_directory import import_nothing_from_working_directory

    import_nothing_from_working_directory()
    places, answers = [*sys.path], []
    for words in commands:
        os.environ["WATCHED_COMMAND"] = " ".join(words)
        try:
            status = main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        sys.stdout.flush()
        answers.append(status)
        sys.path[:] = places
        for name in [name for name in sys.modules if name.startswith("named_")]:
            del sys.modules[name]
    with contextlib.suppress(KeyError):
        del os.environ["WATCHED_COMMAND"]
    return answers


if __name__ == "__main__":
    statuses = run_commands(json.loads(sys.argv[1]))
    sys.stdout.write(f"\n{json.dumps(statuses)}\n")
