"""The start of a study that goes on."""

from study.pipeline.start import _wide_batch, other_versions

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
