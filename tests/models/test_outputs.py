"""Metrics of a regression's outputs, against NumPy."""

import numpy as np
import pytest

from study.models._outputs import OutputMean, OutputSpread


@pytest.mark.parametrize("slope", [2.0, -3.0])
def test_a_line_is_told_from_its_outputs(slope):
    x = np.linspace(-1, 1, 101)
    targets, outputs = (2 * x + 1)[:, np.newaxis], (slope * x + 0.5)[:, np.newaxis]
    mean, spread = OutputMean("output_mean"), OutputSpread("output_spread")
    for metric in (mean, spread):
        for part in (slice(40), slice(40, None)):  # in batches of unequal size
            metric.update_state(targets[part], outputs[part])
    assert float(mean.result()) == pytest.approx(0.5, abs=1e-6)
    assert float(spread.result()) == pytest.approx(slope * x.std(), rel=1e-5)
    spread.reset_state()
    spread.update_state(targets, np.full_like(outputs, 0.7))
    assert float(spread.result()) == pytest.approx(0, abs=1e-3)
