"""Every file in conf/dataset: named as its file, a target that is there, and exactly the target's arguments."""

import importlib
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import study.datasets
from study.config.arguments import signature_faults
from study.config.instantiate import instantiate, parameters
from study.config.metric_facts import facts_of_objective

CONFIGS = sorted((Path(study.datasets.__file__).parents[2] / "conf" / "dataset").glob("*.yaml"))
# The other modules prepare data, and load none.
MODULES = {
    file.stem for file in Path(study.datasets.__file__).parent.glob("*.py") if "\ndef load(" in file.read_text()
}
DESCRIBING = ("name", "_target_", "task")


def read(file):
    composed = OmegaConf.merge({"split_seed": 0}, {"dataset": OmegaConf.load(file)})
    return OmegaConf.to_container(composed, resolve=True)["dataset"]


def test_every_data_set_has_its_config():
    assert {file.stem for file in CONFIGS} == MODULES


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_config_matches_its_target(file):
    section = read(file)
    arguments = {key: value for key, value in section.items() if key not in DESCRIBING}
    assert section["name"] == file.stem
    assert section["_target_"] == f"study.datasets.{file.stem}.load"
    assert signature_faults("dataset", section["_target_"], arguments) == []
    assert list(arguments) == list(parameters(section["_target_"]))
    # A data set that draws nothing, such as a series split in the order of time, has no such argument.
    assert ("${split_seed}" in file.read_text()) == ("split_seed" in arguments)


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_task_can_be_trained(file):
    task = read(file)["task"]
    assert set(task) - {"train_metrics", "shuffle"} == {"loss", "metrics", "objective", "batch_size"}
    # A loss over classes takes logits, which is what models put out.
    assert getattr(instantiate(task["loss"]), "from_logits", True)
    known = ["loss", *(metric if isinstance(metric, str) else metric["name"] for metric in task["metrics"])]
    assert task["objective"]["metric"].removeprefix("val_") in known
    own = facts_of_objective(task["objective"]["metric"], task["metrics"]).direction
    assert own in ("maximize", "minimize")
    assert task["objective"]["direction"] in ("auto", own)
    assert task["objective"]["target"] is None or 0 < task["objective"]["target"] < 1
    assert task["batch_size"] >= 1


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_config_names_its_source(file):
    first = file.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert "Source:" in importlib.import_module(f"study.datasets.{file.stem}").__doc__
