"""Exported files of earlier versions."""

from study.cli.launch.compose import compose_jobs, prepare

EARLIER = """
# @package _global_
defaults:
- override /schedule: warmup_cosine
optimizer: {name: sgd, _target_: keras.optimizers.SGD, learning_rate: 0.1, search_only: []}
schedule:
  name: warmup_cosine
  _target_: keras.optimizers.schedules.CosineDecay
  initial_learning_rate: 0.0
  warmup_target: 1.0
  warmup_steps: {fraction_of_steps: 0.1}
  decay_steps: {fraction_of_steps: 0.9}
  alpha: 0.0
"""


def test_a_file_with_the_earlier_keys_of_a_schedule_keeps_them(tmp_path):
    file = tmp_path / "best.yaml"
    file.write_text(EARLIER)
    (job,) = compose_jobs(prepare([f"best={file}"]), multirun=False)
    assert job.raw["schedule"] == {
        "name": "warmup_cosine",
        "_target_": "keras.optimizers.schedules.CosineDecay",
        "initial_learning_rate": 0.0,
        "warmup_target": 1.0,
        "warmup_steps": {"fraction_of_steps": 0.1},
        "decay_steps": {"fraction_of_steps": 0.9},
        "alpha": 0.0,
    }
    (other,) = compose_jobs(prepare([f"best={file}", "schedule=cosine"]), multirun=False)
    assert other.raw["schedule"]["name"] == "cosine"


FOUND = """
# @package _global_
defaults:
- override /model: mlp
- override /optimizer: sgd
optimizer: {name: sgd, _target_: keras.optimizers.SGD, learning_rate: 0.1, search_only: []}
model: {name: mlp, dropout: 0.25}
"""


def test_the_files_own_model_keeps_the_values_that_were_found_for_it(tmp_path):
    file = tmp_path / "best.yaml"
    file.write_text(FOUND)

    def composed(*words):
        (job,) = compose_jobs(prepare([f"best={file}", *words]), multirun=False)
        return job.raw["model"]["dropout"], job.raw["optimizer"]["learning_rate"]

    assert composed() == composed("model=mlp") == (0.25, 0.1)
    assert composed("model=mlp", "model.dropout=0.1") == (0.1, 0.1)
    assert composed("optimizer=sgd") == (0.25, None)
    (other,) = compose_jobs(prepare([f"best={file}", "model=linear"]), multirun=False)
    assert other.raw["model"]["name"] == "linear"
    assert "dropout" not in other.raw["model"]
