"""The model that is registered, its text, and refusals: studies in both stores, without a training."""

import datetime
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from study.core.errors import StudyError
from study.core.trainer_interface import Trial, TrialResult
from study.report.studies import point_of
from study.reproduction.export import export
from study.reproduction.recorded_run import find_recorded_run
from study.reproduction.register import UnfinishedStudyError, register
from study.search.claims import confirmation_key
from study.tracking.read_studies import read_studies
from tests.two_stores import opened

NAME = "digits-mlp/sgd"
FILES = ("MLmodel", "requirements.txt", "data/keras_module.txt", "data/model.keras")


def result(trial, validation, state="complete", **summary):
    return TrialResult(trial=trial, state=state, history={"val_accuracy": (validation,)}, summary=summary)


def begin(config, *, objectives=(0.5, 0.75, 0.6), state="complete", in_progress=False):
    """Write a study with a trial and confirmations of it, and one of the default; return the id of its run."""
    with opened(config) as (search, tracker):
        (trial,) = search.ask(1)
        tracker.start("trial", trial)
        tracker.end("trial", result(trial, 0.6), objective=0.6)
        search.tell(result(trial, 0.6), objective=0.6)
        point = dict(trial.hyperparameters)
        for kind, values in (("best", objectives), ("default", (0.95,))):
            for number, value in enumerate(values):
                again = Trial(number=number, hyperparameters=point, run_seed=number, order_seed=2, test=True)
                tracker.start(kind, again)
                tests = {"test_accuracy": (0.4, 0.6, 0.8)[number], "test_loss": 1.0 + value}
                made = result(again, value, state=state, **tests)
                tracker.end(kind, made, objective=value)
        tracker.flush()
        run_id = tracker.run_id
    client = MlflowClient(config.stores.tracking_uri)
    if in_progress:
        client.update_run(run_id, status="RUNNING")
    return run_id


