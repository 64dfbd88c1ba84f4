import dataclasses
import datetime
import hashlib
import math
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow.tracking import MlflowClient

from study.cli import main
from study.cli.launch.child_process import run_anywhere
from study.core.errors import StoreError, StudyError
from study.reproduction.config_changes import apply_changes, changes_between
from study.reproduction.export import export
from study.reproduction.recorded_run import find_recorded_run
from study.reproduction.reproduce import LOOSE_TOLERANCE, compare_histories, repeat, reproduce
from study.reproduction.retrain import RetrainRequest, compare_conditions, retrain
from study.run import run_study
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow

DATA = ("dataset=mnist", "dataset.path=tiny.npz", "dataset.n_validation=40")


def _write_images(path):
    """Pictures of noise around one picture a class, which a small net learns in part."""
    rng = np.random.default_rng(0)
    prototypes = rng.integers(0, 200, size=(10, 28, 28))
    arrays = {}
    for split, n in (("train", 240), ("test", 60)):
        labels = np.arange(n) % 10
        arrays[f"y_{split}"] = labels.astype(np.uint8)
        arrays[f"x_{split}"] = (prototypes[labels] + rng.integers(0, 56, size=(n, 28, 28))).astype(np.uint8)
    np.savez(path, **arrays)


def _prepare(folder, empty_store):
    (folder / "mlruns").mkdir(parents=True)
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    _write_images(folder / "tiny.npz")
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, compose_quick, empty_store):
    """A study that all tests read; a test that changes its record or data restores it."""
    folder = _prepare(tmp_path_factory.mktemp("study"), empty_store)
    config = compose_quick(*DATA, "study_name=adam", folder=folder)
    run_study(config)
    return config


@pytest.fixture
def target(recorded):
    return find_recorded_run(recorded.stores.tracking_uri, "mnist-mlp/adam", folder=recorded.folder)


@pytest.fixture
def client(recorded):
    return MlflowClient(recorded.stores.tracking_uri)


@pytest.fixture
def tagged(client, target):
    """Set a tag of the study for one test."""
    before = {}

    def set_tag(key, value):
        before[key] = target.study.tags[key]
        client.set_tag(target.study.run_id, key, value)

    yield set_tag
    for key, value in before.items():
        client.set_tag(target.study.run_id, key, value)


@pytest.fixture
def command(recorded, capsys, monkeypatch):
    """Run `study reproduce` on the recorded study; return its status and what it printed."""
    monkeypatch.chdir(recorded.folder)

    def run(*arguments):
        status = main(["reproduce", *arguments])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


@pytest.fixture
def one_byte_changed(recorded):
    path = recorded.folder / "tiny.npz"
    kept = path.read_bytes()
    arrays = dict(np.load(path))
    arrays["x_train"][3, 5, 5] ^= 1
    np.savez(path, **arrays)
    yield
    path.write_bytes(kept)


def _contents(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "mlruns").rglob("*")
        if path.is_file()
    }


def _subjects(outcome):
    return [difference.subject for difference in outcome.differences]


def test_the_best_confirmation_is_reproduced_bit_for_bit_and_nothing_is_written(recorded, target):
    before = _contents(recorded.folder)
    outcome = reproduce(target, folder=recorded.folder)
    assert (outcome.reproduced, outcome.tolerance, outcome.differences) == (True, 0.0, ())
    assert {c.metric: (c.n_compared, c.largest, c.at) for c in outcome.comparisons} == {
        "loss": (2, 0.0, None),
        "accuracy": (2, 0.0, None),
        "val_loss": (2, 0.0, None),
        "val_accuracy": (2, 0.0, None),
        "test_accuracy": (1, 0.0, None),
        "test_loss": (1, 0.0, None),
    }
    assert _contents(recorded.folder) == before


def test_the_best_of_an_optimizer_is_the_first_confirmation_of_its_best(target):
    (first,) = (run for run in target.study.confirmations if (run.kind, run.number) == ("best", 0))
    assert target.run == first


