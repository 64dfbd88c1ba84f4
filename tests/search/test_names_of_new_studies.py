"""Names of studies: the first free label, and then the conditions in which a study differs from its namesake."""

from dataclasses import replace

import pytest

from study.search.study_names import KnownStudy, choose_name, conditions_of

pytestmark = pytest.mark.slow


def known(config, name, **changes):
    conditions = changes.pop("conditions", conditions_of(config))
    return {
        name: KnownStudy(
            name=name, optuna_name=name, digest="other", typed_digest="other", conditions=conditions, **changes
        )
    }


@pytest.fixture
def config(compose):
    return lambda *words, labels=("adam",): replace(compose(*words), labels=labels)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["trainer.batch_size=64"], "adam-batch_size=64"),
        (["budget.n_epochs=7"], "adam-n_epochs=7"),
        (["budget.n_steps=70"], "adam-n_steps=70"),
        (["trainer=numpy"], "adam-trainer=numpy-precision=float64"),
        (["budget.n_epochs=7", "trainer.batch_size=64"], "adam-n_epochs=7-batch_size=64"),
        # Siblings: conditions that may come from conf/study.yaml, a file of `best`, or an experiment.
        (["schedule=cosine"], "adam-schedule=cosine"),
        (["study_seed=3", "split_seed=2"], "adam-study_seed=3-split_seed=2"),
        (["sampler=qmc", "pruner=median"], "adam-sampler=qmc-pruner=median"),
    ],
)
def test_a_taken_label_gets_the_conditions_that_differ(config, words, name):
    assert choose_name(config(*words), known(config(), "adam")) == name


def test_a_free_label_stays_as_it_is(config):
    assert choose_name(config("trainer.batch_size=64", labels=("adam", "adam-x")), {}) == "adam"
    taken = known(config(), "adam")
    assert choose_name(config("trainer.batch_size=64", labels=("adam", "adam-x")), taken) == "adam-x"


def test_a_study_is_found_by_its_digest_whatever_its_name(config):
    ours = config("trainer.batch_size=64")
    earlier = KnownStudy(name="adam-b6b24f", optuna_name="x", digest=ours.digest, typed_digest=ours.typed_digest)
    assert choose_name(ours, {**known(config(), "adam"), "adam-b6b24f": earlier}) == "adam-b6b24f"


def test_digits_distinguish_what_no_condition_does(config):
    ours = config("model.activation=tanh")
    assert choose_name(ours, known(config(), "adam")) == f"adam-{ours.digest[:6]}"
    larger = config("trainer.batch_size=64")
    taken = {**known(config(), "adam"), **known(larger, "adam-batch_size=64")}
    assert choose_name(larger, taken) == f"adam-{larger.digest[:6]}"
    # An earlier version did not record the conditions.
    assert choose_name(larger, known(config(), "adam", conditions={})) == f"adam-{larger.digest[:6]}"
