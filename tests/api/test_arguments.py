import keras
import numpy as np
import pytest

from study.api.arguments import ArgumentsError, read_arguments, words_of
from study.core.session_objects import kept_objects, session_object
from study.datasets import Dataset, Split
from study.models import mlp

X, Y = np.zeros((20, 3), np.float32), np.arange(20) % 2
FIXED = {
    "model": lambda: keras.Sequential([keras.layers.Dense(2)]),
    "data": (X, Y),
    "optimizers": ["sgd"],
    "validation": None,
    "test": None,
    "loss": None,
    "metrics": None,
    "groups": {},
    "experiment": None,
    "overrides": (),
}


@pytest.fixture(autouse=True)
def _own_session():
    with kept_objects({}):
        yield


def read(**given):
    return read_arguments(**{**FIXED, **given})


def faults(**given):
    with pytest.raises(ArgumentsError) as raised:
        read(**given)
    return [str(fault) for fault in raised.value.faults]


def task_of(**given):
    return read(**given).data.section["task"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (np.float64(0.5), "0.5"),
        (np.int64(2), "2"),
        (np.bool_(False), "false"),
        ("cosine", "cosine"),
        ("a, b", '"a, b"'),
        ("null", '"null"'),
        ([1, 2.5, "x"], "[1,2.5,x]"),
        ((64, 32), "[64,32]"),
    ],
)
def test_values_become_words_of_hydra(value, text):
    assert list(words_of("model", {"part": value})) == [f"model.part={text}"]


def test_nested_mappings_become_dotted_words():
    given = {"search": {"learning_rate": {"low": 0.001, "high": 0.1}}, "beta_1": 0.9}
    words = ["optimizer.search.learning_rate.low=0.001", "optimizer.search.learning_rate.high=0.1"]
    assert list(words_of("optimizer", given)) == [*words, "optimizer.beta_1=0.9"]


def test_each_optimizer_has_a_line_of_words():
    found = read(
        model="mlp",
        data="digits",
        optimizers=["sgd", {"adamw": {"weight_decay": 0.01}}],
        groups={"budget": "small", "trainer": {"fit": {"backend": "jax"}}, "sampler": None, "schedule": {"x": 1}},
        experiment="my net",
        overrides=["split_seed=1"],
    )
    shared = ["dataset=digits", "model=mlp", "budget=small", "trainer=fit", "trainer.backend=jax", "schedule.x=1"]
    shared += ["experiment_name=my net", "split_seed=1"]
    assert found.lines() == [
        ["optimizer=sgd", *shared],
        ["optimizer=adamw", "optimizer.weight_decay=0.01", *shared],
    ]


def test_an_importable_function_is_named_by_its_only_file():
    assert read(model=mlp.build).model.choice == "mlp"


def test_a_function_of_a_session_is_kept_under_its_name():
    def build():
        return keras.Sequential([keras.layers.Dense(2)])

    found = read(model=build)
    assert found.model.section == {"name": "build", "_target_": "python_session.build"}
    assert session_object("python_session.build").called is build
    assert read(model=lambda: build()).model.section["name"] == "model"


def test_data_becomes_a_data_set_of_this_session():
    read(validation=0.25, test=(X[:3], Y[:3]))
    dataset = session_object("python_session.data").called()
    assert dataset.validation == 0.25
    assert dataset.test[0].shape == (3, 3)
    given = Dataset(train=Split(x=X, y=Y))
    again = read(data=given).data.section["_target_"]
    assert again == "python_session.data_dataset"
    assert session_object(again).called() is given


