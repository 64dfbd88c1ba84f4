"""A registered model is loaded, and predicts, in another process, where `study` cannot be imported."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from study.pipeline.workload import load_dataset
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow

TINY = (
    *("budget.n_trials=1", "budget.n_epochs=1", "budget.n_confirmations=2", "trainer=fit", "live=false"),
    "tracking.system_metrics=false",
)
OWN = {
    "own_net.py": """
import keras

from own_parts.scaling import FACTOR


@keras.saving.register_keras_serializable("own")
class Scale(keras.layers.Layer):
    def call(self, x):
        return FACTOR * x


class Plain(keras.layers.Layer):
    def call(self, x):
        return x


def build(input_shape, n_outputs, units):
    inputs = keras.Input(input_shape)
    x = Plain()(Scale()(keras.layers.Flatten()(inputs)))
    x = keras.layers.Dense(units, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))
""",
    "own_parts/__init__.py": "",
    "own_parts/scaling.py": "FACTOR = 2.0\n",
    "conf/model/own_net.yaml": "name: own_net\n_target_: own_net.build\nunits: 16\n",
}
# Loads the model by the printed line, and prints its accuracy.
LOADING = """
import sys


class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ModuleNotFoundError(f"{{name}} is refused here", name=name)


sys.meta_path.insert(0, Refusing())
{line}
import numpy as np

