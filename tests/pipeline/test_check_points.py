import pytest

from study.core.errors import ConfigError
from study.pipeline.workload import check_task, load_dataset

FIT = ("trainer=fit", "optimizer=adam", "budget.n_trials=9")


@pytest.mark.parametrize(
    ("word", "key", "told"),
    [
        ("search.model.dropout={low: 0, high: 1}", "search.model.dropout.high=1.0", "below 1"),
        ("search.model.activation.choices=[relu,rellu]", "search.model.activation.choices=rellu", "activation"),
        ("search.model.l2={low: -1, high: 1}", "search.model.l2.low=-1.0", "0"),
        (
            "search.dataset.task.loss.label_smoothing={low: 0, high: 1}",
            "search.dataset.task.loss.label_smoothing.high=1.0",
            "below 1",
        ),
    ],
)
def test_ends_and_choices_that_cannot_be_built_are_told_before_training(compose, word, key, told):
    config = compose(*FIT, word)
    with pytest.raises(ConfigError) as raised:
        check_task(config, load_dataset(config))
    (fault,) = raised.value.faults
    assert str(fault).startswith(key)
    assert told in str(fault)


def test_a_range_that_can_be_built_everywhere_has_no_fault(compose):
    words = ["search.model.dropout={low: 0, high: 0.9}", "search.schedule.alpha={low: 0, high: 0.5}"]
    config = compose(*FIT, "schedule=cosine", *words)
    check_task(config, load_dataset(config))
