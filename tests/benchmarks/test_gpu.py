"""Tests of benchmarks/gpu.py: all of it in miniature, its limits and failures, its refusals, its table."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from benchmarks import publish
from benchmarks.gpu_rows import card, command, energy, page, product, training, worker, worker_process
from benchmarks.gpu_rows.rows import ROWS, WORKLOADS
from study.core.nvidia import Card
from tests.nvidia_fakes import GIB, NVMLError, fake_nvml, forget_driver, write_proc, write_smi

ROOT = Path(__file__).parents[2]
NAMES = [row.name for row in ROWS]
CARD = card.MeasuredCard(
    card=Card(index=0, name="Abacus 100", uuid="GPU-1", total=8 * GIB, free=7 * GIB), driver="570.1", source="nvml"
)
# A worker without JAX. It fails at one row, dies at another, and hangs at a third.
STUB = """
import json, os, sys, time
from benchmarks.machine import tell
for line in sys.stdin:
    request = json.loads(line)
    tell(part=request["part"])
    if request["row"] == "cnn_2c2d/16":
        tell(error="ValueError: no such thing", ended="error")
        continue
    if request["row"] == "cnn_2c2d/fit":
        print("out of paper", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    if request["row"] == "fashion_mnist-mlp/1024":
        tell(start_s=1.0, n_first=2, trial_s=0.5, gflops=2.0)
        time.sleep(60)
    values = {"default_gflops": 8.0} if request["row"] == "product" else {"pid": os.getpid()}
    if request["part"] == "again":
        values = {"again_digest": "a", "again_start_s": 3.0, "again_first_s": 2.0}
    elif request["row"].startswith("auto/"):
        values |= {"digest": "a", "start_s": 4.0, "first_s": 7.0, "n_first": 2, "trial_s": 0.5, "gflops": 2.0}
    tell(**values, ended="measured")
"""

# The real worker at the size of the miniature, which takes the CPU for a GPU.
PRETENDED = """
from dataclasses import replace
from benchmarks.gpu_rows import rows, worker
from study.training.vectorized import capacity
capacity._platform = lambda: "gpu"
worker._check_device = lambda **_: None
worker.WORKLOADS = {name: rows.miniature(workload) for name, workload in rows.WORKLOADS.items()}
worker.ROWS = [row.miniature() for row in rows.ROWS]
worker.main()
"""


@pytest.fixture
def stub(monkeypatch):
    """Let the command use the worker without JAX, on a card that is free."""
    monkeypatch.setattr(worker_process, "WORKER", ("-c", STUB))
    monkeypatch.setattr(command, "find_card", lambda: CARD)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program `nvidia-smi` on PATH, and no NVML; returns a function that writes it."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(sys.modules, "pynvml", None)

    def write(text):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{textwrap.dedent(text)}")
        program.chmod(0o755)

    return write


DESCRIBED = """
    case "$*" in
        *power.draw*) echo 200.50 ;;
        *query-compute-apps*) echo 'GPU-1, 4000000000, 6000, python'; echo 'GPU-1, 4000000001, [N/A], other' ;;
        *query-gpu*) echo '0, Abacus 100, GPU-1, 8192, 7000, 470.82.01' ;;
    esac
"""


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(tmp_path, *arguments, **environment):
    """Run the command as typed, in another folder, with an empty home, and return its end."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "KERAS_BACKEND")}
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *arguments],
        cwd=tmp_path,
        env={**kept, "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "names",
    [
        ["machine", "product", "fashion_mnist-mlp/fit", "auto/dense/vectorized", "fashion_mnist-mlp/1"],
        pytest.param(NAMES, marks=[pytest.mark.full, pytest.mark.long(reason="compiles every network in turn")]),
    ],
    ids=len,
)
def test_it_runs_in_miniature(tmp_path, names):
    out = tmp_path / "new" / "gpu.jsonl"
    rows = ["--rows", ",".join(names)]
    ended = run(tmp_path, "--cpu", "--out", str(out), "--row-limit", "400", "--limit", "1500", *rows)
    assert ended.returncode == 0, ended.stderr
    lines = lines_of(out)
    assert [json.loads(line) for line in ended.stdout.splitlines()] == lines
    assert [line["row"] for line in lines] == names
    assert {(line["state"], line["device"]) for line in lines} == {("measured", "cpu")}
    found = {line["row"]: line for line in lines}
    assert found["machine"]["keras_s"] > 0 < found["product"]["auto_gflops"]
    assert found["product"]["bfloat16_relative_error"] > 100 * found["product"]["float32_relative_error"] > 0
    for name, line in found.items():
        if name in ("machine", "product"):
            continue
        for key in ("start_s", "first_s", "compile_s", "trial_s", "fixed_s", "trials_a_second", "train_s"):
            assert 0 < line[key] < math.inf, (name, key)
        assert line["same_bits"] is True
        assert (line["peak_bytes"], line["joules_a_trial"], line["joules_by"]) == (None, None, "no GPU")
        assert line["n_at_once"] == (1 if name.endswith(("/fit", "/1")) else 2)
        assert line.get("predicted_bytes", 1) > 0
        assert line["size"]["batches"] == [1 if name.endswith("/1") else 2]
        assert line["size"]["flops"] > line["size"]["n_weights"] > 0
        assert line["gflops"] > 0 < line["share_of_product"]
        if name.startswith("auto/"):
            assert line["same_bits_in_two_processes"] is True
            assert line["again_fixed_s"] > 0
    with pytest.raises(page.NotPublishableError, match=r"line 1: expected a measurement on a GPU, found device="):
        page.read_lines(out)


