"""NVIDIA's driver and its cards, by each of its three sources."""

import os
import sys

import pytest

from study.core import machine, nvidia
from study.core.errors import MemoryRanOutError, refuse_out_of_memory
from tests.nvidia_fakes import GIB, NVMLError, fake_nvml, forget_driver, write_proc, write_smi


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A machine without a card, whose files are in a folder."""
    forget_driver(monkeypatch, tmp_path)
    return tmp_path


def test_a_machine_without_a_driver_has_none():
    assert nvidia.read_driver() is None
    assert nvidia.memory_advice() == ""
    assert not nvidia.has_card_without_driver()
    assert not machine.may_have_gpu()


@pytest.mark.parametrize(
    ("vendor", "kind", "is_card"),
    [("0x10de", "0x030000", True), ("0x10de", "0x030200", True), ("0x10de", "0x040300", False), ("0x1002", "0x03", 0)],
)
def test_a_card_without_a_driver_is_listed_among_the_devices(folder, vendor, kind, is_card):
    (folder / "pci" / "0000:01:00.0").mkdir(parents=True)
    (folder / "pci" / "0000:01:00.0" / "vendor").write_text(f"{vendor}\n")
    (folder / "pci" / "0000:01:00.0" / "class").write_text(f"{kind}\n")
    assert nvidia.has_card_without_driver() == bool(is_card)


def test_nvml_comes_first_and_is_closed(folder, monkeypatch):
    write_proc(folder, "of proc")
    write_smi(folder, ("of nvidia-smi", 1024, 512))
    nvml = fake_nvml(("NVIDIA H100", 80 * GIB, 2 * GIB, {os.getpid(): GIB, 4_000_000_000: 70 * GIB}))
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    driver = nvidia.read_driver()
    assert (driver.version, driver.cuda, driver.cuda_major, driver.fault) == ("580.65.06", "13.0", 13, "")
    assert driver.source == "nvml"
    assert nvml.opened == 0
    (card,) = driver.cards
    assert (card.name, card.total, card.free, card.uuid) == ("NVIDIA H100", 80 * GIB, 2 * GIB, "GPU-0")
    assert str(card) == (
        "NVIDIA H100, 2.0 GiB of 80.0 GiB free; process 4000000000 holds 70.0 GiB; this process holds 1.0 GiB"
    )
    assert str(driver) == "driver 580.65.06, supports CUDA up to 13.0"


def test_a_card_that_does_not_tell_its_memory_is_still_one(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(("NVIDIA GB10", None, None, {})))
    (card,) = nvidia.read_driver().cards
    assert str(card) == "NVIDIA GB10"
    assert not card.is_full


def test_nvidia_smi_answers_where_nvml_is_not_installed(folder):
    held = ("GPU-1, 4000000000, 900, /usr/bin/python3", "GPU-1, 4000000001, 20000, [Not Found]", "GPU-1, [N/A], 1, x")
    write_smi(folder, ("NVIDIA A100, 40GB"[:11], 40960, 40000), ("NVIDIA A100", 40960, "[N/A]"), held=held)
    driver = nvidia.read_driver()
    assert (driver.version, driver.cuda, driver.cuda_major, driver.source) == ("550.54.14", "12.4", 12, "nvidia-smi")
    first, second = driver.cards
    assert (first.index, first.total, first.free, first.processes) == (0, 40 * GIB, 40000 * 2**20, ())
    assert second.free is None
    assert [str(process) for process in second.processes] == [
        "process 4000000001 ([Not Found]) holds 19.5 GiB",
        "process 4000000000 (python3) holds 0.9 GiB",
    ]


@pytest.mark.parametrize(
    ("version", "cuda"), [("580.65.06", 13), ("550.54.14", 12), ("525.60.13", 12), ("470.57.02", 11), ("610.1", 13)]
)
def test_the_files_of_the_driver_have_at_least_its_version_and_the_names(folder, version, cuda):
    write_proc(folder, "Tesla T4", "Tesla T4", version=version)
    driver = nvidia.read_driver()
    assert (driver.version, driver.cuda, driver.cuda_major, driver.source) == (version, None, cuda, "proc")
    assert [card.name for card in driver.cards] == ["Tesla T4", "Tesla T4"]
    assert (driver.cards[0].free, driver.fault) == (None, "")


def test_the_older_text_of_the_kernel_module_is_read_too(folder):
    (folder / "nvidia").mkdir()
    text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.57.02  Tue Jul 13 16:14:05 UTC 2021\n"
    (folder / "nvidia" / "version").write_text(text)
    assert nvidia.read_driver().version == "470.57.02"


@pytest.mark.parametrize("with_files", [True, False])
def test_a_driver_that_does_not_answer_is_told_with_its_reason(folder, monkeypatch, with_files):
    fault = "Failed to initialize NVML: Driver/library version mismatch"
    write_smi(folder, fault=fault)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(refusal=NVMLError(18, "Driver/library version mismatch")))
    if with_files:
        write_proc(folder, "Tesla T4")
    driver = nvidia.read_driver()
    assert driver.fault == "NVML: Driver/library version mismatch"
    assert driver.version == ("550.54.14" if with_files else None)
    assert driver.fault in str(driver)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvidia.read_driver().fault == f"nvidia-smi: {fault}"


def test_nvml_without_its_library_is_no_sign_of_a_driver(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(refusal=NVMLError(12, "NVML Shared Library Not Found")))
    assert nvidia.read_driver() is None


def test_an_answer_of_another_form_is_a_fault(folder):
    write_smi(folder)
    program = folder / "bin" / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "No devices were found"\n')
    assert nvidia.read_driver().fault == "nvidia-smi: No devices were found"


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        (None, (0, 1, 2)),
        ("", ()),
        ("1", (1,)),
        ("2,0", (2, 0)),
        ("0,-1,1", (0,)),
        ("NoDevFiles", ()),
        ("GPU-b", (1,)),
        ("GPU-x,0", ()),
        ("MIG-1", (0, 1, 2)),
        ("7", ()),
    ],
)
def test_cuda_reads_the_variable_up_to_the_first_word_that_names_no_card(monkeypatch, visible, indices):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.visible_cards(["GPU-a", "GPU-b", "GPU-c"]) == indices


def test_memory_that_ran_out_on_a_card_names_who_holds_it_and_an_emptier_card(folder, monkeypatch):
    cards = (("NVIDIA A100", 40960, 200), ("NVIDIA A100", 40960, 30000))
    write_smi(folder, *cards, held=["GPU-0, 4000000000, 40000, /opt/bin/train"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    expected = (
        "Card 0: NVIDIA A100, 0.2 GiB of 40.0 GiB free; process 4000000000 (train) holds 39.1 GiB. Wait for process "
        "4000000000, or end it, choose an emptier card (CUDA_VISIBLE_DEVICES=1), or compute on the CPU "
        "(trainer.device=cpu)."
    )
    assert nvidia.memory_advice() == expected
    error = RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.")
    with pytest.raises(MemoryRanOutError) as raised:
        refuse_out_of_memory(error, "building model=mlp")
    assert expected in str(raised.value)
    assert raised.value.exit_status == 1
    with pytest.raises(MemoryRanOutError, match="Close other programs"):
        refuse_out_of_memory(MemoryError(), "building model=mlp")  # of the machine, not of the card


def test_a_card_that_this_study_fills_asks_for_smaller_sizes(folder):
    held = ["GPU-0, 4000000000, 12, /usr/bin/Xorg", f"GPU-0, {os.getpid()}, 40000, python"]
    write_smi(folder, ("NVIDIA A100", 40960, 200), held=held)
    assert nvidia.memory_advice().endswith(
        "Lower the sizes of this study, or compute on the CPU (trainer.device=cpu)."
    )
