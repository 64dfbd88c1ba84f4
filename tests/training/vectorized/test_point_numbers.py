"""Every number of a config that can be a lane's argument gives `fit`'s history on JAX, alone and beside others."""

import inspect
import tempfile
from contextlib import closing
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from case_process import CaseProcess
from numbered_models import noise_layers, regularizers

pytestmark = pytest.mark.long(reason="each case compiles its own programs")

CONF = Path(__file__).parents[3] / "conf"
# After 14 steps; float32 rounds to 6e-8, and products are summed in another order in a batch.
TOLERANCE = 5e-6
SCHEDULES = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CONF / "schedule").glob("*.yaml"))}
# XLA leaves out most optimizations, which take a third of the time and change rounding alone.
QUICKLY = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
NOT_COMPARED = ("seconds_train", "seconds_compile", "seconds_evaluate", "compiled_batch_size")
QUICK = ("momentum of batch normalization", "smoothed digits", "warmup_cosine")
# Others of the same kind run with these.
FULL = ("recurrent", "attention", "activity", "weights of classes", "smoothed rows", "smoothed parity")
# Arguments of Keras's layers of augmentation that are strengths, of those that keep shapes and targets.
STRENGTHS = ("factor", "height_factor", "x_factor", "stddev")
EXTRA = {"RandomBrightness": {"value_range": [0, 1]}, "RandomTranslation": {"width_factor": 0.1}}
LEFT_OUT = (
    # A whole number or colors, which digits have not; a layer that mixes targets or changes shapes.
    *("RandomColorJitter", "RandomColorDegeneration", "RandomHue", "RandomSaturation", "RandomGrayscale"),
    *("RandomPosterization", "RandomSharpness", "RandAugment", "AugMix", "RandomElasticTransform"),
    *("RandomErasing", "RandomGaussianBlur", "RandomInvert", "RandomPerspective", "RandomCrop"),
)


def augmentations():
    """Return the names of Keras's random layers with a strength, each with this argument."""
    found = {}
    for name, layer in vars(keras.layers).items():
        if inspect.isclass(layer) and name.startswith("Random") and name not in LEFT_OUT:
            known = inspect.signature(layer.__init__).parameters
            for argument in STRENGTHS:
                if argument in known:
                    found[name] = argument
                    break
    return found


def model_cases():
    for target, of, names in (("noisy", "rates", noise_layers()), ("penalized", "penalties", regularizers())):
        points = [{f"model.{of}.{name}": start + 0.01 * i for i, name in enumerate(names)} for start in (0.2, 0.4)]
        yield target, [[], points, model(target=target, **{of: dict.fromkeys(names, 0.1)})]
    yield "activity", [[], [{"model.activity": 0.2}, {"model.activity": 0.4}], model(target="penalized", penalties={})]
    pairs = [{"model.value": 0.9, "model.epsilon": 0.1}, {"model.value": 0.5, "model.epsilon": 0.2}]
    ranges = {"model.value": {"low": 0.3, "high": 0.95}}
    yield "momentum of batch normalization", [[], pairs, model(target="normalized") | {"search": ranges}]
    pairs = [{"model.value": 0.2, "model.within": 0.1}, {"model.value": 0.4, "model.within": 0.3}]
    yield "recurrent", [[], pairs, model(target="recurrent", layer="GRU")]
    yield "attention", [[], [{"model.value": 0.2}, {"model.value": 0.45}], model(target="attending")]


def model(*, target, **arguments):
    return {"model": {"_target_": f"numbered_models.{target}", **arguments}}


def task_cases():
    smoothing, search = "dataset.task.loss.label_smoothing", {"low": 0.0, "high": 0.3}
    points = [{smoothing: 0.1}, {smoothing: 0.25}]
    losses = {
        "digits": {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True},
        "rows": {"_target_": "keras.losses.CategoricalCrossentropy", "from_logits": True},
        "parity": {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True},
    }
    for targets, loss in losses.items():
        task = {"loss": loss, "metrics": [], "objective": {"metric": "val_loss", "direction": "auto", "target": None}}
        yield f"smoothed {targets}", [[], points, {"targets": targets, "task": task, "search": {smoothing: search}}]
    two = {
        "loss": {"digit": losses["digits"], "is_odd": losses["parity"]},
        "metrics": {"digit": ["accuracy"]},
        "loss_weights": {"digit": 1.0, "is_odd": 0.5},
        "objective": {"metric": "val_digit_accuracy", "direction": "auto", "target": None},
    }
    weight = "dataset.task.loss_weights.is_odd"
    of_two = {"targets": "two", "task": two, **model(target="two_outputs")}
    weights = [{f"dataset.task.class_weight.{label}": value for label in (1, 7)} for value in (0.3, 0.5)]
    yield "weights of classes", [[], weights, {"task": {"class_weight": {1: 1.0, 7: 1.0}}}]
    yield "weights of losses", [[], [{weight: 0.2}, {weight: 0.5}], of_two]


