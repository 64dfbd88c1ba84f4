"""The reason why a backend sees no GPU, on machines made of files, and packages that are not installed here."""

import importlib.metadata
from types import SimpleNamespace

import pytest

from study.training.unseen_cards import cuda_of, find_reason
from tests.nvidia_fakes import forget_driver, write_proc, write_smi

BUILD_INFO = (
    "build_info = collections.OrderedDict([('cpu_compiler', 'clang'), ('is_cuda_build', {cuda}), {version}])\n"
)
TORCH_VERSION = "__version__ = '2.9.0'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = None\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A machine without a card, whose files are in a folder."""
    forget_driver(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture
def installed(monkeypatch):
    """Let packages have these versions, and no others be installed."""
    versions = {}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return versions


@pytest.fixture
def build(folder, monkeypatch):
    """Write the files with which the builds of TensorFlow and PyTorch name their CUDA."""

    def write(backend, cuda):
        package = folder / backend
        place = package / ("python/platform/build_info.py" if backend == "tensorflow" else "version.py")
        place.parent.mkdir(parents=True, exist_ok=True)
        version = "('cudnn_version', '9')" if cuda is None else f"('cuda_version', '{cuda}')"
        text = BUILD_INFO.format(cuda=cuda is not None, version=version)
        place.write_text(text if backend == "tensorflow" else TORCH_VERSION.format(cuda=cuda and f"'{cuda}'"))
        found = SimpleNamespace(origin=str(package / "__init__.py"))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: found if name == backend else None)

    return write


def test_a_machine_without_a_card():
    assert find_reason("jax").reason == "this machine has no NVIDIA card"


def test_a_card_without_a_driver(folder):
    (folder / "pci" / "0000:01:00.0").mkdir(parents=True)
    (folder / "pci" / "0000:01:00.0" / "vendor").write_text("0x10de")
    (folder / "pci" / "0000:01:00.0" / "class").write_text("0x030000")
    found = find_reason("jax")
    assert found.reason == "its NVIDIA card has no driver"
    assert found.advice == "Install NVIDIA's driver: 580 or newer for CUDA 13, 525 or newer for CUDA 12."


def test_a_driver_that_does_not_answer(folder):
    write_smi(folder, fault="NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.")
    assert "does not answer (nvidia-smi: NVIDIA-SMI has failed" in find_reason("jax").reason


def test_a_driver_without_cards(folder):
    write_proc(folder)
    assert find_reason("jax").reason == "NVIDIA's driver 550.54.14 finds no card"


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles", "3"])
def test_a_variable_that_hides_all_cards(folder, monkeypatch, visible):
    write_proc(folder, "Tesla T4")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_reason("jax").reason == f"CUDA_VISIBLE_DEVICES={visible} hides all cards of this machine"


def test_jax_without_its_plugin(folder, installed):
    write_proc(folder, "Tesla T4")
    installed["jaxlib"] = "0.10.2"
    found = find_reason("jax")
    assert found.reason == "JAX is installed without its CUDA plugin"
    assert found.advice == "pip install 'jax[cuda12]==0.10.2'."


@pytest.mark.usefixtures("installed")
def test_a_variable_that_restricts_jax(folder, monkeypatch):
    write_proc(folder, "Tesla T4")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert find_reason("jax").reason == "JAX_PLATFORMS=cpu restricts JAX"


def test_a_plugin_of_another_version_than_jax(folder, installed):
    write_proc(folder, "Tesla T4")
    installed |= {"jaxlib": "0.10.2", "jax-cuda12-plugin": "0.10.1"}
    found = find_reason("jax")
    assert found.reason == "jax-cuda12-plugin 0.10.1 does not fit jaxlib 0.10.2, so JAX does not use it"
    assert "pip install 'jax-cuda12-plugin==0.10.2'" in found.advice


@pytest.mark.parametrize(
    ("version", "cuda", "plugin", "told", "advice"),
    [
        ("470.57.02", "11.4", 12, "supports CUDA 11.4, and jax needs CUDA 12 (driver 525 or newer)", "the driver."),
        (
            "550.54.14",
            "12.4",
            13,
            "supports CUDA 12.4, and jax needs CUDA 13 (driver 580 or newer)",
            "for CUDA 12: pip install 'jax[cuda12]==0.10.2'.",
        ),
    ],
)
def test_a_driver_too_old_names_both_versions(folder, installed, version, cuda, plugin, told, advice):
    write_smi(folder, ("Tesla T4", 15360, 15000), version=version, cuda=cuda)
    (folder / "nvidiactl").touch()
    installed |= {"jaxlib": "0.10.2", f"jax-cuda{plugin}-plugin": "0.10.2"}
    found = find_reason("jax")
    assert found.reason == f"NVIDIA's driver {version} {told}"
    assert advice in found.advice


def test_a_container_without_the_files_of_the_cards(folder, installed):
    write_proc(folder, "Tesla T4")
    (folder / "nvidiactl").unlink()
    installed |= {"jaxlib": "0.10.2", "jax-cuda12-plugin": "0.10.2"}
    assert "a container that was started without GPUs" in find_reason("jax").reason


def test_full_cards_and_cards_with_room(folder, installed):
    installed |= {"jaxlib": "0.10.2", "jax-cuda12-plugin": "0.10.2"}
    (folder / "nvidiactl").touch()
    write_smi(folder, ("Tesla T4", 15360, 100), held=["GPU-0, 4000000000, 15000, python3"])
    found = find_reason("jax")
    assert found.reason.startswith("card 0 is full: Tesla T4, 0.1 GiB of 15.0 GiB free; process 4000000000 (python3)")
    assert found.advice.startswith("Wait for process 4000000000, or end it, or compute on the CPU")
    write_smi(folder, ("Tesla T4", 15360, 15000))
    assert find_reason("jax") is None  # the backend itself is asked then


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_build_without_cuda(folder, build, backend):
    write_proc(folder, "Tesla T4")
    build(backend, None)
    assert find_reason(backend).reason == f"{backend} is built without CUDA"


def test_tensorflow_without_the_libraries_of_cuda(folder, build, installed):
    write_proc(folder, "Tesla T4")
    build("tensorflow", "12.5.1")
    assert find_reason("tensorflow").reason.startswith("tensorflow finds no libraries of CUDA that fit")
    installed["nvidia-cudnn-cu12"] = "9.3"
    assert find_reason("tensorflow") is None
    write_proc(folder, version="470.57.02")
    assert "and tensorflow needs CUDA 12" in find_reason("tensorflow").reason


@pytest.mark.slow
def test_the_cuda_of_what_is_installed_here_is_read(monkeypatch):
    import tensorflow as tf

    monkeypatch.undo()
    version = tf.sysconfig.get_build_info().get("cuda_version")
    assert cuda_of("tensorflow") == (version and int(version.partition(".")[0]))
