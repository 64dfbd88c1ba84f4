import math
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from case_process import CaseProcess

from study.core.errors import BackendError, StudyError
from study.training.vectorized.trainer import VectorizedTrainer

pytestmark = pytest.mark.long(reason="each group of cases compiles its own programs in a fresh process")

ROOT = Path(__file__).parents[3]
OPTIMIZERS = sorted(
    path.stem
    for path in (ROOT / "conf" / "optimizer").glob("*.yaml")
    if "study.optimizers.reference." not in path.read_text()  # rules in NumPy
)
SETTINGS = (
    *(
        f"schedule {path.stem}"
        for path in sorted((ROOT / "conf" / "schedule").glob("*.yaml"))
        if path.stem != "constant"
    ),
    *("clipnorm", "global_clipnorm", "clipvalue", "weight_decay", "ema", "ema overwritten", "accumulation"),
    "label smoothing",
    *("loss_scale_factor", "dropout, batch norm, l2", "recurrent", "unknown initializer", "bfloat16"),
    *(
        "metrics and steps",
        "n_steps",
        "few steps",
        "whole batches",
        "too few examples",
        "orders",
        "pruned",
        "wreck",
        "exploding",
    ),
    *("only call", "in order", "evaluated", "evaluated, averages, recurrent"),
)
INITIAL = ("mlp", "linear", "regularized", "recurrent", "many initializers", "shared")
# After 14 to 16 steps; float32 rounds to 6e-8, and products are summed in another order if lanes are multiplied
# together.
TOLERANCE = 2e-6
LOOSE = {"bfloat16": 2e-2, "dropout, batch norm, l2": 2e-4}  # 8 bits; a division by a deviation close to zero
# `make test-quick` trains these alone; each of the others compiles for seconds.
QUICK = ("adam", "sgd", "schedule warmup_cosine", "wreck")
# Variables of a process whose programs are compiled quickly: XLA leaves out most optimizations.
QUICKLY = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
NOT_COMPARED = ("seconds_train", "seconds_compile", "seconds_evaluate", "compiled_batch_size")


def or_slow(names):
    """Mark all cases but the quick ones."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


class Cases(CaseProcess):
    """The program vectorized_cases.py in a process that has Keras on JAX."""

    def __init__(self, log, **variables):
        super().__init__(Path(__file__).with_name("vectorized_cases.py"), log, **variables)


@pytest.fixture(scope="module")
def exact():
    """Return the answer to each question, which is asked once, with programs compiled as those of a user's study."""
    with tempfile.TemporaryFile("w+") as log, closing(Cases(log)) as cases:
        yield cache(cases.ask)


@pytest.fixture(scope="module")
def answers(exact):
    """Return the answer to each question, which is asked once.

    XLA's optimizations take a third of the time and change rounding alone; the quick cases have them.
    """
    with tempfile.TemporaryFile("w+") as log, closing(Cases(log, **QUICKLY)) as cases:
        quickly = cache(cases.ask)
        yield lambda *question: (exact if question[-1] in QUICK else quickly)(*question)


def assert_same(ours, reference, *, tolerance=TOLERANCE):
    assert ours["state"] == reference["state"], ours["error"]
    assert ours["reports"] == reference["reports"]
    assert ours["history"].keys() == reference["history"].keys()
    for name, values in reference["history"].items():
        np.testing.assert_allclose(ours["history"][name], values, rtol=tolerance, atol=tolerance, err_msg=name)
    assert ours["summary"].keys() == reference["summary"].keys()
    ignored = (*NOT_COMPARED, *(("n_steps", "n_examples") if "diverged_at_step" in ours["summary"] else ()))
    for name in set(ours["summary"]) - set(ignored):
        np.testing.assert_allclose(
            ours["summary"][name], reference["summary"][name], rtol=10 * tolerance, err_msg=name
        )
    for mine, other in zip(ours["steps"], reference["steps"], strict=True):
        assert mine.get("step") == other.get("step")
        np.testing.assert_allclose(mine.get("step_loss", []), other.get("step_loss", []), rtol=1e-4)


