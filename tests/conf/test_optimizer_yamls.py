import keras
import numpy as np
import pytest
import training_workload as workload
from training_workload import keep_going, make_trainer, make_trial

from study.config.instantiate import parameters
from study.training.build_optimizer import build_optimizer

pytestmark = pytest.mark.slow

EVERY = workload.read_yamls("optimizer")
# Rules in NumPy are no optimizers of Keras; tests/training/test_numpy.py trains with them.
YAMLS = {name: yaml for name, yaml in EVERY.items() if not yaml["_target_"].startswith("study.optimizers.reference.")}
NOT_ARGUMENTS = {"name", "_target_", "search", "search_only", "untuned"}
CONSTANT = {"_target_": None}


def arguments(yaml):
    return {key: value for key, value in yaml.items() if key not in NOT_ARGUMENTS and value is not None}


@pytest.fixture(scope="module")
def trainers():
    targets = {yaml["_target_"] for yaml in YAMLS.values()}
    return {target: make_trainer(optimizer=target) for target in targets}


def train(trainers, yaml, **point):
    trial = make_trial(keep_weights=True, **(arguments(yaml) | point))
    result = trainers[yaml["_target_"]].train([trial], keep_going)[0]
    assert result.state == "complete", result.error
    assert result.weights is not None
    # TensorFlow's relu turns NaN into 0, so the loss alone would hide NaN weights.
    assert all(np.isfinite(weight).all() for weight in result.weights)
    return dict(result.summary)


def test_every_optimizer_of_keras_has_a_yaml():
    classes = {
        name
        for name, member in vars(keras.optimizers).items()
        if isinstance(member, type) and issubclass(member, keras.optimizers.Optimizer)
    }
    wrappers = {"Optimizer", "LossScaleOptimizer", "MultiOptimizer"}
    targets = {yaml["_target_"] for yaml in YAMLS.values()}
    assert {f"keras.optimizers.{name}" for name in classes - wrappers} == {t for t in targets if t.startswith("keras")}


@pytest.mark.parametrize("name", EVERY)
def test_the_keys_are_the_constructors_arguments(name):
    yaml = EVERY[name]
    assert yaml["name"] == name
    known = set(parameters(yaml["_target_"])) - {"name"}
    assert set(yaml) - NOT_ARGUMENTS == known
    assert set(yaml["search"]) <= known
    assert set(yaml["untuned"]) <= known
    assert "learning_rate" in yaml["search"]


@pytest.mark.parametrize("name", YAMLS)
def test_ranges_contain_their_middle_and_the_default_where_they_can(name):
    yaml = YAMLS[name]
    known = parameters(yaml["_target_"])
    for argument, entry in yaml["search"].items():
        if "choices" in entry:
            assert known[argument].default in entry["choices"]
            continue
        assert entry["low"] < workload.midpoint(entry) < entry["high"]
        assert entry["scale"] != "log" or entry["low"] > 0
        assert entry["scale"] != "one_minus_log" or entry["high"] < 1


@pytest.mark.parametrize("name", YAMLS)
def test_the_untuned_optimizer_lowers_the_loss(name, trainers):
    summary = train(trainers, YAMLS[name], **YAMLS[name]["untuned"])
    assert summary["final_loss"] < summary["initial_loss"]


@pytest.mark.parametrize("name", YAMLS)
def test_the_middle_of_the_ranges_lowers_the_loss(name, trainers):
    yaml = YAMLS[name]
    point = {argument: workload.midpoint(entry) for argument, entry in yaml["search"].items()}
    if "epsilon" in point and yaml["search"]["epsilon"].get("optional"):
        del point["epsilon"]
    summary = train(trainers, yaml, **point)
    assert summary["final_loss"] < summary["initial_loss"]


@pytest.mark.parametrize(
    "extra",
    [{"clipnorm": 1}, {"clipvalue": 0.1}, {"global_clipnorm": 1.0}, {"use_ema": True}],
    ids=lambda extra: next(iter(extra)),
)
@pytest.mark.parametrize("name", ["momentum", "muon"])
def test_clipping_and_averaging_train(name, extra, trainers):
    summary = train(trainers, YAMLS[name], learning_rate=0.02, **extra)
    assert summary["final_loss"] < summary["initial_loss"]


def test_accumulated_gradients_are_those_of_a_larger_batch():
    point = {"learning_rate": 0.3, "keep_weights": True}
    budget = {"n_epochs": None}
    small = make_trainer(batch_size=20, n_steps=10, **budget)
    large = make_trainer(batch_size=40, n_steps=5, **budget)
    accumulated = small.train([make_trial(gradient_accumulation_steps=2, **point)], keep_going)[0]
    plain = large.train([make_trial(**point)], keep_going)[0]
    assert accumulated.weights is not None
    assert plain.weights is not None
    for a, b in zip(accumulated.weights, plain.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_muon_leaves_the_output_layer_and_the_biases_to_adamw():
    model = workload.tiny((8, 8, 1), 10)
    optimizer = build_optimizer("keras.optimizers.Muon", arguments(YAMLS["muon"]), schedule=CONSTANT, n_steps=10)
    optimizer.build(model.trainable_variables)
    by_adamw = [
        velocity is not None
        for variable, velocity in zip(model.trainable_variables, optimizer.adam_velocities, strict=True)
    ]
    assert [variable.path.split("/")[-1] for variable in model.trainable_variables] == ["kernel", "bias"] * 2
    assert by_adamw == [False, True, True, True]
