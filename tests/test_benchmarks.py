"""Tests of the benchmarks' own computations, and of each part's run; no test asserts a measured value."""

import json
import os
import struct
import sys

import numpy as np
import pytest

from benchmarks import house, machine, publish, same_numbers, scaling, tables, throughput, workloads, zero_cost_trainer
from benchmarks.compiling import CompileClock
from benchmarks.gpu_rows import rows as gpu_rows
from benchmarks.workloads import WORKLOADS

pytestmark = pytest.mark.slow

MACHINE = {
    "processor": "Abacus",
    "n_cores": 2,
    "memory_gib": 4,
    "gpu": None,
    "system": "Linux",
    "python": "3.11",
    "date": "2026-01-01",
    "load_before": 0.0,
    "load_after": 0.1,
    "gflops": 50.0,
}


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_BACKEND", os.environ["KERAS_BACKEND"])
    return tmp_path


def found(seconds=10.0):
    ours = {"seconds": seconds, "a_trial": 0.02, "peak_mib": 900.0, "gflops": 25.0, "compile": 3.0}
    ours |= {"compute": 4.5, "compute_after_first_step": 4.0, "after_first_step": 5.0}
    plain = {"seconds": 400.0, "a_trial": 2.0, "peak_mib": 800.0, "gflops": 0.25, "compile": 300.0}
    fit = {**plain, "a_trial": 0.5}
    rows = {"vectorized": ours, "fit-jax": fit, "plain-jax": plain, "ray-tune": {**plain}}
    del rows["ray-tune"]["compile"]
    without = ["fit-jax: the median of 8 trials was quicker."]
    return {"machine": MACHINE, "studies": {"200": rows}, "not_installed": ["keras-tuner-jax"], "no_slope": without}


@pytest.mark.usefixtures("own_folder")
def test_operations_are_those_counted_by_hand():
    # 1257 images to train on and 180 to validate: a product takes two operations for each weight and image, and as
    # many for each of two gradients, but for that of the images.
    first, rest = 64 * 64, 64 * 64 + 64 * 10
    training, validation = 4 * first + 6 * rest, 2 * (first + rest)
    by_hand = 10 * (1257 * training + 180 * validation) / 1e9
    assert workloads.gigaflops(WORKLOADS["digits-mlp"]) == pytest.approx(by_hand)


@pytest.mark.usefixtures("own_folder")
def test_the_product_after_an_embedding_has_both_gradients():
    # Zipf's words: 4000 documents to train on and 1000 to validate, a mean vector of 16 numbers, 4 classes.
    by_hand = 5 * (4000 * 6 + 1000 * 2) * 16 * 4 / 1e9
    assert workloads.gigaflops(gpu_rows.WORKLOADS["embedding"]) == pytest.approx(by_hand)


def test_operations_of_layers_are_those_counted_by_hand():
    import keras

    image = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3, padding="same")])
    assert workloads._forward(image.layers[0]) == (2 * 9 * 3 * 5 * 64,) * 2
    sequence = keras.Sequential([keras.Input((7, 3)), keras.layers.LSTM(4)])
    assert workloads._forward(sequence.layers[0]) == (2 * 7 * 16 * (3 + 4), 2 * 7 * 16 * 3)
    assert workloads._forward(keras.layers.Flatten()) is None


def test_a_study_is_computed_from_two_runs_of_different_length():
    def run(seconds, compiling):
        return {"seconds": seconds, "compile": compiling, "peak_mib": seconds}

    runs = {("a", 2): [run(14, 2), run(13, 9), run(90, 2)], ("a", 8): [run(26, 8)]}
    row = throughput.extrapolate(runs, "a", (2, 8), 100, work=4.0)
    assert row == {"seconds": 14 + 2 * 98, "a_trial": 2, "peak_mib": 26, "gflops": 2, "compile": 2 + 98}


def test_a_longer_run_that_was_quicker_is_refused_as_a_measurement():
    runs = {("a", n): [{"seconds": 10.0 - n, "peak_mib": 1.0}] for n in (2, 8)}
    with pytest.raises(
        throughput.NoSlopeError, match=r"a: the median of 8 trials was quicker than that of 2\. Run it on an idle"
    ):
        throughput.extrapolate(runs, "a", (2, 8), 100, work=1.0)


def test_confirmations_count_as_work():
    workload = WORKLOADS["digits-mlp"]
    runs = [{"seconds": 9.0, "peak_mib": 1.0, "compile": 2.0, "compute": 4.0, "after_first_step": 5.0}]
    row = throughput.whole(runs, 30, workload, work=1.0)
    assert (row["a_trial"], row["gflops"]) == (4.0 / 40, 10.0)


