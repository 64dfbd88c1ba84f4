import pytest

from study.config.digests import digest_of
from study.config.parse import parse
from study.core.errors import ConfigError
from study.core.search_space import Range

MLP = ("trainer=vectorized", "optimizer=adam")


@pytest.fixture
def compose(tmp_path):
    """Compose and check a study of words alone, without any that fix a value."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config

    def build(*words):
        (job,) = compose_jobs(prepare([*words]), multirun=False)
        return load_config(job.raw, folder=tmp_path, labels=job.labels)

    return build


def faults_of(compose, *words):
    with pytest.raises(ConfigError) as raised:
        compose(*MLP, *words)
    return {fault.key: fault for fault in raised.value.faults}


def test_a_range_of_any_key_is_searched_beside_the_optimizers(compose):
    config = compose(
        *MLP,
        "search.model.dropout.low=0",
        "search.model.dropout.high=0.5",
        "search.trainer.batch_size.choices=[32,64]",
        "search.model.hidden.choices=[[64],[64,64]]",
    )
    assert config.searched == {
        "model.dropout": Range(argument="model.dropout", low=0.0, high=0.5),
        "model.hidden": Range(argument="model.hidden", choices=((64,), (64, 64))),
        "trainer.batch_size": Range(argument="trainer.batch_size", choices=(32, 64)),
    }
    assert config.own_values == {"model.dropout": 0.0, "model.hidden": (300, 100), "trainer.batch_size": 32}
    assert list(config.ranges) == ["learning_rate", "beta_1", "beta_2", *config.searched]
    assert config.hyperparameters({})["model.dropout"] == 0.0
    assert config.hyperparameters({"model.dropout": 0.3, "beta_1": 0.8})["model.dropout"] == 0.3
    assert config.n_structures == 4


def test_the_order_of_words_makes_no_other_study(compose):
    words = [
        f"search.{key}.{end}={value}"
        for key in ("model.l2", "model.dropout")
        for end, value in (("low", 0), ("high", 0.1))
    ]
    one, other = compose(*MLP, *words), compose(*MLP, *reversed(words))
    assert (one.digest, list(one.ranges)) == (other.digest, list(other.ranges))
    assert one.digest != compose(*MLP).digest


def test_no_search_is_the_same_study_as_ever(compose):
    config = compose(*MLP)
    assert (config.searched, config.n_structures) == ({}, 1)
    without = {key: value for key, value in config.raw.items() if key != "search"}
    assert digest_of(without, experiment_name="x") == digest_of(config.raw, experiment_name="x")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["low=1", "high=4"], Range(argument="model.units", low=1, high=4, integer=True)),
        (["low=8", "high=16", "scale=log"], Range(argument="model.units", low=8, high=16, scale="log", integer=True)),
        (["low=2", "high=10", "step=4"], Range(argument="model.units", low=2, high=10, integer=True, step=4)),
    ],
)
def test_whole_numbers_are_drawn_for_a_key_that_takes_them(compose, words, expected):
    config = compose(
        "trainer=vectorized", "optimizer=adam", "model=two_layer", *(f"search.model.units.{w}" for w in words)
    )
    assert config.searched["model.units"] == expected


def test_the_optimizers_arguments_are_those_of_its_own_section(compose):
    config = compose(*MLP, "search.optimizer.weight_decay.low=0", "search.optimizer.weight_decay.high=0.1")
    same = compose(*MLP, "optimizer.search.weight_decay={low: 0, high: 0.1}")
    assert config.optimizer.ranges == same.optimizer.ranges
    assert (config.searched, config.digest) == ({}, same.digest)
    only = compose(
        *MLP, "optimizer.search_only=[learning_rate]", "search.optimizer.epsilon={low: 1e-8, high: 1, scale: log}"
    )
    assert set(only.optimizer.ranges) == {"learning_rate", "epsilon"}
    part = compose(*MLP, "search.optimizer.learning_rate.high=0.01")
    assert part.optimizer.ranges["learning_rate"] == Range(argument="learning_rate", low=1e-5, high=0.01, scale="log")
    whole = compose(*MLP, "search.optimizer.learning_rate={low: 0.1, high: 0.2}")
    assert whole.optimizer.ranges["learning_rate"].scale == "linear"


@pytest.mark.parametrize(
    ("word", "key", "told"),
    [
        ("search.model.dropot={low: 0, high: 1}", "search.model.dropot", "Did you mean model.dropout?"),
        ("search.study_seed.choices=[0,1]", "search.study_seed", "all trials of a study share this one"),
        ("search.experiment_name.choices=[a]", "search.experiment_name", "all trials of a study share this one"),
        ("search.budget.n_trials={low: 1, high: 9}", "search.budget.n_trials", "all trials of a study share"),
        ("search.trainer.precision.choices=[float32]", "search.trainer.precision", "all trials of a study share"),
        ("search.dataset.n_validation={low: 1, high: 9}", "search.dataset.n_validation", "would load other data"),
        ("search.model.name.choices=[a]", "search.model.name", "decides what the section is"),
        ("search.model.dropout.choices=[a,b]", "search.model.dropout.choices", "expected finite numbers"),
        ("search.model.hidden={low: 1, high: 3}", "search.model.hidden", "expected choices of lists"),
        ("search.model.hidden.choices=[64,128]", "search.model.hidden.choices", "expected lists, such as [64]"),
        ("search.model.batch_norm={low: 0, high: 1}", "search.model.batch_norm", "expected choices of true and false"),
        ("search.model.activation.choices=[1]", "search.model.activation.choices", "expected texts"),
        ("search.trainer.batch_size={low: 16, high: 32.5}", "search.trainer.batch_size.high", "a whole number"),
        ("search.model.dropout={low: 0.5, high: 0.1}", "search.model.dropout.low", "a number below"),
        ("search.model.dropout={low: 0, high: 1, scale: log}", "search.model.dropout.low", "above 0 on a log scale"),
        ("search.model.dropout={low: 0, high: 1, scale: int}", "search.model.dropout.scale", "integer=true"),
        ("search.model.dropout={low: 0, high: 1, step: 0.3}", "search.model.dropout.step", "high to 0.9"),
        ("search.model.dropout={low: model.l2, high: 1}", "search.model.dropout.low", "a study for each choice"),
        ("search.model.dropout={choices: [0.1], low: 0}", "search.model.dropout.low", "no value beside choices"),
        ("search.dataset.task.loss={low: 0, high: 1}", "search.dataset.task.loss", "this is a section of"),
        ("search.model.dropout=0.2", "search.model.dropout", "expected a range"),
    ],
)
def test_what_cannot_be_searched_is_told_with_the_reason(compose, word, key, told):
    fault = faults_of(compose, word)[key]
    assert told in str(fault)


def test_all_faults_are_told_at_once(compose):
    found = faults_of(
        compose,
        "search.model.dropot={low: 0, high: 1}",
        "search.study_seed.choices=[1]",
        "search.optimizer.beta_1={low: 0.9, high: 0.1}",
        "budget.n_epochs=0",
    )
    assert {"search.model.dropot", "search.study_seed", "optimizer.search.beta_1.low", "budget.n_epochs"} <= set(found)


def test_an_argument_with_a_value_and_a_range_of_a_file_is_refused(compose, tmp_path):
    raw = dict(compose(*MLP).raw)
    raw["search"] = {"optimizer": {"beta_1": {"low": 0.1, "high": 0.9}}}
    raw["optimizer"] = {**raw["optimizer"], "beta_1": 0.9}
    with pytest.raises(ConfigError, match=r"optimizer.beta_1=0.9: expected no value, since search.optimizer.beta_1"):
        parse(raw, folder=tmp_path)


def test_more_structures_than_trials_are_refused(compose):
    words = ["search.trainer.batch_size.choices=[16,32,64]", "search.model.hidden.choices=[[8],[16]]"]
    assert compose(*MLP, *words, "budget.n_trials=6").n_structures == 6
    fault = faults_of(compose, *words, "budget.n_trials=5")["search"]
    assert "at most one structure for each of 5 trials" in str(fault)
    assert str(fault).startswith("search=model.hidden (2), trainer.batch_size (3): ")


def test_a_grid_of_more_points_than_trials_is_refused(compose):
    words = ["optimizer.search_only=[learning_rate]", "search.model.dropout={low: 0, high: 0.5}", "sampler=grid"]
    assert compose(*MLP, *words, "sampler.n_points=3", "budget.n_trials=9").n_points == 9
    fault = faults_of(compose, *words, "sampler.n_points=3", "budget.n_trials=8")["sampler.n_points"]
    assert "Set budget.n_trials=9" in str(fault)
