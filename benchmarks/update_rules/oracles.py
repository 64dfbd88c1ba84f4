"""For every optimizer of conf/optimizer: the same rule in an implementation that is not the one measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import optax

from benchmarks.update_rules import papers
from benchmarks.update_rules.walks import by_optax, by_rule
from benchmarks.update_rules.weights import N_STEPS, NAMES, Walk
from study.optimizers.reference import Nadam

Arguments = Mapping[str, Any]
SAME = "nowhere"


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """The implementation that an optimizer of conf/optimizer is measured against.

    Attributes:
        told: Its name, for the page.
        build: From all arguments of the optimizer to its walk.
        where: The difference between the two.
        settings: Arguments of the measurement, beside those of the YAML.
        epsilon: The argument that keeps the divisor from 0; None: the rule has none.
            decay: The weight decay of the measurement; None: the optimizer has no such argument.
    """

    told: str
    build: Callable[[Arguments], Walk]
    where: str = SAME
    settings: Arguments = field(default_factory=lambda: {"learning_rate": 0.01})
    epsilon: str | None = "epsilon"
    decay: float | None = 1.0


def _decoupled(scale: Callable[[Arguments], optax.GradientTransformation]) -> Callable[[Arguments], Walk]:
    """Return the walk of -lr (scaled gradient + weight_decay w)."""

    def build(a: Arguments) -> Walk:
        return by_optax(
            lambda: optax.chain(
                scale(a),
                optax.add_decayed_weights(a.get("weight_decay") or 0.0),
                optax.scale_by_learning_rate(a["learning_rate"]),
            )
        )

    return build


def _adam(a: Arguments) -> optax.GradientTransformation:
    return optax.scale_by_adam(b1=a["beta_1"], b2=a["beta_2"], eps=a["epsilon"])


def _amsgrad(a: Arguments) -> optax.GradientTransformation:
    return optax.scale_by_amsgrad(
        b1=a["beta_1"], b2=a["beta_2"], eps=a["epsilon"], bias_correction_mu=False, bias_correction_nu=False
    )


def _rmsprop(a: Arguments) -> optax.GradientTransformation:
    return optax.scale_by_rms(decay=a["rho"], eps=a["epsilon"], eps_in_sqrt=False)


def _lamb(a: Arguments) -> Walk:
    return by_optax(
        lambda: optax.lamb(
            a["learning_rate"],
            b1=a["beta_1"],
            b2=a["beta_2"],
            eps=a["epsilon"],
            weight_decay=a["weight_decay"] or 0.0,
        )
    )


def _schedule_free(a: Arguments) -> Walk:
    return by_optax(
        lambda: optax.contrib.schedule_free_adamw(
            a["learning_rate"],
            warmup_steps=a["warmup_steps"] or None,
            b1=a["beta_1"],
            b2=a["beta_2"],
            eps=a["epsilon"],
            weight_decay=a["weight_decay"] or 0.0,
        )
    )


def _prodigy(a: Arguments) -> Walk:
    def rate(count: Any) -> Any:
        """Undo the correction of the bias, which optax always makes and the paper's algorithm 4 does not."""
        t = count + 1.0
        return a["learning_rate"] * (1 - a["beta_1"] ** t) / jnp.sqrt(1 - a["beta_2"] ** t)

    return by_optax(
        lambda: optax.contrib.prodigy(
            rate,
            betas=(a["beta_1"], a["beta_2"]),
            eps=a["epsilon"],
            estim_lr0=a["initial_distance"],
            weight_decay=a["weight_decay"] or 0.0,
        )
    )


def _adafactor(a: Arguments) -> Walk:
    return by_optax(
        lambda: optax.adafactor(
            lambda count: jnp.minimum(a["learning_rate"], 1 / jnp.sqrt(count + 1.0)),
            min_dim_size_to_factor=1,
            decay_rate=-a["beta_2_decay"],
            clipping_threshold=a["clip_threshold"],
            eps=a["epsilon_1"],
            weight_decay_rate=a["learning_rate"] * (a["weight_decay"] or 0.0),
        )
    )


def muon(a: Arguments, *, decay_of_adam: float | None = None) -> Walk:
    """Return the walk of Muon on the hidden kernel and of AdamW on the other weights.

    optax.contrib.muon corrects the bias of its momentum and lets AdamW look ahead; so it has neither here, and
    optax.trace, which is the momentum of the authors' code, stands before it.
    """
    decay = a["weight_decay"] or 0.0
    rate = a["learning_rate"] * a["adam_lr_ratio"]
    labels = ["muon" if name == "hidden_kernel" else "adam" for name in NAMES]
    return by_optax(
        lambda: optax.partition(
            {
                "muon": optax.chain(
                    optax.trace(a["momentum"], nesterov=a["nesterov"]),
                    optax.contrib.muon(
                        a["learning_rate"],
                        (a["muon_a"], a["muon_b"], a["muon_c"]),
                        ns_steps=a["ns_steps"],
                        beta=0.0,
                        eps=1e-7,
                        weight_decay=decay,
                        nesterov=False,
                        consistent_rms=a["rms_rate"],
                    ),
                ),
                "adam": optax.adamw(
                    rate,
                    b1=a["adam_beta_1"],
                    b2=a["adam_beta_2"],
                    eps=a["epsilon"],
                    weight_decay=(a["adam_weight_decay"] or 0.0) if decay_of_adam is None else decay_of_adam,
                ),
            },
            labels,
        )
    )


