import gc
import math

import keras
import numpy as np
import pytest
import training_workload as workload
from training_workload import keep_going, make_trainer, make_trial

from study.core.errors import BackendError
from study.core.seeds import epoch_order
from study.core.trainer_interface import Trial
from study.training.epoch_batches import EpochBatches

OTHER = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
DROPOUT = {"_target_": "training_workload.tiny", "dropout": 0.3, "batch_norm": True}


def train(trainer, trial, on_epoch=None):
    reports = []

    def collect(reported, report):
        assert reported is trial
        reports.append(report)
        return True if on_epoch is None else bool(on_epoch(report))

    return trainer.train([trial], collect)[0], reports


def test_a_trial_is_trained_reported_and_measured():
    trainer = make_trainer()
    trial = make_trial(learning_rate=0.1, momentum=0.9, test=True, keep_weights=True)
    result, reports = train(trainer, trial)
    assert trainer.capacity == 1
    assert result.state == "complete"
    assert result.error is None
    assert [(r.epoch, r.step) for r in reports] == [(0, 7), (1, 14)]
    assert set(result.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, values in result.history.items():
        assert values == [r.metrics[name] for r in reports]
    summary = result.summary
    n_parameters = 64 * 16 + 16 + 16 * 10 + 10
    assert summary["n_parameters"] == n_parameters
    assert summary["optimizer_state_bytes"] == 4 * n_parameters  # the velocity
    assert (summary["n_steps"], summary["n_examples"], summary["compiled_batch_size"]) == (14, 400, 1)
    assert summary["final_loss"] < summary["initial_loss"]
    assert summary["seconds_train"] > 0
    assert summary["seconds_compile"] > 0
    assert summary["seconds_evaluate"] > 0
    # The last epoch's validation and the test split, computed again from the returned weights.
    model, dataset = trainer.build_model(result.weights), workload.digits()
    for prefix, split in (("val", dataset.validation), ("test", dataset.test)):
        logits = keras.ops.convert_to_numpy(model(split.x)).astype(np.float64)
        loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(split)), split.y])
        accuracy = np.mean(logits.argmax(axis=1) == split.y)
        known = {name: values[-1] for name, values in result.history.items()} | dict(summary)
        assert known[f"{prefix}_loss"] == pytest.approx(loss, rel=1e-5)
        assert known[f"{prefix}_accuracy"] == pytest.approx(accuracy, rel=1e-5)


def test_without_test_and_weights_the_test_split_is_left_alone():
    result, _ = train(make_trainer(n_epochs=1), make_trial(learning_rate=0.1))
    assert result.weights is None
    assert not any(name.startswith("test_") for name in result.summary)


def test_the_weights_are_those_of_sgd_by_hand_in_our_order():
    dataset, rate = workload.digits(), 0.5
    trainer = make_trainer(model={"_target_": "training_workload.softmax_regression"}, n_epochs=2)
    result, _ = train(trainer, make_trial(learning_rate=rate, keep_weights=True))
    x, y = dataset.train.x.reshape(200, 64).astype(np.float64), np.eye(10)[dataset.train.y]
    kernel, bias = np.zeros((64, 10)), np.zeros(10)
    for epoch in range(2):
        order = epoch_order(5678, epoch, 200)
        for first in range(0, 200, 32):
            batch = order[first : first + 32]  # the last one has 8 examples
            exponentials = np.exp(x[batch] @ kernel + bias)
            gradient = (exponentials / exponentials.sum(axis=1, keepdims=True) - y[batch]) / len(batch)
            kernel, bias = kernel - rate * x[batch].T @ gradient, bias - rate * gradient.sum(axis=0)
    assert result.weights is not None
    np.testing.assert_allclose(result.weights[0], kernel, atol=1e-5)
    np.testing.assert_allclose(result.weights[1], bias, atol=1e-5)


def test_without_shuffling_the_examples_come_as_they_are_stored():
    dataset, rate = workload.digits(), 0.5
    softmax = {"model": {"_target_": "training_workload.softmax_regression"}, "batch_size": 50}
    ordered = make_trainer(shuffle=False, n_epochs=None, n_steps=1, **softmax)
    result, _ = train(ordered, make_trial(learning_rate=rate, keep_weights=True))
    x, y = dataset.train.x[:50].reshape(50, 64).astype(np.float64), np.eye(10)[dataset.train.y[:50]]
    assert result.weights is not None
    np.testing.assert_allclose(result.weights[0], rate * x.T @ (y - 0.1) / 50, atol=1e-6)
    batches = EpochBatches(dataset.train, batch_size=50, shuffle=False)
    batches.start_trial(order_seed=7)
    batches.start_epoch(3)
    np.testing.assert_array_equal(batches.order, np.arange(200))


