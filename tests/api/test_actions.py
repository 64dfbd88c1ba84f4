"""Actions of a view, which the commands have too."""

import subprocess
import sys

import pytest
import yaml

from study.api.open_experiment import open_experiment
from study.core.errors import StudyError

pytestmark = pytest.mark.slow

REPRODUCED = """
import numpy as np
from study.api.open_experiment import open_experiment
np.random.seed(1)
view = open_experiment("digits-mlp")
same = view.reproduce("sgd")
other = view.reproduce("sgd", changes={"trainer.batch_size": 64})
drawn = np.random.random()
np.random.seed(1)
print(same.reproduced, max(each.largest for each in same.comparisons), other.reproduced, drawn == np.random.random())
print([difference.subject for difference in other.differences])
print(view.script("sgd", "again.py"))
"""


def test_a_run_is_reproduced_and_written_as_a_script_in_processes_of_their_own(copied, in_process):
    done = in_process(REPRODUCED, cwd=copied)
    first, second, third = done.stdout.splitlines()
    assert first == "True 0.0 False True"
    assert "trainer.batch_size" in second
    assert (third, done.stderr) == ("again.py", "")
    assert (copied / "again.npz").is_file()
    ended = subprocess.run([sys.executable, "again.py"], cwd=copied, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_an_unknown_key_is_told(view):
    with pytest.raises(StudyError, match=r"trainer.batchsize=1: expected .* Did you mean trainer.batch_size"):
        view.reproduce("sgd", changes={"trainer.batchsize": 1})


def test_a_configuration_is_exported_once(view, tmp_path):
    path = view.export("sgd", tmp_path / "best.yaml")
    assert yaml.safe_load(path.read_text())["optimizer"]["name"] == "sgd"
    with pytest.raises(StudyError, match=r"^export\('sgd', .*\): expected a new file, .* Add overwrite=True"):
        view.export("sgd", path)
    assert view.export("sgd", path, overwrite=True) == path
    with pytest.raises(StudyError, match=r"^script\('sgd', '.*best.yaml'\): expected a name with the ending .py"):
        view.script("sgd", path)


def test_a_model_is_registered(copied):
    view = open_experiment("digits-mlp", folder=copied)
    found = view.register("adam", alias="champion")
    assert (found.address, found.version.is_new) == ("models:/digits-mlp@champion", True)
    assert not view.register("adam", alias="champion").version.is_new
    with pytest.raises(StudyError, match=r"^register\('adam'\): expected at most 255 letters"):
        view.register("adam", alias="a b")