data = np.load({data!r})
outputs = np.asarray(model.predict(data["x"]))
assert not {{"study"}} & sys.modules.keys()
print("accuracy", np.mean(outputs.argmax(axis=-1) == data["y"]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, study, compose_quick):
    """Three studies: two with a model of this project, and one with a model of the user's own, and the test split."""
    folder = tmp_path_factory.mktemp("registered")
    for name, content in OWN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    small = "model.hidden=[16]"
    for words in (["-m", "optimizer=sgd,adam", small], ["model=own_net", "optimizer=adam", "study_name=adam"]):
        done = study("run", *words, *TINY, cwd=folder)
        assert done.returncode == 0, done.stderr
    test = load_dataset(compose_quick("optimizer=sgd", folder=folder)).test
    np.savez(folder / "test.npz", x=np.asarray(test.x), y=np.asarray(test.y))
    return folder


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the folder, whose store a test may change."""
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy"


def client_of(folder):
    return MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")


def accuracy(out, folder, cwd, *, refused=("study",)):
    """Run the printed line in a process of its own, which has neither `study` nor this folder on its path."""
    (line,) = re.findall(r"^Load it:  (.*)$", out, re.MULTILINE)
    cwd.mkdir()
    program = LOADING.format(line=line, data=str(folder / "test.npz"), refused=repr(set(refused)))
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return float(re.findall(r"^accuracy (.*)$", done.stdout, re.MULTILINE)[0])


def recorded_accuracy(folder, run_id, experiment="digits-mlp"):
    studies = read_studies(f"sqlite:///{folder}/mlruns/mlflow.db", experiment)
    (run,) = [run for study in studies for run in study.confirmations if run.run_id == run_id]
    return run.metrics["test_accuracy"]


def test_the_printed_line_loads_the_best_model_without_this_project(copied, study, tmp_path):
    done = study("register", "digits-mlp/adam", "--alias", "champion", cwd=copied)
    assert (done.returncode, done.stderr) == (0, "")
    told = r"digits-mlp version 1, alias champion: digits-mlp/adam\S*, confirmation [01] \(tuned\)\nLoad it:  "
    assert re.match(told, done.stdout)
    assert "mlflow.keras.load_model('models:/digits-mlp@champion')" in done.stdout
    version = client_of(copied).get_model_version_by_alias("digits-mlp", "champion")
    expected = recorded_accuracy(copied, version.tags["run_id"])
    assert accuracy(done.stdout, copied, tmp_path / "elsewhere") == pytest.approx(expected, abs=1e-6)


def test_a_description_and_tags_say_what_a_version_is(copied, here):
    status, out, err = here("register", "digits-mlp/adam", cwd=copied)
    assert status == 0, err
    assert "models:/digits-mlp/1" in out
    client = client_of(copied)
    version = client.get_model_version("digits-mlp", "1")
    records = read_studies(f"sqlite:///{copied}/mlruns/mlflow.db", "digits-mlp")
    (record,) = [each for each in records if each.optimizer == "adam"]
    best = max((r for r in record.confirmations if r.kind == "best"), key=lambda r: r.metrics["objective"])
    tags = version.tags
    assert (tags["experiment"], tags["study"], tags["optimizer"]) == ("digits-mlp", record.name, "adam")
    assert tags["run_id"] == best.run_id
    assert tags["optimizer.learning_rate"] == best.params["learning_rate"]
    assert tags["data_digest"] == record.tags["data_digest"]
    assert tags.get("git_commit") == record.tags.get("git_commit")
    assert version.run_id == record.run_id
    mean = np.mean([run.metrics["test_accuracy"] for run in record.confirmations if run.kind == "best"])
    assert "The model mlp for the data set digits, trained with adam (" in version.description
    assert f"Mean over 2 confirmations on fresh seeds: test accuracy {100 * mean:.2f} %," in version.description
    status, out, err = here("compare", "digits-mlp", "--json", "--no-log", cwd=copied)
    (sentence, *_) = json.loads(out)["experiments"][0]["answer"]["sentences"]
    assert version.description.endswith(f"Comparison of the experiment digits-mlp: {sentence}")
    assert "experiment digits-mlp" in client.get_registered_model("digits-mlp").description
    logged = client.get_logged_model(version.source.removeprefix("models:/"))
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": "digits-mlp", "version": 1}]


def test_the_same_model_again_gets_no_second_version_but_the_alias(copied, here):
    for words, told in (
        (["digits-mlp/adam"], "digits-mlp version 1: "),
        (["digits-mlp/adam", "--alias", "champion"], "digits-mlp version 1 has this model already, alias champion: "),
        (["digits-mlp/sgd", "--alias", "champion"], "digits-mlp version 2, alias champion: "),
        (["digits-mlp/adam", "--name", "other net"], "other net version 1: "),
    ):
        status, out, err = here("register", *words, cwd=copied)
        assert (status, err) == (0, "")
        assert out.startswith(told)
    client = client_of(copied)
    versions = client.search_model_versions("name = 'digits-mlp'")
    assert sorted(int(version.version) for version in versions) == [1, 2]
    assert int(client.get_model_version_by_alias("digits-mlp", "champion").version) == 2


def test_a_model_of_the_users_own_brings_its_modules_along(copied, study, tmp_path):
    done = study("register", "digits-own_net/adam", "--alias", "champion", cwd=copied)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mlflow.pyfunc.load_model('models:/digits-own_net@champion')" in done.stdout
    assert "which pyfunc imports: own_net:Plain, own_net:Scale." in done.stdout
    assert "Kept with it: own_net.py, own_parts/__init__.py, own_parts/scaling.py." in done.stdout
    version = client_of(copied).get_model_version_by_alias("digits-own_net", "champion")
    expected = recorded_accuracy(copied, version.tags["run_id"], "digits-own_net")
    assert accuracy(done.stdout, copied, tmp_path / "elsewhere") == pytest.approx(expected, abs=1e-6)


def test_a_registered_model_moves_with_its_store(copied, here, study, tmp_path):
    status, _, err = here("register", "digits-mlp/sgd", "--alias", "champion", cwd=copied)
    assert status == 0, err
    moved = tmp_path / "moved"
    copied.rename(moved)
    done = study("register", "digits-mlp/sgd", "--alias", "champion", cwd=moved)  # any command finds the new place
    assert "has this model already" in done.stdout
    version = client_of(moved).get_model_version_by_alias("digits-mlp", "champion")
    expected = recorded_accuracy(moved, version.tags["run_id"])
    assert accuracy(done.stdout, moved, tmp_path / "elsewhere") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["digits-mlp/adam", "--name", "a/b"], "--name=a/b: expected at most 200 bytes of printable characters"),
        (["digits-mlp/adam", "--name", "a/b"], "Use for instance --name a-b."),
        (["digits-mlp/adam", "--alias", "v1"], "--alias=v1: expected at most 255 letters, digits, - and _"),
        (["digits-mlp/adan"], "Did you mean adam"),
        (["digits-mlp/adam", "--folder", "nowhere"], "expected a folder with mlruns/mlflow.db"),
    ],
)
def test_refused_words_write_nothing(folder, here, contents, words, told):
    before = contents(folder / "mlruns")
    status, out, err = here("register", *words, cwd=folder)
    assert (status, out) == (2, "")
    assert err.startswith("study register: ")
    assert told in err
    assert err.count("\n") == 1
    assert contents(folder / "mlruns") == before


def test_a_server_that_is_away_can_be_tried_later(folder, here):
    status, _, err = here("register", "digits-mlp/adam", "--tracking-uri", "http://127.0.0.1:9", cwd=folder)
    assert status == 1
    assert "no server answers" in err