def test_a_trial_is_named_by_its_run_and_a_study_by_its_own(recorded, target):
    trial = target.study.trials[1]
    named = find_recorded_run(recorded.stores.tracking_uri, trial.run_id, folder=recorded.folder)
    assert named.run == trial
    outcome = reproduce(named, folder=recorded.folder)
    assert outcome.reproduced
    assert not any(comparison.metric.startswith("test_") for comparison in outcome.comparisons)
    own = find_recorded_run(recorded.stores.tracking_uri, target.study.run_id, folder=recorded.folder)
    assert own.run == target.run


def test_a_pruned_trial_is_stopped_at_the_same_epoch(recorded, target):
    pruned = dataclasses.replace(target, run=dataclasses.replace(target.study.trials[0], state="pruned"))
    outcome = reproduce(pruned, folder=recorded.folder, changes={"budget.n_epochs": 5})
    assert outcome.state == "pruned"
    assert {comparison.n_compared for comparison in outcome.comparisons} == {2}
    assert outcome.reproduced


def test_another_batch_size_is_named_as_the_cause(command):
    status, printed = command("mnist-mlp/adam", "trainer.batch_size=64")
    assert status == 1
    assert "NOT reproduced" in printed
    assert "trainer.batch_size was 128, is 64" in printed


def test_another_value_of_the_optimizer_is_trained(recorded, target):
    outcome = reproduce(target, folder=recorded.folder, changes={"optimizer.learning_rate": 0.5})
    assert not outcome.reproduced
    (difference,) = outcome.differences
    assert difference.recorded == target.run.params["learning_rate"]
    assert difference.now == "0.5"


