"""Settings of Hydra in a folder's own conf/ that would run code are refused before anything starts."""

import os
import pickle

import pytest

PLANTED = {
    "hydra.callbacks.x._target_": "{callbacks: {x: {_target_: planted.Callback}}}",
    "hydra.callbacks.y.inner._target_": "{callbacks: {y: {inner: {_target_: '${oc.env:HOME,planted.C}'}}}}",
    "hydra.hydra_logging.handlers.a.()": "{hydra_logging: {handlers: {a: {(): planted.Handler}}}}",
    "hydra.job_logging.handlers.b.class": "{job_logging: {handlers: {b: {class: logging.os.system}}}}",
    "hydra.job_logging.handlers.c.stream": "{job_logging: {handlers: {c: {stream: 'ext://planted.stream'}}}}",
    "hydra.job.env_set.PYTHONPATH": "{job: {env_set: {PYTHONPATH: .}}}",
    "hydra.job.env_set.ld_preload": "{job: {env_set: {ld_preload: x.so}}}",
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "planted.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    return tmp_path


@pytest.mark.parametrize("words", [(), ("-m", "optimizer=adam,sgd"), ("--cfg", "job")])
@pytest.mark.parametrize("key", PLANTED)
def test_what_would_run_code_is_refused(key, words, folder, here):
    (folder / "conf" / "study.yaml").write_text(f"hydra: {PLANTED[key]}\n")
    status, _, err = here("run", *words, cwd=folder)
    assert status == 2, err
    assert f"  {key}=" in err
    assert {path.name for path in folder.iterdir()} == {"conf", "planted.py"}


def test_logs_and_variables_that_run_nothing_stay_allowed(folder, here):
    (folder / "conf" / "study.yaml").write_text(
        "hydra:\n"
        "  job: {env_set: {OMP_NUM_THREADS: '2'}}\n"
        "  callbacks: {info: {_target_: hydra.experimental.callbacks.LogJobReturnCallback}}\n"
        "  job_logging:\n"
        "    handlers: {file: {class: logging.FileHandler, filename: '${hydra.runtime.output_dir}/x.log'}}\n"
    )
    status, out, err = here("run", "--cfg", "hydra", cwd=folder)
    assert status == 0, err
    assert "logging.FileHandler" in out


class _Planted:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "words", [(), ("--cfg", "job"), ("--hydra-help",), ("-sc", "query=bash"), ("--info", "config")]
)
def test_a_pickled_config_is_not_loaded(words, folder, here):
    (folder / "config.pickle").write_bytes(pickle.dumps(_Planted(str(folder / "ran"))))
    status, _, err = here("run", *words, "--experimental-rerun", "config.pickle", cwd=folder)
    assert status == 2
    assert "--experimental-rerun=config.pickle: expected the config of this project" in err
    assert not (folder / "ran").exists()
