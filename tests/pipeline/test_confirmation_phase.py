import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from study.core.seeds import confirmation_order_seed
from study.pipeline import confirmation_phase
from study.report.studies import ComparedStudy, gather
from study.reproduction.recorded_run import find_recorded_run
from study.reproduction.reproduce import reproduce
from study.run import run_study
from study.statistics.looks import looks_text, plan_looks
from study.tracking.read_studies import read_studies

FEW = ("budget.n_trials=2", "budget.n_epochs=1")


@pytest.fixture
def ready(tmp_path, empty_store, compose):
    (tmp_path / "mlruns").mkdir()
    shutil.copyfile(empty_store, tmp_path / "mlruns" / "mlflow.db")
    return lambda *words: compose(*FEW, *words)


def _studies(config):
    return {record.name: record for record in read_studies(config.stores.tracking_uri, config.experiment_name)}


def _orders(record, *, superseded=False):
    return {
        (run.kind, run.number): run.params["order_seed"]
        for run in record.confirmations
        if run.superseded is superseded
    }


def _earlier_rule(study_seed, order_seed, repetition):  # noqa: ARG001 - the earlier rule had no study seed
    return int(np.random.SeedSequence([order_seed, 2, repetition]).generate_state(1)[0] >> 1)


@pytest.mark.slow
def test_batch_orders_are_shared_by_optimizers_and_change_with_each_seed(ready):
    words = {
        "adam": ("study_seed=3",),
        "sgd": ("study_seed=3", "optimizer=sgd"),
        "other study": ("study_seed=4",),
        "other order": ("study_seed=3", "order_seed=5"),
    }
    found = {}
    for name, own in words.items():
        config = ready(f"study_name={name}", *own)
        run_study(config)
        found[name] = _studies(config)[name]
    orders = {name: _orders(record) for name, record in found.items()}
    assert orders["adam"] == orders["sgd"]
    assert orders["adam"]["best", 1] == str(confirmation_order_seed(3, 0, 1))
    for other in ("other study", "other order"):
        assert not set(orders["adam"].values()) & set(orders[other].values())
    # The search has one order for all its trials, under every study seed.
    in_search = {name: {run.params["order_seed"] for run in record.trials} for name, record in found.items()}
    assert in_search == {"adam": {"0"}, "sgd": {"0"}, "other study": {"0"}, "other order": {"5"}}


@pytest.mark.slow
def test_a_study_of_an_earlier_version_is_confirmed_anew_and_says_so(ready, monkeypatch, capfd):
    config = ready("study_seed=3")
    with monkeypatch.context() as earlier:
        earlier.setattr(confirmation_phase, "confirmation_order_seed", _earlier_rule)
        run_study(config)
    (before,) = _studies(config).values()
    assert _orders(before)["best", 0] == str(_earlier_rule(3, 0, 0))
    capfd.readouterr()

    run_study(config)
    (after,) = _studies(config).values()
    assert [run.run_id for run in after.trials] == [run.run_id for run in before.trials]
    assert _orders(after) == {
        (kind, r): str(confirmation_order_seed(3, 0, r)) for kind in ("best", "default") for r in (0, 1)
    }
    assert _orders(after, superseded=True) == _orders(before)
    printed = "".join(capfd.readouterr())
    assert "2 confirmations (tuned) are from an earlier version" in printed
    assert "trained again under orders of this study seed" in printed

    # The recorded seeds decide: the earlier run is reproduced to the last bit.
    target = find_recorded_run(config.stores.tracking_uri, before.confirmations[0].run_id, folder=config.folder)
    assert target.run.params["order_seed"] == str(_earlier_rule(3, 0, target.run.number))
    assert reproduce(target, folder=config.folder).reproduced
    other = replace(target.run, params={**target.run.params, "order_seed": "77"})
    assert not reproduce(replace(target, run=other), folder=config.folder).reproduced

    run_study(config)
    assert [run.run_id for run in _studies(config)[after.name].confirmations] == [
        run.run_id for run in after.confirmations
    ]


def test_a_study_under_the_default_seeds_goes_on_as_it_began(ready, monkeypatch):
    config = ready()
    with monkeypatch.context() as earlier:
        earlier.setattr(confirmation_phase, "confirmation_order_seed", _earlier_rule)
        run_study(config)
    (before,) = _studies(config).values()
    run_study(config)
    (after,) = _studies(config).values()
    assert [run.run_id for run in after.confirmations] == [run.run_id for run in before.confirmations]
    assert not any(run.superseded for run in after.confirmations)


def _numbers(record):
    return {
        kind: [run.number for run in record.confirmations if run.kind == kind]
        for kind in {run.kind for run in record.confirmations}
    }


@pytest.mark.slow
def test_a_sequential_study_trains_the_first_look_then_as_many_as_it_is_asked_for(ready):
    config = ready("budget.confirm=sequential", "budget.n_confirmations=8")
    found = []
    for up_to in (None, 7, None, 20, 3):  # 20 is more than the largest number
        run_study(replace(config, confirm_up_to=up_to))
        (record,) = _studies(config).values()
        found.append({kind: len(numbers) for kind, numbers in _numbers(record).items()})
        assert record.tags["looks"] == looks_text(plan_looks(8, sequential=True))
        assert gather("e", [record], digests={}, read_histories=lambda *_: {}).entries[0].complete
    first = {"best": 5, "default": 5}
    assert found == [first, {**first, "best": 7}, {**first, "best": 7}, {**first, "best": 8}, {**first, "best": 8}]
    assert sorted(_numbers(record)["best"]) == list(range(8))
    assert sorted(_numbers(record)["default"]) == list(range(5))


@pytest.mark.slow
def test_a_fixed_study_plans_one_look_with_all_its_confirmations(ready):
    config = ready("budget.confirm=fixed", "budget.n_confirmations=6")
    run_study(config)
    run_study(replace(config, confirm_up_to=2))  # without a meaning here
    (record,) = _studies(config).values()
    assert {kind: sorted(numbers) for kind, numbers in _numbers(record).items()} == {
        "best": list(range(6)),
        "default": list(range(6)),
    }
    assert record.tags["looks"] == "6:0.05"


def test_a_sequential_study_that_goes_on_is_compared_with_the_looks_that_it_has():
    tags = {"n_confirmations": "40", "confirm": "sequential", "looks": looks_text(plan_looks(40, sequential=True))}
    record = SimpleNamespace(tags=tags, n_trials=2, status="RUNNING")
    study = SimpleNamespace(record=record, n_spent=2, tuned=[None] * 5)
    assert ComparedStudy.complete.fget(study)
    study.tuned.pop()
    assert not ComparedStudy.complete.fget(study)
