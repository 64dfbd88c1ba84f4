import pytest

from study.core.trainer_interface import Trial, TrialResult
from study.pipeline.by_point import TrainerByPoint

KEYS = ("model.dropout", "trainer.batch_size")


class Stub:
    """A trainer that notes the config of each trial."""

    def __init__(self, config, made, capacity=1):
        self.config, self.capacity = config, capacity
        made.append(config)

    def train(self, trials, *_):
        values = (self.config.model.section["dropout"], self.config.trainer.section["batch_size"])
        return [TrialResult(trial=t, state="complete", history={}, summary={"n": values[1]}) for t in trials]

    def build_model(self, weights=None):
        return self.config.model.section["dropout"], weights


@pytest.fixture
def config(compose):
    return compose(
        "trainer=vectorized",
        "optimizer=adam",
        "search.model.dropout={low: 0, high: 0.5}",
        "search.trainer.batch_size.choices=[32,64]",
    )


def trial(number, dropout, size):
    point = {"learning_rate": 0.1, "model.dropout": dropout, "trainer.batch_size": size}
    return Trial(number=number, hyperparameters=point, run_seed=0, order_seed=0)


def test_trials_of_the_same_values_share_a_trainer_and_results_come_in_order(config):
    made = []
    trainer = TrainerByPoint(config, keys=KEYS, build=lambda of: Stub(of, made))
    trials = [trial(0, 0.1, 32), trial(1, 0.2, 64), trial(2, 0.1, 32)]
    results = trainer.train(trials, lambda *_: True)
    assert [result.trial for result in results] == trials
    assert [result.summary["n"] for result in results] == [32, 64, 32]
    assert [each.model.section["dropout"] for each in made] == [0.0, 0.1, 0.2]
    assert made[0] is config
    assert trainer.build_model([1]) == (0.0, [1])


def test_only_the_last_trainers_are_kept(config):
    made = []
    trainer = TrainerByPoint(config, keys=KEYS, build=lambda of: Stub(of, made))
    points = [trial(i, i / 100, 32) for i in range(1, 11)]
    trainer.train(points, lambda *_: True)
    trainer.train(points[-1:], lambda *_: True)
    assert len(made) == 11
    trainer.train(points[:1], lambda *_: True)
    assert len(made) == 12


def test_a_config_whose_trainer_cannot_be_built_fails_its_trials_alone(config):
    def build(of):
        if of.model.section["dropout"] == 0.2:
            raise ValueError("too much")
        return Stub(of, [])

    trainer = TrainerByPoint(config, keys=KEYS, build=build)
    results = trainer.train([trial(0, 0.1, 32), trial(1, 0.2, 32)], lambda *_: True)
    assert [result.state for result in results] == ["complete", "failed"]
    assert "too much" in results[1].error