def schedule_cases():
    """Search every number of every schedule."""
    for name, section in SCHEDULES.items():
        keys = [key for key in numbers_in(section, "schedule") if not key.endswith(("patience", "cooldown"))]
        if keys:
            points = [dict.fromkeys(keys, 0.2), dict.fromkeys(keys, 0.4)]
            if name == "step":  # the boundaries are in order
                for point in points:
                    point["schedule.boundaries.1.fraction_of_steps"] = 0.6
            yield name, [[f"schedule={name}"], points, {"search": {key: {"low": 0.05, "high": 0.7} for key in keys}}]


def numbers_in(node, path):
    if isinstance(node, dict):
        return [key for name, inner in node.items() for key in numbers_in(inner, f"{path}.{name}")]
    if isinstance(node, list):
        return [key for index, inner in enumerate(node) for key in numbers_in(inner, f"{path}.{index}")]
    return [path] if type(node) is float else []


def augment_cases():
    layers = augmentations()
    sections = [{"_target_": f"keras.layers.{name}", of: 0.1, **EXTRA.get(name, {})} for name, of in layers.items()]
    keys = [f"dataset.augment.{index}.{of}" for index, of in enumerate(layers.values())]
    yield "augmentation", [[], [dict.fromkeys(keys, 0.1), dict.fromkeys(keys, 0.25)], {"augment": sections}]


CASES = {name: case for cases in (model_cases, task_cases, schedule_cases, augment_cases) for name, case in cases()}
MARKS = {name: pytest.mark.full if name in FULL else pytest.mark.slow for name in CASES if name not in QUICK}


@pytest.fixture(scope="module")
def ask():
    program = Path(__file__).with_name("lane_numbers_cases.py")
    with tempfile.TemporaryFile("w+") as log, closing(CaseProcess(program, log, **QUICKLY)) as cases:
        yield cases.ask


@pytest.mark.parametrize("case", [pytest.param(name, marks=MARKS.get(name, ())) for name in CASES])
def test_a_number_of_a_lane_gives_the_numbers_of_fit(ask, case):
    words, points, more = CASES[case]
    found = ask("numbers", words, points, {**more, "alone": case in QUICK})
    assert (found["programs"], {each["error"] for each in found["together"]}) == (1, {None})
    references = [*found["fit"], *found["fit"][: len(found["alone"])]]
    for ours, reference in zip([*found["together"], *found["alone"]], references, strict=True):
        assert ours["state"] == reference["state"] == "complete", ours["error"] or reference["error"]
        assert ours["history"].keys() == reference["history"].keys()
        for name, values in reference["history"].items():
            np.testing.assert_allclose(ours["history"][name], values, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)
        for name in set(reference["summary"]) - set(NOT_COMPARED):
            np.testing.assert_allclose(ours["summary"][name], reference["summary"][name], rtol=10 * TOLERANCE)
    first, second = (each["history"]["val_loss"] for each in found["together"])
    assert first != second


@pytest.mark.parametrize(
    "target",
    ["hiding", "capped", "cut_off", "deeper", "rooted", "drawn_wide", "scaled", "begun_with", "rooted_by_numpy"],
)
def test_a_value_that_is_no_number_of_a_place_gets_a_program_of_its_own(ask, target):
    points = [{"model.value": 0.2}, {"model.value": 0.58}, {"model.value": 0.2}]
    check_own_programs(ask("numbers", [], points, model(target=target)), "model.value")


LOSS, AUGMENT = "dataset.task.loss.value", "dataset.augment.0.value"


def own_loss(**section):
    objective = {"metric": "val_loss", "direction": "auto", "target": None}
    return {"task": {"loss": section, "metrics": [], "objective": objective}}


