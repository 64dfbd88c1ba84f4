import keras
import pytest

from study.config.instantiate import instantiate
from study.training.task_facts import section_of

# They need arguments, or are only for subclasses.
_NEED_MORE = (
    *("Loss", "Metric", "IoU", "MeanMetricWrapper", "OneHotIoU", "MeanIoU", "OneHotMeanIoU", "PrecisionAtRecall"),
    *("RecallAtPrecision", "SensitivityAtSpecificity", "SpecificityAtSensitivity"),
)


def own(y, y_pred):
    return keras.ops.mean(y - y_pred)


@pytest.mark.parametrize(
    ("given", "section"),
    [
        ("mse", {"_target_": "keras.losses.MeanSquaredError"}),
        ("sparse_categorical_crossentropy", {"_target_": "keras.losses.SparseCategoricalCrossentropy"}),
        (keras.losses.mean_absolute_error, {"_target_": "keras.losses.MeanAbsoluteError"}),
        (keras.losses.Huber, {"_target_": "keras.losses.Huber"}),
        (keras.losses.Huber(delta=0.5), {"_target_": "keras.losses.Huber", "delta": 0.5}),
        (own, None),
        ("nothing", None),
    ],
)
def test_a_loss_as_a_config_has_it(given, section):
    assert section_of(given, "keras.losses") == section


def test_a_metric_keeps_its_name():
    assert section_of("accuracy", "keras.metrics") == "accuracy"
    found = section_of(keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top"), "keras.metrics")
    assert found["_target_"] == "keras.metrics.SparseTopKCategoricalAccuracy"
    assert (found["name"], found["k"]) == ("top", 2)


@pytest.mark.parametrize("namespace", ["losses", "metrics"])
def test_every_loss_and_metric_of_keras_keeps_its_arguments(namespace):
    module = getattr(keras, namespace)
    classes = [each for each in vars(module).values() if isinstance(each, type) and each.__name__ not in _NEED_MORE]
    assert len(classes) > 15
    for each in classes:
        made = each()
        section = section_of(made, f"keras.{namespace}")
        assert section is not None, each
        assert instantiate(section).get_config() == made.get_config()
