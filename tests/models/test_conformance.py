"""Every file in conf/model: named as its file, a target that is there, and exactly the target's arguments."""

import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import study.models
from study.config.arguments import signature_faults
from study.config.instantiate import instantiate, parameters
from study.config.schema import KINDS

CONFIGS = sorted((Path(study.models.__file__).parents[1] / "conf" / "model").glob("*.yaml"))
ARCHITECTURES = {
    file.stem for file in Path(study.models.__file__).parent.glob("[!_]*.py") if "\ndef build(" in file.read_text()
}
# Input and output of models that take no images, by architecture.
SHAPES = {"word_embedding": (12,), "landscape": (1,)}


def read(file):
    return OmegaConf.to_container(OmegaConf.load(file), resolve=True)


def arguments(section):
    return {key: value for key, value in section.items() if key not in ("name", "_target_", "kind")}


def architecture(section):
    module, _, function = section["_target_"].rpartition(".")
    assert function == "build"
    return module.removeprefix("study.models.")


def test_every_architecture_has_its_configs():
    assert {architecture(read(file)) for file in CONFIGS} == ARCHITECTURES


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_config_matches_its_target(file):
    section = read(file)
    assert section["name"] == file.stem
    assert section["kind"] in KINDS
    # A landscape is one architecture for many landscapes.
    assert architecture(section) in (file.stem, "landscape")
    assert signature_faults("model", section["_target_"], arguments(section)) == []
    known = parameters(section["_target_"])
    assert list(known)[:2] == ["input_shape", "n_outputs"]
    assert list(arguments(section)) == list(known)[2:]
    # A default in the signature that the file contradicts would make Python and command line differ.
    for name, value in arguments(section).items():
        default = known[name].default
        if default is not inspect.Parameter.empty:
            assert value == (list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_config_builds(file):
    section = read(file)
    target = {"_target_": section["_target_"], **arguments(section)}
    model = instantiate(target, input_shape=SHAPES.get(architecture(section), (28, 28, 1)), n_outputs=10)
    assert model.name == architecture(section)
    assert model.output_shape == (None, 10)
