"""The identity of a study among those in the store of searches."""

import dataclasses

import numpy as np
import pytest

from study.core.errors import StudyError
from study.core.trainer_interface import TrialResult
from study.datasets import Dataset, Split
from study.pipeline.identity import contents_of, identify, version_of
from study.pipeline.workload import build_model
from study.search.ask_tell import open_search
from study.search.stored_searches import list_searches, rename_searches
from study.search.study_names import known_digests, read_known_studies


@pytest.fixture
def config(compose):
    return dataclasses.replace(compose("optimizer=sgd"), labels=("sgd",))


def data(seed=0, n=40):
    some = Split(
        x=np.random.default_rng(seed).normal(size=(n, 8, 8, 1)).astype(np.float32),
        y=np.arange(n, dtype=np.int32) % 10,
    )
    return Dataset(name="digits", source="made", train=some, validation=some, test=some, n_outputs=10)


@pytest.fixture
def model(config):
    return build_model(config, data())


def begin(config, dataset, model):
    """Begin a study, and return its name and identity."""
    identified = identify(config, dataset, model)
    with open_search(identified.config) as search:
        for trial in search.ask(1):
            search.tell(TrialResult(trial=trial, state="complete", history={}, summary={}), objective=0.5)
        return search.name, identified


def test_the_same_contents_are_the_same_study(config, model):
    name, first = begin(config, data(), model)
    again, second = begin(config, data(), model)
    assert (name, again) == ("sgd", "sgd")
    assert first.config.digest == second.config.digest
    assert first.messages == second.messages == ()
    assert config.digest == config.typed_digest != first.config.digest
    assert known_digests(config.stores, config.experiment_name) == {config.typed_digest}


def test_a_study_goes_on_after_its_experiment_was_renamed(config, model):
    name, first = begin(config, data(), model)
    searches = list_searches(config.stores)
    rename_searches(config.stores, searches, experiment="paper")
    renamed = dataclasses.replace(config, experiment_name="paper")
    again, second = begin(renamed, data(), model)
    assert (again, second.config.digest, second.messages) == (name, first.config.digest, ())
    (search,) = list_searches(config.stores)
    assert (search.experiment, search.name, search.n_ended) == ("paper", name, 2)
    anew, _ = begin(config, data(), model)  # the experiment's first name is free
    assert anew == name
    assert [(s.experiment, s.n_ended) for s in list_searches(config.stores)] == [("paper", 2), ("digits-mlp", 1)]


def test_other_data_make_another_study_of_the_same_name_for_every_worker(config, model):
    begin(config, data(), model)
    name, other = begin(config, data(seed=1), model)
    again, same = begin(config, data(seed=1), model)
    assert name == again == f"sgd-data-{data(seed=1).digest[:6]}"
    assert other.config.digest == same.config.digest
    assert "changed since sgd: the data" in other.messages[0]
    assert same.messages == ()
    back, first = begin(config, data(), model)
    assert (back, first.messages) == ("sgd", ())


def test_a_study_without_a_result_goes_on_with_repaired_code(config, model):
    identified = identify(config, data(), model)
    with open_search(identified.config) as search:
        (trial,) = search.ask(1)
        search.tell(TrialResult(trial=trial, state="failed", history={}, summary={}, error="broken"), objective=0.0)
    name, repaired = begin(config, data(seed=1), model)
    assert (name, repaired.config.digest) == ("sgd", identified.config.digest)
    assert "It had no result yet, so it goes on." in repaired.messages[0]


def test_accepted_changes_are_listed_with_the_study(config, model):
    _, first = begin(config, data(), model)
    accepting = dataclasses.replace(config, accept_changes=True)
    name, second = begin(accepting, data(seed=1), model)
    assert (name, second.config.digest) == ("sgd", first.config.digest)
    (known,) = read_known_studies(config.stores, config.experiment_name).values()
    assert [each.data for each in known.contents] == [data().digest, data(seed=1).digest]
    third, went_on = begin(config, data(seed=1), model)  # accepted once is enough
    assert (third, went_on.messages) == ("sgd", ())


def test_a_new_name_is_a_new_study_even_if_changes_are_accepted(config, model):
    _, first = begin(config, data(), model)
    named = dataclasses.replace(config, study_name="mine", accept_changes=True)
    name, second = begin(named, data(seed=1), model)
    assert (name, second.config.digest != first.config.digest) == ("mine", True)
    assert second.messages[0].startswith("changed since sgd: the data")
    with pytest.raises(StudyError, match=r"study_name=mine: .* has other contents: the data"):
        begin(dataclasses.replace(named, accept_changes=False), data(seed=2), model)
    accepted, third = begin(named, data(seed=2), model)
    assert (accepted, third.config.digest) == ("mine", second.config.digest)


def test_a_study_without_recorded_contents_is_not_continued(config, model):
    with open_search(config) as search:  # as an earlier version did
        assert search.name == "sgd"
    name, identified = begin(config, data(), model)
    assert name == f"sgd-{identified.config.digest[:6]}"
    assert "sgd was recorded by an earlier version" in identified.messages[0]


def test_contents_name_sizes_and_versions(config, model):
    contents = contents_of(config, data(), model)
    assert contents.data_text == "40 + 40 + 40 examples of shape (8, 8, 1)"
    assert contents.versions["study.models.mlp.build"] == "1"
    assert "seeds" in contents.versions
    assert contents.source == {}


def test_targets_of_settings_that_are_not_in_use_do_not_count(config, model):
    unused = {"variants": {"other": {"model": {"_target_": "study.models.linear.build"}}}}
    with_variant = dataclasses.replace(config, raw={**config.raw, **unused})
    assert contents_of(with_variant, data(), model) == contents_of(config, data(), model)


def test_a_version_is_that_of_the_module_that_computes(monkeypatch):
    from study.training.fit import trainer

    assert version_of("study.training.fit.FitTrainer") == "1"
    monkeypatch.setattr(trainer, "NUMBERS_VERSION", 7, raising=False)
    assert version_of("study.training.fit.FitTrainer") == "7"
