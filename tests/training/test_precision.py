"""A precision applies to everything made afterwards, and does not carry over from one study to the next."""

import keras
import numpy as np
import pytest

from study.core.errors import StudyError
from study.training.precision import use_precision


@pytest.fixture(autouse=True)
def afterwards():
    yield
    use_precision("float32")


@pytest.mark.parametrize(
    ("precision", "computed", "kept"),
    [("float32", "float32", "float32"), ("bfloat16", "bfloat16", "float32"), ("float64", "float64", "float64")],
)
def test_layers_optimizers_losses_and_metrics_have_it(precision, computed, kept):
    use_precision("float64")
    use_precision(precision)
    layer = keras.layers.Dense(2)
    assert layer(np.zeros((1, 3))).dtype == computed
    assert layer.kernel.dtype == kept
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build([layer.kernel])
    assert {v.dtype for v in optimizer.variables if v.name != "iteration"} == {kept}
    assert keras.losses.MeanSquaredError()(np.zeros((1, 2)), np.ones((1, 2))).dtype == kept
    assert keras.metrics.Mean().variables[0].dtype == kept


@pytest.mark.parametrize("precision", ["half", "float16", None, 64])
def test_another_is_refused(precision):
    with pytest.raises(
        StudyError, match=rf"trainer\.precision={precision}: expected one of float32, bfloat16, float64"
    ):
        use_precision(precision)
