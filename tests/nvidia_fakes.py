"""Stand-ins for NVIDIA's driver: its files in /proc, the program nvidia-smi, and the package nvidia-ml-py."""

import sys
import types

from study.core import machine, nvidia
from study.training import unseen_cards

GIB = 2**30
VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (dvs-builder)\n"
HEADER = "| NVIDIA-SMI {version}   Driver Version: {version}   CUDA Version: {cuda} |"


def forget_driver(monkeypatch, folder):
    """Let the machine have no card, no driver and no nvidia-smi."""
    monkeypatch.setattr(machine, "NVIDIA_CARDS", folder / "nvidia" / "gpus")
    monkeypatch.setattr(machine, "_GPU_FILES", ())
    monkeypatch.setattr(nvidia, "PCI_DEVICES", folder / "pci")
    monkeypatch.setattr(unseen_cards, "DEVICE_FILES", (folder / "nvidia0", folder / "nvidiactl"))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setenv("PATH", str(folder / "bin"))
    for variable in (machine.VISIBLE_CARDS, "JAX_PLATFORMS"):
        monkeypatch.delenv(variable, raising=False)


def write_proc(folder, *names, version="550.54.14"):
    """Write the driver's files for cards of these names, and the files through which programs reach them."""
    (folder / "nvidia").mkdir(exist_ok=True)
    for number, name in enumerate(names):
        card = folder / "nvidia" / "gpus" / f"0000:0{number}:00.0"
        card.mkdir(parents=True)
        (card / "information").write_text(f"Model: \t\t {name}\nIRQ:   \t\t 16\n")
    (folder / "nvidia" / "version").write_text(VERSION.format(version=version))
    (folder / "nvidiactl").touch()


def write_smi(folder, *cards, held=(), version="550.54.14", cuda="12.4", fault=""):
    """Write a program nvidia-smi that answers with rows of cards and processes, or fails."""
    rows = [f"{i}, {name}, GPU-{i}, {total}, {free}, {version}" for i, (name, total, free) in enumerate(cards)]
    lines = ["#!/bin/sh", *([f'echo "{fault}"', "exit 9"] if fault else ())]
    for option, answer in (("--query-gpu=*", rows), ("--query-compute-apps=*", held)):
        lines += [f'case "$1" in {option}) cat <<END', *answer, "END", "exit 0;; esac"]
    lines.append(f'echo "{HEADER.format(version=version, cuda=cuda)}"')
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir(exist_ok=True)
    program.write_text("\n".join(lines).replace("cat <<END", "/bin/cat <<END") + "\n")
    program.chmod(0o755)


class NVMLError(Exception):
    def __init__(self, value, text):
        self.value = value
        super().__init__(text)


def fake_nvml(*cards, version="580.65.06", cuda=13000, refusal=None):
    """Return a module with the functions of NVML; a card is (name, total, free, {pid: bytes}).

    A total of None is a card that does not tell its memory; a refusal is raised at the start.
    """
    module = types.ModuleType("pynvml")
    module.NVMLError = NVMLError
    module.opened = 0

    def init():
        if refusal is not None:
            raise refusal
        module.opened += 1

    def shutdown():
        module.opened -= 1

    def memory(card):
        if card[1] is None:
            raise NVMLError(3, "Not Supported")
        return types.SimpleNamespace(total=card[1], free=card[2])

    def running(card):
        return [types.SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in card[3].items()]

    module.nvmlInit, module.nvmlShutdown = init, shutdown
    module.nvmlSystemGetDriverVersion = lambda: version.encode()  # as older packages give texts
    module.nvmlSystemGetCudaDriverVersion_v2 = lambda: cuda
    module.nvmlDeviceGetCount = lambda: len(cards)
    module.nvmlDeviceGetHandleByIndex = lambda index: cards[index]
    module.nvmlDeviceGetName = lambda card: card[0]
    module.nvmlDeviceGetUUID = lambda card: f"GPU-{cards.index(card)}"
    module.nvmlDeviceGetMemoryInfo = memory
    module.nvmlDeviceGetComputeRunningProcesses = running
    return module
