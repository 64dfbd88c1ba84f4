"""A trial's numbers do not depend on what the trainer trained before it; on TensorFlow here, on JAX in a process."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import psutil
import pytest
import training_workload as workload
from fit_workload import TRACES, around
from training_workload import keep_going, make_trainer, make_trial

pytestmark = pytest.mark.slow

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
MLP = {"_target_": "study.models.mlp.build", "hidden": [16], "dropout": 0.3, "batch_norm": True, "l2": 0.01}
ADAM = "keras.optimizers.Adam"
DESCENT = "fit_workload.Descent"
COSINE = {key: value for key, value in workload.read_yamls("schedule")["warmup_cosine"].items() if key != "name"}
# JAX compiles slowly, so only some of the tests run there.
JAX_CASES = (
    "dropout or schedule or decay or averages or accumulation or recurrent or clipvalue or traced or decides "
    "or own or failure or memory or state"
)
TOP_3 = {"_target_": "keras.metrics.SparseTopKCategoricalAccuracy", "k": 3, "name": "top_3"}


def trial(number, **hyperparameters):
    made = make_trial(number, test=True, keep_weights=True, **hyperparameters)
    return replace(made, run_seed=100 + number, order_seed=200 + number)


def train(trainer, one):
    (result,) = trainer.train([one], keep_going)
    assert result.error is None, result.error
    return result  # type: ignore[no-any-return]


def assert_same(one, other):
    assert one.state == other.state
    assert one.history == other.history
    seconds = ("seconds_train", "seconds_compile", "seconds_evaluate")
    assert {k: v for k, v in one.summary.items() if k not in seconds} == {
        k: v for k, v in other.summary.items() if k not in seconds
    }
    assert one.weights is not None
    assert other.weights is not None
    assert all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


def assert_like_first(config, trials, *, kept=True):
    """Train all trials in one trainer, and the last one alone in another; assert the same numbers."""
    used, fresh = make_trainer(**config), make_trainer(**config)
    results = [train(used, one) for one in trials]
    assert_same(results[-1], train(fresh, trials[-1]))
    assert len({tuple(result.history.get("loss", ())) for result in results}) == len(results)
    assert (used._program._model is not None) == kept
    return used


@pytest.mark.parametrize(
    ("config", "extra"),
    [
        pytest.param({"model": MLP, "optimizer": ADAM}, {"beta_2": 0.99999}, id="dropout and batch norm"),
        pytest.param({"optimizer": ADAM, "schedule": COSINE}, {"epsilon": 1e-3}, id="schedule"),
        pytest.param({}, {"momentum": 0.9, "weight_decay": 0.01}, id="weight decay"),
        pytest.param({}, {"momentum": 0.9, "clipnorm": 0.1}, id="clipnorm"),
        pytest.param({}, {"global_clipnorm": 0.1}, id="global clipnorm"),
        pytest.param({}, {"clipvalue": 0.01}, id="clipvalue"),
        pytest.param({}, {"use_ema": True, "ema_momentum": 0.9}, id="averages"),
        pytest.param({}, {"gradient_accumulation_steps": 2}, id="accumulation"),
        pytest.param({}, {"loss_scale_factor": 4.0}, id="loss scale"),
        pytest.param({"model": {"_target_": "training_workload.recurrent"}}, {}, id="recurrent"),
        pytest.param({"model": {"_target_": "training_workload.many_initializers"}}, {}, id="initializers"),
        pytest.param({"model": {"_target_": "training_workload.with_fixed_seed"}}, {}, id="fixed seeds"),
        pytest.param({"model": MLP, "precision": "bfloat16"}, {}, id="bfloat16"),
        pytest.param({"metrics": ("accuracy", TOP_3), "every_n_steps": 3}, {}, id="metrics"),
        pytest.param(
            {"optimizer": "keras.optimizers.Adagrad"}, {"initial_accumulator_value": 0.3}, id="initial state"
        ),
        pytest.param({"jit_compile": True}, {}, id="jit_compile"),
    ],
)
def test_a_trial_after_others_equals_the_first(config, extra):
    others = {name: value / 2 for name, value in extra.items() if type(value) is float}
    trials = [trial(1, learning_rate=0.03, **extra | others), trial(2, learning_rate=1e30, **extra | others)]
    used = make_trainer(**config)
    assert train(used, trials[0]).state == "complete"
    assert train(used, trials[1]).state == "diverged"
    model = used._program._model
    last = train(used, trial(3, learning_rate=0.1, **extra))
    assert last.state == "complete"
    assert_same(last, train(make_trainer(**config), trial(3, learning_rate=0.1, **extra)))
    assert used._program._model is model is not None
    # JAX's clip does not accept a symbol for a number. The number is then part of the step.
    assert len(used._program._structures) == (1 if ON_TENSORFLOW or "clipvalue" not in extra else 2)


def test_nothing_is_traced_twice():
    config = {"model": around("Traced"), "optimizer": ADAM}
    trainer = make_trainer(**config)
    train(trainer, trial(0))
    n = len(TRACES)
    for number in range(1, 4):
        train(trainer, trial(number, learning_rate=0.01 * number, beta_1=0.5 + 0.1 * number, epsilon=1e-3 * number))
    assert len(TRACES) == n


def test_what_decides_something_has_a_step_of_its_own():
    points = [{"momentum": 0.9}, {"momentum": 0.0}, {"momentum": 0.5}, {"nesterov": True}]
    trials = [trial(i, learning_rate=0.05, **point) for i, point in enumerate(points)]
    used = assert_like_first({}, [*trials, trial(5, learning_rate=0.1, momentum=0.2)])
    assert len(used._program._structures) == 3
    assert_same(train(used, trials[1]), train(make_trainer(), trials[1]))


def test_steps_that_are_kept_are_few():
    used = make_trainer(optimizer=DESCENT, n_epochs=1)
    for number in range(12):
        train(used, trial(number, speed=0.1 * (number + 1), way="taken out"))
    assert len(used._program._structures) <= 8


@pytest.mark.parametrize(
    ("way", "n_structures"),
    # One step serves all trials if the number is kept under its name or derived from it; else it is part of the step.
    [("plain", 1), ("derived", 1), ("renamed", 2), ("hidden", 2), ("taken out", 2), ("array", 2)],
)
def test_an_optimizer_of_ones_own(way, n_structures):
    trials = [trial(0, speed=0.3, way=way), trial(1, speed=0.7, way=way)]
    used = assert_like_first({"optimizer": DESCENT}, trials)
    assert len(used._program._structures) == n_structures
    plain = train(make_trainer(optimizer=DESCENT), replace(trials[1], hyperparameters={"speed": 0.7}))
    np.testing.assert_allclose(train(used, trials[1]).history["loss"], plain.history["loss"], rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"optimizer": DESCENT, "point": {"way": "counted"}}, id="optimizer with a count in Python"),
        pytest.param({"model": around("Counting")}, id="layer with a count in Python"),
        pytest.param({"model": around("DrawsWhenTraced")}, id="drawn when traced"),
        pytest.param({"model": {"_target_": "training_workload.drawn_by_numpy"}}, id="initial weights by NumPy"),
        pytest.param({"model": {"_target_": "fit_workload.with_drawn_constant"}}, id="drawn constant"),
    ],
)
def test_what_no_reset_would_reach_is_built_anew(config):
    point = config.pop("point", {})
    assert_like_first(config, [trial(i, learning_rate=0.1 * (i + 1), **point) for i in range(2)], kept=False)


@pytest.mark.parametrize("layer", ["OldRandomness", "OwnVariable"] if ON_TENSORFLOW else ["Counting"])
def test_what_a_graph_keeps_to_itself_is_built_anew(layer):
    config = {"model": around(layer)}
    assert_like_first(config, [trial(i, learning_rate=0.1 * (i + 1)) for i in range(2)], kept=False)


@pytest.mark.parametrize(
    ("member", "unknown"),
    [
        ("study.training.fit.program.all_layers", lambda _model: None),
        *(
            pytest.param(*each, marks=pytest.mark.full)
            for each in (
                ("study.training.initial_weights.initializer_of", lambda _variable: None),
                ("study.training.fit.graph.captured_tensors", lambda _graph: None),
                ("study.training.fit.graph.is_stateful_operation", lambda _name: True),
            )
        ),
    ],
)
@pytest.mark.skipif(not ON_TENSORFLOW, reason="inspects graphs of TensorFlow")
def test_a_member_that_another_version_lacks_costs_time_only(monkeypatch, member, unknown):
    trials = [trial(0, learning_rate=0.1), trial(1, learning_rate=0.2)]
    usual = train(make_trainer(model=MLP), trials[1])
    monkeypatch.setattr(member, unknown)
    used = assert_like_first({"model": MLP}, trials, kept=False)
    assert_same(train(used, trials[1]), usual)


def test_a_failure_costs_the_next_trial_nothing():
    used, good = make_trainer(), trial(1, learning_rate=0.1)
    train(used, trial(0, learning_rate=0.3))
    (failed,) = used.train([trial(2, speed=3)], keep_going)
    assert failed.state == "failed"
    with pytest.raises(KeyboardInterrupt):
        used.train([trial(3)], interrupt)
    assert used._program._model is None
    assert_same(train(used, good), train(make_trainer(), good))


def interrupt(_trial, _report):
    raise KeyboardInterrupt


def test_two_trainers_take_turns():
    trainers = [make_trainer(model=MLP), make_trainer(model=MLP, precision="bfloat16")]
    first = [train(trainer, trial(0, learning_rate=0.1)) for trainer in trainers]
    for trainer in trainers:
        train(trainer, trial(1, learning_rate=0.2))
    again = [train(trainer, trial(0, learning_rate=0.1)) for trainer in trainers]
    for one, other in zip(first, again, strict=True):
        assert_same(one, other)
    assert first[0].history != first[1].history


def test_hyperparameters_are_no_state():
    used = make_trainer(optimizer=ADAM)
    result = train(used, trial(0, learning_rate=0.01))
    assert result.summary["optimizer_state_bytes"] == 2 * 4 * result.summary["n_parameters"]
    optimizer = used._program._model.optimizer
    held = [v for v in optimizer.variables if v.name.startswith("hyperparameter")]
    values = {float(keras.ops.convert_to_numpy(variable)) for variable in held}
    assert {np.float32(1 - 0.999), np.float32(1 - 0.9)} <= {np.float32(value) for value in values}


def test_memory_is_flat():
    trainer, process = make_trainer(n_epochs=1, optimizer=ADAM), psutil.Process()

    def resident_after(numbers):
        for number in numbers:
            train(trainer, trial(number, learning_rate=1e-4 * (number + 1), beta_1=0.5 + 0.001 * number))
        return int(process.memory_info().rss)

    early = resident_after(range(20))
    # A trial that is traced anew leaves a megabyte or more in memory.
    assert resident_after(range(20, 120)) - early < 30 * 2**20


@pytest.mark.long(reason="it runs this file again, on the JAX backend")
def test_all_this_holds_on_jax(tmp_path):
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(Path(__file__).parents[3])}
    # A second trainer reuses the compiled programs of the first; tests/test_determinism.py compares fresh processes.
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment |= {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # trainings of one process are compared with each other
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", JAX_CASES, __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
