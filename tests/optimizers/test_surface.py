from __future__ import annotations

import numpy as np

from study.models import surfaces
from study.optimizers.surface import read_surface

ELLIPSE = {
    "_target_": "study.models.landscape.build",
    "surface": {"_target_": "study.models.surfaces.ellipse"},
    "start": [-7, 2],
    "domain": [[-10, 10], [-5, 5]],
}


def test_a_surface_is_read_from_its_models_section():
    surface = read_surface(ELLIPSE)
    assert surface.height is surfaces.ellipse
    assert surface.start.tolist() == [-7.0, 2.0]
    assert surface.domain.shape == (2, 2)
    assert surface.n_dimensions == 2


def test_heights_are_taken_along_the_last_axis():
    surface = read_surface(ELLIPSE)
    positions = np.arange(12.0).reshape(3, 2, 2)
    heights = surface.heights(positions)
    assert heights.shape == (3, 2)
    assert heights[1, 0] == surfaces.ellipse(4.0, 5.0)


def test_other_models_are_none():
    assert read_surface({"_target_": "study.models.mlp.build", "hidden": [3]}) is None
    assert read_surface({**ELLIPSE, "surface": "ellipse"}) is None
    assert read_surface({"surface": ELLIPSE["surface"]}) is None
