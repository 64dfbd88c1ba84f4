"""Studies of earlier versions go on under today's words, as long as these mean the same numbers."""

from dataclasses import replace

import pytest

from study.config.digests import settings_of
from study.config.effective_settings import settings_digest
from study.config.same_numbers import in_earlier_words, is_earlier_warmup

# conf/schedule/warmup_cosine.yaml before its share of warm-up was one number.
EARLIER = {
    "name": "warmup_cosine",
    "_target_": "keras.optimizers.schedules.CosineDecay",
    "initial_learning_rate": 0.0,
    "warmup_target": 1.0,
    "warmup_steps": {"fraction_of_steps": 0.05},
    "decay_steps": {"fraction_of_steps": 0.95},
    "alpha": 0.0,
}
LOSS = {"_target_": "keras.losses.SparseCategoricalCrossentropy", "from_logits": True}
SMOOTHED = "study.training.smoothed_crossentropy.SmoothedSparseCategoricalCrossentropy"


def digests(config):
    return config.typed_digest, settings_digest(config)


def with_schedule(config, schedule):
    return replace(config, raw={**config.raw, "schedule": schedule})


def test_a_study_of_the_earlier_schedule_goes_on(compose):
    now = compose("schedule=warmup_cosine")
    assert now.raw["schedule"]["_target_"] != EARLIER["_target_"]
    assert digests(now) == digests(with_schedule(now, EARLIER))
    lower = compose("schedule=warmup_cosine", "schedule.alpha=0.1")
    assert digests(lower) == digests(with_schedule(lower, {**EARLIER, "alpha": 0.1}))
    assert digests(lower) != digests(now)
    # No part of this project is in its contents, so no version of one.
    assert settings_of(now.raw, experiment_name="e")["schedule"] == EARLIER


@pytest.mark.parametrize("share", [0.0, 0.051, 0.5])
def test_another_share_of_warm_up_is_another_study(compose, share):
    config = compose("schedule=warmup_cosine", f"schedule.warmup_fraction={share}")
    assert settings_of(config.raw, experiment_name="e")["schedule"] == config.raw["schedule"]
    assert settings_digest(config) != settings_digest(compose("schedule=warmup_cosine"))


def test_a_searched_share_is_another_study():
    section = {"name": "warmup_cosine", "_target_": "study.optimizers.warmup_cosine.WarmupCosine"}
    assert in_earlier_words({"schedule": section})["schedule"]["_target_"] == EARLIER["_target_"]
    searched = {"schedule": section, "search": {"schedule": {"warmup_fraction": {"low": 0, "high": 0.2}}}}
    assert in_earlier_words(searched) == searched
    others = {"schedule": section, "search": {"model": {"dropout": {"low": 0, "high": 0.2}}}}
    assert in_earlier_words(others)["schedule"]["_target_"] == EARLIER["_target_"]


def test_a_given_number_of_steps_is_another_study():
    section = {"name": "own", "_target_": "study.optimizers.warmup_cosine.WarmupCosine", "n_steps": 7}
    assert in_earlier_words({"schedule": section}) == {"schedule": section}


def test_the_keys_of_the_earlier_schedule_are_known():
    assert is_earlier_warmup(EARLIER)
    assert not is_earlier_warmup({**EARLIER, "name": "own"})
    assert not is_earlier_warmup({"name": "warmup_cosine"})


def test_no_smoothing_is_the_study_without_the_key(compose):
    plain, none = compose(), compose("dataset.task.loss.label_smoothing=0")
    assert digests(plain) == digests(none)
    some = compose("dataset.task.loss.label_smoothing=0.1")
    assert len({settings_digest(each) for each in (plain, some)}) == 2
    assert settings_of(some.raw, experiment_name="e")["dataset"]["task"]["loss"]["_target_"] == SMOOTHED


def test_each_of_several_losses_is_read():
    losses = {"digit": {**LOSS, "label_smoothing": 0.0}, "side": {**LOSS, "label_smoothing": 0.1}}
    found = in_earlier_words({"dataset": {"task": {"loss": losses}}})["dataset"]["task"]["loss"]
    assert found == {"digit": LOSS, "side": {**LOSS, "label_smoothing": 0.1, "_target_": SMOOTHED}}


@pytest.mark.parametrize("settings", [{}, {"schedule": None, "dataset": 3}, {"dataset": {"task": None}}])
def test_a_config_without_these_sections_stays_as_it_is(settings):
    assert in_earlier_words(settings) == settings
