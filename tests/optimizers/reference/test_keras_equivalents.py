import inspect
import math
from dataclasses import fields, is_dataclass

import keras_steps
import numpy as np
import pytest
from mutants import mutants

from study.optimizers.reference import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdaMax,
    AdamW,
    AMSGrad,
    AveragedMomentum,
    Lion,
    Momentum,
    Nadam,
    Nesterov,
    RMSprop,
    State,
    keras_equivalents,
    of_keras,
)
from study.optimizers.reference.keras_differences import double_precision

# Float64 on both sides; they differ in the order of a few operations alone.
TOLERANCE = {"rtol": 1e-11, "atol": 1e-13}
# On TensorFlow, Keras makes float32 of a number on its way to float64. Both sides are given what float32 holds,
# but the 0.96 of Nadam's schedule is written in Keras's code, and off by 4e-8 of itself.
NADAM = {"rtol": 1e-6, "atol": 1e-9}

# What Keras computes, at two settings each: of what has an epsilon, one at which it decides.
KERAS = [
    (SGD, "SGD", {}),
    (SGD, "SGD", {"learning_rate": 0.5, "nesterov": True}),
    (Momentum, "SGD", {"momentum": 0.9}),
    (Momentum, "SGD", {"learning_rate": 0.3, "momentum": 0.5}),
    (Nesterov, "SGD", {"momentum": 0.9, "nesterov": True}),
    (Nesterov, "SGD", {"learning_rate": 0.3, "momentum": 0.5, "nesterov": True}),
    (Adagrad, "Adagrad", {}),
    (Adagrad, "Adagrad", {"learning_rate": 0.3, "initial_accumulator_value": 0.0, "epsilon": 0.01}),
    (RMSprop, "RMSprop", {}),
    (RMSprop, "RMSprop", {"learning_rate": 0.1, "rho": 0.5, "momentum": 0.7, "epsilon": 0.01, "centered": True}),
    (RMSprop, "RMSprop", {"learning_rate": 0.1, "rho": 0.5, "momentum": 0.7, "epsilon": 0.01}),
    (Adadelta, "Adadelta", {}),
    (Adadelta, "Adadelta", {"learning_rate": 1.0, "rho": 0.6, "epsilon": 0.01}),
    (Adam, "Adam", {}),
    (Adam, "Adam", {"learning_rate": 0.1, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}),
    (AMSGrad, "Adam", {"amsgrad": True}),
    (AMSGrad, "Adam", {"amsgrad": True, "learning_rate": 0.1, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}),
    (AdamW, "AdamW", {}),
    (AdamW, "AdamW", {"learning_rate": 0.1, "weight_decay": 0.3, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}),
    (AdaMax, "Adamax", {}),
    (AdaMax, "Adamax", {"learning_rate": 0.1, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}),
    (Nadam, "Nadam", {}),
    (Nadam, "Nadam", {"learning_rate": 0.1, "beta_1": 0.6, "beta_2": 0.9, "epsilon": 0.01}),
    (Lion, "Lion", {}),
    (Lion, "Lion", {"learning_rate": 0.1, "weight_decay": 0.3, "beta_1": 0.6, "beta_2": 0.8}),
]