@pytest.mark.slow
def test_rows_on_a_gpu_are_measured_in_processes_of_their_own(monkeypatch, nvidia_smi, capsys):
    nvidia_smi(DESCRIBED)
    monkeypatch.setattr(worker_process, "WORKER", ("-c", PRETENDED))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert command.main(["--rows", "fashion_mnist-mlp/256,auto/recurrent/vectorized", "--row-limit", "300"]) == 0
    told = capsys.readouterr()
    assert told.err == "Other processes compute on this card, so these times are not reliable.\n"
    machine, dense, auto = map(json.loads, told.out.splitlines())
    assert (machine["driver"], machine["memory_mib"], machine["source"]) == ("470.82.01", 8192.0, "nvidia-smi")
    assert [process["pid"] for process in machine["processes"]] == [4000000000, 4000000001]
    for line in (dense, auto):
        assert (line["state"], line["device"], line["same_bits"]) == ("measured", "gpu", True)
        assert line["joules_a_trial"] > 0
        assert line["joules_by"].startswith("nvidia-smi, power sampled ")
        assert line["n_repeats"] > 1
        assert line["n_at_once"] == 2
    assert auto["same_bits_in_two_processes"] is True
    # Both are new processes that import everything; the second one finds the first one's programs.
    assert min(auto["start_s"], auto["again_start_s"]) > 1
    assert auto["again_compile_s"] < auto["compile_s"]


def test_the_cpu_is_never_measured_instead_of_a_gpu(tmp_path, monkeypatch):
    lines = tmp_path / "lines.jsonl"
    refused = ("--rows", "product", "--out", str(lines))
    ended = run(tmp_path, *refused, CUDA_VISIBLE_DEVICES="", JAX_PLATFORMS="cpu")
    assert (ended.returncode, ended.stdout, lines.exists()) == (1, "", False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("JAX_PLATFORMS", "cuda,cpu")  # of the worker; what is set outside does not restrict it
    reason, said, last = ended.stderr.splitlines()
    assert reason == f"benchmarks/gpu.py: expected a GPU that JAX sees, found none: {worker._why_no_gpu()}"
    assert said.startswith("JAX said: NoGpuError: ")
    assert last == "To try this program without a GPU: python benchmarks/gpu.py --cpu"


@pytest.mark.slow
@pytest.mark.usefixtures("stub")
def test_a_failing_row_does_not_stop_the_next_one(tmp_path, capsys):
    out = tmp_path / "gpu.jsonl"
    out.write_text('{"row": "product", "sta')  # of a run that was interrupted
    rows = [
        "machine",
        "product",
        "cnn_2c2d/16",
        "cnn_2c2d/fit",
        "fashion_mnist-mlp/1024",
        "auto/dense/fit",
        "lstm/fit",
    ]
    assert command.main(["--rows", ",".join(rows), "--out", str(out), "--row-limit", "8"]) == 1
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["row"] for line in printed] == rows
    assert page.read_lines(out) == printed
    found = {line["row"]: line for line in printed}
    assert found["cnn_2c2d/16"] | {"took_s": 0, "run": ""} == {
        **{"row": "cnn_2c2d/16", "state": "error", "device": "gpu", "run": "", "took_s": 0, "part": "first"},
        "error": "ValueError: no such thing",
    }
    assert found["cnn_2c2d/fit"]["error"] == "the process died (signal 9): out of paper"
    cut = found["fashion_mnist-mlp/1024"]
    assert (cut["state"], cut["trial_s"], cut["share_of_product"]) == ("cut", 0.5, 0.25)
    assert cut["took_s"] >= 8
    auto = found["auto/dense/fit"]
    assert (auto["fixed_s"], auto["again_fixed_s"], auto["same_bits_in_two_processes"]) == (10.0, 4.0, True)
    pids = [line["pid"] for line in printed if "pid" in line]
    assert len(pids) == len(set(pids)) == 3  # each row has a process of its own


