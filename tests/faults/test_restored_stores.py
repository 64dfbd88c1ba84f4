"""Stores that people restore, lose or damage: the same command ends with exact totals, or says what to do.

Each fault is done to real files of a study that has ended: a file is cut, emptied, overwritten, removed, put back in
an older version, or replaced by a folder. Then the same study runs again.
"""

import random
import shutil
from pathlib import Path

import pytest

from study.search.stored_searches import list_searches
from study.tracking.artifact_places import follow_store
from study.tracking.read_studies import read_histories, read_studies
from tests.faults.victims import N_CONFIRMATIONS, N_EPOCHS, build_config, metrics_of

pytestmark = pytest.mark.slow

DATABASE, JOURNAL, ARTIFACTS = "mlruns/mlflow.db", "mlruns/optuna.journal", "mlruns/artifacts"
N_TRIALS, FAILED = 4, 1
METRICS = ("loss", "val_accuracy")
DAMAGES = ("half", "empty", "garbage", "removed", "older", "a folder")


@pytest.fixture(scope="session")
def stages(victims, tmp_path_factory, empty_store):
    """Folders with a study of two trials, and with the same one after four; trial 1 failed."""
    folder = tmp_path_factory.mktemp("stages")
    whole, older = folder / "whole", folder / "older"
    (whole / "mlruns").mkdir(parents=True)
    shutil.copyfile(empty_store, whole / "mlruns" / "mlflow.db")
    assert victims.live(whole, n_trials=2, fails=FAILED, compares=True) == 0
    shutil.copytree(whole, older)
    assert victims.live(whole, n_trials=N_TRIALS, fails=FAILED, compares=True) == 0
    return {"whole": whole, "older": older}


@pytest.fixture
def damaged(stages, tmp_path):
    """Copies the whole study, and damages files of the copy."""

    def damaged(*faults, name="study"):
        folder = tmp_path / name
        shutil.copytree(stages["whole"], folder)
        follow_store(folder / DATABASE, [folder / ARTIFACTS], without_artifacts=False)
        for path, damage in faults:
            _damage(folder, stages["older"], path, damage)
        return folder

    return damaged


