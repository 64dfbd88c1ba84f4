"""Walks on landscapes through Keras, compared with the rules: `fit` on TensorFlow, and `vectorized` on JAX."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from study.gallery.analysis.reference_walks import article_rule, walk
from study.optimizers.landscape import read_landscape
from study.optimizers.reference import of_keras
from study.optimizers.stability import as_quadratic

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long(reason="the first test runs whole studies on every landscape"),
]

ROOT = Path(__file__).parents[2]
OPTIMIZERS = sorted(
    path.stem
    for path in (ROOT / "conf" / "optimizer").glob("*.yaml")
    if "study.optimizers.reference." not in path.read_text()
)
LANDSCAPES = ("ellipse", "rotated", "beale", "saddle", "bowl", "double_well")
# Keras 3.15 computes another rule on TensorFlow than on JAX. On TensorFlow `momentum.value` is the variable itself, so
# the step uses the new momentum as the old one. The test fails once Keras corrects it.
UNLIKE = ("schedule_free_adamw",)
FIVE = ("sgd", "momentum", "adagrad", "adam", "rmsprop")
Found = dict[str, Any]


def read(group, name):
    return yaml.safe_load((ROOT / "conf" / group / f"{name}.yaml").read_text())


def run_cases(folder, trainer, backend):
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    command = [sys.executable, str(Path(__file__).with_name("landscape_cases.py")), str(folder), trainer, backend]
    environment = kept | {"PYTHONPATH": str(ROOT), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return {**json.loads(ended.stdout.splitlines()[-1]), "told": ended.stderr}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return run_cases(tmp_path_factory.mktemp("fit"), "fit", "tensorflow")


@pytest.fixture(scope="module")
def vectorized(tmp_path_factory):
    return run_cases(tmp_path_factory.mktemp("vectorized"), "vectorized", "jax")


@pytest.fixture(scope="module", params=["fit on tensorflow", "vectorized on jax"])
def found(request):
    name = "fitted" if request.param.startswith("fit") else "vectorized"
    return request.getfixturevalue(name)  # type: ignore[no-any-return]


def ellipse():
    landscape = read_landscape(read("model", "ellipse"))
    assert landscape is not None
    return landscape


@pytest.mark.parametrize("optimizer", FIVE)
def test_step_30_in_mlflow_is_the_value_of_the_recursion(found, optimizer):
    """S7: the published rule to 1e-6, and Keras's own rule, which adds epsilon elsewhere, to rounding."""
    landscape = ellipse()
    quadratic = as_quadratic(landscape)
    assert quadratic is not None
    published = read("experiment", "two_dimensions")["settings"]["published"][optimizer]
    (trial,) = found["two_dimensions"][f"{optimizer} published"]["trials"]
    assert trial["state"] == "complete"
    assert sorted(map(int, trial["loss"])) == list(range(1, 31))
    article, _ = walk(quadratic, article_rule({"name": optimizer, **published}), landscape.start, n_steps=30)
    assert trial["loss"]["30"] == pytest.approx(float(landscape.heights(article[-1])), abs=1e-6, rel=0)
    section = {**read("optimizer", optimizer), **published}
    own = {
        name: value
        for name, value in section.items()
        if name not in ("name", "_target_", "search", "search_only", "untuned")
    }
    keras, _ = walk(quadratic, of_keras(section["_target_"], own), landscape.start, n_steps=30)
    for index, metric in enumerate(("x1", "x2")):
        recorded = [trial[metric][str(step)] for step in range(1, 31)]
        assert recorded == pytest.approx(keras[1:, index].tolist(), rel=1e-9, abs=1e-13)
    assert trial["loss"] == trial["val_loss"]


def test_closed_forms_of_sgd_are_reached(found):
    (trial,) = found["two_dimensions"]["sgd published"]["trials"]
    x1, x2 = -7 * (1 - 0.95 * 0.1) ** 30, 2 * (1 - 0.95 * 2) ** 30
    assert trial["loss"]["30"] == pytest.approx(x1**2 / 20 + x2**2, rel=1e-12)


def test_sgd_diverges_on_the_rotated_valley_and_converges_once_tuned(found):
    published, tuned = (found["rotated"][f"sgd {name}"] for name in ("published", "tuned"))
    (trial,) = published["trials"]
    assert trial["state"] == "diverged"
    distances = np.hypot(*([trial[name][str(step)] for step in range(1, 31)] for name in ("x1", "x2")))
    assert distances[-1] / distances[-2] == pytest.approx(6.6)
    told = found["told"]
    assert told.count("lies above") == 1
    assert told.index("optimizer.learning_rate=0.95 lies above 0.25") < told.index("trial 0 (1 of 1) diverged")
    assert published["best"] is None
    assert tuned["best"] < 164.5 / 100
    assert tuned["confirmed"] == ["complete"]


def test_at_a_decay_of_exactly_1_kerass_step_is_over_the_root_of_epsilon(found):
    positions = found["decay 1"]["positions"]
    steps = [0.1 * gradient / math.sqrt(1e-7) for gradient in (-0.7, 4.0)]
    assert positions[0][1:] == pytest.approx([-7 - steps[0], 2 - steps[1]], rel=1e-14)
    assert found["decay 1"]["state"] == "diverged"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_takes_the_same_path_with_both_trainers(fitted, vectorized, optimizer):
    ways = [each["every optimizer"][optimizer] for each in (fitted, vectorized)]
    landscape = LANDSCAPES[OPTIMIZERS.index(optimizer) % len(LANDSCAPES)]
    start = read_landscape(read("model", landscape))
    assert start is not None
    for way in ways:
        assert way["error"] is None
        positions = np.array(way["positions"])
        assert positions.shape == (3, 3)
        assert not np.array_equal(positions[0, 1 : 1 + start.n_dimensions], start.start)
        assert positions[:, 0] == pytest.approx(start.heights(positions[:, 1 : 1 + start.n_dimensions]), rel=1e-12)
    # TensorFlow converts a Python number, such as the start of an accumulator, to float32 before float64.
    alike = ways[0]["positions"] == [pytest.approx(row, rel=2e-7, abs=1e-9) for row in ways[1]["positions"]]
    assert alike == (optimizer not in UNLIKE)


@pytest.mark.parametrize("landscape", LANDSCAPES)
def test_every_landscape_is_descended(found, landscape):
    way = found["every landscape"][landscape]
    known = read_landscape(read("model", landscape))
    assert known is not None
    heights = [float(known.heights(known.start)), *(position[0] for position in way["positions"])]
    assert heights == sorted(heights, reverse=True)
    assert way["state"] == "complete"
    if known.n_dimensions == 1:
        assert [position[2] for position in way["positions"]] == [0, 0, 0]
