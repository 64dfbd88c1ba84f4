from dataclasses import replace

import numpy as np
import pytest

from study.gallery.analysis.rankings import by_setting
from study.gallery.figures import loss_curves as _loss_curves
from study.gallery.figures.loss_curves import step_losses


@pytest.fixture
def drawn(monkeypatch):
    """The curves that were drawn."""
    curves = []

    def draw(given, **_):
        curves.extend(given)
        return b"drawn"

    monkeypatch.setattr(_loss_curves, "loss_curves", draw)
    return curves


def test_losses_stand_at_their_steps_and_what_recorded_none_is_left_out(make_material, drawn):
    made = make_material({"sgd-setting=shared": [0.1, 0.2], "adam-setting=shared": [0.3, 0.4]})
    material = replace(
        made, history=lambda run, _: np.empty(0) if run.run_id.startswith("adam") else np.arange(3.0) + run.number
    )
    picture = step_losses(material, by_setting(material)["shared"], name="loss", told="shared", window=5)
    (curve,) = drawn
    assert curve.label == "sgd"
    assert curve.x is not None
    assert curve.x.tolist() == [5, 10, 15]  # the config records every fifth
    assert curve.values.tolist() == [[0, 1, 2], [1, 2, 3]]
    assert picture.caption.startswith("Training loss of every 5th batch, shared: the median over seeds, a moving")
