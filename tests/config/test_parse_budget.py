import pytest

from study.core.errors import ConfigError

CASES = {
    "objective.margin=0": "objective.margin",
    "objective.margin=-0.01": "objective.margin",
    "objective.margin=1": "objective.margin",
    "objective.margin=yes": "objective.margin",
    "budget.confirm=often": "budget.confirm",
    "budget.until.target=95": "budget.until.target",
    "budget.until.target=soon": "budget.until.target",
    "budget.until=0.9": "budget.until",
}


@pytest.mark.parametrize("word", CASES)
def test_a_wrong_value_is_refused(word, compose):
    with pytest.raises(ConfigError) as refused:
        compose("budget.n_confirmations=5", word)
    assert [fault.key for fault in refused.value.faults] == [CASES[word]]


def test_points_are_turned_into_shares(compose):
    with pytest.raises(ConfigError, match=r"Write 0\.015, if 1\.5 points are meant"):
        compose("objective.margin=1.5")


def test_a_target_needs_enough_confirmations_to_be_shown(compose):
    with pytest.raises(ConfigError, match=r"n_confirmations=2: expected at least 3 with budget\.until\.target"):
        compose("budget.until.target=0.9", "budget.n_confirmations=2")


@pytest.mark.parametrize(
    ("words", "margin"),
    [
        ([], 0.005),
        (["objective.margin=0.02"], 0.02),
        (["objective.margin=null"], None),
        (["objective.metric=val_loss"], None),
        (["objective.metric=val_loss", "objective.margin=3"], 3.0),
        (["+dataset.task.objective.margin=0.01"], 0.01),
    ],
)
def test_the_margin_is_the_one_given_or_that_of_the_metric(words, margin, compose):
    assert compose(*words).objective.margin == margin


def test_sequential_confirmation_has_a_default_maximum(compose):
    budget = compose("budget.confirm=sequential", "budget.n_confirmations=null").budget
    assert (budget.confirm, budget.n_confirmations) == ("sequential", 40)
    with pytest.raises(ConfigError, match=r"budget\.n_confirmations=null"):
        compose("budget.confirm=fixed", "budget.n_confirmations=null")


def test_what_ends_a_study_and_what_matters_is_no_part_of_its_identity(compose):
    words = (
        "objective.margin=0.02",
        "budget.confirm=sequential",
        "budget.until.target=0.9",
        "budget.n_confirmations=9",
    )
    assert compose(*words).typed_digest == compose().typed_digest


def test_a_recorded_config_of_before_has_no_rounds_and_the_metrics_margin(compose):
    from study.config.parse import parse

    raw = {**compose().raw}
    raw["budget"] = {key: value for key, value in raw["budget"].items() if key not in ("confirm", "until")}
    raw["objective"] = {key: value for key, value in raw["objective"].items() if key != "margin"}
    config = parse(raw, folder=compose().folder)
    assert (config.budget.confirm, config.budget.until, config.objective.margin) == ("fixed", None, 0.005)