def _damage(folder, older, path, damage):
    target = folder / path
    content = target.read_bytes() if target.is_file() else b""
    if damage in ("removed", "a folder"):
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    if damage == "a folder":
        target.mkdir()
    elif damage == "older":
        shutil.copyfile(older / path, target)
    elif damage != "removed":
        garbage = random.Random(str(path)).randbytes(max(len(content), 64))
        target.write_bytes({"half": content[: len(content) // 2], "empty": b"", "garbage": garbage}[damage])


def _files(stages):
    """Return the files of the study's stores, with the damages that they can take."""
    whole, older = stages["whole"], stages["older"]
    for path in sorted((whole / "mlruns").rglob("*")):
        if path.is_file():
            place = path.relative_to(whole)
            has_older = (older / place).is_file() and (older / place).read_bytes() != path.read_bytes()
            yield from ((place, damage) for damage in DAMAGES if damage != "older" or has_older)


def _stores(folder):
    config = build_config(folder, n_trials=N_TRIALS)
    (search,) = [s for s in list_searches(config.stores) if s.digest == config.digest]
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return config, search, record


def _is_whole(folder, stages, *, values=True):
    """Check that a study has the totals, points and results of the undisturbed one, and its histories where it has."""
    config, search, record = _stores(folder)
    _, _, undisturbed = _stores(stages["whole"])
    assert (search.n_ended, record.tags["progress"], record.status) == (N_TRIALS, "4/4", "FINISHED")
    assert [run.number for run in record.trials if run.finished] == list(range(N_TRIALS))
    current = [run for run in record.confirmations if not run.superseded]
    assert sorted((run.kind, run.number) for run in current) == [
        (kind, number) for kind in ("best", "default") for number in range(N_CONFIRMATIONS)
    ]
    if not values:
        return
    for ours, theirs in zip(record.trials, undisturbed.trials, strict=True):
        assert (ours.state, ours.params) == (theirs.state, theirs.params)
        if ours.state == "complete":
            assert ours.metrics["objective"] == theirs.metrics["objective"]
    assert record.metrics["best_trial_number"] == undisturbed.metrics["best_trial_number"]
    runs = {run.run_id: run for run in (*record.trials, *current)}
    for run_id, history in read_histories(config.stores.tracking_uri, list(runs), METRICS).items():
        if history and runs[run_id].state == "complete":
            seen = metrics_of(_Seeded(int(runs[run_id].params["run_seed"])), N_EPOCHS - 1)
            assert {name: values[-1] for name, (_, values) in history.items()} == seen


class _Seeded:
    """A trial as the stub trainer's metrics need it."""

    def __init__(self, run_seed):
        self.run_seed = run_seed


def _again(victims, folder, stages, *, values=True):
    """Run the study again: return what it said; it must end whole, or with a message and a status above 0."""
    (folder / "told.txt").unlink(missing_ok=True)
    (folder / "message.txt").unlink(missing_ok=True)
    status = victims.live(folder, n_trials=N_TRIALS, fails=FAILED, compares=True)
    if status == 0:
        _is_whole(folder, stages, values=values)
        return (folder / "told.txt").read_text()
    assert status in (1, 2), (folder / "stderr.txt").read_text()  # 99: a traceback
    message = (folder / "message.txt").read_text()
    assert any(word in message for word in ("Move", "move", "Restore", "restore", "Check", "Choose", "Name", "Set"))
    return message


def test_an_older_mlflow_database_gets_what_the_search_has(victims, damaged, stages, counted):
    told = _again(victims, damaged((DATABASE, "older")), stages)
    assert "MLflow had no run of 2 trials (2, 3): written again from the search" in told
    counted("restored stores: 1 older database of MLflow")


def test_a_lost_mlflow_database_is_written_again_and_its_confirmations_trained(victims, damaged, stages):
    folder = damaged((DATABASE, "removed"))
    told = _again(victims, folder, stages)
    assert "MLflow had no run of 4 trials (0, 1, 2, 3): written again" in told
    _, _, record = _stores(folder)
    assert len(record.confirmations) == 2 * N_CONFIRMATIONS


def test_an_older_search_gets_what_mlflow_has(victims, damaged, stages):
    told = _again(victims, damaged((JOURNAL, "older")), stages)
    assert "the search had lost 2 trials (2, 3): read back from MLflow, not trained again" in told


def test_both_stores_of_an_older_age_are_trained_on(victims, damaged, stages):
    folder = damaged((JOURNAL, "older"), (DATABASE, "older"))
    assert _again(victims, folder, stages) == ""
    _, _, record = _stores(folder)
    (_, undisturbed), uri = (_stores(stages["whole"])[1:]), f"sqlite:///{folder}/{DATABASE}"
    ours = read_histories(uri, [run.run_id for run in record.trials], METRICS)
    theirs = read_histories(
        f"sqlite:///{stages['whole']}/{DATABASE}", [run.run_id for run in undisturbed.trials], METRICS
    )
    for one, other in zip(record.trials, undisturbed.trials, strict=True):
        for metric in METRICS:
            assert list(ours[one.run_id][metric][1]) == list(theirs[other.run_id][metric][1])


def test_lost_artifacts_are_written_again_and_told(victims, damaged, stages):
    folder = damaged((ARTIFACTS, "removed"))
    told = _again(victims, folder, stages)
    assert told == (
        "artifacts of this study were lost and are written again: config.yaml, error.txt of trial 1. The log follows."
    )
    errors = [*(folder / ARTIFACTS).rglob("error.txt")]
    assert [error.read_text().splitlines()[0] for error in errors] == ["it broke"]
    assert len([*(folder / ARTIFACTS).rglob("config.yaml")]) == 1
    assert _again(victims, folder, stages) == ""


def test_a_journal_of_another_study_gets_the_trials_of_mlflow(victims, damaged, stages, new_folder):
    other = new_folder("other")
    assert victims.live(other, n_trials=3, retry_failed=True, compares=True) == 0
    folder = damaged()
    shutil.copyfile(other / JOURNAL, folder / JOURNAL)
    journal = (folder / JOURNAL).read_text()
    (folder / JOURNAL).write_text(journal.replace(build_config(other).digest, "0123456789ab"))
    assert "the search had lost 4 trials (0, 1, 2, 3): read back from MLflow" in _again(victims, folder, stages)


def test_a_retry_that_one_store_has_lost_is_taken_from_the_other(victims, damaged, stages, tmp_path):
    folder = damaged()
    assert victims.live(folder, n_trials=N_TRIALS, retry_failed=True, compares=True) == 0
    for path, told in ((DATABASE, "MLflow had another result of trial 1: written again"), (JOURNAL, "lost trial 1:")):
        copy = tmp_path / Path(path).name.partition(".")[0]
        shutil.copytree(folder, copy)
        shutil.copyfile(stages["whole"] / path, copy / path)
        assert victims.live(copy, n_trials=N_TRIALS, compares=True) == 0
        assert told in (copy / "told.txt").read_text()
        _, _, record = _stores(copy)
        assert [run.state for run in record.trials] == ["complete"] * N_TRIALS
        assert record.metrics["n_failed"] == 0


@pytest.mark.faults
def test_every_file_of_a_store_damaged_in_every_way(victims, damaged, stages, counted):
    ended = {"whole": 0, "message": 0}
    faults = [*_files(stages), (Path(ARTIFACTS), "removed")]
    for index, fault in enumerate(faults):
        folder = damaged(fault, name=f"study-{index}")
        _again(victims, folder, stages)
        ended["message" if (folder / "message.txt").exists() else "whole"] += 1
        shutil.rmtree(folder)
    counted(f"damaged files of a store: {len(faults)} faults, {ended['whole']} mended, {ended['message']} explained")
    assert ended["whole"] > len(faults) / 2


@pytest.mark.faults
def test_every_pair_of_damages_to_both_stores(victims, damaged, stages, counted):
    faults = [((DATABASE, one), (JOURNAL, other)) for one in DAMAGES for other in DAMAGES]
    n_whole = 0
    for index, pair in enumerate(faults):
        folder = damaged(*pair, name=f"study-{index}")
        _again(victims, folder, stages)
        n_whole += not (folder / "message.txt").exists()
        shutil.rmtree(folder)
    counted(
        f"both stores damaged: {2 * len(faults)} faults in {len(faults)} studies, {n_whole} mended, others explained"
    )


@pytest.mark.faults
@pytest.mark.parametrize("path", [DATABASE, JOURNAL])
def test_bytes_overwritten_anywhere_in_a_store(victims, damaged, stages, counted, path):
    n_faults, n_whole, chance = 60, 0, random.Random(path)
    for index in range(n_faults):
        folder = damaged(name=f"study-{index}")
        content = bytearray((folder / path).read_bytes())
        n_bytes = chance.choice((1, 16, 4096))
        place = chance.randrange(len(content))
        content[place : place + n_bytes] = chance.randbytes(n_bytes)
        (folder / path).write_bytes(content)
        _again(victims, folder, stages, values=False)
        n_whole += not (folder / "message.txt").exists()
        shutil.rmtree(folder)
    counted(f"bytes overwritten in {path}: {n_faults} faults, {n_whole} ended whole, the others with a message")