def test_a_model_whose_output_is_too_narrow_is_refused(recorded, target, monkeypatch, tmp_path):
    (tmp_path / "narrow_net.py").write_text(
        "import keras\n\n\ndef build(input_shape, n_outputs, **_):\n"
        "    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(3)])\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    model = {"name": "narrow", "_target_": "narrow_net.build"}
    narrow = dataclasses.replace(
        target,
        raw={
            **target.raw,
            "model": model,
            "dataset": {**target.raw["dataset"], "path": str(recorded.folder / "tiny.npz")},
        },
    )
    for contents in (target.contents, None):
        with pytest.raises(StudyError, match=r"do not fit together.*The model's output has a width of 3"):
            reproduce(dataclasses.replace(narrow, contents=contents), folder=tmp_path, force=True)


def test_another_package_version_stops_it_unless_forced(command, tagged):
    tagged("keras", "3.14.1")
    status, printed = command("mnist-mlp/adam")
    assert status == 1
    assert "keras was 3.14.1, is 3." in printed
    assert "trained again" not in printed
    status, printed = command("mnist-mlp/adam", "--force", "--tolerance=0")
    assert status == 0
    assert "reproduced bit for bit" in printed
    assert "keras was 3.14.1" in printed


@pytest.mark.usefixtures("one_byte_changed")
def test_one_byte_of_the_data_stops_it_before_training(command, monkeypatch, target):
    monkeypatch.setattr("study.reproduction.retrain.build_trainer", lambda *_: pytest.fail("it was about to train"))
    status, printed = command("mnist-mlp/adam")
    assert status == 1
    assert f"data digest was {target.data_digests[0]}, is " in printed


@pytest.mark.usefixtures("one_byte_changed")
def test_forced_on_other_data_it_trains_and_names_them(recorded, target):
    outcome = reproduce(target, folder=recorded.folder, force=True, tolerance=0.0)
    assert (outcome.trained, outcome.reproduced) == (True, False)
    assert _subjects(outcome) == ["data digest"]


def test_another_device_loosens_the_tolerance_and_is_said(recorded, tagged, target):
    tagged("device", "gpu: Abacus 9")
    found = find_recorded_run(recorded.stores.tracking_uri, target.run.run_id, folder=recorded.folder)
    outcome = reproduce(found, folder=recorded.folder)
    assert (outcome.reproduced, outcome.tolerance) == (True, LOOSE_TOLERANCE)
    assert _subjects(outcome) == ["device"]


def test_an_edited_file_is_told_from_what_was_recorded(target, tmp_path, command):
    file = tmp_path / "edited.yaml"
    text = export(target, exported_on=datetime.date(2026, 1, 2))
    file.write_text(text)
    status, printed = command(str(file))
    assert status == 0, printed
    file.write_text(text.replace("batch_norm: false", "batch_norm: true"))
    status, printed = command(str(file))
    assert status == 1
    assert "model.batch_norm was false, is true" in printed


def test_fresh_seeds_meet_none_that_was_used(recorded, target):
    before = _contents(recorded.folder)
    outcome = repeat(target, n_seeds=2, folder=recorded.folder)
    used = {int(run.params["run_seed"]) for run in (*target.study.trials, *target.study.confirmations)}
    fresh = {result.trial.run_seed for result in outcome.results}
    assert len(fresh) == 2
    assert not fresh & used
    tested = [run.metrics["test_accuracy"] for run in target.study.confirmations if run.kind == "best"]
    assert outcome.recorded["test_accuracy"].others.estimate == pytest.approx(np.mean(tested))
    again = [result.summary["test_accuracy"] for result in outcome.results]
    assert outcome.fresh["test_accuracy"].others.estimate == pytest.approx(np.mean(again))
    assert outcome.fresh["test_accuracy"].n == 2
    assert _contents(recorded.folder) == before


def test_the_command_prints_both_intervals(command):
    status, printed = command("mnist-mlp/adam", "--seeds", "2")
    assert status == 0
    (line,) = (line for line in printed.splitlines() if line.startswith("| test_accuracy"))
    assert line.count(", 2 seeds") == 2
    assert "[" not in line  # two seeds have no interval


def test_a_study_on_another_backend_is_reproduced_in_a_fresh_process(tmp_path, compose, empty_store):
    folder = _prepare(tmp_path / "jax", empty_store)
    config = compose(*DATA, "trainer.backend=jax", "budget.n_trials=1", "budget.n_confirmations=1", folder=folder)
    run_anywhere(config)
    found = find_recorded_run(config.stores.tracking_uri, "mnist-mlp/adam", folder=folder)
    outcome = reproduce(found, folder=folder)
    assert (outcome.reproduced, outcome.tolerance, outcome.differences) == (True, 0.0, ())


def test_an_error_of_the_fresh_process_comes_back_with_its_message(tmp_path, recorded):
    raw = {**recorded.raw, "model": {**recorded.raw["model"], "hiden": 3}}
    raw["trainer"] = {**raw["trainer"], "backend": "jax"}
    with pytest.raises(StudyError, match=r"model\.hiden=3") as e:
        retrain(RetrainRequest(raw=raw, folder=tmp_path, trials=(), tags={}, data_digests=()))
    assert type(e.value) is StudyError


def test_a_fresh_process_that_dies_is_told(tmp_path, recorded, monkeypatch):
    raw = {**recorded.raw, "trainer": {**recorded.raw["trainer"], "backend": "jax"}}
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StudyError, match=r"the process with trainer\.backend=jax ended with 1"):
        retrain(RetrainRequest(raw=raw, folder=tmp_path, trials=(), tags={}, data_digests=()))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("mnist-ml/adam", "no 'mnist-ml'.*Did you mean mnist-mlp"),
        ("mnist-mlp/adan", "no 'adan'.*Did you mean adam"),
        ("mnist-mlp", "write mnist-mlp/OPTIMIZER"),
        ("0123456789abcdef0123456789abcdef", "no study of the store has such a run"),
        ("nowhere.yaml", r"nowhere\.yaml.*No such file"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest_names(command, name, told):
    status, printed = command(name)
    assert status == 2
    assert re.search(told, printed), printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("trainer.batch_sise=64", "trainer.batch_size"),
        ("model=linear", "single value"),
        ("study_seed=3", "single value that training depends on"),
        ("trainer.batch_size", "KEY=VALUE"),
        ("trainer.batch_size=0", "at least 1"),
        ("--seeds=0", "1 or more"),
        ("--tolerance=-1", "at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(command, word, told):
    status, printed = command("mnist-mlp/adam", word)
    assert status == 2
    assert told in printed


def test_several_studies_of_an_optimizer_are_told(recorded, monkeypatch, target):
    two = [dataclasses.replace(target.study, name=name) for name in ("adam-a", "adam-b")]
    monkeypatch.setattr("study.reproduction.recorded_run.read_studies", lambda *_, **__: two)
    with pytest.raises(StudyError, match="mnist-mlp/adam-a, mnist-mlp/adam-b"):
        find_recorded_run(recorded.stores.tracking_uri, "mnist-mlp/adam", folder=recorded.folder)
    named = find_recorded_run(recorded.stores.tracking_uri, "mnist-mlp/adam-b", folder=recorded.folder)
    assert named.study.name == "adam-b"


def test_a_study_without_a_confirmed_best_is_told(recorded, monkeypatch, target):
    superseded = [dataclasses.replace(run, superseded=True) for run in target.study.confirmations]
    bare = dataclasses.replace(target.study, confirmations=tuple(superseded))
    monkeypatch.setattr("study.reproduction.recorded_run.read_studies", lambda *_, **__: [bare])
    with pytest.raises(StudyError, match=r"none \(3/3 trials done\).*n_confirmations"):
        find_recorded_run(recorded.stores.tracking_uri, "mnist-mlp/adam", folder=recorded.folder)


def test_a_run_that_was_cut_off_is_refused(recorded, monkeypatch, target):
    cut = dataclasses.replace(target.study.trials[0], state=None, status="KILLED")
    broken = dataclasses.replace(target.study, trials=(cut,))
    monkeypatch.setattr("study.reproduction.recorded_run.read_studies", lambda *_, **__: [broken])
    with pytest.raises(StudyError, match="cut off"):
        find_recorded_run(recorded.stores.tracking_uri, cut.run_id, folder=recorded.folder)


def test_a_deleted_run_is_told(recorded, client, target):
    run_id = target.study.trials[2].run_id
    client.delete_run(run_id)
    try:
        with pytest.raises(StudyError, match="was deleted"):
            find_recorded_run(recorded.stores.tracking_uri, run_id, folder=recorded.folder)
    finally:
        client.restore_run(run_id)


def test_a_deleted_config_is_told(recorded):
    (config,) = (recorded.folder / "mlruns" / "artifacts").rglob("config.yaml")
    kept = config.read_bytes()
    config.unlink()
    try:
        with pytest.raises(StoreError, match=r"config\.yaml"):
            find_recorded_run(recorded.stores.tracking_uri, "mnist-mlp/adam", folder=recorded.folder)
        config.write_text("no mapping")
        with pytest.raises(StudyError, match=r"config\.yaml.*this is another text"):
            find_recorded_run(recorded.stores.tracking_uri, "mnist-mlp/adam", folder=recorded.folder)
    finally:
        config.write_bytes(kept)


def test_a_config_that_another_version_recorded_and_this_one_cannot_read_names_both(recorded, tagged, target):
    tagged("optimizer-study", "9.9.9")
    found = find_recorded_run(recorded.stores.tracking_uri, target.run.run_id, folder=recorded.folder)
    raw = {key: value for key, value in found.raw.items() if key != "objective"}
    with pytest.raises(StudyError, match=r"(?s)optimizer-study 9\.9\.9, and optimizer-study 0\..*objective\.metric"):
        reproduce(dataclasses.replace(found, raw=raw), folder=recorded.folder)


def test_the_device_and_the_digest_are_recorded(recorded):
    (record,) = read_studies(recorded.stores.tracking_uri, "mnist-mlp")
    assert record.tags["device"].startswith(("cpu: ", "gpu: "))
    assert record.tags["jaxlib"]


@pytest.mark.parametrize(
    ("was", "now", "stops"),
    [
        ({"keras": "1"}, {"keras": "2"}, True),
        ({"numpy": "1"}, {"numpy": "2"}, True),
        ({"jax": "1"}, {"jax": "2"}, True),
        ({"tensorflow": "1"}, {"tensorflow": "2"}, None),  # it takes no part in a training on JAX
        ({"mlflow": "1"}, {"mlflow": "2"}, None),
        ({"python": "1"}, {"python": "2"}, False),
        ({"git_commit": "1"}, {"git_commit": "2"}, False),
        ({"jax": "1"}, {}, True),
        ({}, {"jax": "1"}, None),
    ],
)
def test_versions_of_what_computes_stop_it_and_others_are_only_named(was, now, stops):
    found = compare_conditions(was, now, data_digests=(), data_digest="a", backend="jax")
    assert [difference.stops for difference in found] == ([] if stops is None else [stops])


def test_any_recorded_digest_is_the_same_data():
    assert compare_conditions({}, {}, data_digests=("a", "b"), data_digest="b", backend="jax") == []
    (difference,) = compare_conditions({}, {}, data_digests=("a", "b"), data_digest="c", backend="jax")
    assert str(difference) == "data digest was a or b, is c"


@pytest.mark.parametrize(
    ("was", "again", "largest", "at"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, None),
        ([1.0, 2.0, 4.0], [1.0, 1.0, 3.0], 0.5, 2),
        ([math.nan], [math.nan], 0.0, None),
        ([math.inf], [math.inf], 0.0, None),
        ([1.0], [math.nan], math.inf, 1),
        ([1.0, 2.0], [1.0], math.inf, 2),
        ([1.0], [1.0, 2.0], math.inf, 2),
        ([0.0], [-0.0], 0.0, None),
        ([1.0], [np.nextafter(1.0, 2.0)], 2.0**-52 / (1 + 2.0**-52), 1),
        ([1.0], [], math.inf, 1),
    ],
)
def test_histories_are_compared_epoch_by_epoch(was, again, largest, at):
    (found,) = compare_histories({"loss": was}, {"loss": again})
    assert (found.largest, found.at) == (largest, at)


def test_a_change_leaves_the_recorded_config_alone_and_searches_nothing():
    raw = {"model": {"hidden": [4]}, "optimizer": {"search_only": ["learning_rate"]}, "enqueue": {"rho": 1}}
    kept = yaml.safe_load(yaml.safe_dump(raw))
    changed = apply_changes(raw, {"model.hidden": [8], "optimizer.rho": 0.5})
    assert raw == kept
    assert changed == {"model": {"hidden": [8]}, "optimizer": {"search_only": [], "rho": 0.5}}


def test_names_and_what_only_a_search_reads_are_no_changes():
    raw = {"model": {"name": "a", "hidden": 1}, "optimizer": {"rho": None}, "budget": {"n_trials": 3}}
    edited = {
        "model": {"name": "b", "hidden": 1},
        "optimizer": {"rho": 0.5, "search_only": []},
        "budget": {"n_trials": 1},
    }
    assert changes_between(raw, edited, arguments={"rho": 0.5}) == {}
    assert changes_between(raw, edited, arguments={"rho": 0.25}) == {"optimizer.rho": 0.5}


def test_a_target_that_has_moved_since_is_translated_and_told(command, client, target, monkeypatch):
    root = Path(__file__).parents[2]  # has models/ too, which would pass for the user's own
    monkeypatch.setattr(sys, "path", [place for place in sys.path if Path(place or ".").resolve() != root])
    now = yaml.safe_dump(dict(target.raw))
    client.log_text(target.study.run_id, now.replace("study.models.mlp.build", "models.mlp.build"), "config.yaml")
    try:
        status, printed = command("mnist-mlp/adam")
    finally:
        client.log_text(target.study.run_id, now, "config.yaml")
    assert status == 0, printed
    assert "models.mlp.build is now study.models.mlp.build\n" in printed
    assert "reproduced bit for bit" in printed
