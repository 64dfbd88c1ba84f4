"""Costs by least squares: found again from durations that they give, with noise too."""

import numpy as np
import pytest

from study.training.auto_costs import Cost, Speed, StudySize, Timing
from study.training.cost_fit import fit_cost

SPEED = Speed(start_s=2.0, gflops=100.0, n_cores=2)
TRUE = Cost(trainer="fit", backend="jax", compiling=0.5, training=0.01, step=1e-4, flop=2.0, weight=20.0)
ALONE = {"side_by_side": False, "device": "cpu"}
SIZES = [(1e8, 9_000, 45), (8e8, 9_000, 360), (1e10, 1_000_000, 90), (4e10, 1_000_000, 24)]


def timings(cost, factors=(1.0, 1.0, 1.0, 1.0)):
    found = []
    for (flops, n_weights, n_steps), factor in zip(SIZES, factors, strict=True):
        size = StudySize(kind="dense", flops=flops, n_weights=n_weights, n_steps=n_steps, batches=(1,))
        training_s = cost.seconds(size, SPEED, side_by_side=False) - cost.compiling * SPEED.start_s
        timing = Timing(start_s=3.0, compiling_s=cost.compiling * 2.0, training_s=training_s * factor, size=size)
        found.append(timing)
    return found


def test_exact_durations_give_the_costs_back():
    found = fit_cost("fit", "jax", timings(TRUE), SPEED, **ALONE)
    assert (found.trainer, found.backend) == ("fit", "jax")
    for name in ("compiling", "training", "step", "flop", "weight"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=1e-6)


def test_with_noise_costs_stay_at_least_zero_and_durations_close():
    rng = np.random.default_rng(0)
    for _ in range(50):
        factors = rng.uniform(0.8, 1.25, size=len(SIZES))
        found = fit_cost("fit", "jax", timings(TRUE, factors), SPEED, **ALONE)
        assert min(found.compiling, found.training, found.step, found.flop, found.weight) >= 0
        for timing in timings(TRUE):
            seconds = found.seconds(timing.size, SPEED, side_by_side=False) - found.compiling * 2.0
            assert 0.6 < seconds / timing.training_s < 1.6


def test_fewer_durations_than_terms_are_explained_too():
    few = timings(TRUE)[:2]
    found = fit_cost("fit", "jax", few, SPEED, **ALONE)
    for timing in few:
        seconds = found.seconds(timing.size, SPEED, side_by_side=False) - found.compiling * 2.0
        assert seconds == pytest.approx(timing.training_s, rel=1e-6)


def test_steps_that_a_gpu_takes_for_64_trials_together_cost_as_many_times_more_than_their_share():
    found = []
    how = {"side_by_side": True, "device": "gpu"}
    for flops, n_weights, n_steps in SIZES:
        size = StudySize(kind="dense", flops=flops, n_weights=n_weights, n_steps=n_steps, batches=(64,))
        training_s = (TRUE.seconds(size, SPEED, **how) - TRUE.compiling * SPEED.start_s) / 64
        found.append(Timing(start_s=3.0, compiling_s=1.0, training_s=training_s, size=size))
    cost = fit_cost("vectorized", "jax", found, SPEED, **how)
    assert cost.step == pytest.approx(TRUE.step, rel=1e-6)
    assert cost.flop == pytest.approx(TRUE.flop, rel=1e-6)
