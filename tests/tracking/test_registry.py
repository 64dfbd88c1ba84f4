import json
import signal

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
)

from study.core.errors import StudyError
from study.tracking.registry import DescribedModel, check_alias, check_name, default_name, register_version
from tests.faults.test_tracking_server import Server


@pytest.fixture
def client(database):
    return MlflowClient(f"sqlite:///{database}", registry_uri=f"sqlite:///{database}")


@pytest.fixture
def described(client):
    """Makes a logged model without files."""
    experiment = client.create_experiment("e")
    run = client.create_run(experiment).info.run_id

    def make(**changes):
        logged = client.create_logged_model(experiment, name="model", source_run_id=run)
        made = {
            "model_id": logged.model_id,
            "run_id": run,
            "description": "one",
            "tags": {"a": "1"},
            "collection": "all",
        }
        return DescribedModel(**{**made, **changes})

    return make


def test_versions_are_numbered_and_described_and_an_alias_moves(client, described, database):
    uri, first, second = f"sqlite:///{database}", described(), described(description="two", tags={"a": "2"})
    for model, alias, number in ((first, "champion", 1), (second, None, 2), (second, "champion", 2)):
        found = register_version(uri, model, name="net", alias=alias)
        assert (found.version, found.is_new) == (number, not (model is second and alias == "champion"))
    assert client.get_registered_model("net").description == "all"
    versions = sorted(client.search_model_versions("name = 'net'"), key=lambda version: int(version.version))
    assert [(version.description, version.tags) for version in versions] == [("one", {"a": "1"}), ("two", {"a": "2"})]
    assert [version.source for version in versions] == [f"models:/{m.model_id}" for m in (first, second)]
    assert int(client.get_model_version_by_alias("net", "champion").version) == 2
    register_version(uri, second, name="other")
    links = json.loads(client.get_logged_model(second.model_id).tags["mlflow.modelVersions"])
    assert links == [{"name": "net", "version": 2}, {"name": "other", "version": 1}]


def test_the_address_of_the_process_stays(described, database):
    import mlflow

    before = mlflow.get_tracking_uri()
    register_version(f"sqlite:///{database}", described(), name="net")
    assert mlflow.get_tracking_uri() == before


def test_a_model_is_found_among_many_versions(described, database):
    uri, model = f"sqlite:///{database}", described()
    register_version(uri, model, name="net")
    for _ in range(3):
        register_version(uri, described(), name="net")
    search = MlflowClient.search_model_versions
    pages = []

    def by_one(self, condition, page_token=None):
        pages.append(page_token)
        return search(self, condition, max_results=1, page_token=page_token)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MlflowClient, "search_model_versions", by_one)
        assert not register_version(uri, model, name="net").is_new
    assert len(pages) >= 4


def test_long_texts_are_cut_and_passwords_hidden(client, described, database):
    tags = {"long": "x" * 6000, "place": "postgresql://me:hunter2@host/db"}
    register_version(f"sqlite:///{database}", described(description="y" * 6000, tags=tags), name="net")
    version = client.get_model_version("net", "1")
    assert (len(version.description), len(version.tags["long"])) == (5000, 5000)
    assert version.tags["place"] == "postgresql://me:***@host/db"


def test_a_name_without_a_version_is_not_left_behind(client, described, database, monkeypatch):
    model = described()

    def fail(*_, **__):
        raise MlflowException("it failed")

    monkeypatch.setattr(MlflowClient, "create_model_version", fail)
    with pytest.raises(StudyError, match=r"the model cannot be registered \(it failed"):
        register_version(f"sqlite:///{database}", model, name="net")
    assert client.search_registered_models() == []


def test_the_name_of_a_prompt_is_refused(client, described, database):
    client.register_prompt("net", "Say {{word}}")
    with pytest.raises(StudyError, match=r"--name=net: expected the name of a registered model, .*a prompt"):
        register_version(f"sqlite:///{database}", described(), name="net")


