"""The numbers that each part of this project computes from fixed inputs, with the part's version.

`python -m tests.numbers_of_parts` writes them to numbers_of_parts.json, after a version was raised on purpose.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import yaml

from study.config.instantiate import instantiate, parameters
from study.pipeline.identity import version_of

CONF = Path(__file__).parents[1] / "conf"
RECORDED = Path(__file__).with_suffix(".json")
N_STEPS = 8
SHAPES = {"study.models.word_embedding.build": (12,), "study.models.landscape.build": (1,)}


def sections(group):
    """Yield the sections of a group of conf/ whose target is a part of this project, by `group/name`."""
    for path in sorted((CONF / group).glob("*.yaml")):
        raw = yaml.safe_load(path.read_text())
        if str(raw.get("_target_")).startswith("study."):
            known = parameters(raw["_target_"])
            kept = {key: value for key, value in raw.items() if key == "_target_" or key in known}
            yield f"{group}/{path.stem}", {key: value for key, value in kept.items() if not _is_open(value)}


def _is_open(value):
    return value is None or (isinstance(value, str) and value.startswith("${"))


def of_parts():
    """Return for each part its version and its numbers, those of trainers left out."""
    found = {}
    for name, section in sections("optimizer"):
        found[name] = entry(section["_target_"], optimizer_numbers(section))
    for name, section in sections("schedule"):
        known = parameters(section["_target_"])
        given = {name: value for name, value in (("initial_learning_rate", 0.1), ("n_steps", 100)) if name in known}
        schedule = instantiate(section, **given)
        found[name] = entry(section["_target_"], [float(schedule(step)) for step in range(0, 100, 10)])
    for name, section in sections("model"):
        found[name] = entry(section["_target_"], model_numbers(section))
    return found


def entry(target, numbers):
    return {"target": target, "version": version_of(target), "numbers": [float(f"{n:.6g}") for n in numbers]}


def gradients():
    return [np.array([math.sin(3 * step + i) for i in range(4)], np.float32) for step in range(N_STEPS)]


def optimizer_numbers(section):
    """Return four weights after eight steps along fixed gradients, and again with weight decay if there is any."""
    known = parameters(section["_target_"])
    given = {"n_steps": N_STEPS} if "n_steps" in known else {}
    decays = [{}, {"weight_decay": 0.1}] if "weight_decay" in known else [{}]
    return [weight for decay in decays for weight in walk(section, **given, **decay)]


def walk(section, **arguments):
    rule = instantiate(section, **arguments)
    weights = np.array([1.0, -1.0, 0.5, 2.0], np.float32)
    if not isinstance(rule, keras.optimizers.Optimizer):
        values = [weights.astype(np.float64)]
        state = rule.init(values)
        for gradient in gradients():
            values, state = rule.step(values, [gradient.astype(np.float64)], state)
        return values[0].tolist()
    variable = keras.Variable(weights)
    rule.build([variable])
    for gradient in gradients():
        rule.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return keras.ops.convert_to_numpy(variable).tolist()


def model_numbers(section):
    """Return the number of weights, and outputs for fixed weights and inputs."""
    shape = SHAPES.get(section["_target_"], (32, 32, 3))
    keras.utils.set_random_seed(0)
    model = instantiate(section, input_shape=shape, n_outputs=3)
    model.set_weights([_pattern(weight.shape, 0.3) for weight in model.weights if "seed" not in weight.path])
    x = np.abs(_pattern((2, *shape), 1.0))
    x = (x * 5).astype(np.int32) if section["_target_"] == "study.models.word_embedding.build" else x
    return [model.count_params(), *np.ravel(keras.ops.convert_to_numpy(model(x, training=False))).tolist()]


def _pattern(shape, scale):
    size = math.prod(shape)
    return (scale * np.abs(np.sin(np.arange(1, size + 1)))).reshape(shape).astype(np.float32)


def of_trainers(backend):
    """Return the version and the losses of two epochs for each trainer that trains on a backend in this process."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.core.trainer_interface import Trial
    from study.pipeline.preflight import load_config
    from study.pipeline.workload import build_trainer, load_dataset

    found = {}
    for name in ("vectorized",) if backend == "jax" else ("fit", "numpy"):
        words = ("dataset=digits", "model=mlp", "optimizer=adam", f"trainer={name}", "model.hidden=[8]")
        (job,) = compose_jobs(prepare([*words, "budget.n_epochs=2", "budget.n_trials=1"]), multirun=False)
        config = load_config(job.raw, folder=Path("/nonexistent"))
        trial = Trial(number=0, hyperparameters={"learning_rate": 0.01}, run_seed=1, order_seed=2)
        (result,) = build_trainer(config, load_dataset(config)).train([trial], lambda *_: True)
        numbers = [*result.history["loss"], *result.history["val_loss"]]
        found[f"trainer/{name}"] = entry(config.trainer.section["_target_"], numbers)
    return found


def of_all():
    """Return the numbers of all parts; those of the JAX backend are computed in a process of its own."""
    here = Path(__file__).parents[1]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    command = [sys.executable, "-m", "tests.numbers_of_parts", "jax"]
    done = subprocess.run(command, env=environment, cwd=here, capture_output=True, text=True, check=True)
    return {**of_parts(), **of_trainers("tensorflow"), **json.loads(done.stdout.splitlines()[-1])}


if __name__ == "__main__":
    if sys.argv[1:] == ["jax"]:
        print(json.dumps(of_trainers("jax")))  # noqa: T201
    else:
        RECORDED.write_text(json.dumps(of_all(), indent=1) + "\n")
