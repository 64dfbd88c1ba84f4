"""Every YAML in conf/ composes into a valid study, has its file's name, and builds the object that it names."""

import importlib.util
import types
from pathlib import Path

import keras
import numpy as np
import optuna
import pytest
import yaml

import study.conf
from study.config.instantiate import instantiate, locate
from study.config.parse_stores import read_stores
from study.config.reader import Reader
from study.core.errors import ConfigError
from study.core.search_space import to_arguments
from study.datasets import Dataset, Split
from study.pipeline.workload import build_trainer
from study.search.samplers import build_sampler, quiet
from study.training.build_optimizer import build_optimizer

pytestmark = pytest.mark.slow

FOLDER = Path(study.conf.__path__[0])
FILES = sorted(FOLDER.rglob("*.yaml"))
GROUPS = sorted({file.parent.relative_to(FOLDER).as_posix() for file in FILES if file.parent != FOLDER})


def ids(file):
    return file.relative_to(FOLDER).as_posix()


def choice(file):
    """Return the group of a file's option, and the option's name."""
    group = file.parent.relative_to(FOLDER).as_posix()
    if group.startswith("budget/"):  # a budget of one experiment: budget=published/NAME
        return "budget", file.relative_to(FOLDER / "budget").with_suffix("").as_posix()
    return group, file.stem


def names(group):
    return sorted(file.stem for file in (FOLDER / group).glob("*.yaml"))


def installed(section):
    """Return true if the packages that a file needs are installed."""
    needed = section.get("requires", ()) if isinstance(section, dict) else ()
    return all(importlib.util.find_spec(name) is not None for name in needed)


@pytest.fixture
def jobs():
    """Compose the jobs of a command line on the real conf/."""
    from study.cli.launch.compose import compose_jobs, prepare

    return lambda *overrides: compose_jobs(prepare(overrides), multirun=False)


@pytest.fixture
def load(tmp_path):
    """Read and check a job's config."""
    from study.pipeline.preflight import load_config

    return lambda job: load_config(job.raw, folder=tmp_path, labels=job.labels)


@pytest.fixture
def valid(jobs, load):
    """Compose and check a single study."""

    def build(*overrides):
        (job,) = jobs(*overrides)
        return load(job)

    return build


@pytest.fixture
def nothing_written(tmp_path):
    yield
    assert list(tmp_path.iterdir()) == []


def test_the_folders_are_those_that_the_design_names():
    assert {"dataset", "model", "optimizer", "schedule", "trainer", "sampler", "pruner", "budget", "storage"} <= set(
        GROUPS
    )


@pytest.mark.parametrize("file", FILES, ids=ids)
def test_a_comment_says_what_the_file_is(file):
    lines = [line for line in file.read_text().splitlines() if not line.startswith("# @package")]
    assert lines[0].startswith("# "), "the first line is to say what this file is"
    assert lines[0].endswith((".", "?", ",", ";", ":")) or lines[1].startswith("# ")


@pytest.mark.usefixtures("nothing_written")
# storage=server names servers, which tests/faults/ starts.
@pytest.mark.parametrize(
    "file", [file for file in FILES if file.parent != FOLDER and ids(file) != "storage/server.yaml"], ids=ids
)
def test_it_composes_and_is_valid(file, jobs, load):
    group, name = choice(file)
    composed = jobs(f"{group}={name}", *_beside(file))
    assert composed
    for job in composed:  # an experiment may hold several
        section = job.raw.get(group)
        if isinstance(section, dict):
            assert section["name"] == name
        if group == "experiment":
            assert job.raw["budget"]["name"] == f"published/{name}"
            assert job.raw["experiment_name"] == name
            assert job.raw["trainer"]["name"] != "auto"  # a published comparison has one trainer on every machine
        if installed(section):
            load(job)
        else:
            with pytest.raises(ConfigError, match=rf"{group}={name}: .* {section['requires'][0]} is not"):
                load(job)


@pytest.mark.parametrize("name", names("optimizer"))
def test_every_optimizer_builds_untuned_and_tuned(name, valid):
    config = valid(f"optimizer={name}", *_beside(FOLDER / "optimizer" / f"{name}.yaml"))
    assert set(config.optimizer.ranges) >= {"learning_rate"}
    drawn = {searched.coordinate: _middle(searched) for searched in config.optimizer.ranges.values()}
    point = to_arguments(config.optimizer.ranges, drawn)
    for chosen in ({}, point):
        arguments = config.optimizer.arguments(chosen)
        built = build_optimizer(config.optimizer.target, arguments, schedule=config.schedule.section, n_steps=10)
        assert isinstance(built, locate(config.optimizer.target))
        for key in chosen:
            assert float(getattr(built, key)) == pytest.approx(float(point[key]), rel=1e-5)


@pytest.mark.parametrize("name", names("schedule"))
def test_every_schedule_builds_and_starts_from_the_searched_rate(name, valid):
    config = valid(f"schedule={name}", "optimizer=sgd", "optimizer.learning_rate=0.5")
    arguments = config.optimizer.arguments({})
    built = build_optimizer(config.optimizer.target, arguments, schedule=config.schedule.section, n_steps=100)
    rates = []
    for step in range(101):
        built.iterations.assign(step)
        rates.append(float(keras.ops.convert_to_numpy(built.learning_rate)))
    assert max(rates) == pytest.approx(0.5, rel=1e-5)
    assert (min(rates) == max(rates)) == (name in ("constant", "plateau"))  # a plateau is known after an epoch


