"""Differences that one number a rule does not show: each alone, with the setting at which it shows, and its size."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optax

from benchmarks.update_rules import oracles, papers
from benchmarks.update_rules.measure import complete, measure_departures, read_optimizers, walk_of
from benchmarks.update_rules.on_jax import walks_on_jax
from benchmarks.update_rules.oracles import ORACLES, Arguments
from benchmarks.update_rules.walks import by_keras, by_optax
from benchmarks.update_rules.weights import Array, Walk, apart, gradients, start

_RATE = 0.01
_CONV = ["hidden_kernel"]
_ON_JAX: dict[str, dict[str, float]] = {"plain": {}, "decay": {"weight_decay": 1.0}, "warmup": {"warmup_steps": 50}}


@dataclass(frozen=True, kw_only=True)
class Further:
    """One difference.

    Attributes:
        key: Its name in tests.
        optimizer: The optimizer of conf/optimizer, or several.
        setting: The setting at which it shows.
        runs: What the optimizer here computes.
        other: What it is compared with.
        size: Measures it.
        unit: What the size is: a distance, or a share.
    """

    key: str
    optimizer: str
    setting: str
    runs: str
    other: str
    size: Callable[[], float]
    unit: str = " of the way apart"


def arguments(name: str, **others: Any) -> dict[str, Any]:
    """Return all arguments of an optimizer of conf/optimizer at a setting."""
    return complete(read_optimizers()[name], ORACLES[name], others)


def ours(name: str, **others: Any) -> Walk:
    """Return the walk of an optimizer of conf/optimizer at a setting."""
    return walk_of(read_optimizers()[name]["_target_"], arguments(name, **others))


@functools.cache
def _all_on_jax() -> dict[str, Array]:
    """Return the walks of schedule-free AdamW on JAX, all from one process."""
    jobs = [("keras.optimizers.ScheduleFreeAdamW", arguments("schedule_free_adamw", **o)) for o in _ON_JAX.values()]
    return dict(zip(_ON_JAX, walks_on_jax(jobs, start(), gradients()), strict=True))


def _on_jax(key: str) -> Walk:
    return lambda *_: _all_on_jax()[key]


def _schedule_free(**others: Any) -> Walk:
    return papers.schedule_free(learning_rate=float(np.float32(_RATE)), beta_1=_f(0.9), beta_2=_f(0.999), **others)


def _f(number: float) -> float:
    return float(np.float32(number))


def _sgd(*before: optax.GradientTransformation) -> Walk:
    return by_optax(lambda: optax.chain(*before, optax.scale_by_learning_rate(_f(_RATE))))


def _in_the_gradient(scale: Callable[[Arguments], optax.GradientTransformation], name: str) -> Walk:
    """Return the walk of a rule whose gradient has the decay in it (L2), as in PyTorch."""
    return _sgd(optax.add_decayed_weights(1.0), scale(arguments(name)))


def _fallen_rate() -> float:
    fall = {
        "_target_": "keras.optimizers.schedules.PiecewiseConstantDecay",
        "boundaries": [49],
        "values": [1.0, 0.125],
    }
    given = arguments("momentum")
    theirs = by_optax(
        lambda: optax.sgd(
            lambda count: given["learning_rate"] * (1.0 - 0.875 * (count > 49)), momentum=given["momentum"]
        )
    )
    return apart(by_keras("keras.optimizers.SGD", given, schedule=fall), theirs)


def _muon_decay() -> float:
    given = arguments("muon", adam_lr_ratio=0.125, weight_decay=1.0, adam_weight_decay=1.0)
    return apart(ours("muon", **given), oracles.muon(given))


def _muon_on_a_convolution() -> float:
    weights = [np.random.default_rng(3).normal(size=(3, 3, 2, 4))]
    given = arguments("muon")
    matrix = optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=3)
    theirs = by_optax(
        lambda: optax.chain(
            optax.trace(given["momentum"], nesterov=True),
            optax.contrib.muon(
                given["learning_rate"],
                beta=0.0,
                eps=1e-7,
                nesterov=False,
                consistent_rms=given["rms_rate"],
                muon_weight_dimension_numbers=[matrix],
            ),
        )
    )
    return apart(by_keras("keras.optimizers.Muon", given, names=_CONV), theirs, weights=weights)


def _muon_scale() -> float:
    """Compare with the factor of Jordan et al. on a kernel of 8 rows and 5 columns: sqrt(max(1, outputs / inputs))."""
    weights = start()[:1]
    one, other = arguments("muon"), arguments("muon", rms_rate=1 / np.sqrt(8))
    walks = [by_keras("keras.optimizers.Muon", given, names=_CONV) for given in (one, other)]
    return apart(*walks, weights=weights)


def _adafactor_cap() -> float:
    given = arguments("adafactor", learning_rate=1.0)
    theirs = by_optax(
        lambda: optax.adafactor(
            1.0, min_dim_size_to_factor=1, eps=given["epsilon_1"], clipping_threshold=given["clip_threshold"]
        )
    )
    return apart(ours("adafactor", learning_rate=1.0), theirs)


def _adafactor_epsilon() -> float:
    """Compare the epsilon of the YAML with the paper's, at gradients of up to 1e-8."""
    steps = [[1e-9 * g for g in gradient] for gradient in gradients()]
    return apart(ours("adafactor"), ours("adafactor", epsilon_1=1e-30), steps=steps)