def test_batches_follow_the_epochs_order_and_keep_the_rest():
    split = workload.digits().train
    batches = EpochBatches(split, batch_size=64)
    for epoch in (0, 3):
        batches.start_trial(order_seed=7)
        batches.start_epoch(epoch)
        drawn = list(batches.source)
        order = epoch_order(7, epoch, 200)
        assert [len(y) for _, y in drawn] == [64, 64, 64, 8]
        np.testing.assert_array_equal(np.concatenate([np.asarray(y) for _, y in drawn]), split.y[order])
        np.testing.assert_array_equal(np.concatenate([np.asarray(x) for x, _ in drawn]), split.x[order])


def test_the_same_trial_gives_the_same_bits_whatever_ran_before():
    trainer = make_trainer(model=DROPOUT)
    trial = make_trial(learning_rate=0.1, keep_weights=True)
    first, _ = train(trainer, trial)
    train(trainer, make_trial(number=1, learning_rate=0.3))
    again, _ = train(trainer, trial)
    fresh, _ = train(make_trainer(model=DROPOUT), trial)
    assert first.history == again.history == fresh.history
    assert first.weights is not None
    assert again.weights is not None
    assert all(np.array_equal(a, b) for a, b in zip(first.weights, again.weights, strict=True))


def test_seeds_matter():
    trainer = make_trainer(n_epochs=1)
    histories = [
        train(trainer, Trial(number=0, hyperparameters={}, run_seed=run, order_seed=order))[0].history["loss"][0]
        for run, order in ((1, 1), (2, 1), (1, 2))
    ]
    assert len(set(histories)) == 3


def test_a_budget_of_steps_is_met_exactly():
    result, reports = train(make_trainer(n_epochs=None, n_steps=10), make_trial(learning_rate=0.1))
    assert [(r.epoch, r.step) for r in reports] == [(0, 7), (1, 10)]
    assert result.state == "complete"
    assert (result.summary["n_steps"], result.summary["n_examples"]) == (10, 200 + 3 * 32)
    assert len(result.history["val_loss"]) == 2


def test_a_budget_of_fewer_steps_than_an_epoch():
    result, reports = train(make_trainer(n_epochs=None, n_steps=2), make_trial(learning_rate=0.1))
    assert [(r.epoch, r.step) for r in reports] == [(0, 2)]
    assert result.state == "complete"
    assert result.summary["n_examples"] == 64


def test_the_caller_prunes():
    result, reports = train(make_trainer(n_epochs=5), make_trial(test=True), lambda report: report.epoch < 1)
    assert result.state == "pruned"
    assert len(reports) == len(result.history["loss"]) == 2
    assert result.summary["n_steps"] == 14
    assert "test_loss" not in result.summary
    assert "final_loss" not in result.summary


def test_stopping_after_the_last_epoch_is_completion():
    result, _ = train(make_trainer(), make_trial(learning_rate=0.1), lambda report: report.epoch < 1)
    assert result.state == "complete"


def test_a_loss_that_is_not_finite_ends_the_trial_at_its_step():
    # The weights double at each step, so a loss of their square overflows at a step that can be computed.
    trainer = make_trainer(
        model={"_target_": "training_workload.one_weight"},
        loss={"_target_": "training_workload.ExplodingLoss"},
        metrics=(),
        n_epochs=20,
    )
    result, reports = train(trainer, make_trial(learning_rate=1.0, test=True))
    # w <- w - 2 w s with s = 1000, from 1: |w| = 1999^k, and the loss s w^2 leaves float32 at k = 6.
    k = next(k for k in range(100) if 1000 * 1999.0 ** (2 * k) > 3.4e38)
    assert result.state == "diverged"
    assert result.summary["diverged_at_step"] == k + 1
    assert reports == []
    assert result.history == {}
    assert math.isfinite(result.summary["initial_loss"])
    assert "test_loss" not in result.summary


