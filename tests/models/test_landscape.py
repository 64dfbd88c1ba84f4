"""A landscape as a model: its position, its height, refused arguments, and loading without this project."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from study.models.landscape import Coordinate, Height, build

pytestmark = pytest.mark.slow

ELLIPSE = {
    "function": {"_target_": "study.models.landscape_functions.ellipse"},
    "start": [-7, 2],
    "domain": [[-10, 10], [-5, 5]],
}
BOWL = {"function": {"_target_": "study.models.landscape_functions.bowl"}, "start": [-3], "domain": [[-4, 4]]}
NOTHING = np.zeros((1, 1), np.float32)


def refused(pattern, *, shape=(1,), n_outputs=3, **changes):
    with pytest.raises(ValueError, match=pattern):
        build(shape, n_outputs, **{**ELLIPSE, **changes})


def function(name):
    return {"_target_": f"{__name__}.{name}"}


def log_of_both(x1, x2):
    return np.log(x1) + x2


def one_over(x1):
    return 1 / x1


def test_it_has_one_weight_vector_the_position_and_puts_out_height_and_position():
    model = build((1,), 3, **ELLIPSE)
    (weights,) = model.get_weights()
    assert weights.tolist() == [-7, 2]
    assert model.count_params() == 2
    assert model.predict(NOTHING, verbose=0)[0] == pytest.approx([49 / 20 + 4, -7, 2])


def test_on_a_curve_the_second_place_is_empty():
    assert build((1,), 3, **BOWL).predict(NOTHING, verbose=0).tolist() == [[9, -3, 0]]


def test_whatever_goes_in_changes_nothing():
    model = build((1,), 3, **ELLIPSE)
    rows = model.predict(np.array([[0.0], [5.0], [-100.0]]), verbose=0)
    assert rows.tolist() == [rows[0].tolist()] * 3


def test_a_step_goes_down_the_gradient():
    model = build((1,), 3, **ELLIPSE)
    model.compile(keras.optimizers.SGD(0.5), Height(), metrics=[Coordinate("x1", index=1), Coordinate("x2", index=2)])
    history = model.fit(NOTHING, np.zeros((1, 3)), verbose=0).history
    assert history["loss"] == pytest.approx([6.45])
    assert (history["x1"], history["x2"]) == ([-7], [2])
    assert model.get_weights()[0] == pytest.approx([-7 + 0.5 * 0.7, 2 - 0.5 * 4])


def test_it_keeps_its_precision_where_others_compute_in_fewer_bits():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build((1,), 3, **{**ELLIPSE, "start": [-7.001, 2]})
    finally:
        keras.config.set_dtype_policy(before)
    assert model.predict(NOTHING, verbose=0)[0, 1] == pytest.approx(-7.001, rel=1e-6)


def test_the_saved_model_loads_without_this_project(tmp_path):
    build((1,), 3, **ELLIPSE).save(tmp_path / "model.keras")
    program = (
        "import sys, keras, numpy as np\n"
        f"model = keras.models.load_model(r'{tmp_path / 'model.keras'}')\n"
        "assert 'models' not in sys.modules\n"
        "print(model.predict(np.zeros((1, 1)), verbose=0)[0].tolist())"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("[6.44")


@pytest.mark.parametrize("start", [[11, 0], [0, -5.1]])
def test_a_start_outside_the_domain(start):
    refused(
        r"model\.start=.*: expected a position in model\.domain=\[\[-10\.0,10\.0\],.*widen model\.domain", start=start
    )


@pytest.mark.parametrize("start", [[1], [1, 2, 3], 5, "ab", None, [1, "2"], [1, float("nan")], [True, 1]])
def test_a_start_that_is_no_position(start):
    refused(
        r"model\.start=.*: expected a finite number for each coordinate, .* 2\. Write model\.start=\[1\.0,1\.0\]",
        start=start,
    )


@pytest.mark.parametrize(
    "domain",
    [
        [[-1, 1]],
        [[1, -1], [-1, 1]],
        [[-1, 1, 2], [-1, 1]],
        [[0, float("inf")], [0, 1]],
        3,
        [[0, 0], [0, 1]],
        ["ab", "cd"],
    ],
)
def test_a_domain_that_is_none(domain):
    refused(
        r"model\.domain=.*: expected a lowest and a higher finite value.*Write model\.domain=\[\[-10,10\]",
        domain=domain,
    )


@pytest.mark.parametrize(
    ("height", "start", "domain"),
    [
        ("log_of_both", [-1, 0], [[-2, 2], [-2, 2]]),
        ("log_of_both", [0, 0], [[-2, 2], [-2, 2]]),
        ("one_over", [0], [[-1, 1]]),
    ],
)
def test_a_start_where_the_landscape_has_no_finite_value(height, start, domain):
    refused(
        r"model\.start=.*expected a position where the landscape has a finite value; here it is",
        function=function(height),
        start=start,
        domain=domain,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"_target_": "study.models.landscape_functions.elipse"},
        {"_target_": "nowhere.at_all"},
        {"_target_": "ellipse"},
        {"_target_": "study.models.landscape_functions.Any"},
        {},
        "study.models.landscape_functions.ellipse",
        None,
    ],
)
def test_a_landscape_that_is_no_function_of_coordinates(wrong):
    refused(
        r"model\.function\._target_=.*: expected the dotted path of a function of x1, or of x1 and x2", function=wrong
    )


def test_other_data_sets_are_refused():
    refused(r"input_shape=\(28, 28, 1\).*Choose dataset=landscape", shape=(28, 28, 1), n_outputs=10)
    refused(r"n_outputs=2: expected at least 3", n_outputs=2)
