"""`study doctor --measure`: what is measured, kept and shown; measuring itself is tested in tests/test_measure.py."""

import json

import pytest

from study.cli.actions import diagnostics, measure_trainers
from study.config.schema import KINDS
from study.core import machine
from study.core.errors import StudyError
from study.training.auto_costs import VARIABLE, Speed, StudySize, Timing, find_facts, measured_path


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path_factory):
    """Replace the measurements; return the requests."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(VARIABLE, str(folder / "measured.json"))
    monkeypatch.setenv("KERAS_HOME", str(folder))
    monkeypatch.setattr(machine, "NVIDIA_CARDS", folder / "cards")
    monkeypatch.setattr(diagnostics, "ask_for_gpus", lambda _, timeout_s: ("H200",) if timeout_s == 1 else ())
    asked = []

    def stand_in(raw, *, timeout_s):
        kind, trainer, n_epochs = raw["model"]["kind"], raw["trainer"]["name"], raw["budget"]["n_epochs"]
        asked.append((kind, trainer, raw["trainer"]["backend"]))
        assert timeout_s == 300
        if asked[-1] == ("dense", "fit", "jax"):
            raise StudyError("not done within 300 s")
        size = StudySize(kind=kind, flops=1e6, n_weights=100, n_steps=10 * n_epochs, batches=(2,))
        seconds = 0.5 if trainer == "fit" else 0.02
        return Timing(start_s=2.0, compiling_s=1.0, training_s=seconds * n_epochs, size=size)

    monkeypatch.setattr(measure_trainers, "measure", stand_in)
    speed = Speed(start_s=1.0, gflops=100.0, n_cores=machine.n_cores())
    monkeypatch.setattr(measure_trainers, "measure_speed", lambda **_: speed)
    return asked


def test_every_kind_is_measured_with_every_trainer_kept_and_shown(here, tmp_path, measured):
    status, out, _ = here("doctor", "--measure", cwd=tmp_path)
    assert status == 0
    contenders = {("fit", "tensorflow"), ("fit", "jax"), ("vectorized", "jax")}
    assert {*measured} >= {(kind, *contender) for kind in KINDS for contender in contenders}
    assert "dense, fit on jax, model=mlp model.hidden=[64,64] budget.n_epochs=1: not done within 300 s" in out
    assert "recurrent, vectorized on jax, model=lstm model.units=32 budget.n_epochs=6: 2.0 s to start, 1.0 s to" in out
    facts = find_facts("cpu")
    assert [(cost.trainer, cost.backend) for cost in facts.costs["dense"]] == [
        ("fit", "tensorflow"),
        ("vectorized", "jax"),
    ]
    assert facts.starts == {"tensorflow": 2.0, "jax": 2.0}
    for cost in facts.costs["recurrent"]:  # 10 steps an epoch
        assert cost.step == pytest.approx(0.05 if cost.trainer == "fit" else 0.002, rel=1e-3)
        assert (cost.compiling, cost.training) == (1.0, pytest.approx(0.0, abs=1e-6))
    assert "vectorized on jax 1.0x" in out
    assert "by `study doctor --measure` on 20" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("load", [0.0, 1000.0])
def test_a_busy_machine_is_told(here, tmp_path, monkeypatch, load):
    monkeypatch.setattr("os.getloadavg", lambda: (load, load, load))
    _, out, _ = here("doctor", "--measure", cwd=tmp_path)
    assert ("This machine is busy (load 1000.0" in out) == (load > 0)


def test_without_measuring_conf_is_shown_and_a_broken_file_stands_out(here, tmp_path, measured):
    _, out, _ = here("doctor", "--json", cwd=tmp_path)
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert findings["convolutional"]["detail"].startswith("fit on tensorflow 1.0x")
    assert "by costs recorded on another machine" in findings["convolutional"]["detail"]
    measured_path().write_text("{")
    status, out, _ = here("doctor", "--json", cwd=tmp_path)
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert status == 0  # a study can run with its trainer spelled out
    assert findings["trainer=auto"]["state"] == "broken"
    assert "Measure again" in findings["trainer=auto"]["advice"]
    assert measured == []
