"""Runs every experiment in its smallest form and makes its page; its own process, for its backend.

python tests/gallery/smoke_cases.py FOLDER NAME...

Prints a JSON object: by experiment the page's text, or what went wrong.
"""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import contextlib
import gc
import importlib
import io
import json
import os
import sys
import traceback
from pathlib import Path

from study.core.garbage import collect_rarely
from study.training.backend import select_backend

collect_rarely()
select_backend("jax")
FOLDER, *NAMES = sys.argv[1:]
os.chdir(FOLDER)

import numpy as np
from sweep_parts import only_jobs

from study.cli import main
from study.cli.actions.gallery import page_after_run
from study.cli.launch.child_process import run_anywhere
from study.cli.launch.compose import compose_jobs, prepare
from study.pipeline.preflight import load_config

gc.freeze()  # Keras collects garbage for every model, also among the libraries' objects
# Some studies of an experiment would be a run of its budget that has not ended; with a seed of their own they are not.
QUIET = ("budget=smoke", "study_seed=1", "tracking.system_metrics=false", "tracking.log_model=false", "live=false")
SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}
# As many examples as are trained on; those held out for validation come on top.
N_EXAMPLES = 256


def run(name):
    """Run two studies of an experiment, or those that its module says its page needs, and return its page."""
    smallest = getattr(importlib.import_module(f"study.gallery.experiments.{name}"), "SMALLEST", ())
    overrides = [f"experiment={name}", *QUIET, *smallest]
    with only_jobs(lambda jobs: jobs if smallest else jobs[:2]):
        jobs = compose_jobs(prepare(overrides), multirun=False)
        if own := images(jobs[0]):
            jobs = compose_jobs(prepare([*overrides, own]), multirun=False)
    configs = []
    for job in jobs:
        configs.append(load_config(job.raw, folder=Path.cwd(), labels=job.labels))
        run_anywhere(configs[-1])
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        page_after_run(overrides, configs)
    page = Path("mlruns", "gallery", f"{name}.html")
    if not page.exists():
        raise AssertionError(told.getvalue())
    return page.read_text()


def images(job):
    """Write a small set of images in the place of one that must be downloaded, and return what names it."""
    dataset = job.raw["dataset"]
    shape = SHAPES.get(dataset["name"])
    if shape is None:
        return None
    path = Path(f"{dataset['name']}-{dataset['n_validation']}.npz")
    if not path.exists():
        rng = np.random.default_rng(0)
        kinds = rng.integers(0, 128, (10, *shape))
        arrays = {}
        for split, n in (("train", dataset["n_validation"] + N_EXAMPLES), ("test", N_EXAMPLES)):
            labels = np.arange(n, dtype=np.uint8) % 10
            arrays[f"y_{split}"] = labels
            arrays[f"x_{split}"] = (kinds[labels] + rng.integers(0, 128, (n, *shape))).astype(np.uint8)
        np.savez(path, **arrays)
    return f"dataset.path={path.resolve()}"


found = {}
for experiment in NAMES:
    try:
        found[experiment] = {"page": run(experiment)}
    except Exception:
        found[experiment] = {"error": traceback.format_exc()}
told = io.StringIO()
# Few studies, so their names under all budgets are soon known.
with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
    status = main(["gallery", "amsgrad", "--output", "made", "--no-log"])
made = sorted(path.name for path in Path("made").glob("*.html"))
found["study gallery"] = {"status": str(status), "error": told.getvalue(), "made": ", ".join(made)}
found["loaded TensorFlow"] = "tensorflow" in sys.modules
print(json.dumps(found))  # noqa: T201
