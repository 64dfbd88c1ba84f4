import shutil

import pytest
from mlflow.tracking import MlflowClient

from study.core.errors import StudyError
from study.reproduction.recorded_run import find_study

STUDIES = [
    ("digits-mlp", "lr/0.1 [x]"),
    ("digits-mlp", "adam-activation=tanh"),
    ("team", "a/adam"),
    ("team/a", "sgd"),
    ("漢字", "50 %"),
]


@pytest.fixture(scope="module")
def uri(empty_store, tmp_path_factory):
    """A store with studies of all kinds of names."""
    path = tmp_path_factory.mktemp("named") / "mlflow.db"
    shutil.copyfile(empty_store, path)
    client = MlflowClient(f"sqlite:///{path}")
    for experiment, name in STUDIES:
        found = client.get_experiment_by_name(experiment)
        experiment_id = found.experiment_id if found else client.create_experiment(experiment)
        tags = {"optimizer": "adam", "study_id": "0" * 12, "dataset": "digits", "model": "mlp"}
        client.create_run(experiment_id, tags={**tags, "role": "study", "study_name": name})
    return f"sqlite:///{path}"


@pytest.mark.parametrize(("experiment", "name"), STUDIES)
def test_a_study_is_found_by_its_name_with_slashes_or_not(uri, experiment, name):
    found = find_study(uri, f"{experiment}/{name}")
    assert (found.experiment, found.name) == (experiment, name)


def test_a_study_is_found_by_the_name_that_it_had_before_it_was_mended(uri):
    assert find_study(uri, "digits-mlp/adam-activation='tanh'").name == "adam-activation=tanh"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("digits/adam", r"expected an experiment in the store"),
        ("team/a/sdg", r"expected a study or an optimizer of team/a.*Did you mean sgd"),
        ("digits-mlp/adam", r"expected one study, and there are 2 of adam"),
    ],
)
def test_a_name_that_no_study_has_is_told(uri, name, told):
    with pytest.raises(StudyError, match=told):
        find_study(uri, name)