def ftrl(a: Arguments) -> Walk:
    """Return the walk of FTRL-Proximal as in its paper."""
    return papers.ftrl_proximal(
        learning_rate=a["learning_rate"],
        initial_accumulator_value=a["initial_accumulator_value"],
        beta=a["beta"],
        l1=a["l1_regularization_strength"],
        l2=a["l2_regularization_strength"],
        weight_decay=a["weight_decay"] or 0.0,
    )


def _swats(a: Arguments) -> Walk:
    share = a["switch_fraction"]
    given = {name: a[name] for name in ("learning_rate", "beta_1", "beta_2", "epsilon", "tolerance")}
    given |= {"sgd_learning_rate": a["sgd_learning_rate"], "weight_decay": a["weight_decay"] or 0.0}
    if share is not None:
        given["switch_step"] = share * N_STEPS
    return lambda weights, steps: papers.swats(weights, steps, **given)[0]


def _nadam(a: Arguments) -> Walk:
    numbers = {name: a[name] for name in ("learning_rate", "beta_1", "beta_2", "epsilon")}
    return by_rule(Nadam(**numbers), decay=a["learning_rate"] * (a["weight_decay"] or 0.0))


def _optax(name: str, scale: Callable[[Arguments], optax.GradientTransformation], **others: Any) -> Oracle:
    return Oracle(told=f"optax.{name}", build=_decoupled(scale), **others)


_INSIDE = "epsilon is inside the root here, beside it there"
_HAT = "epsilon-hat"
_WITHOUT_EPSILON: dict[str, Any] = {"epsilon": None}
_RULE: dict[str, Any] = {"decay": None}
ORACLES: Mapping[str, Oracle] = {
    "sgd": _optax("sgd", lambda _: optax.identity(), **_WITHOUT_EPSILON),
    "momentum": _optax("sgd, momentum", lambda a: optax.trace(a["momentum"]), **_WITHOUT_EPSILON),
    "nesterov": _optax("sgd, nesterov=True", lambda a: optax.trace(a["momentum"], nesterov=True), **_WITHOUT_EPSILON),
    "averaged_momentum": _optax("ema", lambda a: optax.ema(a["momentum"], debias=False), **_WITHOUT_EPSILON, **_RULE),
    "adagrad": _optax(
        "adagrad",
        lambda a: optax.scale_by_rss(a["initial_accumulator_value"], eps=a["epsilon"]),
        where="nowhere: both have epsilon inside the root, the paper beside it",
    ),
    "adadelta": _optax(
        "adadelta", lambda a: optax.scale_by_adadelta(rho=a["rho"], eps=a["epsilon"]), settings={"learning_rate": 1.0}
    ),
    "rmsprop": _optax("rmsprop, eps_in_sqrt=False", _rmsprop, where=_INSIDE),
    "paper_rmsprop": _optax("rmsprop, eps_in_sqrt=False", _rmsprop, **_RULE),
    "adam": _optax("adam", _adam, where=_HAT),
    "paper_adam": _optax("adam", _adam, **_RULE),
    "adamw": _optax("adamw", _adam, where=_HAT),
    "amsgrad": _optax(
        "amsgrad, no bias_correction", _amsgrad, where="bias is corrected here; the paper does not correct it"
    ),
    "adamax": _optax(
        "adamax",
        lambda a: optax.scale_by_adamax(b1=a["beta_1"], b2=a["beta_2"], eps=a["epsilon"]),
        where="epsilon is added after the maximum here, to the gradient before it there",
    ),
    "nadam": Oracle(
        told="the paper in NumPy (optax has no schedule of beta_1)",
        build=_nadam,
        where="the schedule has 0.96^t, not 0.96^(0.004 t); the average has beta_1 throughout",
    ),
    "lion": _optax("lion", lambda a: optax.scale_by_lion(b1=a["beta_1"], b2=a["beta_2"]), **_WITHOUT_EPSILON),
    "lamb": Oracle(told="optax.lamb", build=_lamb, where="decay is outside the trust ratio here, inside it there"),
    "adabelief": _optax(
        "adabelief",
        lambda a: optax.scale_by_belief(b1=a["beta_1"], b2=a["beta_2"], eps=a["epsilon"], eps_root=a["epsilon"]),
    ),
    "adafactor": Oracle(
        told="optax.adafactor at the rate min(lr, 1/sqrt(t))",
        build=_adafactor,
        where="weights decay before the update here, so its size is that of the decayed weights",
        epsilon="epsilon_1",
    ),
    "muon": Oracle(told="optax.trace, contrib.muon, adamw", build=muon, where=_HAT + ", in AdamW's part"),
    "ftrl": Oracle(
        told="the paper in NumPy, begun at the weights (optax has no FTRL)",
        build=ftrl,
        where="the first update forgets the weights; decay fades as 1/(2t)",
        epsilon=None,
    ),
    "schedule_free_adamw": Oracle(
        told="optax.contrib.schedule_free_adamw",
        build=_schedule_free,
        where="an error of Keras on TensorFlow (see below); decay moves the average x here, z there",
    ),
    "prodigy": Oracle(
        told="optax.contrib.prodigy, its bias correction undone",
        build=_prodigy,
        where="epsilon has d before the update here, as in the paper, and after it there",
        settings={"learning_rate": 0.5, "initial_distance": 1e-3, "epsilon": 1e-30},
        decay=2**-6,
    ),
    "swats": Oracle(
        told="the paper in NumPy (optax has none)",
        build=_swats,
        settings={"learning_rate": 0.01, "tolerance": 1e-3},
    ),
    "adam_then_sgd": Oracle(told="the paper in NumPy (optax has none)", build=_swats),
    "adam_then_given_sgd": Oracle(told="the paper in NumPy (optax has none)", build=_swats),
}