@pytest.mark.slow
def test_trials_are_shared_out_over_all_devices():
    flags = "--xla_force_host_platform_device_count=4"
    with tempfile.TemporaryFile("w+") as log, closing(Cases(log, XLA_FLAGS=flags, **QUICKLY)) as cases:
        found = cases.ask("devices")
    assert found["four: devices"] == [4]
    assert found["one: devices"] == [1]
    for ours, reference in zip(found["four"], found["one"], strict=True):
        assert_same(ours, reference, tolerance=LOOSE["dropout, batch norm, l2"])
    assert found["four"][0]["summary"]["compiled_batch_size"] == 8
    assert found["ahead"] == [False]  # confirmations, each with its own batches, are trained in the same program
    assert found["programs"] == 1
    assert found["on a gpu: ahead"] == [False, True]  # the confirmations' program is compiled while the search trains
    assert found["on a gpu: programs"] == 2
    for ours, reference in zip(found["on a gpu"], found["one"], strict=True):
        assert_same(ours, reference, tolerance=LOOSE["dropout, batch norm, l2"])
    for (confirmed,) in (found["confirmed"], found["on a gpu: confirmed"]):
        assert (
            confirmed["summary"]["compiled_batch_size"] == 8
        )  # six, and two more so that all devices have equal shares
        assert confirmed["summary"]["test_accuracy"] > 0.1
    # Orthogonal weights, drawn two at a time on a device, once caused a deadlock of the devices.
    assert [r["state"] for r in found["recurrent"]] == ["complete"] * 8


@pytest.mark.slow
def test_stepping_together_or_one_after_the_other_changes_rounding_alone(answers):
    found = answers("abreast")
    assert found["one by one: orders"] == [False]
    assert found["all together: orders"] == [False, True]
    for ours, reference in zip(found["one by one"], found["all together"], strict=True):
        assert_same(ours, reference, tolerance=LOOSE["dropout, batch norm, l2"])


