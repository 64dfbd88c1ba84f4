"""Every file in conf/model: named as its file, a target that is there, and exactly the target's arguments."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import models
from study.components import instantiate, parameters, signature_faults
from study.config import KINDS

CONFIGS = sorted((Path(models.__file__).parents[1] / "conf" / "model").glob("*.yaml"))
ARCHITECTURES = {file.stem for file in Path(models.__file__).parent.glob("*.py") if not file.stem.startswith("_")}


def read(file):
    return OmegaConf.to_container(OmegaConf.load(file))


def arguments(section):
    return {key: value for key, value in section.items() if key not in ("name", "_target_", "kind")}


def test_every_architecture_has_its_config():
    assert {file.stem for file in CONFIGS} == ARCHITECTURES


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_config_matches_its_target(file):
    section = read(file)
    assert section["name"] == file.stem
    assert section["kind"] in KINDS
    assert section["_target_"] == f"models.{file.stem}.build"
    assert signature_faults("model", section["_target_"], arguments(section)) == []
    known = parameters(section["_target_"])
    assert list(known)[:2] == ["input_shape", "n_outputs"]
    assert list(arguments(section)) == list(known)[2:]
    # A default in the signature that the file contradicts would make Python and command line differ.
    for name, value in arguments(section).items():
        default = known[name].default
        assert value == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_config_builds(file):
    section = read(file)
    target = {"_target_": section["_target_"], **arguments(section)}
    model = instantiate(target, input_shape=(28, 28, 1), n_outputs=10)
    assert model.name == file.stem
    assert model.output_shape == (None, 10)
