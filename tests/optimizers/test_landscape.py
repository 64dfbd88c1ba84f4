import numpy as np

from study.models import landscape_functions
from study.optimizers.landscape import read_landscape

ELLIPSE = {
    "_target_": "study.models.landscape.build",
    "function": {"_target_": "study.models.landscape_functions.ellipse"},
    "start": [-7, 2],
    "domain": [[-10, 10], [-5, 5]],
}


def test_a_landscape_is_read_from_its_models_section():
    landscape = read_landscape(ELLIPSE)
    assert landscape.height is landscape_functions.ellipse
    assert landscape.start.tolist() == [-7.0, 2.0]
    assert landscape.domain.shape == (2, 2)
    assert landscape.n_dimensions == 2


def test_heights_are_taken_along_the_last_axis():
    landscape = read_landscape(ELLIPSE)
    positions = np.arange(12.0).reshape(3, 2, 2)
    heights = landscape.heights(positions)
    assert heights.shape == (3, 2)
    assert heights[1, 0] == landscape_functions.ellipse(4.0, 5.0)


def test_other_models_are_none():
    assert read_landscape({"_target_": "study.models.mlp.build", "hidden": [3]}) is None
    assert read_landscape({**ELLIPSE, "function": "ellipse"}) is None
    assert read_landscape({"function": ELLIPSE["function"]}) is None