@pytest.mark.parametrize("name", or_slow(OPTIMIZERS))
def test_every_optimizer_trains_as_in_fit(answers, name):
    found = answers("optimizers", name)
    assert found["fit"][0]["history"]["loss"] != found["fit"][1]["history"]["loss"]
    for ours, reference in zip(found["vectorized"], found["fit"], strict=True):
        assert ours["state"] == "complete", ours["error"]
        assert_same(ours, reference)
        for mine, other in zip(ours["weights"], reference["weights"], strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", or_slow(SETTINGS))
def test_everything_else_trains_as_in_fit(answers, name):
    found = answers("settings", name)
    for ours, reference in zip(found["vectorized"], found["fit"], strict=True):
        assert_same(ours, reference, tolerance=LOOSE.get(name, TOLERANCE))
    states = {"pruned": ["pruned", "complete"], "wreck": ["complete", "diverged"]}
    states["exploding"] = ["diverged", "complete"]
    assert [r["state"] for r in found["vectorized"]] == states.get(name, ["complete"] * 2)


def test_every_case_is_tested(answers):
    assert set(SETTINGS) == set(answers("names")["settings"])
    assert set(INITIAL) == set(answers("names")["initial_weights"])


@pytest.mark.slow
def test_a_diverged_trial_names_the_step_of_its_exploding_loss(answers):
    exploding = answers("settings", "exploding")
    k = next(k for k in range(100) if 1000 * 1999.0 ** (2 * k) > 3.4e38)
    assert exploding["vectorized"][0]["summary"]["diverged_at_step"] == k + 1
    assert math.isfinite(exploding["vectorized"][1]["summary"]["final_loss"])


@pytest.mark.parametrize("name", or_slow(INITIAL))
def test_initial_weights_are_those_of_fit_bit_by_bit(exact, name):
    found = exact("initial_weights", name)
    kernels = [result["weights"][0] for result in found["fit"]]
    assert kernels[0] != kernels[1] or name in ("shared",)
    for ours, reference in zip(found["vectorized"], found["fit"], strict=True):
        moving = {i for i, w in enumerate(reference["weights"]) if name == "regularized" and i in (3, 4)}
        for index, (mine, other) in enumerate(zip(ours["weights"], reference["weights"], strict=True)):
            if index in moving:  # batch normalization's averages, which one step has changed
                np.testing.assert_allclose(mine, other, rtol=1e-6)
            else:
                assert mine == other


@pytest.mark.slow
def test_neighboring_lanes_change_no_bit(exact):
    found = exact("neighbors")
    assert found["states of the wild"] == ["diverged"] * 3
    assert found["n_programs"] == 1  # new numbers compile nothing
    for other in ("wild", "moved", "alone", "anew"):
        for result, reference in zip(found[other], found["together"], strict=True):
            assert result["history"] == reference["history"], other
            assert result["weights"] == reference["weights"], other
            assert result["summary"]["compiled_batch_size"] == 6


@pytest.mark.slow
def test_structures_are_trained_apart_and_a_broken_trial_fails_alone(answers):
    found = answers("structures")
    assert [r["state"] for r in found["vectorized"]] == ["complete"] * 3 + ["failed"] + ["complete"] * 2
    assert "speed" in found["vectorized"][3]["error"]
    # No momentum, momentum, Nesterov's, clipped.
    assert found["n_structures"] == 4
    assert found["capacity"] == 2
    for ours, reference in zip(found["vectorized"], found["fit"], strict=True):
        if reference["state"] == "complete":
            assert_same(ours, reference)
            assert ours["summary"]["compiled_batch_size"] == 2


@pytest.mark.slow
def test_too_many_programs_are_refused_with_the_trainer_that_can(answers):
    refusal = answers("structures")["refusal"]
    assert refusal.startswith("StudyError: trainer=vectorized")
    assert "clipvalue" in refusal
    assert "Use trainer=fit" in refusal


@pytest.mark.slow
def test_memory_that_runs_out_halves_the_batch_and_loses_nothing(answers):
    found = answers("memory")
    assert found["sizes"] == [8, 4, 2]
    assert [r["state"] for r in found["tight"]] == ["complete"] * 5
    for ours, reference in zip(found["tight"], found["roomy"], strict=True):
        assert_same(ours, reference)
        assert ours["summary"]["compiled_batch_size"] == 2
    assert found["bounded"] < 8


def assert_alike(ours, reference):
    """Assert the same numbers except for the last digits."""
    for mine, other in zip(ours, reference, strict=True):
        assert mine["state"] == other["state"], mine["error"]
        assert mine["history"].keys() == other["history"].keys()
        for name, values in other["history"].items():
            np.testing.assert_allclose(mine["history"][name], values, rtol=2e-5, atol=2e-5, err_msg=name)
        assert mine["summary"]["n_steps"] == other["summary"]["n_steps"]
        np.testing.assert_allclose(mine["summary"]["initial_loss"], other["summary"]["initial_loss"], rtol=2e-5)


@pytest.mark.slow
def test_a_batch_that_may_not_change_keeps_its_size(answers):
    still = answers("lanes")["still"]
    assert [r["state"] for r in still["results"]] == ["complete" if i in (2, 7) else "pruned" for i in range(8)]
    assert still["programs"] == [[8, True]]
    assert still["asked"] == []
    assert all("compiled_batch_size_at_end" not in r["summary"] for r in still["results"])


@pytest.mark.slow
def test_a_batch_shrinks_where_half_was_stopped(answers):
    found = answers("lanes")
    smaller = found["smaller"]
    assert smaller["programs"] == [[2, True], [8, True]]
    assert_alike(smaller["results"], found["still"]["results"])
    assert smaller["asked"] == [6]  # and never again, since no trials are left
    at_end = [r["summary"].get("compiled_batch_size_at_end", 8) for r in smaller["results"]]
    assert at_end[2] == at_end[7] == 2
    assert {r["summary"]["compiled_batch_size"] for r in smaller["results"]} == {8}


@pytest.mark.slow
def test_free_places_are_filled_and_then_the_batch_shrinks(answers):
    found = answers("lanes")
    filled = found["filled"]
    assert len(filled["results"]) == 14
    assert_alike(filled["results"], found["still"]["results"] + found["rest"])
    assert filled["asked"][0] == 6
    assert len(filled["programs"]) <= 4
    assert [8, False] in filled["programs"]
    sizes = [
        (r["summary"]["compiled_batch_size"], r["summary"].get("compiled_batch_size_at_end"))
        for r in filled["results"]
    ]
    assert sizes[0] == (8, None)


@pytest.mark.slow
def test_places_that_are_free_are_passed_over_or_filled(answers):
    found = answers("places")
    # Three trials are stopped at their first epoch, three at the second. A batch of constant size runs an epoch ahead.
    assert found["still"]["trained"] == [8, 8, 5, 2]
    assert found["emptied"]["trained"] == [8, 5, 2, 2]
    assert found["filled"]["trained"] == [8, 5, 8, 5]
    assert [found[name]["asked"] for name in ("emptied", "filled")] == [[6], [6]]
    for name in ("still", "emptied", "filled"):
        assert found[name]["programs"] == [[8, False]]  # nothing else is compiled
        assert all("compiled_batch_size_at_end" not in r["summary"] for r in found[name]["results"])
        alike = found["still"]["results"] if name != "filled" else found["still"]["results"] + answers("lanes")["rest"]
        assert_alike(found[name]["results"], alike)
    assert_alike(found["still"]["results"], answers("lanes")["still"]["results"])


@pytest.mark.slow
def test_cut_epochs_are_not_mixed(answers):
    cut = answers("lanes")["cut short"]
    assert cut["asked"] == []
    assert len(cut["results"]) == 8
    assert {r["summary"]["n_steps"] for r in cut["results"]} == {7, 10}


@pytest.mark.slow
def test_new_trials_of_another_structure_come_afterwards(answers):
    found = answers("lanes")
    odd = found["odd"]["results"]
    assert [r["state"] for r in odd[-2:]] == ["failed", "complete"]
    assert_alike(odd[:9], found["still"]["results"] + found["rest"][:1])
    assert_alike(odd[-1:], found["odd alone"])


@pytest.mark.slow
def test_trials_that_are_due_take_free_places_first(answers):
    found = answers("lanes")
    assert_alike(found["small"]["results"], found["still"]["results"] + found["rest"][:2])
    assert {r["summary"]["compiled_batch_size"] for r in found["small"]["results"]} <= {2, 4}


@pytest.mark.slow
def test_a_caller_is_called_at_the_beginning_and_towards_the_end(answers):
    reports = [[[0, epoch], [1, epoch]] for epoch in range(3)]
    assert answers("lanes")["told"] == ["begun", *reports[0], ["ending", 1], *reports[1], ["ending", 0], *reports[2]]


@pytest.mark.slow
def test_an_exception_of_a_caller_asked_for_more_trials_passes_through(answers):
    assert "the caller's own" in answers("lanes")["refusal"]


@pytest.mark.slow
def test_memory_that_runs_out_where_places_are_filled_loses_nothing(answers):
    found = answers("lanes")
    assert_alike(found["tight"]["results"], found["still"]["results"] + found["rest"])


@pytest.mark.parametrize(
    ("backend", "capacity", "error", "told"),
    [
        ("tensorflow", "auto", BackendError, "expected jax.*trainer=fit trainer.backend=tensorflow"),
        ("jax", 0, StudyError, "trainer.capacity=0: expected a whole number of at least 1"),
        ("jax", "many", StudyError, "trainer.capacity=many"),
        ("jax", True, StudyError, "trainer.capacity=True"),
    ],
)
def test_an_invalid_backend_or_capacity_is_refused(backend, capacity, error, told):
    arguments = {"batch_size": 32, "eval_batch_size": 64, "precision": "float32"}
    with pytest.raises(error, match=told):
        VectorizedTrainer(None, None, backend=backend, capacity=capacity, **arguments)  # type: ignore[arg-type]
