"""`study list --all`, `study delete` and `study rename` over the search and MLflow."""

import contextlib
import dataclasses
import io
import shutil

import pytest
from mlflow.tracking import MlflowClient

from study.search.ask_tell import open_search
from study.search.study_names import read_known_studies
from study.tracking.read_studies import read_experiments, read_studies
from tests.two_stores import begin_study, copy_of, opened

pytestmark = pytest.mark.slow

EXPERIMENT = "digits-mlp"


@pytest.fixture(scope="module")
def began(compose_quick, tmp_path_factory, empty_store):
    """Two studies of one experiment in both stores, by name."""
    folder = tmp_path_factory.mktemp("began")
    (folder / "mlruns").mkdir()
    shutil.copyfile(empty_store, folder / "mlruns" / "mlflow.db")
    configs = {
        "adam": compose_quick("budget.n_trials=6", "study_name=adam", folder=folder),
        "other": compose_quick("budget.n_trials=6", "study_name=other", "study_seed=1", folder=folder),
    }
    for config in configs.values():
        begin_study(config)
    return configs


@pytest.fixture
def configs(began, tmp_path):
    adam = copy_of(began["adam"], tmp_path)
    return {"adam": adam, "other": dataclasses.replace(began["other"], stores=adam.stores, folder=tmp_path)}


def _stores(config, experiment=EXPERIMENT):
    """Names of the studies in both stores."""
    uri = config.stores.tracking_uri
    recorded = read_studies(uri, experiment) if experiment in read_experiments(uri) else []
    return sorted(read_known_studies(config.stores, experiment)), sorted(study.name for study in recorded)


def _described(config, experiment=EXPERIMENT):
    """First line of the description in MLflow."""
    client = MlflowClient(config.stores.tracking_uri)
    return client.get_experiment_by_name(experiment).tags["mlflow.note.content"].splitlines()[0]


def _n_done(config):
    """Number of trials and confirmations that a study has when its command is given again."""
    with opened(config) as (search, tracker):
        return search.n_spent, len(tracker.finished("confirmation"))


def test_a_study_is_deleted_in_both_stores_and_begins_anew(configs, here, tmp_path):
    status, out, err = here("delete", f"{EXPERIMENT}/adam", "--yes", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "digits-mlp/adam: 4 trials in the search, a run with 4 trials and 1 confirmations in MLflow",
        "Deleted 1 study.",
    ]
    assert _stores(configs["other"]) == (["other"], ["other"])
    assert _described(configs["other"]) == "Studies were deleted since the last comparison."
    assert _n_done(configs["adam"]) == (0, 0)
    assert _n_done(configs["other"]) == (4, 1)


def test_an_experiment_is_deleted_with_all_its_studies(configs, here, tmp_path):
    status, out, _ = here("delete", EXPERIMENT, "--yes", cwd=tmp_path)
    assert status == 0
    assert out.endswith("Deleted 2 studies.\n")
    assert _stores(configs["adam"]) == ([], [])
    assert _n_done(configs["adam"]) == (0, 0)


@pytest.mark.parametrize(
    ("answer", "status", "end"),
    [
        ("y\n", 0, "Deleted 1 study.\n"),
        ("YES\n", 0, "Deleted 1 study.\n"),
        ("n\n", 1, "Nothing was changed.\n"),
        ("\n", 1, "Nothing was changed.\n"),
        ("", 1, "Nothing was changed. Add --yes to answer yes.\n"),
    ],
)
def test_nothing_is_deleted_without_a_yes(configs, here, tmp_path, monkeypatch, answer, status, end):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    done, out, _ = here("delete", f"{EXPERIMENT}/adam", cwd=tmp_path)
    assert done == status
    assert "Delete it in both stores? [y/N] " in out
    assert out.endswith(end)
    assert ("adam" in _stores(configs["adam"])[0]) == ("adam" in _stores(configs["adam"])[1]) == bool(status)


@pytest.mark.parametrize("words", [["delete", "{}", "--yes"], ["rename", "{}", "new", "--yes"]])
@pytest.mark.parametrize("target", [EXPERIMENT, f"{EXPERIMENT}/adam"])
def test_a_running_study_is_refused(configs, here, tmp_path, words, target):
    with open_search(configs["adam"]):
        status, out, err = here(*(word.format(target) for word in words), cwd=tmp_path)
    assert (status, out) == (1, "")
    assert "digits-mlp/adam: expected a study that is not running, and a process works on it. Stop it with" in err
    assert _stores(configs["adam"]) == (["adam", "other"], ["adam", "other"])


def test_a_renamed_study_goes_on_in_both_stores(configs, here, tmp_path):
    status, out, _ = here("rename", f"{EXPERIMENT}/adam", "mine [1]", "--yes", cwd=tmp_path)
    assert (status, out.splitlines()[-1]) == (0, "Renamed adam to mine [1].")
    assert _stores(configs["adam"]) == (["mine [1]", "other"], ["mine [1]", "other"])
    client = MlflowClient(configs["adam"].stores.tracking_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == EXPERIMENT)
    runs = [run for run in client.search_runs([experiment.experiment_id]) if run.data.tags["study_name"] == "mine [1]"]
    assert sorted(run.info.run_name for run in runs) == [
        "mine [1]",
        "mine [1] confirmation 0 (tuned)",
        *(f"mine [1] trial {number}" for number in range(4)),
    ]
    assert _n_done(dataclasses.replace(configs["adam"], study_name=None)) == (4, 1)


