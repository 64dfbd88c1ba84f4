import pytest

from study.api.task import infer_task, loss_name, task_section
from study.core.errors import Fault
from study.pipeline.workload_facts import WorkloadFacts
from study.training.task_facts import TaskFacts

CLASSES = {"targets": "classes", "n_classes": 3}
TWO = {"targets": "classes", "n_classes": 2}


def inferred(targets, *, n_classes=0, probabilities=False, width=3, metrics=None, **compiled):
    model = TaskFacts(gives_probabilities=probabilities, width=width, **compiled)
    return infer_task(WorkloadFacts(targets=targets, n_classes=n_classes, model=model), metrics=metrics)


@pytest.mark.parametrize(
    ("given", "loss", "from_logits", "metrics"),
    [
        (CLASSES, "SparseCategoricalCrossentropy", True, ["accuracy"]),
        ({**CLASSES, "probabilities": True}, "SparseCategoricalCrossentropy", False, ["accuracy"]),
        ({"targets": "one_hot", "probabilities": True}, "CategoricalCrossentropy", False, ["accuracy"]),
        ({**TWO, "width": 1, "probabilities": True}, "BinaryCrossentropy", False, ["accuracy"]),
        ({"targets": "numbers", "width": 1}, "MeanSquaredError", None, []),
        ({"targets": "classes", "n_classes": 40, "width": 1}, "MeanSquaredError", None, []),
    ],
)
def test_the_loss_fits_targets_and_outputs(given, loss, from_logits, metrics):
    found = inferred(**given).section
    assert found["loss"]["_target_"] == f"keras.losses.{loss}"
    assert found["loss"].get("from_logits") is from_logits
    assert found["metrics"] == metrics


def test_the_accuracy_of_one_logit_has_its_border_at_zero():
    (accuracy,) = inferred("classes", n_classes=2, width=1).section["metrics"]
    assert accuracy == {"_target_": "keras.metrics.BinaryAccuracy", "name": "accuracy", "threshold": 0.0}
    assert inferred("classes", n_classes=2, width=1).section["objective"]["metric"] == "val_accuracy"


def test_a_compiled_model_decides():
    huber = {"_target_": "keras.losses.Huber"}
    found = inferred("numbers", loss=huber, metrics=None)
    assert found.section["loss"] == huber
    assert found.told == "Huber(), with which the model is compiled"


def test_given_metrics_come_before_those_of_the_data():
    assert inferred("classes", n_classes=3, metrics=["accuracy", "top"]).section["metrics"] == ["accuracy", "top"]


def test_where_several_losses_fit_the_user_is_asked():
    assert isinstance(inferred("several"), Fault)
    assert isinstance(inferred("classes", n_classes=3, width=1, probabilities=True), Fault)
    assert "model.compile()" in str(inferred("numbers", foreign="<function f>"))


def test_names_of_losses():
    assert loss_name("mse") == "keras.losses.MeanSquaredError"
    assert loss_name("binary_crossentropy") == "keras.losses.BinaryCrossentropy"
    assert loss_name("CTC") == "keras.losses.CTC"
    assert task_section({"_target_": "keras.losses.Huber"}, None)["objective"]["metric"] == "val_loss"
