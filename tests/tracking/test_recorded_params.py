"""Params of a study's run: what MLflow's comparison shows first, and what readers get."""

from study.tracking.recorded_params import for_people, with_targets, without_doubles

ADAM = {
    "optimizer.name": "adam",
    "optimizer._target_": "keras.optimizers.Adam",
    "optimizer.search.learning_rate.low": "1e-05",
    "optimizer.search.learning_rate.high": "0.1",
    "optimizer.search.learning_rate.scale": "log",
    "dataset.task.loss._target_": "keras.losses.SparseCategoricalCrossentropy",
}


def read(params):
    return with_targets(without_doubles(params))


def test_the_optimizer_and_its_rate_come_first_and_no_target_that_a_name_says():
    found = for_people(ADAM)
    assert sorted(key for key in found if not key.startswith("dataset"))[:3] == [
        "learning_rate_or_range",
        "optimizer",
        "optimizer.name",
    ]
    assert (found["optimizer"], found["learning_rate_or_range"]) == ("adam", "1e-05..0.1 log")
    assert for_people({**ADAM, "optimizer.learning_rate": 0.5})["learning_rate_or_range"] == 0.5
    assert "dataset.task.loss._target_" in found
    typed = {"optimizer.search.learning_rate.low": 1e-4, "optimizer.search.learning_rate.high": 5.0}
    assert for_people(typed)["learning_rate_or_range"] == "0.0001..5"


def test_readers_get_the_params_of_before():
    assert read(for_people(ADAM)) == ADAM
    assert read(ADAM) == ADAM


def test_another_target_under_the_name_of_a_built_in_choice_is_recorded():
    own = {**ADAM, "optimizer._target_": "mine.Adam"}
    assert for_people(own)["optimizer._target_"] == "mine.Adam"
    assert read(for_people(own)) == own


def test_a_list_among_the_params_and_no_optimizer_are_fine():
    assert for_people({"model.hidden": [3, 4]}) == {"model.hidden": [3, 4]}