# The papers' forms from w = 1 under the gradients 2 and 4, worked out by hand.
# With beta_1 = 1/2 the first moments are 1 and 5/2, corrected 2 and 10/3; with beta_2 = 3/4 the second ones are 1 and
# 19/4, corrected 4 and 76/7.
HALVES = {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.75}
M2, V2 = 10 / 3, 76 / 7
GOLDEN = [
    (SGD, {"learning_rate": 0.1}, [0.8, 0.4]),
    # velocities -0.2, -0.5
    (Momentum, {"learning_rate": 0.1, "momentum": 0.5}, [0.8, 0.3]),
    # averages 1, 2.5
    (AveragedMomentum, {"learning_rate": 0.1, "momentum": 0.5}, [0.9, 0.65]),
    # velocities -0.2, -0.5; half of each and the gradient's step: -0.1 - 0.2, -0.25 - 0.4
    (Nesterov, {"learning_rate": 0.1, "momentum": 0.5}, [0.7, 0.05]),
    # sums of squares 4 + 5, 20 + 5
    (
        Adagrad,
        {"learning_rate": 0.1, "initial_accumulator_value": 5.0, "epsilon": 1.0},
        [1 - 0.2 / 4, 1 - 0.2 / 4 - 0.4 / 6],
    ),
    # averages 2, 9
    (
        RMSprop,
        {"learning_rate": 0.1, "rho": 0.5, "epsilon": 1.0},
        [1 - 0.2 / (math.sqrt(2) + 1), 1 - 0.2 / (math.sqrt(2) + 1) - 0.4 / 4],
    ),
    # averages 2, 9; deltas -2/sqrt(3), -sqrt(5/3) 4/sqrt(10); average of their squares 2/3 before the second
    (
        Adadelta,
        {"learning_rate": 1.0, "rho": 0.5, "epsilon": 1.0},
        [1 - 2 / math.sqrt(3), 1 - 2 / math.sqrt(3) - 4 / math.sqrt(6)],
    ),
    (Adam, HALVES | {"epsilon": 1.0}, [1 - 0.2 / 3, 1 - 0.2 / 3 - 0.1 * M2 / (math.sqrt(V2) + 1)]),
    (
        Adam,
        HALVES | {"epsilon": 5.0, "epsilon_form": "inside_root"},
        [1 - 0.2 / 3, 1 - 0.2 / 3 - 0.1 * M2 / math.sqrt(V2 + 5)],
    ),
    # passes counted: the second update is corrected as the first one, moments 5 and 19
    (
        Adam,
        HALVES | {"epsilon": 6.0, "epsilon_form": "inside_root", "t_counts": "passes"},
        [1 - 0.2 / math.sqrt(10), 1 - 0.2 / math.sqrt(10) - 0.1 * 5 / 5],
    ),
    (
        AdamW,
        HALVES | {"epsilon": 1.0, "weight_decay": 0.25},
        [0.75 - 0.2 / 3, 0.75 * (0.75 - 0.2 / 3) - 0.1 * M2 / (math.sqrt(V2) + 1)],
    ),
    (AMSGrad, HALVES, [0.9, 0.9 - 0.25 / math.sqrt(4.75)]),
    (AMSGrad, HALVES | {"epsilon": 1.0}, [0.95, 0.95 - 0.25 / (math.sqrt(4.75) + 1)]),
    # norms 2, 4
    (AdaMax, HALVES, [0.9, 0.9 - 0.1 * M2 / 4]),
    # with 0.96^(t decay) = 2^-t, mu is 0.5 - 2^-t / 4: 3/8, 7/16, 15/32; products 3/8, 21/128, 315/4096
    # averages 3/8 * 0 + 5/8 * 2 = 5/4, 7/16 * 5/4 + 9/16 * 4 = 179/64
    (
        Nadam,
        HALVES | {"epsilon": 1.0, "schedule_decay": math.log(0.5) / math.log(0.96)},
        [
            1 - 0.1 * (7 / 16 * 5 / 4 / (107 / 128) + 5 / 8 * 2 / (5 / 8)) / 3,
            1
            - 0.1 * (7 / 16 * 5 / 4 / (107 / 128) + 5 / 8 * 2 / (5 / 8)) / 3
            - 0.1 * (15 / 32 * 179 / 64 / (3781 / 4096) + 9 / 16 * 4 / (107 / 128)) / (math.sqrt(V2) + 1),
        ],
    ),
    # signs of 0.5 * 0 + 1 and 0.5 * 0.5 + 2; what is remembered does not show in two steps of one sign
    (Lion, {"learning_rate": 0.1, "beta_1": 0.5, "beta_2": 0.75, "weight_decay": 0.5}, [0.85, 0.7075]),
]

# Mutants that compute the same: the average gradient is squared, so its sign tells nothing.
EQUIVALENT = {"self.rho * others[0] + (1 - self.rho) * g -> self.rho * others[0] - (1 - self.rho) * g"}


def steps(rule, gradients=(2.0, 4.0)):
    weights, path = [np.array([1.0])], []
    state = rule.init(weights)
    for gradient in gradients:
        weights, state = rule.step(weights, [np.array([gradient])], state, epoch=0)
        path.append(float(weights[0][0]))
    return path


def made(name, arguments):
    """Return the reference of Keras's rule at numbers that float32 holds."""
    rule = of_keras(f"keras.optimizers.{name}", arguments)
    return type(rule)(**held_by_float32({field.name: getattr(rule, field.name) for field in fields(rule)}))


def held_by_float32(arguments):
    return {k: float(np.float32(v)) if type(v) is float else v for k, v in arguments.items()}


def agree(ours, theirs, rule):
    return bool(np.allclose(ours, theirs, **(NADAM if rule is Nadam else TOLERANCE)))


