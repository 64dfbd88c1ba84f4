"""Settings that act alike are equal, however they are spelled."""

import pytest

from study.config.effective_settings import settings_digest


@pytest.mark.parametrize(
    ("spelled", "otherwise"),
    [
        (["optimizer.momentum=0"], ["optimizer.momentum=0.0"]),
        ([], ["optimizer.momentum=0.0"]),
        ([], ["optimizer.nesterov=false", "optimizer.weight_decay=null"]),
        (["optimizer.learning_rate=1"], ["optimizer.learning_rate=1.0"]),
        (["optimizer.learning_rate=0.001"], ["optimizer.learning_rate=1e-3"]),
        (["optimizer.search.learning_rate.high=10"], ["optimizer.search.learning_rate.high=10.0"]),
        ([], ["++model.activation=relu"]),
        (["dataset=mnist"], ["dataset=mnist", "dataset.path=elsewhere"]),
        (
            ["dataset.task.loss.from_logits=true"],
            ["dataset.task.loss.from_logits=true", "++dataset.task.loss.axis=-1"],
        ),
    ],
)
def test_spellings_of_one_setting_are_equal(compose, spelled, otherwise):
    one, two = (compose("optimizer=sgd", *words) for words in (spelled, otherwise))
    assert settings_digest(one) == settings_digest(two)


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer.momentum=0.5"],
        ["optimizer.nesterov=true"],
        ["optimizer.learning_rate=0.01"],  # the default, but fixed: it is no longer searched
        ["optimizer.search.learning_rate.high=1"],
        ["model.hidden=[17]"],
        ["study_seed=1"],
        ["sampler=tpe"],
        ["++dataset.task.shuffle=false"],
    ],
)
def test_every_other_setting_makes_another_study(compose, words):
    assert settings_digest(compose("optimizer=sgd", *words)) != settings_digest(compose("optimizer=sgd"))
