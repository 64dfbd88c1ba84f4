from types import SimpleNamespace

import numpy as np
import pytest

from study.config.schema import Budget, Component, OptimizerConfig
from study.core.search_space import Range
from study.models import landscape_functions
from study.optimizers.landscape import Landscape
from study.optimizers.stability import Descent, as_quadratic, fixed_descent, warning

WIDE = [[-10, 10], [-10, 10]]
FORMS = [(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)]


def on(height, start=(-7, 2), domain=WIDE):
    return Landscape(height=height, start=np.array(start, float), domain=np.array(domain, float))


def optimizer(*, target="keras.optimizers.SGD", ranges=None, **fixed):
    return OptimizerConfig(name="sgd", target=target, fixed=fixed, ranges=ranges or {})


def config(height="rotated", *, start=(-7, 2), domain=WIDE, n_steps=30, schedule=None, **arguments):
    section = {
        "_target_": "study.models.landscape.build",
        "function": {"_target_": f"study.models.landscape_functions.{height}"},
        "start": list(start),
        "domain": domain,
    }
    return SimpleNamespace(
        model=Component(name=height, section=section),
        optimizer=optimizer(**arguments),
        schedule=Component(name="constant", section={"_target_": schedule}),
        budget=Budget(n_trials=1, n_epochs=n_steps, n_steps=None, n_confirmations=1, time_limit_s=None),
    )


def stepped(gradient, start, descent, n_steps):
    """Walk step by step, as Keras's SGD does."""
    at, velocity, path = np.array(start, float), np.zeros(len(start)), [np.array(start, float)]
    for _ in range(n_steps):
        slope = gradient(at)
        velocity = descent.momentum * velocity - descent.learning_rate * slope
        at = at + (descent.momentum * velocity - descent.learning_rate * slope if descent.nesterov else velocity)
        path.append(at)
    return np.array(path)


@pytest.mark.parametrize(("momentum", "nesterov"), FORMS)
@pytest.mark.parametrize("curvature", [0.4, 8.0])
def test_below_the_limit_a_direction_shrinks_and_above_it_grows(momentum, nesterov, curvature):
    limit = Descent(learning_rate=1.0, momentum=momentum, nesterov=nesterov).limit(curvature)
    below, at, above = (
        Descent(learning_rate=limit * share, momentum=momentum, nesterov=nesterov).factor(curvature)
        for share in (0.999, 1.0, 1.001)
    )
    assert below < 1 < above
    assert at == pytest.approx(1)


def test_limits_are_the_published_ones():
    assert Descent(learning_rate=1.0).limit(8.0) == 2 / 8
    assert Descent(learning_rate=1.0, momentum=0.9).limit(8.0) == pytest.approx(2 * 1.9 / 8)


@pytest.mark.parametrize(("momentum", "nesterov"), FORMS)
@pytest.mark.parametrize("learning_rate", [0.05, 0.3])
def test_the_closed_form_is_where_the_steps_lead(momentum, nesterov, learning_rate):
    def gradient(at):
        along, across = 0.2 * (at[0] + at[1]), 4 * (at[0] - at[1])
        return np.array([along + across, along - across])

    descent = Descent(learning_rate=learning_rate, momentum=momentum, nesterov=nesterov)
    path = as_quadratic(on(landscape_functions.rotated)).path(np.array([-7.0, 2.0]), descent, n_steps=30)
    assert path == pytest.approx(stepped(gradient, (-7, 2), descent, 30), rel=1e-9, abs=1e-9)


def test_a_quadratic_landscape_is_told_by_its_eigenvectors():
    found = as_quadratic(
        on(lambda x1, x2: landscape_functions.rotated(x1 - 3, x2 + 1) + 5, domain=[[-2, 10], [-10, 4]])
    )
    assert found.curvatures == pytest.approx([0.4, 8.0])
    assert found.center == pytest.approx([3, -1])
    assert np.abs(found.directions.T @ [1, -1]) == pytest.approx([0, 2**0.5], abs=1e-9)
    assert as_quadratic(on(landscape_functions.bowl, (-3,), [[-4, 4]])).curvatures == pytest.approx([2.0])


@pytest.mark.parametrize(
    "landscape",
    [
        on(landscape_functions.beale),
        on(landscape_functions.double_well, (1,), [[-4, 4]]),
        on(lambda x1, x2: x1 * x1 + x2),  # a slope without a stationary point
        on(lambda x1, x2: x1 * x1 + abs(x2)),
    ],
)
def test_another_landscape_has_no_limit(landscape):
    assert as_quadratic(landscape) is None


def test_a_rate_above_the_limit_is_told_with_what_will_happen():
    told = warning(config(learning_rate=0.95))
    assert told.startswith("optimizer.learning_rate=0.95 lies above 0.25, the limit of optimizer=sgd on model=rotated")
    assert "2/λ, with λ = 8 the largest eigenvalue" in told
    assert "multiplies the distance from the minimum by 6.6. After 30 steps the loss is" in told
    assert "from 164.5 at the start: the trial will be recorded as diverged." in told
    assert "2(1+β)/λ" in warning(config(learning_rate=0.5, momentum=0.9))
    assert "2(1+β)/((1+2β)λ)" in warning(config(learning_rate=0.5, momentum=0.9, nesterov=True))


def test_where_the_loss_has_not_risen_yet_it_is_said():
    told = warning(config("ellipse", learning_rate=1.0001))
    assert "is not recorded as diverged; with more steps it will be" in told


@pytest.mark.parametrize(
    "study",
    [
        config(learning_rate=0.25),
        config(learning_rate=0.475, momentum=0.9),
        config("ellipse", learning_rate=0.95),
        config("beale", learning_rate=0.95),
        config(learning_rate=0.95, schedule="keras.optimizers.schedules.CosineDecay"),
        config(learning_rate=0.95, target="keras.optimizers.Adam"),
        config(learning_rate=0.95, clipnorm=1.0),
        config(ranges={"learning_rate": Range(argument="learning_rate", low=0.1, high=1.0)}),
    ],
    ids=["at the limit", "momentum", "ellipse", "beale", "schedule", "adam", "clipped", "searched"],
)
def test_nothing_is_said_where_nothing_is_known_to_diverge(study):
    assert warning(study) is None


def test_what_is_null_or_false_leaves_plain_descent():
    found = fixed_descent(optimizer(learning_rate=0.1, momentum=0.0, nesterov=False, use_ema=None))
    assert found == Descent(learning_rate=0.1)
    searched = {"momentum": Range(argument="momentum", low=0.1, high=0.9)}
    assert fixed_descent(optimizer(learning_rate=0.1, ranges=searched)) is None


def test_models_that_are_no_landscape_are_left_alone():
    study = config(learning_rate=0.95)
    study.model = Component(name="mlp", section={"_target_": "study.models.mlp.build"})
    assert warning(study) is None
