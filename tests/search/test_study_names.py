import dataclasses

import pytest

from study.core.names import name_fault
from study.core.trainer_interface import TrialResult
from study.search.ask_tell import open_search
from study.search.storage.interface import read_storage
from study.search.study_names import known_studies, read_known_studies, rename_study


def _searched(config, *, n=1):
    """Run a search to its end, and return the study's name and the number of trials that were trained now."""
    with open_search(config) as search:
        trials = search.ask(n)
        for trial in trials:
            search.tell(TrialResult(trial=trial, state="complete", history={}, summary={}), objective=0.5)
        return search.name, len(trials)


def _renamed(config, old, new):
    storage = read_storage(config.stores)
    rename_study(storage, known_studies(storage, config.experiment_name)[old], new)


@pytest.mark.parametrize("recorded", ["adam-activation='tanh'", "adam-a\nb", "lr/0.1 [x]", f"adam-{'1,' * 5000}"])
def test_a_name_that_an_earlier_version_recorded_is_mended_and_its_trials_are_kept(compose, recorded):
    config = compose("budget.n_trials=2")
    _searched(dataclasses.replace(config, labels=(recorded,)))  # such labels were made, and are no longer
    name, n_trained = _searched(config, n=2)
    assert n_trained == 1  # the other one is the recorded trial
    assert name_fault(name, parts=False) == ""
    assert list(read_known_studies(config.stores, config.experiment_name)) == [name]
    assert _searched(config) == (name, 0)


def test_a_mended_name_takes_no_other_studys_name(compose):
    config, other = compose(), compose("budget.n_epochs=7")
    _searched(dataclasses.replace(other, labels=("adam-x",)))
    _searched(dataclasses.replace(config, labels=("adam-'x'",)))
    name, _ = _searched(config)
    assert name == f"adam-x-{config.digest[:6]}"
    assert set(read_known_studies(config.stores, config.experiment_name)) == {"adam-x", name}


def test_two_labels_that_are_cut_alike_are_two_studies(compose):
    config, other = compose(), compose("budget.n_epochs=7")
    label = "x" * 200
    first, _ = _searched(dataclasses.replace(config, labels=(label,)))
    second, _ = _searched(dataclasses.replace(other, labels=(label,)))
    assert first == label
    assert second != first
    assert len(second.encode()) <= 200


def test_a_renamed_study_goes_on_and_its_first_name_is_free(compose):
    config, other = compose("budget.n_trials=2"), compose("budget.n_epochs=7")
    began, _ = _searched(config)
    _renamed(config, began, "mine")
    assert _searched(config, n=2) == ("mine", 1)
    assert _searched(dataclasses.replace(other, labels=(began,))) == (began, 1)
    assert set(read_known_studies(config.stores, config.experiment_name)) == {"mine", began}
    assert _searched(config) == ("mine", 0)


def test_an_experiment_whose_name_begins_another_has_its_own_studies(compose, tmp_path):
    inner = compose("experiment_name=a/b", "study_name=c", folder=tmp_path)
    outer = compose("experiment_name=a", "study_name=c", folder=tmp_path)
    _searched(inner)
    assert read_known_studies(outer.stores, "a") == {}
    _searched(outer)
    assert list(read_known_studies(outer.stores, "a")) == ["c"]
    assert list(read_known_studies(outer.stores, "a/b")) == ["c"]