def _kept_by_ftrl(accumulator: float) -> float:
    """Return the percentage of a weight of 1 that the first update leaves, beside the step, at the gradient 0.01."""
    step = 0.01 * _RATE / np.sqrt(accumulator + 0.01**2)
    walk = ours("ftrl", initial_accumulator_value=accumulator)
    after: Array = walk([np.ones(1), np.ones(1)], [[np.full(1, 0.01), np.full(1, 0.01)]])
    return 100 * float(after[0, 0] + step)


def _ftrl_l2(l2_of_paper: float) -> float:
    zeros = [np.zeros_like(w) for w in start()]
    theirs = oracles.ftrl(arguments("ftrl", l2_regularization_strength=l2_of_paper))
    return apart(ours("ftrl", l2_regularization_strength=1.0), theirs, weights=zeros)


def _ftrl_decay() -> float:
    kept = {"initial_accumulator_value": 1e-10}
    return apart(ours("ftrl", weight_decay=1.0, **kept), ours("ftrl", **kept))


def _ftrl_decay_of_the_rule() -> float:
    kept = {"initial_accumulator_value": 1e-10}
    walks = [oracles.ftrl(arguments("ftrl", weight_decay=decay, **kept)) for decay in (1.0, 0.0)]
    return apart(*walks)


def _amsgrad_of_optax() -> float:
    given = arguments("amsgrad")
    theirs = by_optax(
        lambda: optax.amsgrad(given["learning_rate"], b1=given["beta_1"], b2=given["beta_2"], eps=given["epsilon"])
    )
    return apart(ours("amsgrad"), theirs)


def _kernels_only() -> float:
    given = arguments("adamw", weight_decay=1.0)
    theirs = by_optax(
        lambda: optax.adamw(
            given["learning_rate"],
            b1=given["beta_1"],
            b2=given["beta_2"],
            eps=given["epsilon"],
            weight_decay=1.0,
            mask=[True, False],
        )
    )
    return apart(ours("adamw", weight_decay=1.0), theirs)


