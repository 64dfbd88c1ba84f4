"""The device of a study: asked for, taken, refused, and said; with stand-ins for backends that see a GPU."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from study.config.digests import digest_of
from study.config.effective_settings import settings_digest
from study.core import machine
from study.core.errors import BackendError, ConfigError, StudyError
from study.pipeline import choose_trainers, preflight
from study.training import devices
from study.training.devices import asked_device, device_faults, device_message, select_device, try_select_device
from study.training.environment import environment
from study.training.unseen_cards import Unseen, cuda_of
from tests.nvidia_fakes import forget_driver, write_proc

ROOT = Path(__file__).parents[2]
VECTORIZED = ["trainer=vectorized", "trainer.backend=jax"]


class FakeJax:
    """JAX on a machine with a GPU, which chooses its device at the first use."""

    def __init__(self):
        self.config = SimpleNamespace(jax_platforms=None, update=self._update)
        self.started = None

    def _update(self, name, value):
        setattr(self.config, name, value)

    def devices(self):
        platform = "cpu" if self.config.jax_platforms == "cpu" else "gpu"
        self.started = self.started or SimpleNamespace(platform=platform, device_kind="H100")
        return [self.started]

    def begin(self):
        self.devices()


class FakeTensorFlow:
    """TensorFlow on a machine with a GPU, whose visible devices are fixed at the first use."""

    def __init__(self):
        gpu = SimpleNamespace(device_type="GPU", name="/physical_device:GPU:0")
        physical = {"GPU": [gpu], "TPU": []}
        self.visible, self.begun = dict(physical), False
        self.config = SimpleNamespace(
            list_physical_devices=lambda kind: physical[kind],
            get_visible_devices=lambda kind: self.visible[kind],
            set_visible_devices=self._set,
            experimental=SimpleNamespace(get_device_details=lambda _: {"device_name": "H100"}),
        )

    def _set(self, found, kind):
        if self.begun:
            raise RuntimeError("Visible devices cannot be modified after being initialized")
        self.visible[kind] = found

    def begin(self):
        self.begun = True


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A machine without a card, whose files are in a folder, in a process that keeps its device for other tests."""
    forget_driver(monkeypatch, tmp_path)
    for module in (choose_trainers, preflight):
        monkeypatch.setattr(module, "try_select_device", lambda *_: True)
    return tmp_path


@pytest.fixture(params=["jax", "tensorflow"])
def backend(request, monkeypatch):
    """A backend that sees a GPU, and the stand-in for it."""
    fake = FakeJax() if request.param == "jax" else FakeTensorFlow()
    monkeypatch.setitem(sys.modules, request.param, fake)
    monkeypatch.setattr(devices, "loaded_backend", lambda: request.param)
    return request.param, fake


def test_the_cpu_is_taken_before_the_backend_begins(backend):
    name, fake = backend
    select_device(name, "cpu")
    fake.begin()
    assert devices.device().startswith("cpu: ")
    select_device(name, "cpu")  # as the trainer does again


def test_a_backend_that_computes_on_the_gpu_cannot_change_to_the_cpu(backend):
    name, fake = backend
    fake.begin()
    with pytest.raises(BackendError, match=rf"trainer\.device=cpu: in this process, {name} computes on gpu: H100"):
        select_device(name, "cpu")
    assert not try_select_device(name, "cpu")
    assert try_select_device(name, "gpu")
    assert try_select_device(name, "auto")
    assert devices.device() == "gpu: H100"


def test_a_backend_on_the_cpu_does_not_pass_for_one_that_sees_no_gpu(backend, folder):
    name, _ = backend
    write_proc(folder, "H100")
    select_device(name, "cpu")
    assert try_select_device(name, "cpu")
    for asked in ("gpu", "auto"):
        with pytest.raises(BackendError, match=r"computes on the CPU, as trainer\.device=cpu or code of yours asked"):
            select_device(name, asked)


def test_jax_that_cannot_start_on_the_platforms_of_the_environment_names_them(monkeypatch):
    def devices_of_jax():
        raise AssertionError

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setitem(sys.modules, "jax", SimpleNamespace(devices=devices_of_jax))
    with pytest.raises(StudyError, match=r"JAX_PLATFORMS=cuda: JAX cannot start on these platforms .*Unset JAX_PL"):
        try_select_device("jax", "auto")  # no process of this environment can