def test_the_table_holds_ratios_and_marks_unknown_values():
    lines = tables.throughput_table(found(), 200).splitlines()
    assert lines[0].endswith("| of product | `vectorized` is | `fit-jax` is |")
    assert lines[2] == "| `vectorized` | 10.0 | 1200.0 | 3.0 | 900 | 0.02 | 25 | 50% | 1 x | 0.025 x |"
    assert lines[5] == "| `ray-tune` | 400.0 | 30.0 | unknown | 800 | 2 | 0.25 | 0% | 40 x | 1 x |"
    notes = tables.throughput_notes(found(), 200)
    assert "5.00 s, 1.25 times the 4.00 s" in notes
    assert "`fit` with jax, a trial after the first: 0.5 s, the plain loop 2 s, so 4 x as fast." in notes
    assert "- Not measured: fit-jax: the median of 8 trials was quicker." in notes
    assert "Not installed, so not measured: keras-tuner-jax." in notes
    assert "Abacus, 2 cores, 4 GiB, no GPU" in notes


def test_the_page_says_which_workloads_were_not_measured(tmp_path):
    assert "Not measured." in publish.document({}, tmp_path)
    capacity = {"capacity": 4, "n_trials": 64, "program_ms": 9.0, "study_ms": 12.0, "whole_ms": 80.0}
    rows = [{**capacity, "compile": 2.0, "peak_mib": 900.0}]
    costs = {"mib": 900.0, "alone_ms": 30.0, "alone_cpu_ms": 20.0}
    samplers = {"tpe": [{**costs, "n_trials": 100}, {**costs, "n_trials": 10_000, "alone_ms": 75.0, "mib": 990.0}]}
    scaled = {
        "capacity": {"rows": rows, "workload": "digits-mlp", "machine": MACHINE},
        "store": {"samplers": samplers, "machine": MACHINE},
    }
    page = publish.document({"throughput-cpu": {"digits-mlp": found()}, "scaling-cpu": scaled}, tmp_path)
    without, on_gpu = page.split("## On a GPU")
    assert "| `vectorized` | 10.0 |" in without
    assert "tpe, cost of trial 10000 relative to trial 100: one by one 2.50 times" in without
    assert "memory +90 MiB (+10.0%)" in without
    assert "|" not in on_gpu
    assert on_gpu.count("Not measured.") == 1
    for name in ("throughput-cpu", "capacity-cpu", "store"):
        assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
        assert f"pictures/{name}.svg" in page


@pytest.mark.parametrize("name", [name for name, workload in WORKLOADS.items() if workload.dataset != "fashion_mnist"])
def test_every_workload_composes(own_folder, name):
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config

    workload = WORKLOADS[name]
    workloads.write_conf(workload, own_folder)
    (job,) = compose_jobs(prepare(workloads.overrides(workload)), multirun=False)
    config = load_config(job.raw, folder=own_folder)
    assert (config.dataset.name, config.model.name) == (workload.dataset, workload.model)
    assert config.dataset.section.items() >= workload.data.items()


def test_images_of_cifars_shape_depend_on_their_seed_alone():
    from benchmarks.data import cifar_shaped

    one, same, other = (cifar_shaped(n_train=6, n_validation=4, split_seed=seed) for seed in (1, 1, 2))
    assert one.input_shape == (32, 32, 3)
    assert (len(one.train), len(one.validation), len(one.test)) == (6, 4, 4)
    assert one.digest == same.digest != other.digest


def test_compilation_inside_another_counts_once():
    clock = CompileClock(os.environ["KERAS_BACKEND"])
    clock._spans[:] = [(1.0, 4.0), (2.0, 3.0), (3.5, 5.0), (7.0, 8.0)]
    assert clock.seconds == 5.0


def test_trials_run_alone_before_each_mark(own_folder):
    rows = zero_cost_trainer.measure("random", marks=[25, 100], folder=own_folder)
    assert [row["n_trials"] for row in rows] == [25, 100]
    assert "batch_ms" not in rows[0]
    assert all(rows[1][key] > 0 for key in ("alone_ms", "alone_cpu_ms", "batch_ms", "batch_cpu_ms", "mib"))


def test_the_memory_of_a_child_is_measured_and_its_failure_reported(tmp_path):
    told = f"import time; block = bytearray(80 << 20); time.sleep(0.5); print({machine.TOLD!r} + '{{\"a\": 1}}')"
    environment = machine.child_environment(home=tmp_path, backend="jax")
    ended = machine.run([sys.executable, "-c", told], folder=tmp_path, environment=environment)
    assert ended.told == {"a": 1}
    assert ended.peak_mib > 80
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        machine.run([sys.executable, "-c", "1 / 0"], folder=tmp_path, environment=environment)


