"""`trainer=vectorized` with several inputs, sample weights, augmentation, streams, and data in pieces."""

import tempfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from case_process import CaseProcess

pytestmark = pytest.mark.long(reason="each case compiles its own programs in a fresh process")

# The compiler multiplies by the reciprocal of a number of examples that it knows, so the last digit of an evaluation
# may differ.
LAST_DIGIT = 3e-7
TOLERANCE = 2e-6


@pytest.fixture(scope="module")
def cases():
    program = Path(__file__).with_name("own_data_cases.py")
    with tempfile.TemporaryFile("w+") as log, closing(CaseProcess(program, log)) as process:
        yield process


def assert_close(ours, reference, *, tolerance):
    for mine, other in zip(ours, reference, strict=True):
        assert mine["state"] == other["state"] != "failed", mine["error"] or other["error"]
        assert mine["history"].keys() == other["history"].keys()
        for name, values in other["history"].items():
            np.testing.assert_allclose(mine["history"][name], values, rtol=tolerance, atol=tolerance, err_msg=name)
        assert mine["summary"].keys() == other["summary"].keys()
        for name in {"initial_loss", "early_loss", "final_loss", "test_loss", "test_accuracy"} & set(other["summary"]):
            assert mine["summary"][name] == pytest.approx(other["summary"][name], rel=10 * tolerance), name


# The number of examples of a piece, and of the last one; each example takes 260 bytes, and a batch has 32.
SIZES = {
    "search": [8, 64],
    "confirmations": [8, 32],
    "confirmations, pruned": [8, 32],
    "recurrent": [8, 64],
    "a batch a piece": [8, 32],
    "one piece": [200],
    "cut and evaluated": [8, 64],
    "dropout, batch norm, l2": [8, 64],
    "lazy": [8, 64],
    "two inputs": [8, 64],
    "stored order": [8, 64],
    "no test split": [8, 32],
}
QUICK = ("search", "confirmations")
FULL = ("recurrent", "cut and evaluated", "one piece", "stored order")
MARKS = {name: pytest.mark.full if name in FULL else pytest.mark.slow for name in SIZES if name not in QUICK}
NAMES = [pytest.param(name, marks=MARKS.get(name, ())) for name in SIZES]


@pytest.mark.parametrize("name", NAMES)
def test_pieces_train_the_same_weights_bit_by_bit(cases, name):
    found = cases.ask("pieces", name)
    assert found["sizes"] == SIZES[name]
    pruned = [result["state"] for result in found["held"]].count("pruned")
    assert pruned == (1 if name == "confirmations, pruned" else 0)
    assert_close(found["in pieces"], found["held"], tolerance=LAST_DIGIT)
    for mine, other in zip(found["in pieces"], found["held"], strict=True):
        assert mine["weights"] == other["weights"]
        assert mine["steps"] == other["steps"]
        if name != "cut and evaluated":
            assert mine["history"]["loss"] == other["history"]["loss"]


def test_an_empty_test_split_is_not_evaluated_in_pieces(cases):
    for result in cases.ask("pieces", "no test split")["in pieces"]:
        assert result["history"]["val_accuracy"]
        assert not [name for name in result["summary"] if name.startswith("test_")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["search", "confirmations", "two inputs"])
def test_pieces_train_lanes_that_step_together(cases, name):
    found = cases.ask("together", name)
    assert_close(found["in pieces"], found["held"], tolerance=TOLERANCE)


@pytest.mark.slow
def test_pieces_are_shared_out_over_all_devices(cases):
    program = Path(__file__).with_name("own_data_cases.py")
    flags = "--xla_force_host_platform_device_count=3"
    with tempfile.TemporaryFile("w+") as log, closing(CaseProcess(program, log, XLA_FLAGS=flags)) as three:
        for name in QUICK:
            found, alone = three.ask("pieces", name), cases.ask("pieces", name)
            assert_close(found["in pieces"], alone["held"], tolerance=TOLERANCE)


@pytest.mark.slow
def test_pieces_resume_bit_by_bit(cases):
    found = cases.ask("resumed")
    assert found["n_checkpoints"] > 0
    assert found["n_epochs_read"] == 2
    for mine, other in zip(found["resumed"], found["undisturbed"], strict=True):
        assert other["state"] == "complete", other["error"]
        for key in ("state", "history", "weights", "reports"):
            assert mine[key] == other[key]


@pytest.mark.parametrize("name", ["two inputs and weights", "augmentation"])
def test_everything_is_as_in_fit(cases, name):
    found = cases.ask("as_in_fit", name)
    assert_close(found["vectorized"], found["fit"], tolerance=TOLERANCE)


def test_a_stream_is_read_once_if_it_fits(cases):
    found = cases.ask("streams")
    assert found["same examples"]
    assert found["read once"][0]["state"] == "complete"
    for name in ("history", "weights"):
        assert found["read once"][0][name] == found["arrays"][0][name]
    assert "trainer=vectorized dataset=digits: expected at most" in found["refusal"]
    assert "Use trainer=fit" in found["refusal"]


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="the system does not tell anonymous memory")
def test_four_gigabytes_on_disk_take_little_memory():
    program = Path(__file__).with_name("own_data_cases.py")
    with tempfile.TemporaryFile("w+") as log, closing(CaseProcess(program, log)) as process:
        found = process.ask("peak_memory")
    assert found["state"] in ("complete", "diverged"), found["error"]
    assert found["size"] > 4e9
    assert found["bytes"] < 1.5e9