def test_without_a_card_a_process_on_the_cpu_takes_any_study(backend):
    name, _ = backend
    select_device(name, "cpu")
    assert try_select_device(name, "auto")
    assert not try_select_device(name, "gpu")  # a fresh process looks for one, and gives the reason


def test_a_gpu_that_is_seen_is_no_fault(backend):
    name, _ = backend
    config = SimpleNamespace(backend=name, trainer=SimpleNamespace(section={"device": "gpu"}))
    assert device_faults(config) == []


@pytest.mark.parametrize("words", [["trainer=fit"], VECTORIZED, ["trainer=auto"]])
def test_a_gpu_that_is_asked_for_and_not_seen_is_a_fault_with_the_reason(compose, monkeypatch, words):
    monkeypatch.setattr(devices, "_accelerators", lambda _: [])
    monkeypatch.setattr(devices, "_gpus_elsewhere", lambda _: ())  # for the backend that this process has not loaded
    with pytest.raises(ConfigError) as raised:
        compose(*words, "trainer.device=gpu")
    (fault,) = raised.value.faults
    assert fault.key == "trainer.device"
    assert fault.allowed.endswith("and it sees no GPU: this machine has no NVIDIA card")
    assert "trainer.device=cpu" in fault.advice


def test_a_launcher_of_a_cluster_may_find_the_gpu_elsewhere(tmp_path):
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import check

    (job,) = compose_jobs(prepare(["trainer=fit", "trainer.device=gpu"]), multirun=False)
    (checked,) = check([(job.raw, job.labels)], folder=tmp_path, trains_here=False)
    assert asked_device(checked.config) == "gpu"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["trainer=fit", "trainer.device=tpu"], "trainer.device=tpu: expected one of auto, cpu, gpu"),
        (["trainer=auto", "trainer.device=tpu"], "trainer.device=tpu: expected one of auto, cpu, gpu"),
        (["trainer=numpy", "optimizer=paper_adam", "trainer.device=gpu"], "NumPy computes on the CPU alone"),
    ],
)
def test_a_device_that_a_trainer_does_not_have_is_refused(compose, words, told):
    with pytest.raises(ConfigError, match=told):
        compose(*words)


def test_a_fall_back_to_the_cpu_is_said_with_the_reason(compose, folder, monkeypatch):
    monkeypatch.setattr(devices, "_accelerators", lambda _: [])
    monkeypatch.setattr(devices, "why_unseen", lambda _: Unseen(reason="it is asleep", advice="Wake it."))
    config = compose("trainer=fit")
    assert device_message(config) == ""
    write_proc(folder, "Tesla T4")
    assert device_message(config) == (
        f"trainer.device=auto: this study computes on the CPU, since {config.backend} does not see Tesla T4: "
        "it is asleep. Wake it. Or set trainer.device=cpu."
    )
    assert device_message(compose("trainer=fit", "trainer.device=cpu")) == ""
    assert device_message(compose("trainer=numpy", "optimizer=paper_adam")) == ""
    monkeypatch.setattr(devices, "_accelerators", lambda _: [("gpu", "Tesla T4")])
    assert device_message(config) == ""


def test_a_training_in_numpy_is_recorded_on_the_cpu_whatever_its_backend_sees(monkeypatch):
    monkeypatch.setattr(devices, "_accelerators", lambda _: [("gpu", "H100")])
    monkeypatch.setattr("study.training.environment.loaded_backend", lambda: "jax")
    assert environment()["device"] == "gpu: H100"
    assert environment(on_cpu=True)["device"] == f"cpu: {machine.processor()}, {machine.n_cores()} cores"


@pytest.mark.parametrize("trainer", [["trainer=fit"], VECTORIZED])
def test_the_device_is_no_part_of_a_study(compose, trainer):
    usual, on_cpu = (compose(*trainer, *words) for words in ([], ["trainer.device=cpu"]))
    # A config of an earlier version, which had no device.
    earlier = {**usual.raw, "trainer": {k: v for k, v in usual.raw["trainer"].items() if k != "device"}}
    assert usual.raw["trainer"]["device"] == "auto"
    assert usual.labels == on_cpu.labels
    name = usual.experiment_name
    assert {digest_of(raw, experiment_name=name) for raw in (usual.raw, on_cpu.raw, earlier)} == {usual.typed_digest}
    assert settings_digest(usual) == settings_digest(on_cpu)


