"""The findings, output and status of `study doctor`; test_studies.py starts backends; here they are replaced."""

import json

import pytest

from study.cli.actions import diagnostics
from study.core.errors import BackendError
from study.training import devices, unseen_cards
from tests.nvidia_fakes import forget_driver, write_proc, write_smi


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    """A home of its own for Keras, backends that answer at once, and no card."""
    monkeypatch.setattr(diagnostics, "ask_for_gpus", lambda _, timeout_s: ("H200",) if timeout_s > 1 else ())
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("KERAS_HOME", str(home))
    forget_driver(monkeypatch, home)
    return home


def found(here, folder, *arguments):
    status, out, _ = here("doctor", "--json", *arguments, cwd=folder)
    answer = json.loads(out)
    assert status == (0 if answer["can_run"] else 1)
    return answer["can_run"], {finding["name"]: finding for finding in answer["findings"]}


def test_an_empty_folder_will_do_and_stays_empty(here, tmp_path):
    status, out, err = here("doctor", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.rstrip().endswith("A study can run here.")
    assert "GPU: H200" in out
    assert f"{tmp_path}/mlruns/mlflow.db, which the first study creates" in out
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_is_found_where_it_would_be_read_from_and_else_the_ways_are_told(here, tmp_path, home):
    _, findings = found(here, tmp_path)
    assert findings["digits"]["detail"] == "scikit-learn's load_digits"
    assert findings["mnist"]["state"] == "missing"
    assert "set dataset.path to a folder with four IDX files" in findings["mnist"]["advice"]
    (home / "datasets").mkdir()
    (home / "datasets" / "mnist.npz").write_bytes(b"not read")
    can_run, findings = found(here, tmp_path)
    assert can_run
    assert (findings["mnist"]["state"], findings["mnist"]["advice"]) == ("ok", "")
    assert findings["mnist"]["detail"] == str(home / "datasets" / "mnist.npz")


def test_a_data_set_whose_module_is_missing_is_broken_and_the_others_do(here, tmp_path):
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text("name: mine\n_target_: no_such_module.load\n")
    can_run, findings = found(here, tmp_path)
    assert can_run
    assert findings["mine"]["state"] == "broken"
    assert findings["mine"]["advice"] == "Put no_such_module where Python finds it."


def test_a_file_of_a_data_set_without_the_form_is_broken_and_the_others_do(here, tmp_path):
    own = {
        "plain": "path: x\n",
        "torn": "a: [\n",
        "listed": "- a\n",
        "blank": "",
        "failing": "name: failing\n_target_: failing.load\n",
    }
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    for name, text in own.items():
        (tmp_path / "conf" / "dataset" / f"{name}.yaml").write_text(text)
    (tmp_path / "failing.py").write_text("1 /\n")
    can_run, findings = found(here, tmp_path)
    assert can_run
    assert {findings[name]["state"] for name in own} == {"broken"}
    for name in ("plain", "listed", "blank"):
        assert f"{name}.yaml: expected the key _target_ with a dotted path" in findings[name]["detail"]
    assert "torn.yaml: expected a file that can be read as YAML" in findings["torn"]["detail"]
    assert "failing.py cannot be read: invalid syntax" in findings["failing"]["detail"]


def test_a_module_of_the_folder_is_found_and_not_run(here, tmp_path):
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    for name in ("mine", "json"):
        (tmp_path / "conf" / "dataset" / f"{name}.yaml").write_text(f"name: {name}\n_target_: {name}.load\n")
        (tmp_path / f"{name}.py").write_text("raise SystemExit('it ran')\n")
    can_run, findings = found(here, tmp_path)
    assert can_run
    assert findings["mine"]["state"] == "ok"
    assert findings["mine"]["detail"] == f"mine.load, of {tmp_path}/mine.py, which was not run"
    assert findings["json"]["state"] == "broken"
    assert findings["json"]["detail"].startswith("Python takes json from ")


@pytest.mark.parametrize(
    ("file", "name", "told"),
    [
        ("mlflow.db", "MLflow", "it cannot be read as a database"),
        ("optuna.journal", "Optuna", "the Optuna journal cannot be used"),
    ],
)
def test_a_broken_store_stands_in_the_way(file, name, told, here, tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / file).write_text("{neither\n{one nor the other\n")
    can_run, findings = found(here, tmp_path)
    assert not can_run
    assert findings[name]["state"] == "broken"
    assert told in findings[name]["advice"]
    status, out, _ = here("doctor", cwd=tmp_path)
    assert status == 1
    assert out.rstrip().endswith("A study cannot run here.")


def test_without_a_backend_no_study_can_run(here, tmp_path, monkeypatch):
    def refuse(backend, *, timeout_s):
        raise BackendError(f"{backend}: no answer within {timeout_s:g} s")

    monkeypatch.setattr(diagnostics, "ask_for_gpus", refuse)
    can_run, findings = found(here, tmp_path, "--timeout", "3")
    assert not can_run
    assert findings["jax"]["state"] == "broken"
    assert findings["jax"]["advice"] == "jax: no answer within 3 s"


def test_a_machine_without_a_card_is_told_in_a_line(here, tmp_path):
    _, findings = found(here, tmp_path, "--timeout", "1")
    assert findings["NVIDIA"] == {
        "kind": "driver",
        "name": "NVIDIA",
        "state": "missing",
        "detail": "this machine has no NVIDIA card",
        "advice": "",
    }
    assert (findings["jax"]["detail"].partition(", ")[2], findings["jax"]["advice"]) == ("no GPU", "")
    assert "card 0" not in findings


def test_a_card_that_a_backend_does_not_see_is_told_with_the_reason(here, tmp_path, home, monkeypatch):
    write_proc(home, "Tesla T4")
    monkeypatch.setattr(unseen_cards, "installed_version", lambda _: None)  # no package for CUDA is installed
    _, findings = found(here, tmp_path, "--timeout", "1")
    assert findings["card 0"]["detail"] == "Tesla T4"
    assert findings["jax"]["state"] == "ok"
    assert findings["jax"]["advice"] == (
        "But it sees no GPU: JAX is installed without its CUDA plugin. pip install 'jax[cuda12]'."
    )


def test_driver_cards_memory_and_processes_are_told(here, tmp_path, home, monkeypatch):
    cards = (("H100", 80000, 200), ("H100", 80000, 79000))
    write_smi(home, *cards, held=["GPU-0, 4000000000, 79000, /bin/train"], cuda="12.4")
    _, findings = found(here, tmp_path)
    assert findings["NVIDIA"]["detail"] == "driver 550.54.14, supports CUDA up to 12.4"
    full, empty = findings["card 0"], findings["card 1"]
    assert full["detail"] == "H100, 0.2 GiB of 78.1 GiB free; process 4000000000 (train) holds 77.1 GiB"
    assert full["advice"].startswith("But it is full. Wait for process 4000000000, or end it")
    assert (empty["detail"], empty["advice"]) == ("H100, 77.1 GiB of 78.1 GiB free", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    _, findings = found(here, tmp_path)
    assert findings["card 0"]["detail"].endswith("; CUDA_VISIBLE_DEVICES=1 hides it")
    assert findings["card 0"]["advice"] == ""


def test_a_driver_that_does_not_answer_is_broken_and_a_study_can_still_run(here, tmp_path, home):
    write_smi(home, fault="Driver/library version mismatch")
    can_run, findings = found(here, tmp_path)
    assert can_run
    assert findings["NVIDIA"]["state"] == "broken"
    assert findings["NVIDIA"]["detail"] == "not usable: nvidia-smi: Driver/library version mismatch"
    assert findings["NVIDIA"]["advice"].startswith("Start the machine anew")


def test_a_card_without_a_driver_is_told(here, tmp_path, home):
    (home / "pci" / "0").mkdir(parents=True)
    (home / "pci" / "0" / "vendor").write_text("0x10de")
    (home / "pci" / "0" / "class").write_text("0x030000")
    _, findings = found(here, tmp_path)
    assert (findings["NVIDIA"]["state"], findings["NVIDIA"]["detail"]) == ("missing", "a card, no driver")
    assert "Install NVIDIA's driver" in findings["NVIDIA"]["advice"]


def test_a_backend_that_does_not_answer_or_breaks_is_told(tmp_path, monkeypatch):
    with pytest.raises(BackendError, match=r"tensorflow: no answer within 0\.01 s"):
        devices.ask_for_gpus("tensorflow", timeout_s=0.01)
    with pytest.raises(BackendError, match=r"trainer\.backend=nonesuch: expected one of tensorflow, jax"):
        devices.ask_for_gpus("nonesuch", timeout_s=60)
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackendError, match=r"torch: it cannot be imported \(ImportError: libcudart.*Install it anew"):
        devices.ask_for_gpus("torch", timeout_s=60)