HIDING_PARTS = {
    "loss made by a function": (LOSS, own_loss(_target_="numbered_models.penalizing", value=0.1)),
    "loss with an array": (LOSS, own_loss(_target_="numbered_models.WeighingLoss", value=0.1)),
    "schedule": ("schedule.value", {"schedule": {"_target_": "numbered_models.Falling", "value": 0.1}}),
    "augmentation": (AUGMENT, {"augment": [{"_target_": "numbered_models.Blurring", "value": 0.1}]}),
}


@pytest.mark.parametrize("part", HIDING_PARTS)
def test_a_part_that_hides_a_number_gets_a_program_for_each_value(ask, part):
    key, more = HIDING_PARTS[part]
    check_own_programs(ask("numbers", [], [{key: 0.2}, {key: 0.5}, {key: 0.2}], more), key)


SHOWING_PARTS = {
    "loss": (LOSS, own_loss(_target_="numbered_models.WeighingLoss", value=0.1, shown=True)),
    "schedule": ("schedule.value", {"schedule": {"_target_": "numbered_models.Falling", "value": 0.1, "shown": True}}),
}


@pytest.mark.parametrize("part", SHOWING_PARTS)
def test_a_number_that_an_own_part_shows_is_one_of_a_lane(ask, part):
    key, more = SHOWING_PARTS[part]
    found = ask("numbers", [], [{key: 0.2}, {key: 0.5}], more)
    assert (found["programs"], found["together"][0]["messages"]) == (1, [])
    check_histories(found)


@pytest.mark.parametrize(("target", "programs"), [("given_weights", 1), ("looked_up", 3)])
def test_trials_of_different_initial_weights_and_looked_up_numbers(ask, target, programs):
    points = [{"model.value": value} for value in (0.3, 0.2, 0.4)]
    found = ask("numbers", [], points, model(target=target))
    assert found["programs"] == programs
    check_histories(found)


def check_own_programs(found, key):
    assert found["programs"] == 2
    (told,) = found["together"][0]["messages"]
    assert told.startswith(f"{key}: trainer=vectorized compiles a program for each of its values")
    check_histories(found)


def check_histories(found):
    assert found["fit"][0]["history"] != found["fit"][1]["history"]
    for ours, reference in zip(found["together"], found["fit"], strict=True):
        assert ours["state"] == reference["state"] == "complete", ours["error"] or reference["error"]
        assert ours["history"].keys() == reference["history"].keys()
        for name, values in reference["history"].items():
            np.testing.assert_allclose(ours["history"][name], values, rtol=TOLERANCE, atol=TOLERANCE, err_msg=name)


def test_a_layer_that_is_left_out_at_0_makes_one_program_more(ask):
    points = [{"model.value": 0.0}, {"model.value": 0.3}, {"model.value": 0.45}]
    found = ask("numbers", [], points, model(target="optional") | {"search": {"model.value": {"low": 0, "high": 0.6}}})
    assert found["programs"] == 2
    check_histories(found)


NUMBERS = {
    "model.dropout": {"low": 0.0, "high": 0.5},
    "model.l2": {"low": 1e-6, "high": 1e-2, "scale": "log"},
    "dataset.task.loss.label_smoothing": {"low": 0.0, "high": 0.2},
    "schedule.warmup_fraction": {"low": 0.0, "high": 0.2},
    "optimizer.weight_decay": {"low": 1e-6, "high": 1e-1, "scale": "log"},
}
STRUCTURES = {"trainer.batch_size": {"choices": [32, 64, 128]}, "model.hidden": {"choices": [[64], [64, 64]]}}


@pytest.mark.slow
def test_one_program_trains_a_joint_search_of_numbers(ask):
    found = ask("joint", 64, NUMBERS, ["schedule=warmup_cosine"])
    assert (found["programs"], found["structures"], found["n"]) == (1, 1, 64)
    assert set(found["states"]) <= {"complete", "diverged"}


@pytest.mark.slow
def test_each_structure_of_a_joint_search_has_one_program(ask):
    found = ask("joint", 48, {**NUMBERS, **STRUCTURES}, ["schedule=warmup_cosine"])
    assert (found["programs"], found["structures"]) == (6, 6)
    assert set(found["states"]) <= {"complete", "diverged"}


def test_own_values_are_the_studys_own_config(ask):
    assert ask("point_config", "model.dropout", 0.0) == {"own": True, "other": True}
    assert ask("point_config", "model.dropout", 0.2) == {"own": True, "other": False}