@pytest.mark.usefixtures("stub")
def test_the_process_handles_signals_afterwards_as_before():
    before = signal.getsignal(signal.SIGTERM)
    command.main(["--rows", "product", "--limit", "0.001"])
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("stub")
def test_rows_for_which_no_time_is_left_are_named(capsys):
    assert command.main(["--rows", "product,fashion_mnist-mlp/256", "--limit", "0.001"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["row"], line["state"]) for line in printed] == [
        ("machine", "left out"),
        ("product", "left out"),
        ("fashion_mnist-mlp/256", "left out"),
    ]
    assert printed[0]["why"] == "0 s of --limit 0.001 are left, and it needs about 20 s"


@pytest.mark.usefixtures("stub")
def test_wrong_arguments_are_refused_with_the_allowed_ones(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--rows", "product,produce"])
    told = capsys.readouterr().err
    assert "--rows produce: expected rows of machine, product, fashion_mnist-mlp/256" in told
    with pytest.raises(SystemExit):
        command.main(["--limit", "-1"])
    assert "-1: expected seconds above 0" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert command.main(["--out", str(tmp_path / "file" / "out.jsonl")]) == 1
    assert "expected a file that can be written" in capsys.readouterr().err
    assert command.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES


def test_a_card_that_is_filled_is_refused(monkeypatch, tmp_path, capsys):
    forget_driver(monkeypatch, tmp_path)
    held = ["GPU-0, 4000000000, 7000, /usr/bin/python"]
    write_smi(tmp_path, ("Abacus 100", 8192, 900), ("Abacus 100", 8192, 8000), held=held)
    assert command.main(["--rows", "product"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "benchmarks/gpu.py: expected a card with at least 4.0 GiB of free memory, found Abacus 100, 0.9 GiB of 8.0 "
        "GiB free; process 4000000000 (python) holds 6.8 GiB. Wait for these processes or end them, or choose another "
        "card: CUDA_VISIBLE_DEVICES=1 python benchmarks/gpu.py\n"
    )
    write_smi(tmp_path, ("Abacus 100", 8192, 900))
    assert "the rest is held by processes that the driver does not show" in card.refusal(card.find_card())
    write_smi(tmp_path, ("Abacus 100", 8192, 5000))
    assert card.refusal(card.find_card()) is None


def test_a_worker_without_a_gpu_sends_the_reason_and_the_next_step(monkeypatch, tmp_path):
    forget_driver(monkeypatch, tmp_path)
    assert worker._why_no_gpu().startswith(
        "this machine has no NVIDIA card. Run it on a machine with one. A batch system"
    )
    write_proc(tmp_path, "Abacus 100")
    monkeypatch.setattr("study.training.unseen_cards.installed_version", {"jaxlib": "0.10.2"}.get)
    assert worker._why_no_gpu() == ("JAX is installed without its CUDA plugin. pip install 'jax[cuda12]==0.10.2'.")
    monkeypatch.setattr(
        "study.training.unseen_cards.installed_version", {"jaxlib": "0.10.2", "jax-cuda12-plugin": "0.10.2"}.get
    )
    assert worker._why_no_gpu() == ""  # JAX itself must say it


def test_the_first_visible_card_is_described(monkeypatch, tmp_path):
    forget_driver(monkeypatch, tmp_path)
    write_smi(
        tmp_path, ("Abacus 1", 8192, 7000), ("Abacus 2", 8192, "[N/A]"), held=[f"GPU-1, {os.getpid()}, [N/A], x"]
    )
    assert card.first_selector() == "0"
    assert (card.find_card().card.name, card.find_card().source) == ("Abacus 1", "nvidia-smi")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1, 0")
    assert card.first_selector() == "GPU-1"
    facts = card.find_card().facts()
    (process,) = facts.pop("processes")
    assert (process["pid"], process["mib"]) == (os.getpid(), None)
    assert facts == {
        **{"uuid": "GPU-1", "name": "Abacus 2", "driver": "550.54.14", "memory_mib": 8192.0, "free_mib": None},
        "source": "nvidia-smi",
    }


def test_a_card_that_is_not_described_is_named_with_the_reason(monkeypatch, tmp_path):
    forget_driver(monkeypatch, tmp_path)

    def refused():
        with pytest.raises(card.NoCardError) as raised:
            card.find_card()
        return str(raised.value)

    assert refused() == "there is no NVIDIA driver"
    write_proc(tmp_path, "Abacus 100")
    assert refused() == "neither nvidia-ml-py nor nvidia-smi is installed"
    write_smi(tmp_path, fault="No devices were found")
    assert refused() == "nvidia-smi: No devices were found"
    write_smi(tmp_path)
    assert refused() == "the driver finds no card"
    write_smi(tmp_path, ("Abacus 100", 8192, 7000))
    for visible in ("", "-1", "NoDevFiles"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert refused() == "CUDA_VISIBLE_DEVICES hides every card"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1")
    assert refused() == "CUDA_VISIBLE_DEVICES names a part of a card, and the driver describes whole cards"


def test_the_energy_is_read_from_the_counter_of_nvml(monkeypatch, tmp_path):
    forget_driver(monkeypatch, tmp_path)
    nvml = fake_nvml(("Abacus 1", GIB, GIB, {}), ("Abacus 2", 8 * GIB, 4 * GIB, {}))
    counted = {"Abacus 2": iter([0.0, 1000.0, 3500.0])}
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: next(counted[handle[0]])
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = card.find_card()
    assert (found.facts()["memory_mib"], found.facts()["free_mib"], found.source) == (8192.0, 4096.0, "nvml")
    with energy.EnergyMeter(found).measured() as taken:
        pass
    assert taken == {"joules": 2.5, "joules_by": "nvml, energy counter"}


def test_the_power_is_integrated_where_nvml_has_no_energy_counter(monkeypatch):
    def refuse(_):
        raise NVMLError(3, "Not Supported")

    nvml = fake_nvml(("Abacus 100", GIB, GIB, {}))
    nvml.nvmlDeviceGetTotalEnergyConsumption = refuse
    nvml.nvmlDeviceGetPowerUsage = lambda _: 200_500
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    with energy.EnergyMeter(CARD).measured() as taken:
        time.sleep(0.3)
    assert 200.5 * 0.29 < taken["joules"] < 200.5 * 20
    assert taken["joules_by"].startswith("nvml, power sampled ")
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(refusal=NVMLError(18, "version mismatch")))
    with energy.EnergyMeter(CARD).measured() as taken:
        pass
    assert taken == {"joules": None, "joules_by": "NVML: version mismatch"}


def test_the_power_is_integrated_where_only_nvidia_smi_is_installed(nvidia_smi, monkeypatch):
    nvidia_smi(DESCRIBED)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = card.find_card()
    with energy.EnergyMeter(found).measured() as taken:
        subprocess.run(["sleep", "0.5"], check=True)
    assert 200.5 * 0.45 < taken["joules"] < 200.5 * 20
    assert taken["joules_by"].startswith("nvidia-smi, power sampled ")
    nvidia_smi("echo '[N/A]'\n")
    with energy.EnergyMeter(found).measured() as taken:
        pass
    assert taken == {"joules": None, "joules_by": "nvidia-smi gives neither energy nor power of Abacus 100"}
    assert energy._integral([(0.0, 1.0), (2.0, 3.0), (3.0, 3.0)]) == 7.0


MACHINE = {
    **{"row": "machine", "state": "measured", "device": "gpu", "run": "2026-01-02T03:04:05Z", "card": "Abacus 100"},
    **{"driver": "570.1", "memory_mib": 8192.0, "platform_version": "cuda 12080", "versions": {"jax": "0.10.2"}},
    **{"python": "3.12.1", "processor": "Slide rule", "n_cores": 8, "git_commit": "0123456789abcdef", "processes": []},
}
TRAINED = {
    **{"state": "measured", "device": "gpu", "run": MACHINE["run"], "n_at_once": 256, "trial_s": 0.01, "first_s": 9.0},
    **{"trials_a_second": 100.0, "gflops": 6500.0, "share_of_product": 0.25, "predicted_bytes": 3 * 2**30},
    **{"peak_bytes": 2**31, "joules_a_trial": 2.5, "compile_s": 7.0, "same_bits": True, "fixed_s": 12.0},
    **{"again_fixed_s": 6.0, "same_bits_in_two_processes": False},
}


def written(path, *lines, end=""):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + end)
    return page.read_lines(path)


def test_the_table_is_made_of_whatever_was_measured(tmp_path):
    name = "fashion_mnist-mlp/256"
    lines = written(
        tmp_path / "gpu.jsonl",
        {**MACHINE, "run": "earlier", "driver": "470.1"},
        {**TRAINED, "run": "earlier", "row": "lstm/256"},
        MACHINE,
        {**TRAINED, "row": name, "n_at_once": 128},
        {**TRAINED, "row": name},
        {**TRAINED, "row": name, "state": "error", "error": "later"},
        {**TRAINED, "row": "auto/dense/vectorized"},
        {key: value for key, value in TRAINED.items() if "bits" not in key}
        | {"row": "digits-mlp/1024", "state": "cut"},
        {"row": "lstm/fit", "state": "error", "device": "gpu", "run": MACHINE["run"], "error": "ValueError: no\nmore"},
        end='{"row": "cnn',
    )
    section = page.section(lines)
    assert "Abacus 100; driver 570.1; 8 GiB; cuda 12080; jax 0.10.2; Python 3.12.1; Slide rule" in section
    assert "2026-01-02; commit 0123456789ab." in section
    assert f"| {name} | 256 | 0.01 | 100 | 6500 | 25.0% | 3072 | 2048 | 2.5 | 9 | 7 | yes |" in section
    assert "| digits-mlp/1024 (cut) | 256 |" in section
    assert "| dense | vectorized | 12 | 7 | 6 | 0.01 | yes | no |" in section
    assert "- lstm/fit: error (ValueError: no)\n" in section
    assert "- lstm/256: not measured\n" in section  # it was measured with another driver
    assert "- product: not measured\n" in section
    assert section in publish.document({}, tmp_path, gpu=lines)


def test_the_page_names_the_command_where_nothing_was_measured(tmp_path):
    assert page.read_lines(tmp_path / "none.jsonl") == []
    assert page.section([]).startswith("Not measured.")
    assert "\npython benchmarks/gpu.py --out benchmarks/results/gpu.jsonl\n" in page.section([])


def test_a_file_with_other_lines_is_not_published(tmp_path):
    with pytest.raises(page.NotPublishableError, match=r"line 2: .* found device='cpu'\. Delete the file"):
        written(tmp_path / "gpu.jsonl", MACHINE, {**TRAINED, "row": "lstm/256", "device": "cpu"})
    with pytest.raises(page.NotPublishableError, match=r"line 1: expected what .* writes"):
        written(tmp_path / "gpu.jsonl", {"row": "lstm/256"}, MACHINE)


def test_the_memory_used_is_beside_the_memory_predicted(monkeypatch):
    import jax

    class Device:
        platform = "gpu"

        @staticmethod
        def memory_stats():
            return {"bytes_limit": 1000, "bytes_in_use": 5, "peak_bytes_in_use": 700}

    program = type("Program", (), {"compiler": type("Compiler", (), {"bytes_at_once": 600})})
    batches = type("Batches", (), {"_programs": {0: program}})
    measurement = object.__new__(training.Measurement)
    measurement._trainer = type("Trainer", (), {"_batches": batches})
    measurement._row = next(row for row in ROWS if row.name == "fashion_mnist-mlp/256")
    monkeypatch.setattr(jax, "local_devices", lambda: [Device])
    result = type("Result", (), {"summary": {"compiled_batch_size": 128.0}})
    assert measurement._memory([result]) == {
        **{"n_at_once": 128, "peak_bytes": 700, "predicted_bytes": 600},
        "allowed_bytes": 800.0,
    }


def test_numbers_that_json_does_not_have_are_null():
    assert command._finite({"a": [math.nan, 1.23456789], "b": math.inf, "c": True}) == {
        **{"a": [None, 1.2346], "b": None, "c": True}
    }


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.measures == "training"], ids=lambda row: row.name)
def test_every_row_composes_at_full_size(tmp_path, monkeypatch, row):
    monkeypatch.chdir(tmp_path)
    config = training._config(row, WORKLOADS[row.workload], folder=tmp_path)
    assert (config.n_trials, config.budget.n_confirmations) == (row.n_trials, 0)
    assert config.trainer.section["backend"] == "jax"
    assert config.trainer.section.get("capacity") in (None if row.trainer == "fit" else row.n_trials, row.capacity)
    assert config.dataset.section.items() >= WORKLOADS[row.workload].data.items()


def test_every_row_has_its_workload():
    assert len(set(NAMES)) == len(NAMES)
    assert {row.workload for row in ROWS if row.measures == "training"} == set(WORKLOADS)
    assert product.measure_product(miniature=True)["default_gflops"] > 0