@pytest.mark.parametrize("name", names("sampler"))
def test_every_sampler_builds(name, jobs, load):
    (job,) = jobs(f"sampler={name}")
    if installed(job.raw["sampler"]):
        with quiet():
            assert isinstance(build_sampler(load(job), trial_number=3), optuna.samplers.BaseSampler)
    else:
        with pytest.raises(ConfigError, match=r"pip install 'optimizer-study\[torch\]'"):
            load(job)


@pytest.mark.parametrize("name", names("pruner"))
def test_every_pruner_builds(name, valid):
    section = valid(f"pruner={name}").pruner.section
    assert isinstance(instantiate(section), optuna.pruners.BasePruner)


@pytest.mark.parametrize("name", names("budget"))
def test_every_budget_counts_in_one_unit_and_confirms(name, valid):
    budget = valid(f"budget={name}").budget
    assert (budget.n_epochs is None) != (budget.n_steps is None)
    assert budget.n_trials >= 2
    assert budget.n_confirmations >= 1


@pytest.mark.parametrize("name", names("storage"))
def test_every_storage_names_its_stores(name, jobs, tmp_path):
    (job,) = jobs(f"storage={name}")
    reader = Reader(job.raw)
    stores = read_stores(reader, tmp_path)
    assert reader.faults == []
    assert stores.artifacts.is_relative_to(tmp_path)
    assert "://" in stores.tracking_uri
    if stores.optuna_url is None:
        assert stores.optuna_journal.is_relative_to(tmp_path)
    else:
        assert stores.optuna_url.startswith("postgresql+psycopg://")


@pytest.mark.parametrize(("seconds", "kept"), [(0.25, 0.25), (1, 1), (0, None), (None, 60)])
def test_a_worker_may_be_stale_after_a_part_of_a_second(seconds, kept, jobs, tmp_path):
    (job,) = jobs("storage=server", f"storage.stale_after_s={'null' if seconds is None else seconds}")
    reader = Reader(job.raw)
    stores = read_stores(reader, tmp_path)
    assert [fault.key for fault in reader.faults] == ([] if kept else ["storage.stale_after_s"])
    assert not kept or stores.stale_after_s == kept


@pytest.mark.parametrize(("seconds", "kept"), [(1.5, 1.5), (0, None), (None, 900)])
def test_the_patience_with_a_server_is_a_positive_number(seconds, kept, jobs, tmp_path):
    (job,) = jobs("storage=server", f"storage.server_patience_s={'null' if seconds is None else seconds}")
    reader = Reader(job.raw)
    stores = read_stores(reader, tmp_path)
    assert [fault.key for fault in reader.faults] == ([] if kept else ["storage.server_patience_s"])
    assert not kept or stores.server_patience_s == kept


@pytest.mark.parametrize("name", names("hydra/launcher"))
def test_every_launcher_takes_the_workers_of_one_study(name):
    from study.cli.launch.compose import compose_jobs, prepare

    composed = compose_jobs(prepare([f"hydra/launcher={name}", "worker=range(2)"]), multirun=True)
    assert [job.raw["worker"] for job in composed] == [0, 1]
    assert len({job.labels for job in composed}) == 1
    target = yaml.safe_load((FOLDER / "hydra" / "launcher" / f"{name}.yaml").read_text())["_target_"]
    assert target.startswith("hydra_plugins.")


@pytest.mark.parametrize("name", names("model"))
def test_every_model_builds_for_what_it_takes_and_ends_in_the_outputs(name, valid):
    section = valid(f"model={name}").model.section
    shapes = {"study.models.word_embedding.build": (12,), "study.models.landscape.build": (1,)}
    built = instantiate(section, input_shape=shapes.get(section["_target_"], (32, 32, 3)), n_outputs=7)
    assert built.output_shape == (None, 7)
    assert len(built.trainable_variables) >= 1


@pytest.mark.parametrize("name", names("trainer"))
def test_every_trainer_builds_and_keeps_the_seam(name, valid):
    config = valid(f"trainer={name}")
    if config.backend != keras.backend.backend():
        assert callable(locate(config.trainer.section["_target_"]))
        return
    some = Split(x=np.zeros((40, 8, 8, 1), np.float32), y=np.arange(40, dtype=np.int32) % 10)
    dataset = Dataset(name="digits", source="zeros", train=some, validation=some, test=some, n_outputs=10)
    trainer = build_trainer(config, dataset)
    assert trainer.capacity >= 1
    assert isinstance(trainer.train, types.MethodType)
    assert trainer.build_model().output_shape == (None, 10)


def _middle(searched):
    if searched.choices is not None:
        return searched.choices[0]
    low, high = searched.bounds
    return (low + high) / 2 if searched.scale == "linear" else (low * high) ** 0.5


def _beside(file):
    """Return the overrides that a file needs: rules in NumPy need one trainer."""
    return ["trainer=numpy"] if "study.optimizers.reference." in file.read_text() else []