def test_divergence_is_found_within_a_block_of_steps():
    trainer = make_trainer(
        model={"_target_": "training_workload.one_weight"},
        loss={"_target_": "training_workload.ExplodingLoss"},
        metrics=(),
        batch_size=1,
    )
    result, _ = train(trainer, make_trial(learning_rate=1.0))
    assert result.summary["diverged_at_step"] == 7
    assert result.summary["n_steps"] == 32


def test_a_finite_loss_above_the_first_is_diverged_and_still_tested():
    result, _ = train(make_trainer(), make_trial(learning_rate=1e6, test=True))
    assert result.state == "diverged"
    assert result.summary["final_loss"] > result.summary["initial_loss"]
    assert "diverged_at_step" not in result.summary
    assert "test_loss" in result.summary


def test_losses_of_single_steps():
    # With a rate close to zero the model does not change, so the model gives each batch's loss.
    trainer = make_trainer(every_n_steps=3, n_epochs=2)
    result, reports = train(trainer, make_trial(learning_rate=1e-30, keep_weights=True))
    model, dataset = trainer.build_model(result.weights), workload.digits()
    logits = keras.ops.convert_to_numpy(model(dataset.train.x)).astype(np.float64)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(200), dataset.train.y]
    assert [list(report.steps["step"]) for report in reports] == [[3, 6], [9, 12]]
    for report in reports:
        order = epoch_order(5678, report.epoch, 200)
        own = [losses[order[first : first + 32]].mean() for first in range(0, 200, 32)]
        indices = report.steps["step"].astype(int) - 1 - 7 * report.epoch
        np.testing.assert_allclose(report.steps["step_loss"], np.asarray(own)[indices], rtol=1e-5)


def test_the_smaller_last_batch_has_its_own_loss():
    trainer = make_trainer(every_n_steps=7, n_epochs=1)
    result, reports = train(trainer, make_trial(learning_rate=1e-30, keep_weights=True))
    last, split = epoch_order(5678, 0, 200)[192:], workload.digits().train
    logits = keras.ops.convert_to_numpy(trainer.build_model(result.weights)(split.x[last])).astype(np.float64)
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), split.y[last]])
    assert reports[0].steps["step_loss"] == pytest.approx([loss], rel=1e-4)


@pytest.mark.parametrize(
    ("model", "hyperparameters", "told"),
    [
        ({"_target_": "training_workload.broken"}, {}, "no model for (8, 8, 1) and 10"),
        ({"_target_": "training_workload.tiny"}, {"speed": 3}, "speed"),
    ],
)
def test_an_exception_fails_its_trial_alone(model, hyperparameters, told):
    trainer = make_trainer(model=model, n_epochs=1)
    bad, other = make_trial(**hyperparameters), make_trial(number=1, learning_rate=0.1)
    results = trainer.train([bad, other], keep_going)
    assert results[0].state == "failed"
    assert results[0].trial is bad
    assert results[0].error is not None
    assert "Traceback" in results[0].error
    assert told in results[0].error
    assert results[1].state == ("failed" if "broken" in model["_target_"] else "complete")


def test_an_exception_in_the_middle_keeps_the_finished_epochs(monkeypatch):
    def stumble(_batches, epoch):
        if epoch == 1:
            raise RuntimeError("stumbled")

    monkeypatch.setattr(EpochBatches, "start_epoch", stumble)
    result, _ = train(make_trainer(), make_trial(learning_rate=0.1))
    assert result.state == "failed"
    assert "stumbled" in str(result.error)
    assert len(result.history["val_loss"]) == 1
    assert result.summary["n_steps"] == 7


@pytest.mark.parametrize("error", [RuntimeError("the caller's own"), KeyboardInterrupt()])
def test_an_exception_of_the_caller_passes_through(error):
    def on_epoch(_report):
        raise error

    with pytest.raises(type(error)) as caught:
        train(make_trainer(), make_trial(), on_epoch)
    assert caught.value is error


def test_metrics_given_as_sections():
    top_3 = {"_target_": "keras.metrics.SparseTopKCategoricalAccuracy", "k": 3, "name": "top_3"}
    result, _ = train(make_trainer(metrics=("accuracy", top_3), n_epochs=1), make_trial(learning_rate=0.1, test=True))
    assert {"top_3", "val_top_3"} <= set(result.history)
    assert "test_top_3" in result.summary
    assert result.history["val_top_3"][0] > result.history["val_accuracy"][0]


