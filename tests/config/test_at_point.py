import pytest

from study.config.at_point import at

SEARCH = (
    "trainer=vectorized",
    "optimizer=adam",
    "search.model.dropout={low: 0, high: 0.5}",
    "search.model.activation.choices=[relu,tanh]",
    "search.trainer.batch_size.choices=[32,64]",
    "search.dataset.task.loss.label_smoothing={low: 0, high: 0.2}",
)


def test_the_config_of_a_trial_has_its_values_everywhere(compose):
    config = compose(*SEARCH, "budget.n_trials=8")
    point = {
        "model.dropout": 0.2,
        "model.activation": "tanh",
        "trainer.batch_size": 64,
        "dataset.task.loss.label_smoothing": 0.1,
        "learning_rate": 0.5,
    }
    trial = at(config, point)
    assert (trial.model.section["dropout"], trial.model.section["activation"]) == (0.2, "tanh")
    assert trial.trainer.section["batch_size"] == 64
    assert trial.task.loss["label_smoothing"] == 0.1
    assert (trial.optimizer, trial.digest, trial.stores) == (config.optimizer, config.digest, config.stores)
    assert (trial.own_values, trial.searched) == (config.own_values, config.searched)
    assert config.model.section["dropout"] == 0.0  # unchanged


def test_it_is_the_study_s_own_config_at_its_own_values(compose):
    config = compose(*SEARCH, "budget.n_trials=8")
    assert at(config, config.hyperparameters({})) is config
    assert at(config, {"learning_rate": 0.1}) is config
    changed = at(config, {"model.dropout": 0.2})
    back = at(changed, {"model.dropout": 0.0})
    assert back.model.section == config.model.section


@pytest.mark.parametrize("value", [0, True])
def test_equal_values_of_other_types_are_other_values(compose, value):
    config = compose(*SEARCH, "budget.n_trials=8")
    assert at(config, {"model.dropout": value}).model.section["dropout"] is value