@pytest.fixture(scope="module")
def keras_paths():
    """The paths that Keras computes for every entry of KERAS."""
    import keras

    paths = []
    with double_precision():
        for _, name, arguments in KERAS:
            target = getattr(keras.optimizers, name)
            defaults = {key: p.default for key, p in inspect.signature(target).parameters.items()}
            given = {k: v for k, v in (defaults | arguments).items() if type(v) is float and k != "ema_momentum"}
            paths.append(keras_steps.by_keras(target(**(arguments | held_by_float32(given)))))
    return paths


@pytest.mark.parametrize(("rule", "arguments", "expected"), GOLDEN)
def test_the_papers_form_takes_the_steps_worked_out_by_hand(rule, arguments, expected):
    np.testing.assert_allclose(steps(rule(**arguments)), expected, rtol=1e-14)


@pytest.mark.parametrize("index", range(len(KERAS)), ids=lambda i: f"{KERAS[i][0].__name__}-{i % 2}")
def test_keras_and_the_reference_of_its_rule_agree_over_100_steps(index, keras_paths):
    rule, name, arguments = KERAS[index]
    built = made(name, arguments)
    assert type(built) is rule
    tolerance = NADAM if rule is Nadam else TOLERANCE
    np.testing.assert_allclose(keras_steps.by_rule(built), keras_paths[index], **tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("rule", sorted({rule for rule, *_ in KERAS} | {AveragedMomentum}, key=lambda r: r.__name__))
def test_no_mutant_of_a_rule_passes(rule, keras_paths):
    def passes(mutant):
        with np.errstate(all="ignore"):
            for (of, name, arguments), path in zip(KERAS, keras_paths, strict=True):
                if of is rule:
                    built = made(name, arguments)
                    given = {field.name: getattr(built, field.name) for field in fields(built)}
                    if not agree(keras_steps.by_rule(mutant(**given)), path, rule):
                        return False
            return all(agree(steps(mutant(**given)), expected, rule) for of, given, expected in GOLDEN if of is rule)

    assert passes(rule)
    found = list(mutants(rule, method="step"))
    assert len(found) >= 2
    assert {told for told, mutant in found if survives(passes, mutant)} <= EQUIVALENT


def survives(passes, mutant):
    try:
        return passes(mutant)
    except (ArithmeticError, IndexError, TypeError, ValueError):
        return False


def test_nothing_is_changed_in_place():
    for rule in keras_equivalents._RULES:
        weights = [np.array([1.0, 2.0])]
        built = rule()
        before = built.init(weights)
        kept = [[slot.copy() for slot in slots] for slots in before.slots]
        new, after = built.step(weights, [np.array([3.0, 4.0])], before)
        assert weights[0].tolist() == [1.0, 2.0]
        assert new[0].tolist() != [1.0, 2.0]
        assert (before.t, after.t) == (0, 1)
        for slots, old in zip(before.slots, kept, strict=True):
            for slot, value in zip(slots, old, strict=True):
                np.testing.assert_array_equal(slot, value)


def test_a_weight_without_gradients_stays_where_no_epsilon_keeps_the_divisor_from_0():
    for rule in (AMSGrad(), AdaMax(), Adagrad(epsilon=0.0), RMSprop(epsilon=0.0), Adam(epsilon=0.0)):
        assert steps(rule, (0.0, 0.0)) == [1.0, 1.0]


def test_the_average_of_gradients_needs_ten_times_the_rate_of_the_velocity():
    averaged = keras_steps.by_rule(AveragedMomentum(learning_rate=0.1, momentum=0.9))
    velocity = keras_steps.by_rule(Momentum(learning_rate=0.01, momentum=0.9))
    np.testing.assert_allclose(averaged, velocity, rtol=1e-12)


def test_nesterov_is_the_look_ahead_form_in_the_weights_looked_ahead_to():
    curvature, rate, momentum = np.array([0.3, 2.0]), 0.1, 0.9
    behind, velocity = np.array([1.0, -1.0]), np.zeros(2)
    rule = Nesterov(learning_rate=rate, momentum=momentum)
    weights = [behind.copy()]
    state = rule.init(weights)
    for _ in range(20):
        velocity = momentum * velocity - rate * curvature * (behind + momentum * velocity)
        behind = behind + velocity
        weights, state = rule.step(weights, [curvature * weights[0]], state)
    np.testing.assert_allclose(weights[0], behind + momentum * velocity, rtol=1e-12)


def test_rmsprop_that_averages_nothing_divides_by_epsilon_or_by_its_root():
    outside = steps(RMSprop(learning_rate=0.01, rho=1.0, epsilon=1e-4), (2.0,))
    inside = steps(RMSprop(learning_rate=0.01, rho=1.0, epsilon=1e-4, epsilon_inside_root=True), (2.0,))
    np.testing.assert_allclose([outside[0], inside[0]], [1 - 0.02 / 1e-4, 1 - 0.02 / 1e-2], rtol=1e-13)


def test_epsilon_hat_is_the_papers_epsilon_made_larger():
    hat = Adam(epsilon=0.01, epsilon_form="epsilon_hat")
    for t in (1, 2, 50):
        weights = [np.array([1.0])]
        state = State(t=t - 1, slots=((np.array([0.3]),), (np.array([0.2]),)))
        paper = Adam(epsilon=0.01 / math.sqrt(1 - 0.999**t))
        ours, theirs = (rule.step(weights, [np.array([0.5])], state)[0] for rule in (hat, paper))
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def test_passes_count_what_they_are_told():
    weights, gradient = [np.array([1.0])], [np.array([2.0])]
    by_passes, by_updates = Adam(t_counts="passes"), Adam()
    state = State(t=4, slots=((np.array([0.3]),), (np.array([0.2]),)))
    assert by_passes.step(weights, gradient, state, epoch=4)[0] == by_updates.step(weights, gradient, state)[0]
    assert by_passes.step(weights, gradient, state, epoch=0)[0] != by_updates.step(weights, gradient, state)[0]


@pytest.mark.parametrize("argument", ["epsilon_form", "t_counts"])
def test_an_unknown_form_is_refused(argument):
    with pytest.raises(ValueError, match=f"Adam: {argument}='bogus': expected one of"):
        Adam(**{argument: "bogus"})  # type: ignore[arg-type]


def test_every_rule_is_a_frozen_dataclass_that_names_its_source():
    for rule in keras_equivalents._RULES:
        assert is_dataclass(rule)
        assert rule.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert "<-" in str(rule.__doc__)


def test_defaults_are_those_of_keras():
    import keras

    for name, build in keras_equivalents._KERAS.items():
        theirs = inspect.signature(getattr(keras.optimizers, name)).parameters
        for argument, parameter in inspect.signature(build).parameters.items():
            assert parameter.default == theirs[argument].default, (name, argument)


def test_a_rule_is_taken_as_it_stands():
    made = of_keras("study.optimizers.reference.Adam", {"learning_rate": 0.1, "t_counts": "passes"})
    assert made == Adam(learning_rate=0.1, t_counts="passes")


def test_what_is_off_needs_no_rule():
    off = {"clipnorm": None, "weight_decay": None, "use_ema": False, "ema_momentum": 0.99}
    assert of_keras("keras.optimizers.SGD", {"learning_rate": 0.3} | off) == SGD(learning_rate=0.3)


@pytest.mark.parametrize(
    ("target", "arguments", "told"),
    [
        ("keras.optimizers.Muon", {}, r"optimizer._target_=keras.optimizers.Muon: expected .*SGD, .*trainer=fit"),
        ("keras.optimizers.Adam", {"clipnorm": 1.0}, r"optimizer.clipnorm=1.0: expected .*beta_1.*trainer=fit"),
        ("keras.optimizers.SGD", {"use_ema": True}, r"optimizer.use_ema=True: expected"),
    ],
)
def test_what_has_no_rule_is_refused(target, arguments, told):
    with pytest.raises(ValueError, match=told):
        of_keras(target, arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_centered_rmsprop_stays_finite_where_rounding_takes_the_spread_below_zero(dtype):
    rule = RMSprop(rho=0.9, centered=True)
    gradients = [np.random.default_rng(0).random(200).astype(dtype)]
    weights, state = [np.zeros(200, dtype)], rule.init(gradients)
    for _ in range(500):
        weights, state = rule.step(weights, gradients, state)
    assert np.all(np.isfinite(weights[0]))


@pytest.mark.parametrize(
    ("rule", "n_slots"), [(RMSprop(), 1), (RMSprop(momentum=0.9), 2), (RMSprop(momentum=0.9, centered=True), 3)]
)
def test_rmsprop_keeps_what_it_needs(rule, n_slots):
    assert len(rule.init([np.zeros(3)]).slots) == n_slots


def test_nadam_leaves_weights_of_float32_in_float32():
    weights = [np.zeros(3, np.float32)]
    moved, state = Nadam().step(weights, [np.ones(3, np.float32)], Nadam().init(weights))
    assert moved[0].dtype == np.float32
    assert {entry.dtype for slot in state.slots for entry in slot} == {np.dtype(np.float32)}
