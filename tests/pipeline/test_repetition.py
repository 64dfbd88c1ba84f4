"""A study that goes on repeats the beginning of a recorded trial, and says what no digest can see."""

import pytest

from study.core.errors import StudyError
from study.run import run_study
from study.tracking.read_studies import read_studies

pytestmark = pytest.mark.slow

# Each reads a file that is neither data nor code.
OWN = """
import keras
from pathlib import Path


def number(name):
    return float(Path(__file__).with_name(name).read_text())


def build(input_shape, n_outputs, hidden, l2):
    inputs = keras.Input(input_shape)
    model = keras.Model(inputs, keras.layers.Dense(n_outputs)(keras.layers.Flatten()(inputs)))
    model.set_weights([number("scale") * weight for weight in model.get_weights()])
    return model


class Scaled(keras.optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        super().update_step(number("speed") * gradient, variable, learning_rate)
"""
MODEL = ("model=linear", "++model._target_=outside.build")
OPTIMIZER = ("optimizer=sgd", "++optimizer._target_=outside.Scaled")


@pytest.fixture
def begun(tmp_path, monkeypatch, compose):
    """A study of two trials that read files, and a function that runs it again with more."""
    (tmp_path / "outside.py").write_text(OWN)
    for name in ("scale", "speed"):
        (tmp_path / name).write_text("1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "outside", raising=False)

    def run(*words, n_trials=3):
        kept = ("budget.n_confirmations=0", f"budget.n_trials={n_trials}", "allow_targets=[outside]")
        return run_study(compose("study_name=same", *OPTIMIZER, *MODEL, *kept, *words))

    run(n_trials=2)
    return run


def study_of(folder):
    (study,) = read_studies(f"sqlite:///{folder}/mlruns/mlflow.db", "digits-linear")
    return study


def test_what_is_as_it_was_goes_on(begun, tmp_path):
    before = study_of(tmp_path)
    begun()
    after = study_of(tmp_path)
    assert [run.state for run in after.trials] == ["complete"] * 3
    assert [run.metrics for run in after.trials[:2]] == [run.metrics for run in before.trials]
    assert "accepted_changes" not in after.tags


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("scale", "1.01", "loss of the initial weights"), ("speed", "1.05", "loss of the first two batches")],
)
def test_what_changed_outside_data_and_code_is_told_before_a_trial_is_trained(begun, tmp_path, name, value, told):
    (tmp_path / name).write_text(value)
    with pytest.raises(StudyError, match=f"same cannot go on: its trial \\d does not repeat: the {told} was .*, is "):
        begun()
    assert len(study_of(tmp_path).trials) == 2
    begun("accept_changes=true")
    study = study_of(tmp_path)
    assert len(study.trials) == 3
    assert told in study.tags["accepted_changes"]


def test_less_than_the_tolerance_is_no_change(begun, tmp_path):
    (tmp_path / "scale").write_text("1.000001")
    begun()
    assert len(study_of(tmp_path).trials) == 3


def test_a_finished_study_trains_nothing_again(begun, tmp_path):
    (tmp_path / "scale").write_text("2")
    begun(n_trials=2)
    assert len(study_of(tmp_path).trials) == 2


def test_a_study_recorded_without_these_losses_goes_on(begun, tmp_path, monkeypatch):
    from study.tracking.study_tracker import StudyTracker

    finished = StudyTracker.finished

    def without(tracker, role=None):
        found = finished(tracker, role)
        for run in found.values():
            run.metrics.pop("early_loss", None)
        return found

    monkeypatch.setattr(StudyTracker, "finished", without)
    (tmp_path / "speed").write_text("1.05")
    begun()
    assert len(study_of(tmp_path).trials) == 3