def test_a_contender_is_measured_in_a_process_of_its_own(tmp_path):
    run = throughput.timed("vectorized", "tiny", 2, tmp_path)
    computed = ("compute", "compute_after_first_step")
    assert set(run) == {"seconds", "peak_mib", "compile", "after_first_step", *computed}
    assert run["seconds"] >= run["after_first_step"] >= run["compute_after_first_step"] > 0
    assert run["compute"] > run["compute_after_first_step"]
    assert run["peak_mib"] > 100
    assert any((tmp_path / ".cache").iterdir())  # caches for the next one are in the given home


def test_rounds_are_interleaved_and_their_medians_kept(tmp_path, monkeypatch):
    asked = []
    answers = {"gigaflops": {"gigaflops": 3.0}, "multiply": {"device": "cpu", "gflops": 50.0, "gpu": None}}

    def timed(contender, workload, n_trials, home):
        asked.append((contender, workload, n_trials))
        assert home.is_dir()
        ours = {"compute": 1.0, "compute_after_first_step": 1.0, "compile": 2.0, "after_first_step": 3.0}
        ours = ours if contender == "vectorized" else {}
        return {"seconds": float(n_trials + len(asked)), "peak_mib": 5.0, **ours}

    monkeypatch.setattr(machine, "ask", lambda name, *_: answers[name])
    monkeypatch.setattr(throughput, "timed", timed)
    out = tmp_path / "new" / "out.json"
    arguments = ["--workloads", "tiny", "--rounds", "3", "--contenders", "vectorized", "plain-jax", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["throughput.py", *arguments])
    throughput.main()
    # Two full runs, with nothing compiled and with cached programs, then two lengths; then all of it again.
    round_ = [("vectorized", "tiny", 2)] * 2 + [("plain-jax", "tiny", 1), ("plain-jax", "tiny", 2)]
    assert asked == round_ * 3
    rows = json.loads(out.read_text())["tiny"]["studies"]["2"]
    assert {name: row["seconds"] for name, row in rows.items()} == {
        "vectorized": 7.0,
        "vectorized, again": 8.0,
        "plain-jax": 10.0,
    }


def test_the_marks_end_with_the_largest_number_asked_for(monkeypatch):
    asked = []

    def child(*arguments, backend):
        asked.append((arguments, backend))
        return machine.Ended(seconds=1.0, ended_at=0.0, peak_mib=1.0, told={"rows": []})

    monkeypatch.setattr(scaling, "child", child)
    scaling.store("random", 500)
    assert asked == [(("store", "random", "30", "100", "300", "500"), "tensorflow")]


def test_the_losses_of_a_store_are_read_by_study_run_and_epoch(tmp_path):
    from tests.faults.victims import N_CONFIRMATIONS, N_EPOCHS, StubTrainer, build_config, run_stub_study

    config = build_config(tmp_path, n_trials=3)
    run_stub_study(config, StubTrainer())
    found = same_numbers.values_in(tmp_path / "mlruns" / "mlflow.db")
    runs = {(part, step) for (_, _, part, _, step) in found}
    trials = {(f"trial {number}", epoch) for number in range(3) for epoch in range(1, N_EPOCHS + 1)}
    confirmed = {(f"{kind} {r}", e) for kind in ("best", "default") for r in range(N_CONFIRMATIONS) for e in (1, 2)}
    assert runs == trials | confirmed
    assert {key[:2] + key[3:4] for key in found} == {("tiny-mlp", "adam", "loss")}
    assert same_numbers.differences(found, dict(found)) == []


def test_values_differ_if_one_bit_differs_and_nan_equals_nan():
    keys = [("e", "adam", "trial 0", "loss", step) for step in range(4)]
    values = [0.1, -0.0, float("nan"), float("inf")]
    base = {key: struct.pack("<d", value) for key, value in zip(keys, values, strict=True)}
    assert same_numbers.differences(base, dict(base)) == []
    head = {**base, keys[0]: struct.pack("<d", np.nextafter(0.1, 1.0)), keys[1]: struct.pack("<d", 0.0)}
    del head[keys[3]]
    told = same_numbers.differences(base, head)
    assert told == [
        "e, adam, trial 0, loss, 0: 0.1 at the base, 0.10000000000000002 at the head",
        "e, adam, trial 0, loss, 1: -0.0 at the base, 0.0 at the head",
        "e, adam, trial 0, loss, 3: inf at the base, None at the head",
    ]


def test_the_house_is_measured_from_its_imports(tmp_path, capsys):
    modules = {
        "study/__init__.py": "",
        "study/cli/__init__.py": "from study.run import go",
        "study/run.py": "import numpy\nfrom study import core\nfrom study.core.errors import Fault",
        "study/core/__init__.py": "",
        "study/core/errors.py": "",
    }
    for name, source in modules.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    house.show(tmp_path, "small")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "small: 4 entries in study/, 5 modules"
    assert told[2:] == ["  floors: 3 (cli -> run -> core)", "  arrows: 2", "    cli -> run", "    run -> core"]
