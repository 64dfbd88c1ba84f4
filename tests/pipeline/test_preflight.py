"""Labels that do not fit the data set or the model are reported before anything is stored."""

import dataclasses

import numpy as np
import pytest

from study.core.errors import DataError, StudyError
from study.datasets import Dataset, Split
from study.pipeline import workload


@pytest.fixture
def twelve():
    """Twelve classes in a data set that says it has ten."""
    some = Split(x=np.zeros((36, 8, 8, 1), np.float32), y=np.arange(36, dtype=np.int32) % 12)
    return Dataset(name="mine", source="made", train=some, validation=some, test=some, n_outputs=10)


def test_labels_beyond_what_the_data_set_says_are_refused(twelve, compose, monkeypatch):
    config = compose("optimizer=sgd")
    monkeypatch.setattr(workload, "instantiate", lambda *_, **__: twelve)
    told = r"train\.y\[10\]=10: expected class indices from 0 to 9, since n_outputs is 10 \(6 of 36 values"
    with pytest.raises(DataError, match=told):
        workload.load_dataset(config)
    enough = dataclasses.replace(twelve, n_outputs=12)
    monkeypatch.setattr(workload, "instantiate", lambda *_, **__: enough)
    assert workload.load_dataset(config).train.x is enough.train.x


def test_labels_beyond_the_models_output_are_refused(twelve, compose):
    told = (
        r"model=mlp dataset=digits .*do not fit together\. "
        r"The model's output has a width of 10, and the training split has"
    )
    with pytest.raises(StudyError, match=told):
        workload.build_model(compose("optimizer=sgd"), twelve)


def test_targets_that_are_no_classes_are_not_looked_at(twelve, compose, monkeypatch):
    config = compose("optimizer=sgd", "dataset=sunspots")
    monkeypatch.setattr(workload, "instantiate", lambda *_, **__: twelve)
    assert workload.load_dataset(config).train.x is twelve.train.x
