"""Training in NumPy compared with Keras: gradients, losses, histories; and refusals."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import training_workload as workload
from training_workload import LOSS, digits, keep_going, make_config, make_trial

from study.core.errors import StudyError
from study.core.search_space import Range
from study.datasets import Dataset, Split
from study.datasets.preparation.streams import open_stream
from study.training.numpy.from_keras import read_layers
from study.training.numpy.keras_metrics import KerasMetrics
from study.training.numpy.losses import read_loss
from study.training.numpy.network import backward, forward
from study.training.numpy.trainer import NumpyTrainer

if keras.backend.backend() != "tensorflow":
    pytest.skip("its gradients come from TensorFlow's tape", allow_module_level=True)

TINY = {"_target_": "training_workload.tiny"}
DROPOUT = {"_target_": "training_workload.tiny", "dropout": 0.3}
# Keras computes in float32, so hundreds of additions of numbers near 1 have an error of about 1e-6.
TOLERANCE = {"rel": 1e-4, "abs": 1e-5}


def make_trainer(
    *,
    dataset=None,
    batch_size=32,
    precision="float64",
    dropout_draw="uniform",
    model=TINY,
    **config,
):
    return NumpyTrainer(
        make_config(model=model, **config),
        dataset or digits(),
        backend=keras.backend.backend(),
        batch_size=batch_size,
        eval_batch_size=64,
        precision=precision,
        dropout_draw=dropout_draw,
    )


def train(trainer, trial, on_epoch=None):
    reports = []

    def collect(reported, report):
        assert reported is trial
        reports.append(report)
        return True if on_epoch is None else bool(on_epoch(report))

    return trainer.train([trial], collect)[0], reports


def net(hidden, last, *, use_bias=True):
    return keras.Sequential(
        [
            keras.Input((4, 3), dtype="float64"),
            keras.layers.Flatten(dtype="float64"),
            keras.layers.Dense(6, activation=hidden, dtype="float64", bias_initializer="random_normal"),
            keras.layers.Dropout(0.4, dtype="float64"),
            keras.layers.Dense(3, use_bias=use_bias, dtype="float64"),
            keras.layers.Activation(last, dtype="float64"),
        ]
    )


@pytest.mark.parametrize("hidden", ["linear", "relu", "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize(
    ("name", "from_logits", "last"),
    [
        ("BinaryCrossentropy", True, "linear"),
        ("BinaryCrossentropy", False, "sigmoid"),
        ("CategoricalCrossentropy", True, "tanh"),
        ("CategoricalCrossentropy", False, "softmax"),
        ("SparseCategoricalCrossentropy", True, "linear"),
        ("SparseCategoricalCrossentropy", False, "softmax"),
        ("MeanSquaredError", None, "relu"),
    ],
)
def test_loss_and_gradients_are_those_of_keras(name, from_logits, last, hidden):
    import tensorflow as tf

    keras.utils.set_random_seed(3)
    model = net(hidden, last, use_bias=name != "MeanSquaredError")
    generator = np.random.default_rng(0)
    x, labels = generator.normal(size=(9, 4, 3)), generator.integers(0, 3, 9)
    given = labels if name.startswith("Sparse") else np.eye(3)[labels]
    section = {"_target_": f"keras.losses.{name}"} | ({} if from_logits is None else {"from_logits": from_logits})
    with tf.GradientTape() as tape:
        options = {} if from_logits is None else {"from_logits": from_logits}
        value = getattr(keras.losses, name)(**options, dtype="float64")(given, model(tf.constant(x)))
    expected = tape.gradient(value, model.trainable_variables)

    loss, layers = read_loss(section), read_layers(model)
    weights = [np.asarray(weight, np.float64) for weight in model.get_weights()]
    done = forward(layers, weights, x)
    targets = loss.targets(given, n_outputs=3, dtype=np.float64)
    output = done.outputs[-1]
    assert loss.values(targets, output).mean() == pytest.approx(float(value), rel=1e-12)
    gradients = backward(layers, weights, done, loss.gradient(targets, output))
    for ours, theirs in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "point"),
    [
        ("SGD", {"learning_rate": 0.1}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True}),
        ("RMSprop", {"learning_rate": 0.003}),
        ("Adam", {"learning_rate": 0.01}),
    ],
    ids=["sgd", "momentum", "nesterov", "rmsprop", "adam"],
)
def test_histories_are_those_of_fit(optimizer, point):
    options = {"optimizer": f"keras.optimizers.{optimizer}", "n_epochs": 3, "every_n_steps": 2}
    trial = make_trial(test=True, keep_weights=True, **point)
    ours, reports = train(make_trainer(**options), trial)
    theirs, expected = train(workload.make_trainer(model=TINY, **options), trial)
    assert ours.state == theirs.state == "complete"
    assert set(ours.history) == set(theirs.history)
    for name, values in theirs.history.items():
        assert ours.history[name] == pytest.approx(values, **TOLERANCE)
    for report, other in zip(reports, expected, strict=True):
        assert (report.epoch, report.step) == (other.epoch, other.step)
        np.testing.assert_array_equal(report.steps["step"], other.steps["step"])
        np.testing.assert_allclose(report.steps["step_loss"], other.steps["step_loss"], rtol=1e-3)
    assert ours.weights is not None
    assert theirs.weights is not None
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert set(ours.summary) == set(theirs.summary)
    for name in ("initial_loss", "final_loss", "test_loss", "test_accuracy"):
        assert ours.summary[name] == pytest.approx(theirs.summary[name], **TOLERANCE)
    for name in ("n_steps", "n_examples", "n_parameters", "compiled_batch_size"):
        assert ours.summary[name] == theirs.summary[name]


def test_a_single_output_has_the_accuracy_of_its_sign():
    one = digits()
    halves = [Split(x=split.x, y=(split.y >= 5).astype(np.int32)) for split in (one.train, one.validation, one.test)]
    dataset = Dataset(
        name="halves", source="digits", train=halves[0], validation=halves[1], test=halves[2], n_outputs=1
    )
    accuracy = {"_target_": "keras.metrics.BinaryAccuracy", "name": "accuracy", "threshold": 0.0}
    options = {
        "dataset": dataset,
        "loss": {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True},
        "metrics": (accuracy,),
    }
    trial = make_trial(learning_rate=0.1, keep_weights=True)
    trainer = make_trainer(**options)
    ours, _ = train(trainer, trial)
    theirs, _ = train(workload.make_trainer(model=TINY, **options), trial)
    for name, values in theirs.history.items():
        assert ours.history[name] == pytest.approx(values, **TOLERANCE)
    logits = keras.ops.convert_to_numpy(trainer.build_model(ours.weights)(dataset.validation.x))[:, 0]
    assert ours.history["val_accuracy"][-1] == pytest.approx(np.mean((logits > 0) == dataset.validation.y))


def test_schedules_are_those_of_fit():
    schedule = {"_target_": "keras.optimizers.schedules.CosineDecay", "initial_learning_rate": 1.0}
    schedule["decay_steps"] = {"fraction_of_steps": 1.0}
    trial = make_trial(learning_rate=0.5, momentum=0.9)
    ours, _ = train(make_trainer(schedule=schedule), trial)
    theirs, _ = train(workload.make_trainer(model=TINY, schedule=schedule), trial)
    constant, _ = train(make_trainer(), trial)
    assert ours.history["loss"] == pytest.approx(theirs.history["loss"], rel=1e-3)
    assert ours.history["loss"][1] != pytest.approx(constant.history["loss"][1], rel=1e-3)


def test_steps_are_counted_and_a_cut_epoch_is_reported():
    result, reports = train(make_trainer(n_epochs=None, n_steps=9, every_n_steps=3), make_trial(learning_rate=0.1))
    assert [(report.epoch, report.step) for report in reports] == [(0, 7), (1, 9)]
    assert [report.steps["step"].tolist() for report in reports] == [[3, 6], [9]]
    assert (result.summary["n_steps"], result.summary["n_examples"]) == (9, 200 + 64)


def test_the_loss_of_an_epoch_can_be_that_after_it():
    import dataclasses

    config = make_config(model=TINY, n_epochs=2)
    config = dataclasses.replace(config, task=dataclasses.replace(config.task, train_metrics="evaluated"))
    trainer = NumpyTrainer(
        config, digits(), backend=keras.backend.backend(), batch_size=32, eval_batch_size=64, precision="float64"
    )
    evaluated, _ = train(trainer, make_trial(learning_rate=0.1))
    running, _ = train(make_trainer(), make_trial(learning_rate=0.1))
    assert evaluated.history["loss"][-1] == pytest.approx(evaluated.summary["final_loss"])
    assert evaluated.history["loss"][0] < running.history["loss"][0]
    assert evaluated.history["val_loss"] == running.history["val_loss"]


def test_dropout_acts_in_training_alone_and_repeats_itself():
    trial = make_trial(learning_rate=0.1, keep_weights=True)
    plain, _ = train(make_trainer(), trial)
    trainer = make_trainer(model=DROPOUT)
    dropped, _ = train(trainer, trial)
    again, _ = train(trainer, trial)
    slipped, _ = train(make_trainer(model=DROPOUT, dropout_draw="normal"), trial)
    assert dropped.summary["initial_loss"] == slipped.summary["initial_loss"]
    assert dropped.history == again.history
    assert len({run.history["loss"][0] for run in (plain, dropped, slipped)}) == 3
    assert dropped.summary["final_loss"] < dropped.history["loss"][-1]  # the one without, the other with dropout


def test_a_loss_that_is_not_finite_ends_the_trial_at_its_step():
    squared = {"_target_": "keras.losses.MeanSquaredError"}
    rows = Split(x=np.ones((64, 2), np.float32), y=np.ones((64, 1), np.float32))
    dataset = Dataset(name="ones", source="ones", train=rows, validation=rows, test=rows, n_outputs=1)
    trainer = make_trainer(dataset=dataset, loss=squared, metrics=(), n_epochs=400)
    result, reports = train(trainer, make_trial(learning_rate=1e9))
    assert result.state == "diverged"
    step = result.summary["diverged_at_step"]
    assert step == result.summary["n_steps"]
    assert 2 * len(reports) < step <= 2 * len(reports) + 2  # in the epoch that was not reported
    assert "final_loss" not in result.summary


def test_a_final_loss_above_the_first_is_divergence():
    result, reports = train(make_trainer(), make_trial(learning_rate=300.0))
    assert result.state == "diverged"
    assert len(reports) == 2
    assert result.summary["final_loss"] > result.summary["initial_loss"]


def test_a_caller_can_stop_a_trial_and_its_errors_pass_through():
    result, reports = train(make_trainer(n_epochs=5), make_trial(learning_rate=0.1), lambda report: report.epoch < 1)
    assert (result.state, len(reports)) == ("pruned", 2)

    def broken(_report):
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        train(make_trainer(), make_trial(learning_rate=0.1), broken)


def test_an_error_of_the_training_is_a_failed_trial(monkeypatch):
    def fail(*_arguments, **_named):
        raise ArithmeticError("no gradient today")

    trainer = make_trainer()
    monkeypatch.setattr("study.training.numpy.trainer.backward", fail)
    (result,) = trainer.train([make_trial(learning_rate=0.1)], keep_going)
    assert result.state == "failed"
    assert "no gradient today" in (result.error or "")
    assert result.summary["n_steps"] == 0


def test_rules_of_the_reference_are_trained_as_they_stand():
    # The running average at ten times the rate is the velocity that holds the rate.
    averaged = make_trainer(optimizer="study.optimizers.reference.AveragedMomentum")
    ours, _ = train(averaged, make_trial(learning_rate=1.0, momentum=0.9))
    velocity, _ = train(make_trainer(), make_trial(learning_rate=0.1, momentum=0.9))
    assert ours.history["loss"] == pytest.approx(velocity.history["loss"], rel=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, yaml in workload.read_yamls("optimizer").items()
        if "study.optimizers.reference." in yaml["_target_"]
    ],
)
def test_every_rule_of_conf_lowers_the_loss_in_the_middle_of_its_ranges(name):
    yaml = workload.read_yamls("optimizer")[name]
    point = {
        argument: workload.midpoint(entry) for argument, entry in yaml["search"].items() if not entry.get("optional")
    }
    result, _ = train(make_trainer(optimizer=yaml["_target_"]), make_trial(**point))
    assert result.state == "complete", result.error
    assert result.summary["final_loss"] < result.summary["initial_loss"]


def test_float32_is_close_to_float64():
    trial = make_trial(learning_rate=0.01)
    runs = [
        train(make_trainer(precision=precision, optimizer="keras.optimizers.Adam"), trial)[0]
        for precision in ("float64", "float32")
    ]
    assert runs[0].history["loss"] == pytest.approx(runs[1].history["loss"], rel=1e-4)
    assert runs[0].history["loss"] != runs[1].history["loss"]
    assert runs[0].summary["optimizer_state_bytes"] == 2 * runs[1].summary["optimizer_state_bytes"]


def test_metrics_have_the_same_meaning_as_in_fit():
    task = make_config(model=TINY).task
    metrics = KerasMetrics(workload.tiny((8, 8, 1), 10), task)
    outputs = np.eye(10)[[3, 4, 5, 6]]
    assert metrics.of(np.array([3, 4, 5, 0]), outputs, loss=2.0) == {"loss": 2.0, "accuracy": 0.75}
    assert metrics.of(np.array([0, 0, 0, 0]), outputs, loss=1.0) == {"loss": 1.0, "accuracy": 0.0}


class OwnDense(keras.layers.Dense):  # type: ignore[misc]
    """Might compute anything."""


def with_layer(layer):
    return keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2)])


@keras.saving.register_keras_serializable("tests")  # type: ignore[untyped-decorator]
def doubled(x):
    return 2 * x


def branching():
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs) + keras.layers.Dense(2)(inputs))


def repeated():
    inputs, dense = keras.Input((4,)), keras.layers.Dense(4)
    return keras.Model(inputs, dense(dense(inputs)))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: with_layer(keras.layers.BatchNormalization(name="norm")), "layer=norm, which has weights that are"),
        (lambda: with_layer(keras.layers.LayerNormalization(name="norm")), "layer=norm, of the class LayerNorm"),
        (lambda: with_layer(OwnDense(3, name="own")), "layer=own, of the class OwnDense"),
        (lambda: with_layer(keras.layers.Dense(3, activation="gelu", name="d")), "layer=d, with the activation gelu"),
        (lambda: with_layer(keras.layers.Activation("elu", name="a")), "layer=a, with the activation elu"),
        (lambda: with_layer(keras.layers.Dense(3, kernel_regularizer="l2", name="d")), "layer=d, with a kernel_regul"),
        (lambda: with_layer(keras.layers.Dropout(0.5, noise_shape=(None, 1), name="o")), "layer=o, whose noise_shape"),
        (lambda: with_layer(keras.layers.Dense(3, trainable=False, name="d")), "layer=d, which has weights that are"),
        (
            lambda: with_layer(keras.layers.Flatten(data_format="channels_first", name="f")),
            "layer=f, whose data_format is channels_first",
        ),
        (
            lambda: with_layer(keras.layers.Activation("relu", activity_regularizer="l2", name="a")),
            "layer=a, with an activity_regularizer",
        ),
        (lambda: with_layer(keras.layers.Activation(doubled, name="a")), "layer=a, with the activation {"),
        (
            lambda: keras.Sequential([keras.Input((3, 4)), keras.layers.Dense(2, name="d"), keras.layers.Flatten()]),
            r"layer=d, whose input has the shape \(None, 3, 4\)",
        ),
        (branching, "which does not follow the layer before it"),
        (repeated, "used twice"),
        (lambda: keras.Sequential([keras.layers.Dense(3)]), "expected a chain .*, built"),
    ],
)
def test_a_model_that_is_no_such_chain_is_refused(model, told):
    with pytest.raises(StudyError, match=told) as caught:
        read_layers(model())
    assert "trainer=numpy" in str(caught.value)
    assert "trainer=fit" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"optimizer": "keras.optimizers.Muon"}, r"optimizer=any: optimizer\._target_=keras\.optimizers\.Muon"),
        ({"precision": "bfloat16"}, r"trainer\.precision=bfloat16: expected one of float64, float32"),
        ({"dropout_draw": "even"}, r"trainer\.dropout_draw=even: expected one of uniform, normal"),
        ({"loss": LOSS | {"ignore_class": 3}}, r"dataset\.task\.loss\.ignore_class=3"),
    ],
)
def test_an_unsupported_config_is_refused_before_any_trial(options, told):
    with pytest.raises(StudyError, match=told):
        make_trainer(**options)


def test_a_searched_argument_that_no_rule_has_is_refused_before_any_trial():
    config = make_config(model=TINY)
    ranges = {"weight_decay": Range(argument="weight_decay", low=1e-4, high=0.1, scale="log")}
    config = replace(config, optimizer=replace(config.optimizer, ranges=ranges))
    with pytest.raises(StudyError, match=r"optimizer\.weight_decay=0\.0001: expected an argument of the reference"):
        NumpyTrainer(config, digits(), backend=keras.backend.backend(), batch_size=32, eval_batch_size=64)


def test_arrays_on_disk_give_the_same_numbers(tmp_path):
    inside = digits()
    splits = {}
    for name in ("train", "validation", "test"):
        split = getattr(inside, name)
        np.save(tmp_path / f"{name}.npy", split.x)
        splits[name] = Split(x=np.load(tmp_path / f"{name}.npy", mmap_mode="r"), y=split.y)
    trial = make_trial(0, test=True, learning_rate=0.1)
    found = [train(make_trainer(dataset=each), trial)[0] for each in (inside, replace(inside, **splits))]
    assert found[0].state == "complete"
    assert found[1].history == found[0].history
    assert found[1].summary["test_loss"] == found[0].summary["test_loss"]


def stream_of(split):
    return open_stream(lambda: iter([(split.x, split.y)]), name="validation", deterministic=True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (lambda found: {"train": replace(found.train, x={"left": found.train.x})}, "train has several inputs"),
        (lambda found: {"test": replace(found.test, y=(found.test.y, found.test.y))}, "test has several outputs"),
        (lambda found: {"train": replace(found.train, sample_weight=np.ones(200))}, "train has weights"),
        (lambda found: {"validation": stream_of(found.validation)}, "validation is a stream"),
    ],
    ids=["inputs", "outputs", "weights", "stream"],
)
def test_data_that_is_not_written_out_is_refused_before_any_trial(changed, told):
    dataset = replace(digits(), **changed(digits()))
    with pytest.raises(StudyError, match=rf"trainer=numpy dataset=digits: .*{told}\. Use trainer=fit\."):
        make_trainer(dataset=dataset)


def test_augmentation_is_refused_before_any_trial():
    config = replace(make_config(model=TINY), augment=({"_target_": "keras.layers.RandomFlip"},))
    with pytest.raises(StudyError, match=r"dataset\.augment has layers\. Use trainer=fit\."):
        NumpyTrainer(config, digits(), backend=keras.backend.backend(), batch_size=32, eval_batch_size=64)