def test_a_config_without_a_device_is_read_and_asks_for_any(compose, tmp_path):
    from study.pipeline.preflight import load_config

    raw = compose("trainer=fit").raw
    earlier = {**raw, "trainer": {key: value for key, value in raw["trainer"].items() if key != "device"}}
    config = load_config(earlier, folder=tmp_path)
    assert "device" not in config.trainer.section
    assert asked_device(config) == "auto"


# JAX itself, in a process of its own, with a platform that comes before the CPU and cannot start.
CHILD = """
import json, os, sys
from pathlib import Path
os.environ["KERAS_BACKEND"] = "jax"
folder = Path(sys.argv[1])
from study.core import machine
machine.NVIDIA_CARDS = folder / "nvidia" / "gpus"
asked = sys.argv[2]
import jax
from jax.extend.backend import register_backend_factory
tried = []
def start():
    tried.append(True)
    raise RuntimeError("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected")
register_backend_factory("accelerator", start, priority=500, fail_quietly=True)
from study.cli.launch.compose import compose_jobs, prepare
from study.core.errors import StudyError
from study.pipeline.preflight import load_config
from study.training.devices import try_select_device, device, device_message
words = ["live=false", "trainer=vectorized", "optimizer=sgd", "model=linear", f"trainer.device={asked}"]
(job,) = compose_jobs(prepare(words), multirun=False)
answer = {"refused": "", "message": "", "device": "", "next": []}
try:
    config = load_config(job.raw, folder=folder)
    answer |= {"message": device_message(config), "device": device()}
    answer["next"] = [name for name in ("auto", "gpu", "cpu") if try_select_device("jax", name)]
except StudyError as error:
    answer["refused"] = str(error)
print(json.dumps({**answer, "tried": bool(tried), "written": sorted(p.name for p in folder.iterdir())}))
"""


@pytest.mark.parametrize("asked", ["auto", *(pytest.param(each, marks=pytest.mark.slow) for each in ("cpu", "gpu"))])
@pytest.mark.skipif(cuda_of("jax") is not None, reason="JAX would see a card of this machine")
def test_jax_that_falls_back_to_the_cpu_beside_a_card(folder, asked):

    write_proc(folder, "Tesla T4")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / ".ci" / "editable"), "JAX_PLATFORMS": ""}
    command = [sys.executable, "-c", CHILD, str(folder), asked]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout.splitlines()[-1])
    assert answer["written"] == ["nvidia", "nvidiactl"]
    assert answer["tried"] == (asked != "cpu")  # with the CPU, JAX does not even look for a card
    install = f"pip install 'jax[cuda12]=={importlib.metadata.version('jaxlib')}'"
    why = f"JAX is installed without its CUDA plugin. {install}."
    if asked == "gpu":
        assert f"trainer.device=gpu: expected a device that jax sees, and it sees no GPU: {why}" in answer["refused"]
        return
    assert answer["device"].startswith("cpu: ")
    assert (why in answer["message"]) == (asked == "auto")
    assert answer["next"] == (["auto", "gpu", "cpu"] if asked == "auto" else ["cpu"])


@pytest.mark.slow
def test_jax_itself_gives_the_reason_where_none_shows(folder, monkeypatch):
    (folder / "jax_plugins" / "xla_cuda12").mkdir(parents=True)
    (folder / "jax_plugins" / "xla_cuda12" / "__init__.py").write_text(
        "def initialize():\n    raise RuntimeError('Unable to load cuDNN. Is it installed?')\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(devices, "find_reason", lambda _: None)
    unseen = devices.why_unseen("jax")
    assert "Unable to load cuDNN. Is it installed?" in unseen.reason


@pytest.mark.parametrize("can_change", [True, False])
def test_a_study_whose_device_this_process_cannot_take_runs_in_a_fresh_one(compose, monkeypatch, can_change):
    from study.cli.launch import child_process

    config = compose("trainer=fit", "trainer.device=cpu")
    asked = []
    monkeypatch.setattr(child_process, "try_select_device", lambda _, name: asked.append(name) or can_change)
    monkeypatch.setattr(child_process, "run_study", lambda *_, **__: "here")
    monkeypatch.setattr(child_process, "call_in_subprocess", lambda function, _: function)
    ran = "here" if can_change else "study.cli.launch.child_start:read_and_run"
    assert child_process.run_anywhere(config) == ran
    assert asked == ["cpu"]