def test_bfloat16_computes_in_it_and_leaves_no_trace():
    trainer = make_trainer(precision="bfloat16")
    result, _ = train(trainer, make_trial(learning_rate=0.1, keep_weights=True))
    assert result.state == "complete"
    assert result.weights is not None
    assert all(w.dtype == np.float32 for w in result.weights)
    assert trainer.build_model().layers[2].compute_dtype == "bfloat16"
    plain, _ = train(make_trainer(), make_trial(learning_rate=0.1))
    assert make_trainer().build_model().layers[2].compute_dtype == "float32"
    assert plain.history["loss"] != result.history["loss"]
    np.testing.assert_allclose(plain.history["loss"], result.history["loss"], rtol=0.02)


def test_averaged_weights_are_validated_and_tested():
    trainer = make_trainer()
    point = {"learning_rate": 0.3, "ema_momentum": 0.9}
    averaged, _ = train(trainer, make_trial(use_ema=True, test=True, keep_weights=True, **point))
    plain, _ = train(trainer, make_trial(use_ema=False, test=True, **point))
    assert averaged.history["loss"] == plain.history["loss"]
    assert averaged.history["val_loss"] != plain.history["val_loss"]
    assert averaged.state == "complete"
    assert averaged.weights is not None
    assert averaged.summary["optimizer_state_bytes"] == 4 * averaged.summary["n_parameters"]
    split = workload.digits().validation
    logits = keras.ops.convert_to_numpy(trainer.build_model(averaged.weights)(split.x)).astype(np.float64)
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(split)), split.y])
    assert averaged.history["val_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert averaged.summary["test_loss"] != plain.summary["test_loss"]


@pytest.mark.parametrize("use_ema", [False, True])
def test_evaluated_metrics_are_those_of_the_model_after_the_epoch(use_ema):
    trial = make_trial(learning_rate=0.1, use_ema=use_ema, keep_weights=True)
    running, _ = train(make_trainer(model=DROPOUT), trial)
    evaluated, reports = train(make_trainer(model=DROPOUT, train_metrics="evaluated"), trial)
    for name in ("val_loss", "val_accuracy"):
        assert evaluated.history[name] == running.history[name]
    assert evaluated.history["loss"] != running.history["loss"]
    assert evaluated.history["loss"] == [report.metrics["loss"] for report in reports]
    # The last epoch's metrics are those of the final model, without dropout and with averaged weights.
    assert evaluated.history["loss"][-1] == evaluated.summary["final_loss"]
    split = workload.digits().train
    trainer = make_trainer(model=DROPOUT)
    logits = keras.ops.convert_to_numpy(trainer.build_model(evaluated.weights)(split.x, training=False))
    assert evaluated.history["accuracy"][-1] == pytest.approx(np.mean(logits.argmax(axis=1) == split.y), rel=1e-5)


def test_with_one_step_an_epoch_the_evaluated_loss_is_that_after_the_step():
    running, _ = train(make_trainer(n_epochs=3, batch_size=200), make_trial(learning_rate=0.1))
    evaluated, _ = train(
        make_trainer(n_epochs=3, batch_size=200, train_metrics="evaluated"), make_trial(learning_rate=0.1)
    )
    np.testing.assert_allclose(evaluated.history["loss"][:-1], running.history["loss"][1:], rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [True, False])
def test_compiled_and_not(jit_compile):
    result, _ = train(make_trainer(jit_compile=jit_compile, n_epochs=1), make_trial(learning_rate=0.1))
    assert result.state == "complete"


def test_trials_leave_nothing_behind():
    def held(trainer):
        train(trainer, make_trial(learning_rate=0.1))
        gc.collect()
        kinds = ("FuncGraph", "Operation", "Functional", "Dense", "SGD")
        return sum(type(thing).__name__ in kinds for thing in gc.get_objects())

    trainer = make_trainer(n_epochs=1)
    held(trainer)
    counts = [held(trainer) for _ in range(3)]
    assert counts[0] == counts[1] == counts[2]


def test_another_backend_is_refused():
    with pytest.raises(BackendError, match=f"trainer.backend={OTHER}.*Start a new process"):
        make_trainer(backend=OTHER)