FURTHER = (
    Further(
        key="momentum-l2",
        optimizer="momentum, nesterov",
        setting="weight_decay=1",
        runs="the weights decay beside the velocity (SGDW)",
        other="decay in the gradient, which the velocity gathers (L2; PyTorch's SGD)",
        size=lambda: apart(
            ours("momentum", weight_decay=1.0), _in_the_gradient(lambda a: optax.trace(a["momentum"]), "momentum")
        ),
    ),
    Further(
        key="adam-l2",
        optimizer="adam",
        setting="weight_decay=1",
        runs="the weights decay beside the step (AdamW)",
        other="decay in the gradient, which is divided by its root (L2; PyTorch's Adam)",
        size=lambda: apart(
            ours("adam", weight_decay=1.0),
            _in_the_gradient(lambda a: optax.scale_by_adam(b1=a["beta_1"], b2=a["beta_2"], eps=a["epsilon"]), "adam"),
        ),
    ),
    Further(
        key="biases",
        optimizer="all",
        setting="weight_decay=1",
        runs="all weights decay, biases and scales of normalization, too",
        other="decay of kernels only, as in the code of LAMB's and BERT's authors",
        size=_kernels_only,
    ),
    Further(
        key="fallen-rate",
        optimizer="momentum, nesterov",
        setting="an eighth of the rate after 50 updates",
        runs="the velocity holds the rates of its gradients",
        other="the rate multiplies the velocity (optax, PyTorch)",
        size=_fallen_rate,
    ),
    Further(
        key="clipnorm",
        optimizer="all",
        setting="clipnorm=1",
        runs="each kernel's and each bias's gradient is clipped by its own norm",
        other="the norm of all gradients together (Pascanu et al. 2013, optax.clip_by_global_norm)",
        size=lambda: apart(ours("sgd", clipnorm=1.0), _sgd(optax.clip_by_global_norm(1.0))),
    ),
    Further(
        key="global_clipnorm",
        optimizer="all",
        setting="global_clipnorm=1, weight_decay=1",
        runs="the norm of all gradients together; the decay is not clipped",
        other="optax.clip_by_global_norm, then the decay",
        size=lambda: apart(
            ours("sgd", global_clipnorm=1.0, weight_decay=1.0),
            _sgd(optax.clip_by_global_norm(1.0), optax.add_decayed_weights(1.0)),
        ),
    ),
    Further(
        key="clipvalue",
        optimizer="all",
        setting="clipvalue=0.125",
        runs="each number is clipped",
        other="optax.clip",
        size=lambda: apart(ours("sgd", clipvalue=0.125), _sgd(optax.clip(0.125))),
    ),
    Further(
        key="amsgrad-optax",
        optimizer="amsgrad",
        setting="defaults",
        runs="the maximum of second moments that are not corrected; the rate is",
        other="the maximum of corrected ones (optax.amsgrad)",
        size=_amsgrad_of_optax,
    ),
    Further(
        key="lamb-decay",
        optimizer="lamb",
        setting="weight_decay=1",
        runs="the decay is outside the trust ratio",
        other="the ratio of step and decay together, as in the paper (optax.lamb)",
        size=lambda: measure_departures("lamb", read_optimizers()["lamb"]).decayed or 0.0,
    ),
    Further(
        key="schedule-free-jax",
        optimizer="schedule_free_adamw",
        setting="trainer.backend=jax",
        runs="z before its step recovers x",
        other="the paper's rule",
        size=lambda: apart(_on_jax("plain"), _schedule_free()),
    ),
    Further(
        key="schedule-free-tensorflow",
        optimizer="schedule_free_adamw",
        setting="trainer.backend=tensorflow",
        runs="z after its step recovers x, an error of Keras 3.15",
        other="the paper's rule",
        size=lambda: apart(ours("schedule_free_adamw"), _schedule_free()),
    ),
    Further(
        key="schedule-free-decay",
        optimizer="schedule_free_adamw",
        setting="trainer.backend=jax, weight_decay=1",
        runs="the decay of y moves x",
        other="the paper's decay of y moves z",
        size=lambda: apart(_on_jax("decay"), _schedule_free(weight_decay=1.0)),
    ),
    Further(
        key="schedule-free-warmup",
        optimizer="schedule_free_adamw",
        setting="trainer.backend=jax, warmup_steps=50",
        runs="x is the plain average of z",
        other="the average weighted by the square of the rate (the authors' code)",
        size=lambda: apart(_on_jax("warmup"), _schedule_free(warmup_steps=50)),
    ),
    Further(
        key="schedule-free-point",
        optimizer="schedule_free_adamw",
        setting="trainer.backend=jax",
        runs="y is validated and tested",
        other="x, which the paper evaluates",
        size=lambda: apart(_on_jax("plain"), _schedule_free(returned="x")),
    ),
    Further(
        key="ftrl-forgets",
        optimizer="ftrl",
        setting="g = 0.01, initial_accumulator_value=0.1, Keras's default",
        runs="the sums begin at 0, whatever the weights",
        other="sums that belong to the weights, which keep them",
        size=lambda: _kept_by_ftrl(0.1),
        unit=" % of a weight is left after the first update",
    ),
    Further(
        key="ftrl-keeps",
        optimizer="ftrl",
        setting="g = 0.01, initial_accumulator_value=1e-10",
        runs="the sums begin at 0, whatever the weights",
        other="sums that belong to the weights, which keep them",
        size=lambda: _kept_by_ftrl(1e-10),
        unit=" % of a weight is left after the first update",
    ),
    Further(
        key="ftrl-l2",
        optimizer="ftrl",
        setting="l2_regularization_strength=1, weights from 0",
        runs="l2 counts twice",
        other="the paper's lambda_2",
        size=lambda: _ftrl_l2(1.0),
    ),
    Further(
        key="ftrl-decay",
        optimizer="ftrl",
        setting="weight_decay=1, initial_accumulator_value=1e-10",
        runs="the weights are made from the sums, which decay reaches less and less: as 1/(2t)",
        other="the same without decay",
        size=_ftrl_decay,
    ),
    Further(
        key="ftrl-decay-of-the-rule",
        optimizer="ftrl",
        setting="weight_decay=1, initial_accumulator_value=1e-10",
        runs="(the paper's rule, whose sums decay with the weights)",
        other="the same without decay",
        size=_ftrl_decay_of_the_rule,
    ),
    Further(
        key="muon-decay",
        optimizer="muon",
        setting="adam_lr_ratio=0.125, adam_weight_decay=1, weight_decay=1",
        runs="AdamW's weights decay at learning_rate",
        other="decay at AdamW's own rate, adam_lr_ratio times as large",
        size=_muon_decay,
    ),
    Further(
        key="muon-convolution",
        optimizer="muon",
        setting="a kernel of a convolution",
        runs="AdamW trains it",
        other="Muon on it as a matrix (Jordan et al. 2024)",
        size=_muon_on_a_convolution,
    ),
    Further(
        key="muon-scale",
        optimizer="muon",
        setting="a kernel of 8 rows and 5 columns",
        runs="steps are 0.2 sqrt(max(rows, columns)) as long (Liu et al. 2025)",
        other="sqrt(max(1, outputs / inputs)) (Jordan et al. 2024)",
        size=_muon_scale,
    ),
    Further(
        key="adafactor-cap",
        optimizer="adafactor",
        setting="learning_rate=1, relative_step=false",
        runs="the rate is 1/sqrt(t) at most, also with relative_step=false",
        other="a constant rate (optax.adafactor)",
        size=_adafactor_cap,
    ),
    Further(
        key="adafactor-epsilon",
        optimizer="adafactor",
        setting="gradients up to 1e-8",
        runs="epsilon_1 is 1e-16 in the YAML, where Keras's 1e-30 makes NaN",
        other="epsilon_1=1e-30, the paper's",
        size=_adafactor_epsilon,
    ),
)
