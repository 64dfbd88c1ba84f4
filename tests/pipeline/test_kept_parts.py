from dataclasses import replace
from types import SimpleNamespace

import pytest

from study.pipeline import kept_parts
from study.pipeline.kept_parts import KeptParts


class Built:
    """A trainer that counts its builds."""

    n = 0

    def __init__(self):
        Built.n += 1
        self.n_freed = 0

    def free_devices(self):
        self.n_freed += 1


@pytest.fixture
def build(monkeypatch, compose):
    """Return the trainers of studies with these words, which share one object of parts."""
    monkeypatch.setattr(kept_parts, "build_trainer", lambda *_: Built())
    kept = KeptParts()

    def trainer(*words, dataset=None, contents="c"):
        config = compose("trainer=vectorized", *words)
        config = replace(config, contents=SimpleNamespace(digest=contents))
        splits = {"train": SimpleNamespace(is_in_memory=dataset is None)}
        return kept.trainer(config, SimpleNamespace(splits=splits))

    trainer.kept = kept
    return trainer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((), ()),
        (("study_seed=1",), ("study_seed=2",)),
        (("order_seed=1",), ("order_seed=2",)),
        (("optimizer.learning_rate=0.1",), ("optimizer.learning_rate=0.2",)),
        (("study_name=a",), ("study_name=b",)),
        (("sampler=tpe", "sampler.n_startup_trials=20"), ("sampler=tpe", "sampler.n_startup_trials=20")),
    ],
)
def test_studies_that_differ_in_numbers_alone_share_a_trainer(build, one, other):
    assert build(*one) is build(*other)


@pytest.mark.parametrize(
    "words",
    [
        ("optimizer=sgd",),
        ("model.hidden=[8]",),
        ("budget.n_epochs=3",),
        ("budget.n_confirmations=3",),
        ("schedule=cosine",),
        ("trainer.batch_size=16",),
        ("tracking.every_n_steps=5",),
        ("dataset.split_seed=3",),
    ],
)
def test_studies_that_train_in_another_way_do_not(build, words):
    hidden = ("model.hidden=[16]",)
    assert build(*hidden) is not build(*hidden, *words)
    assert build(*hidden) is build(*hidden)


@pytest.mark.parametrize(
    "words",
    [
        ("trainer=fit",),
        ("trainer.checkpoint_every_n_epochs=1",),
        ("search.model.dropout.low=0", "search.model.dropout.high=0.5"),
    ],
)
def test_other_studies_have_a_trainer_each(build, words):
    assert build(*words) is not build(*words)


def test_other_data_or_code_and_data_on_disk_have_a_trainer_each(build):
    assert build(contents="a") is not build(contents="b")
    assert build(dataset="on disk") is not build(dataset="on disk")


def test_devices_are_freed_and_old_trainers_forgotten(build):
    first = build()
    build.kept.rest()
    assert first.n_freed == 1
    for number in range(kept_parts._MOST_TRAINERS):
        build(contents=str(number))
    assert build() is not first


def test_a_data_set_is_loaded_once_until_another_one_is(monkeypatch, compose):
    loaded = []
    monkeypatch.setattr(kept_parts, "load_dataset", lambda config: loaded.append(config) or object())
    kept, one, other = KeptParts(), compose(), compose("dataset.split_seed=3")
    assert kept.dataset(one) is kept.dataset(compose("study_seed=5"))
    assert kept.dataset(one) is not kept.dataset(other)
    kept.dataset(one)
    assert len(loaded) == 3