@pytest.mark.parametrize(
    ("given", "loss", "metrics"),
    [
        ({"loss": "mse"}, {"_target_": "keras.losses.MeanSquaredError"}, []),
        ({"loss": "binary_crossentropy"}, {"_target_": "keras.losses.BinaryCrossentropy"}, ["accuracy"]),
        ({"loss": "Huber", "metrics": ["mae"]}, {"_target_": "keras.losses.Huber"}, ["mae"]),
        ({"loss": keras.losses.Huber(delta=2.0)}, {"_target_": "keras.losses.Huber", "delta": 2.0}, []),
        ({"loss": {"_target_": "keras.losses.Poisson"}}, {"_target_": "keras.losses.Poisson"}, []),
    ],
)
def test_a_loss_that_is_given(given, loss, metrics):
    found = task_of(**given)
    assert (found["loss"], found["metrics"]) == (loss, metrics)
    assert found["objective"]["metric"] == f"val_{metrics[0]}" if metrics else "val_loss"
    assert not read(**given).data.loss_is_open


def test_a_loss_of_a_session():
    def distance(y, y_pred):
        return keras.ops.mean(keras.ops.abs(y - y_pred), axis=-1)

    assert task_of(loss=distance)["loss"] == {"_target_": "python_session.distance"}
    assert session_object("python_session.distance").called() is distance


def test_a_loss_for_each_output():
    y = {"digit": Y, "size": X[:, 0]}
    found = task_of(data=(X, y), loss={"digit": "sparse_categorical_crossentropy", "size": "mse"})
    assert found["loss"]["size"] == {"_target_": "keras.losses.MeanSquaredError"}


@pytest.mark.parametrize("y", [Y, Y.astype(bool), np.array(["a", "b"] * 10), [0, 1] * 10, Y[:, None]])
def test_whole_numbers_truth_values_and_texts_are_classes_at_first(y):
    assert task_of(data=(X, y))["loss"]["_target_"].endswith("SparseCategoricalCrossentropy")
    assert read(data=(X, y)).data.loss_is_open


def test_numbers_are_no_classes():
    assert task_of(data=(X, X[:, 0]))["loss"]["_target_"].endswith("MeanSquaredError")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"model": keras.Sequential()},
            "model=a model of Keras: expected a function that builds",
        ),
        ({"model": 3}, "model=3: expected a function that builds a fresh model"),
        (
            {"model": {"mlp": {"hidden": [3]}}},
            "model={'mlp': {'hidden': [3]}}: expected a function or a name of",
        ),
        ({"data": X}, "data=<ndarray of shape (20, 3)>: expected (x, y), a Dataset"),
        ({"data": ((X, Y), (X[:5], Y[:5]))}, "data=((x, y), (x_test, y_test)): expected (x, y)"),
        ({"data": "digits", "validation": 0.1}, "validation=0.1: expected no value together with data='digits'"),
        ({"data": "digits", "loss": "mse"}, "loss=mse: expected no value together with data='digits'"),
        ({"data": Dataset(train=(X, Y)), "test": 0.1}, "test=0.1: expected no value together with <Dataset>"),
        ({"loss": 3}, "loss=3: expected a name of Keras such as mse"),
        ({"metrics": "accuracy"}, 'metrics=accuracy: expected a list of metrics. Write metrics=["accuracy"].'),
        ({"optimizers": []}, "optimizers=[]: expected a list of names"),
        ({"optimizers": [keras.optimizers.SGD()]}, "optimizers[0]=<SGD>: expected a name of conf/optimizer"),
        ({"optimizers": ["sgd", {"adam": 3}]}, "optimizers[1]=<dict>: expected a name of conf/optimizer"),
        ({"groups": {"budget": 3}}, "budget=3: expected a name of conf/budget, or a mapping"),
        ({"overrides": "live=false"}, "overrides=live=false: expected a list of texts"),
        ({"overrides": ["dataset=digits"]}, "overrides[0]=dataset=digits: expected no dataset in overrides"),
        ({"overrides": ["hydra/launcher=joblib"]}, "overrides[0]=hydra/launcher=joblib: expected KEY=VALUE"),
        ({"overrides": ["-m"]}, "overrides[0]=-m: expected KEY=VALUE"),
    ],
)
def test_a_wrong_argument_is_named(given, told):
    (found,) = faults(**given)
    assert found.startswith(told)


def test_all_wrong_arguments_are_named_together():
    assert len(faults(model=3, data=X, optimizers=[], groups={"budget": 3}, overrides=["-m"])) == 5
