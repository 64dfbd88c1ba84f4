import shutil
from dataclasses import replace

import numpy as np
import pytest

from study.core.seeds import confirmation_order_seed
from study.pipeline import confirmation_phase
from study.reproduction.recorded_run import find_recorded_run
from study.reproduction.reproduce import reproduce
from study.run import run_study
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
    assert "2 confirmations (best) are from an earlier version" in printed
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