def keep(config, run_id, number, *, kind="best"):
    """Write a logged model of a confirmation, and return its folder."""
    client = MlflowClient(config.stores.tracking_uri)
    run = client.get_run(run_id)
    (study,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    (of,) = [each for each in study.confirmations if (each.kind, each.number) == (kind, number)]
    digest = hashlib.sha256(confirmation_key(kind, number, point_of(of)).encode()).hexdigest()[:16]
    logged = client.create_logged_model(
        run.info.experiment_id, name="model", source_run_id=run_id, tags={"study.training": digest}
    )
    folder = Path(logged.artifact_location.removeprefix("file://"))
    (folder / "data").mkdir(parents=True)
    for name in FILES[:-1]:
        (folder / name).write_text("text")
    with zipfile.ZipFile(folder / FILES[-1], "w") as archive:
        archive.writestr("config.json", "{}")
    client.finalize_logged_model(logged.model_id, "READY")
    from mlflow.entities import LoggedModelOutput

    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    return logged.model_id, folder


@pytest.fixture
def config(compose, tmp_path, empty_store):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return compose(
        "optimizer=sgd", "study_name=sgd", "budget.n_trials=1", "budget.n_confirmations=3", "tracking.log_model=true"
    )


def called(config, typed=NAME, **options):
    target = find_recorded_run(config.stores.tracking_uri, typed, folder=config.folder)
    return register(target, typed=typed, **options)


def refused(config, typed=NAME, **options):
    """Return the message of a refusal, after which the registry is empty."""
    with pytest.raises(StudyError) as told:
        called(config, typed, **options)
    assert MlflowClient(config.stores.tracking_uri).search_registered_models() == []
    return told.value


def runs(config):
    (study,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    return study, {(run.kind, run.number): run for run in (*study.trials, *study.confirmations)}


def test_the_model_of_the_confirmation_with_the_best_objective_is_registered(config):
    run_id = begin(config)
    keep(config, run_id, 0)
    best, _ = keep(config, run_id, 1)
    keep(config, run_id, 2)
    found = called(config)
    assert (found.model.model_id, found.target.run.number, found.address) == (best, 1, "models:/digits-mlp/1")
    study, of = runs(config)
    for typed in (study.run_id, of["best", 1].run_id):
        assert called(config, typed).version.version == 1


def test_the_text_of_a_version_has_the_metrics_as_the_report_writes_them(config):
    keep(config, begin(config), 1)
    called(config, name="net", alias="champion")
    version = MlflowClient(config.stores.tracking_uri).get_model_version_by_alias("net", "champion")
    assert "Mean and 95 % interval over 3 confirmations on fresh seeds: test accuracy 60.00 % (" in version.description
    # 1.6167, and 4.3027 (Student's t, 2 degrees of freedom) times 0.12583 / sqrt(3)
    assert (
        ", test loss 1.617 (1.304 to 1.929). The model is that of confirmation 1, the best on validation. It takes"
        in version.description
    )
    assert " inputs as the data set's load() gives them and returns logits. " in version.description
    assert version.description.endswith("There is nothing to compare it with yet.")
    assert version.tags["confirmation"] == "confirmation 1 (tuned)"


def test_other_runs_than_the_best_confirmation_are_refused(config):
    keep(config, begin(config), 1)
    _, of = runs(config)
    for kind, number, told in (
        ("trial", 0, f"the trial 0 of {NAME}"),
        ("best", 0, f"the confirmation 0 (tuned) of {NAME}"),
        ("default", 0, f"the confirmation 0 (untuned) of {NAME}"),
    ):
        error = refused(config, of[kind, number].run_id)
        assert f"and this is {told}. Register the best one: study register {NAME}" in str(error)
        assert error.exit_status == 2


def test_an_exported_file_names_its_study_but_not_a_trial(config):
    best, _ = keep(config, begin(config), 1)
    _, of = runs(config)
    for run, name in ((of["best", 0], "best.yaml"), (of["trial", 0], "trial.yaml")):
        target = find_recorded_run(config.stores.tracking_uri, run.run_id, folder=config.folder)
        (config.folder / name).write_text(export(target, exported_on=datetime.date(2026, 1, 2)))
    assert "this is the trial 0 of" in str(refused(config, "trial.yaml"))
    assert called(config, "best.yaml").model.model_id == best


def test_a_study_without_a_complete_confirmation_is_refused(config):
    begin(config, state="diverged")
    assert "expected a study with a confirmed best, and this one has none" in str(refused(config))
    (trial,) = runs(config)[0].trials
    assert "Confirm the study first" in str(refused(config, trial.run_id))


def test_a_model_that_was_not_kept_is_refused_with_the_reason(config):
    run_id = begin(config)
    keep(config, run_id, 0)  # of an earlier best
    error = refused(config)
    assert "expected a study whose model was kept, and that of its confirmation 1 (tuned) was not" in str(error)
    assert "Run the study's command again" in str(error)
    MlflowClient(config.stores.tracking_uri).set_tag(run_id, "tracking.log_model", "false")
    assert "this one has tracking.log_model=false" in str(refused(config))


def test_a_study_that_still_runs_can_be_registered_later(config):
    begin(config, in_progress=True)
    error = refused(config)
    assert isinstance(error, UnfinishedStudyError)
    assert error.exit_status == 1


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["lost", "empty"])
def test_a_model_with_a_lost_or_damaged_file_is_refused(config, name, damage):
    _, folder = keep(config, begin(config), 1)
    if damage == "lost":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"")
    error = refused(config)
    assert f"a file of it was lost or damaged: {folder / name}. Run the study's command again" in str(error)
    client = MlflowClient(config.stores.tracking_uri)
    (logged,) = client.search_logged_models([client.get_experiment_by_name("digits-mlp").experiment_id])
    assert str(logged.status) == "READY"  # nothing is written


def test_a_model_that_is_a_file_alone_is_refused_with_the_way_to_it(config):
    run_id = begin(config)
    client = MlflowClient(config.stores.tracking_uri)
    (config.folder / "model.keras").write_bytes(b"weights")
    client.log_artifact(run_id, str(config.folder / "model.keras"))
    assert f"--run-id {run_id} --artifact-path model.keras" in str(refused(config))


def test_invalid_names_come_before_anything_else(config):
    begin(config)
    for options, told in (
        ({"name": "a:b"}, "--name=a:b: expected"),
        ({"alias": "latest"}, "--alias=latest: expected"),
    ):
        assert told in str(refused(config, **options))


def test_a_study_beside_others_that_are_not_comparable_is_registered_without_a_verdict(config, compose):
    keep(config, begin(config), 1)
    begin(compose("optimizer=sgd", "study_name=wide", "budget.n_trials=1", "model.hidden=[8]"))
    called(config)
    version = MlflowClient(config.stores.tracking_uri).get_model_version("digits-mlp", "1")
    assert version.description.endswith(
        "Comparison of the experiment digits-mlp: none, since its studies are not comparable "
        "(see study compare digits-mlp)."
    )
