"""`study doctor --measure`: what is measured, kept and shown; measuring itself is tested in tests/test_measure.py."""

import json

import pytest

from study.cli.actions import diagnostics, trainer_timing
from study.cli.actions.trainer_timing import Seconds
from study.core import machine
from study.core.errors import StudyError
from study.training.auto_costs import VARIABLE, find_facts, measured_path


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path_factory):
    """Replace the measurement; return the requests."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(VARIABLE, str(folder / "measured.json"))
    monkeypatch.setenv("KERAS_HOME", str(folder))
    monkeypatch.setattr(machine, "NVIDIA_CARDS", folder / "cards")
    monkeypatch.setattr(diagnostics, "ask_for_gpus", lambda _, timeout_s: ("H200",) if timeout_s == 1 else ())
    asked = []

    def stand_in(raw, *, timeout_s):
        asked.append((raw["model"]["kind"], raw["trainer"]["name"], raw["trainer"]["backend"]))
        assert timeout_s == 300
        if asked[-1] == ("dense", "fit", "jax"):
            raise StudyError("not done within 300 s")
        return Seconds(fixed_s=2.0, trial_s=0.5 if raw["trainer"]["name"] == "fit" else 0.02)

    monkeypatch.setattr(trainer_timing, "measure", stand_in)
    return asked


def test_every_kind_is_measured_with_every_trainer_kept_and_shown(here, tmp_path, measured):
    status, out, _ = here("doctor", "--measure", cwd=tmp_path)
    assert status == 0
    contenders = {("fit", "tensorflow"), ("fit", "jax"), ("vectorized", "jax")}
    assert set(measured) >= {(kind, *c) for kind in ("dense", "recurrent", "convolutional") for c in contenders}
    assert "dense, fit on jax: not done within 300 s" in out
    assert "recurrent, vectorized on jax: 2.0 s and 0.020 s a training" in out
    # 2 + 20 * 0.02 = 2.4 s beside 2 + 20 * 0.5 = 12 s.
    assert "vectorized on jax 1.0x" in out
    assert "fit on tensorflow 5.0x" in out
    facts = find_facts({}, kind="dense")
    assert [(cost.trainer, cost.backend) for cost in facts.costs] == [("fit", "tensorflow"), ("vectorized", "jax")]
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
    assert "by conf/trainer/auto.yaml" in findings["convolutional"]["detail"]
    measured_path().write_text("{")
    status, out, _ = here("doctor", "--json", cwd=tmp_path)
    findings = {finding["name"]: finding for finding in json.loads(out)["findings"]}
    assert status == 0  # a study can run with its trainer spelled out
    assert findings["trainer=auto"]["state"] == "broken"
    assert "Measure again" in findings["trainer=auto"]["advice"]
    assert measured == []