def test_a_renamed_experiment_goes_on_under_its_new_name(configs, here, tmp_path):
    status, out, _ = here("rename", EXPERIMENT, "paper/1", "--yes", cwd=tmp_path)
    assert (status, out.splitlines()[-1]) == (0, "Renamed digits-mlp to paper/1.")
    assert _stores(configs["adam"]) == ([], [])
    assert _stores(configs["adam"], "paper/1") == (["adam", "other"], ["adam", "other"])
    assert _described(configs["adam"], "paper/1") == "Names were changed since the last comparison."


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["rename", f"{EXPERIMENT}/adam", "other"], "NAME=other: the search has other already. Choose another name"),
        (["rename", f"{EXPERIMENT}/adam", "it's"], "NAME=it's: expected at most 200 bytes of printable characters"),
        (["rename", f"{EXPERIMENT}/adam", "a/b"], "without quotes, backslashes and slashes. Choose another name."),
        (["rename", EXPERIMENT, "../up"], "and parts without a letter between slashes. Choose another name."),
        (["rename", f"{EXPERIMENT}/adm", "new"], "Did you mean digits-mlp/adam"),
        (
            ["delete", "digit-mlp"],
            "TARGET=digit-mlp: expected EXPERIMENT or EXPERIMENT/STUDY of either store. Did you",
        ),
        (["list", "--all", "digit-mlp"], "Did you mean digits-mlp"),
    ],
)
@pytest.mark.usefixtures("configs")
def test_a_name_that_is_wrong_is_told_before_anything_changes(here, contents, tmp_path, words, told):
    before = contents(tmp_path)
    status, out, err = here(*words, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert told in err
    assert contents(tmp_path).keys() == before.keys()
    assert contents(tmp_path)["mlruns/mlflow.db"] == before["mlruns/mlflow.db"]
    assert contents(tmp_path)["mlruns/optuna.journal"] == before["mlruns/optuna.journal"]


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--all", "--json"], "not allowed with"), (["--optuna-url", "x"], "expected together with --all")],
)
def test_an_option_that_would_do_nothing_is_refused(here, tmp_path, words, told):
    status, out, err = here("list", *words, cwd=tmp_path)
    assert (status, out) == (2, "")
    assert told in err


def _rows(out):
    lines = [line for line in out.splitlines() if line.startswith("| digits") or line.startswith("| renamed")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_all_studies_are_listed_with_what_each_store_has(configs, here, tmp_path):
    client = MlflowClient(configs["adam"].stores.tracking_uri)
    (study,) = (s for s in read_studies(configs["adam"].stores.tracking_uri, EXPERIMENT) if s.name == "other")
    client.delete_run(study.run_id)
    with contextlib.ExitStack() as running:
        running.enter_context(open_search(configs["adam"]))
        status, out, _ = here("list", "--all", cwd=tmp_path)
    assert status == 0
    assert _rows(out) == [
        ["digits-mlp/adam", "running", "4", "4", "1", "both"],
        ["digits-mlp/other", "ended", "4", "", "", "search only"],
    ]
    assert "writes into one store what only the other has" in out


def test_an_experiment_that_was_renamed_in_mlflow_gets_its_name_back(configs, here, tmp_path):
    client = MlflowClient(configs["adam"].stores.tracking_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == EXPERIMENT)
    client.rename_experiment(experiment.experiment_id, "renamed")
    _, out, _ = here("list", "--all", cwd=tmp_path)
    assert sorted(row[5] for row in _rows(out)) == ["MLflow only", "MLflow only", "search only", "search only"]
    assert here("rename", "renamed", EXPERIMENT, "--yes", cwd=tmp_path)[0] == 0
    assert _stores(configs["adam"]) == (["adam", "other"], ["adam", "other"])
    assert _n_done(configs["adam"]) == (4, 1)


def test_a_folder_with_only_a_search_is_listed_and_one_without_stores_is_told(configs, here, tmp_path):
    (tmp_path / "mlruns" / "mlflow.db").unlink()
    status, out, _ = here("list", "--all", cwd=tmp_path)
    assert (status, [row[5] for row in _rows(out)]) == (0, ["search only", "search only"])
    assert here("delete", EXPERIMENT, "--yes", cwd=tmp_path)[0] == 0
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()
    status, _, err = here("list", "--all", cwd=tmp_path)
    assert status == 2
    assert "expected the stores of a study, and neither is there" in err
    assert configs


def test_an_experiment_that_was_deleted_in_mlflow_is_listed_with_the_next_step(configs, here, tmp_path):
    uri = configs["adam"].stores.tracking_uri
    client = MlflowClient(uri)
    (number,) = (e.experiment_id for e in client.search_experiments() if e.name == EXPERIMENT)
    client.delete_experiment(number)
    for words, status, out in (
        (["list"], 0, "MLflow has no study. Begin one with study run; study list --all shows the search too.\n"),
        (["list", "--json"], 0, "{}\n"),
        (["list", EXPERIMENT], 2, ""),
    ):
        found, shown, err = here(*words, cwd=tmp_path)
        assert (found, shown) == (status, out)
        assert f"study list: {EXPERIMENT}: only the search has it, with 2 studies and" in err
        assert f"MLFLOW_TRACKING_URI={uri} mlflow experiments restore --experiment-id {number}." in err
        assert f"To delete it there too: study delete {EXPERIMENT}\n" in err
    client.restore_experiment(number)
    status, shown, err = here("list", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert f"{EXPERIMENT}: 2 studies" in shown


@pytest.mark.usefixtures("configs")
def test_another_store_of_mlflow_is_not_compared_with_the_search_of_the_folder(here, tmp_path, empty_store):
    status, shown, err = here("list", "--tracking-uri", f"sqlite:///{empty_store}", cwd=tmp_path)
    assert (status, err) == (0, "")
    assert shown.startswith("MLflow has no study.")