def refuses(check, name):
    try:
        check(name)
    except (StudyError, MlflowException):
        return True
    return False


@pytest.mark.parametrize(
    "name",
    ["digits-mlp", "my net", "漢字", "v1.2", "a_b", "", " ", ".", "..", "a/b", "a:b", "a@b", "a?b", "a#b", "a%20b",
     "it's", 'a"b', "a\\b", "a\nb", "-", " a", "a ", "x" * 200, "x" * 201],
)  # fmt: skip
def test_a_name_that_is_accepted_is_one_of_mlflows_and_can_be_loaded(name, described, database):
    if refuses(check_name, name):
        assert (
            refuses(_validate_model_name, name)
            or set(name) & set("@?#%'\"\\\n")
            or name in ("-", " a", "a ", "x" * 201)
        )
        return
    import mlflow

    register_version(f"sqlite:///{database}", model := described(), name=name, alias="best")
    client = MlflowClient(f"sqlite:///{database}", registry_uri=f"sqlite:///{database}")
    assert client.get_model_version_by_alias(name, "best").source == f"models:/{model.model_id}"
    parsed = mlflow.store.artifact.utils.models._parse_model_uri(f"models:/{name}@best")
    assert (parsed.name, parsed.alias) == (name, "best")
    parsed = mlflow.store.artifact.utils.models._parse_model_uri(f"models:/{name}/1")
    assert (parsed.name, parsed.version) == (name, "1")


@pytest.mark.parametrize(
    "alias",
    ["champion", "Champion-2", "best_of_all", "é", "latest", "LATEST", "v1", "V12", "v1a", "", "a b", "a.b", "a/b",
     "a@b", "a\n", "x" * 255, "x" * 256],
)  # fmt: skip
def test_aliases_are_those_of_mlflow(alias):
    def mlflows(text):
        _validate_model_alias_name(text)
        _validate_model_alias_name_reserved(text)

    assert refuses(check_alias, alias) == (refuses(mlflows, alias) or alias == "a\n")


@pytest.mark.parametrize(
    ("experiment", "name"),
    [("digits-mlp", "digits-mlp"), ("team/a: first", "team-a- first"), ("50 %", "50"), ("a@b", "a-b"),
     ("漢字", "漢字"), ("it's", "its"), ("///", "")],
)  # fmt: skip
def test_the_default_name_is_the_experiments_as_far_as_the_registry_takes_it(experiment, name):
    assert default_name(experiment) == name
    if name:
        check_name(name)


@pytest.mark.slow
def test_a_model_on_a_server_is_registered_as_in_a_database(tmp_path, database):
    server = Server(database.parents[1])
    server.start()
    try:
        client = MlflowClient(server.uri, registry_uri=server.uri)
        experiment = client.create_experiment("e")
        run = client.create_run(experiment).info.run_id
        logged = client.create_logged_model(experiment, name="model", source_run_id=run)
        (tmp_path / "MLmodel").write_text("flavors: {}\n")
        client.log_model_artifact(logged.model_id, str(tmp_path / "MLmodel"))
        client.finalize_logged_model(logged.model_id, "READY")
        model = DescribedModel(
            model_id=logged.model_id, run_id=run, description="d", tags={"a": "1"}, collection="all"
        )
        for alias, is_new in (("champion", True), (None, False)):
            found = register_version(server.uri, model, name="my net", alias=alias)
            assert (found.version, found.is_new) == (1, is_new)
        version = client.get_model_version_by_alias("my net", "champion")
        assert (version.source, version.run_id, version.tags) == (f"models:/{logged.model_id}", run, {"a": "1"})
        links = json.loads(client.get_logged_model(logged.model_id).tags["mlflow.modelVersions"])
        assert [link["name"] for link in links] == ["my net"]
        assert logged.model_id in client.get_model_version_download_uri("my net", "1")
    finally:
        server.send(signal.SIGKILL)
