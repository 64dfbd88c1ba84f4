"""`trainer=fit` with several inputs, sample weights, arrays on disk and augmentation; Keras alone is the oracle."""

import dataclasses

import keras
import numpy as np
import pytest
import training_workload as workload
from training_workload import keep_going, make_config, make_trainer, make_trial

from study.core.seeds import epoch_order
from study.core.trees import mapped
from study.datasets import Split
from study.training.augmentation import augment_faults
from study.training.fit.trainer import FitTrainer

FLIP = {"_target_": "keras.layers.RandomFlip", "mode": "horizontal"}
BOTH = {"_target_": "training_workload.two_inputs"}


def cut(split, *, named=True, weighted=False):
    """Return a split of digits with the upper and the lower half as two inputs."""
    halves = {"upper": split.x[:, :4], "lower": split.x[:, 4:]}
    weight = np.linspace(0, 2, len(split), dtype=np.float32) if weighted else None
    return Split(x=halves if named else tuple(halves.values()), y=split.y, sample_weight=weight)


def dataset_of(change):
    digits = workload.digits()
    parts = {name: change(getattr(digits, name)) for name in ("train", "validation", "test")}
    return dataclasses.replace(digits, **parts)


def by_keras(trainer, dataset, *, rate, batch_size=32, n_epochs=2):
    """Train with Keras alone from the same weights, in the order of the study; return history and weights."""
    keras.utils.set_random_seed(1234)
    model = trainer.build_model()
    model.compile(keras.optimizers.SGD(rate), keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    history = []
    for epoch in range(n_epochs):
        order = epoch_order(5678, epoch, len(dataset.train))
        x, y, *weight = (mapped(lambda array, order=order: array[order], part) for part in dataset.train.parts)
        fitted = model.fit(
            x, y, sample_weight=weight[0] if weight else None, batch_size=batch_size, shuffle=False, verbose=0
        )
        logs = model.evaluate(
            *dataset.validation.parts[:2],
            sample_weight=dataset.validation.sample_weight,
            batch_size=64,
            verbose=0,
            return_dict=True,
        )
        history.append(
            {name: values[0] for name, values in fitted.history.items()} | {f"val_{k}": v for k, v in logs.items()}
        )
    return history, model.get_weights()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("named", [True, False])
def test_several_inputs_and_weights_give_the_numbers_of_keras(named, weighted):
    dataset = dataset_of(lambda split: cut(split, named=named, weighted=weighted))
    trainer = make_trainer(dataset=dataset, model=BOTH)
    result = trainer.train([make_trial(learning_rate=0.2, keep_weights=True)], keep_going)[0]
    assert result.error is None
    history, weights = by_keras(trainer, dataset, rate=0.2)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert result.history[name] == pytest.approx([logs[name] for logs in history], rel=1e-5)
    for found, expected in zip(result.weights, weights, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_of_the_training_split_alone_leave_validation_as_it_is():
    digits = workload.digits()
    weight = np.where(digits.train.y == 3, 0, 1).astype(np.float32)
    weighted = dataclasses.replace(digits, train=dataclasses.replace(digits.train, sample_weight=weight))
    trainer = make_trainer(dataset=weighted)
    result = trainer.train([make_trial(learning_rate=0.2, test=True)], keep_going)[0]
    assert result.error is None
    history, _ = by_keras(trainer, weighted, rate=0.2)
    assert result.history["val_loss"] == pytest.approx([logs["val_loss"] for logs in history], rel=1e-5)


def test_an_empty_test_split_is_not_evaluated():
    digits = workload.digits()
    trial = make_trial(learning_rate=0.2, test=True)
    result, whole = (
        make_trainer(dataset=dataset).train([trial], keep_going)[0]
        for dataset in (dataclasses.replace(digits, test=digits.test.first(0)), digits)
    )
    assert result.error is None
    assert result.history == whole.history
    assert result.last_metrics["val_accuracy"] == whole.history["val_accuracy"][-1]
    assert not [name for name in result.last_metrics if name.startswith("test_")]


def test_arrays_on_disk_give_the_same_bits_as_in_memory(tmp_path):
    def on_disk(split):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, split.x)
        return Split(x=np.load(path, mmap_mode="r"), y=split.y)

    trial = make_trial(learning_rate=0.2, keep_weights=True, test=True)
    in_memory, mapped_ones = (
        make_trainer(dataset=dataset).train([trial], keep_going)[0]
        for dataset in (workload.digits(), dataset_of(on_disk))
    )
    assert mapped_ones.error is None
    assert mapped_ones.history == in_memory.history
    assert all(np.array_equal(a, b) for a, b in zip(mapped_ones.weights, in_memory.weights, strict=True))
    costs = ("seconds_train", "seconds_compile", "seconds_evaluate")
    assert {k: v for k, v in mapped_ones.summary.items() if k not in costs} == {
        k: v for k, v in in_memory.summary.items() if k not in costs
    }


def augmented(augment, dataset=None, **config):
    config = dataclasses.replace(make_config(**config), augment=augment)
    return FitTrainer(
        config,
        dataset or workload.digits(),
        backend=keras.backend.backend(),
        batch_size=32,
        eval_batch_size=64,
        precision="float32",
        jit_compile="auto",
    )


def test_augmentation_changes_training_alone_and_follows_the_run_seed():
    trainer = augmented([FLIP])
    first, other, again = (
        trainer.train(
            [dataclasses.replace(make_trial(learning_rate=0.2, keep_weights=True), run_seed=seed)], keep_going
        )[0]
        for seed in (1, 2, 1)
    )
    assert first.error is None
    assert first.history == again.history
    assert first.history != other.history
    plain = make_trainer().train([dataclasses.replace(make_trial(learning_rate=0.2), run_seed=1)], keep_going)[0]
    assert plain.summary["initial_loss"] == first.summary["initial_loss"]  # the same weights, and nothing flipped
    assert plain.history["loss"] != first.history["loss"]
    model = trainer.build_model(first.weights)  # the kept model is without augmentation
    x = workload.digits().validation.x
    logits = keras.ops.convert_to_numpy(model(x, training=True))
    assert np.mean(logits.argmax(axis=1) == workload.digits().validation.y) == pytest.approx(
        first.history["val_accuracy"][-1]
    )


def test_a_flip_of_every_example_is_training_on_flipped_examples():
    always = {"_target_": "training_workload.Mirror"}
    trial = make_trial(learning_rate=0.2, keep_weights=True)
    flipped = dataclasses.replace(
        workload.digits().train, x=np.ascontiguousarray(workload.digits().train.x[:, :, ::-1])
    )
    by_hand = make_trainer(dataset=dataclasses.replace(workload.digits(), train=flipped))
    found = augmented([always]).train([trial], keep_going)[0]
    expected = by_hand.train([trial], keep_going)[0]
    assert found.history["val_loss"] == pytest.approx(expected.history["val_loss"], rel=1e-6)


def test_one_input_of_several_is_augmented():
    dataset = dataset_of(cut)
    trainer = augmented({"upper": [FLIP]}, dataset, model=BOTH)
    assert augment_faults(dataclasses.replace(make_config(), augment={"upper": [FLIP]}), dataset) == []
    result = trainer.train([make_trial(learning_rate=0.2)], keep_going)[0]
    assert result.error is None


@pytest.mark.parametrize(
    ("augment", "told"),
    [
        ([{"_target_": "training_workload.Halved"}], "keeps the shape of an example, (8, 8, 1); it returns (4, 8, 1)"),
        ([FLIP | {"seed": 3}], "dataset.augment.0.seed=3: expected no value"),
        ([{"_target_": "keras.layers.Rescaling", "scale": 2.0}], "expected a random layer"),
        ([{"_target_": "keras.layers.Dense", "units": 1}], "expected a layer without weights"),
        ([{"_target_": "keras.layers.RandomFlip", "modus": 1}], "it raises ValueError"),
        ([{"_target_": "keras.layers.MixUp"}], "mixes the targets too"),
        ({"image": [FLIP]}, "the data set has one input"),
    ],
)
def test_layers_that_are_no_augmentation_are_refused(augment, told):
    config = dataclasses.replace(make_config(), augment=augment)
    (fault,) = augment_faults(config, workload.digits())
    assert told in str(fault)
