"""The costs that `trainer=auto` knows: those recorded here, and the file of measurements of a machine."""

import json

import pytest

from study.config.schema import KINDS
from study.core import machine
from study.training.auto_costs import VARIABLE, Cost, Speed, find_facts, keep_measured, measured_path

SPEED = Speed(start_s=2.0, gflops=100.0, n_cores=2)
COST = Cost(trainer="fit", backend="jax", compiling=1.0, training=0.1, step=0.01, flop=2.0, weight=3.0)


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A machine of two cores without a GPU, with its own file of measurements."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache" / "measured.json"))
    monkeypatch.setattr(machine, "NVIDIA_CARDS", tmp_path / "cards")
    monkeypatch.setattr("study.training.auto_costs.n_cores", lambda: 2)
    return tmp_path


def test_all_kinds_are_recorded_for_a_cpu_and_none_for_a_gpu_until_one_was_measured():
    facts = find_facts("cpu")
    assert {*facts.costs} == {*KINDS}
    options = {(cost.trainer, cost.backend) for cost in facts.costs["dense"]}
    assert options == {("fit", "tensorflow"), ("fit", "jax"), ("vectorized", "jax")}
    assert facts.source == "costs recorded on another machine"
    assert find_facts("gpu") is None


def test_measurements_of_this_machine_have_precedence_and_others_stay():
    keep_measured("cpu", SPEED, {"jax": 1.25}, {"dense": [COST], "recurrent": [COST]})
    path = measured_path()
    path.write_text(path.read_text().replace(json.dumps(machine.machine())[1:-1], "another"))
    keep_measured("cpu", SPEED, {"jax": 1.5}, {"dense": [COST]})
    keep_measured("gpu", SPEED, {"jax": 3.0}, {"dense": [COST]})
    assert {*json.loads(path.read_text())["machines"]} == {"another", machine.machine()}
    facts = find_facts("cpu")
    assert (facts.costs["dense"], facts.starts["jax"]) == ((COST,), 1.5)
    assert facts.source.startswith("`study doctor --measure` on 20")
    assert find_facts("gpu").starts == {"jax": 3.0}


def test_kinds_that_were_not_measured_here_keep_their_recorded_costs():
    recorded = find_facts("cpu")
    keep_measured("cpu", SPEED, {"jax": 1.5}, {"dense": [COST], "recurrent": []})
    facts = find_facts("cpu")
    others = [kind for kind in KINDS if kind != "dense"]
    assert facts.costs == {**{kind: recorded.costs[kind] for kind in others}, "dense": (COST,)}
    assert facts.starts == {**recorded.starts, "jax": 1.5}
    assert facts.speed == SPEED
    *_, named = facts.source.partition("; ")
    assert {*named.removesuffix(": recorded on another machine").split(", ")} == {*others}


def test_a_machine_of_which_all_kinds_were_measured_names_no_other():
    keep_measured("cpu", SPEED, {"jax": 1.5}, {kind: [COST] for kind in KINDS})
    facts = find_facts("cpu")
    assert facts.costs == dict.fromkeys(KINDS, (COST,))
    assert facts.starts == {"jax": 1.5}
    assert "recorded" not in facts.source


def test_a_machine_of_more_cores_multiplies_faster():
    assert Speed(start_s=2.0, gflops=100.0, n_cores=1).here == Speed(start_s=2.0, gflops=200.0, n_cores=2)


@pytest.mark.parametrize(
    "entry",
    [
        "3",
        '{"date": "2026-11-21", "costs": {"dense": [{"trainer": "fit", "backend": "jax", "fixed_s": 1.0}]}}',
        '{"cpu": {"date": 3, "speed": {}, "starts": {}, "costs": {}}}',
        '{"cpu": {"date": "x", "speed": {"start_s": 0, "gflops": 1, "n_cores": 1}, "starts": {}, "costs": {}}}',
        '{"cpu": {"date": "x", "speed": {"start_s": 1, "gflops": 1, "n_cores": 1}, "starts": {"mx": 1}, "costs": {}}}',
        '{"cpu": {"date": "x", "speed": {"start_s": 1, "gflops": 1, "n_cores": 1}, "starts": {}, "costs": {"x": []}}}',
        '{"cpu": {"date": "x", "speed": {"start_s": 1, "gflops": 1, "n_cores": 1}, "starts": {"jax": 1}, '
        '"costs": {"dense": [{"trainer": "fit", "backend": "jax", "compiling": -1}]}}}',
    ],
)
def test_unreadable_measurements_are_left_out_told_and_can_be_measured_again(entry):
    usual, path = find_facts("cpu"), measured_path()
    path.parent.mkdir()
    path.write_text(f'{{"machines": {{{json.dumps(machine.machine())}: {entry}}}}}')
    facts = find_facts("cpu")
    assert facts.costs == usual.costs
    assert f"{path}: expected what `study doctor --measure` writes" in facts.unread
    assert facts.unread in facts.source
    keep_measured("cpu", SPEED, {"jax": 1.0}, {"dense": [COST]})
    measured = find_facts("cpu")
    assert (measured.costs["dense"], measured.unread) == ((COST,), "")


@pytest.mark.parametrize("content", ["{", "[]", '{"machines": 3}'])
def test_a_file_that_is_no_record_of_machines_is_told(content):
    measured_path().parent.mkdir()
    measured_path().write_text(content)
    assert "Measure again, or delete the file" in find_facts("cpu").unread
