"""The start of a study that goes on."""

import pytest

from study.pipeline.live_view import LookPlace
from study.pipeline.start import (
    _few_trials,
    _small_grid,
    _unequal_examples,
    _wide_batch,
    other_versions,
    place_of_look,
)

BEFORE = {"keras": "3.14.0", "numpy": "2.3.0", "tensorflow": "2.21.0", "optuna": "4.0.0"}


def test_other_versions_of_computing_packages_are_named():
    now = BEFORE | {"keras": "3.15.0", "optuna": "5.0.0"}
    told = other_versions("tensorflow", before=BEFORE, now=now)
    assert told.startswith(
        "this study goes on with other versions: keras 3.14.0 before, 3.15.0 now. Numbers may differ"
    )
    assert "optuna" not in told


def test_equal_or_unrecorded_versions_say_nothing():
    assert other_versions("tensorflow", before=BEFORE, now=BEFORE | {"optuna": "5.0.0"}) == ""
    assert other_versions("jax", before={}, now=BEFORE) == ""


def test_a_batch_of_more_than_all_examples_is_told(compose):
    assert _wide_batch(compose("trainer.batch_size=1257"), 1257) == ""
    told = _wide_batch(compose("trainer.batch_size=1258"), 1257)
    assert told == "trainer.batch_size=1258 is more than the 1257 training examples: each step takes all of them."


@pytest.mark.parametrize(("n", "is_told"), [(99, True), (100, False)])
def test_more_trials_are_advised_for_many_values_but_not_for_an_optimizers_own(compose, n, is_told):
    search = "search.model.dropout.low=0", "search.model.dropout.high=0.5", f"budget.n_trials={n}"
    told = _few_trials(compose(*search))
    assert bool(told) == is_told
    assert "4 values" in told or not is_told
    assert "budget.n_trials=100" in told or not is_told
    assert _few_trials(compose("budget.n_trials=2")) == ""


def test_examples_differ_with_a_searched_batch_size_and_a_budget_of_steps(compose):
    search = "search.trainer.batch_size.choices=[32,64]"
    assert _unequal_examples(compose(search)) == ""
    told = _unequal_examples(compose(search, "budget.n_epochs=null", "budget.n_steps=50"))
    assert told.startswith("search.trainer.batch_size with budget.n_steps=50")
    assert _unequal_examples(compose("budget.n_epochs=null", "budget.n_steps=50")) == ""


def test_a_small_grid_over_keys_of_the_config_is_told(compose):
    words = (
        "optimizer.search_only=[]",
        "sampler=grid",
        "search.model.activation.choices=[relu,tanh]",
        "budget.n_trials=5",
    )
    assert "has 2 points" in _small_grid(compose(*words))


@pytest.mark.parametrize(
    ("up_to", "place"),
    [
        (None, LookPlace(1, 3, first=0, last=5)),
        (10, LookPlace(2, 3, first=5, last=10)),
        (12, LookPlace(3, 3, first=10, last=20)),
        (40, LookPlace(3, 3, first=10, last=20)),
    ],
)
def test_a_round_is_the_look_that_needs_its_number_of_seeds(up_to, place):
    assert place_of_look([5, 10, 20], up_to=up_to) == place
    assert place_of_look([], up_to=up_to) is None
