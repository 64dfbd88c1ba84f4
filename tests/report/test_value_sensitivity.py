import math
from dataclasses import replace

import numpy as np
import pytest

from study.report.value_sensitivity import value_sensitivities

LOSS = {"objective.metric": "val_loss", "objective.direction": "minimize", "objective.target": "0.0"}


def with_losses(study, unit):
    """The study with losses of a unit; they are a parabola over the decades of the learning rate."""

    def of(run):
        loss = unit * (1 + (math.log10(float(run.params["learning_rate"])) + 2) ** 2)
        return replace(run, metrics={"objective": loss, "val_loss": loss})

    return replace(study, trials=tuple(map(of, study.trials)), confirmations=())


@pytest.mark.parametrize("unit", [1e-200, 1e-12, 1e12])
def test_the_width_does_not_depend_on_the_unit_of_a_loss(unit, make_study, make_experiment):
    study = make_study("adam", [], trials=np.linspace(0.1, 0.9, 60), params=LOSS)
    (of_one, of_unit) = (
        value_sensitivities(make_experiment(with_losses(study, each)))["learning_rate"]["adam"] for each in (1.0, unit)
    )
    assert 0 < of_one.share < 0.5
    assert of_unit.share == pytest.approx(of_one.share, rel=0.01)
