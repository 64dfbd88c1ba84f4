"""Every optimizer of conf/optimizer beside an implementation that is not its own, and the page that shows it."""

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.update_rules import measure, page, papers
from benchmarks.update_rules.further import FURTHER, ours
from benchmarks.update_rules.measure import CONF, measure_departures, read_optimizers
from benchmarks.update_rules.oracles import ORACLES, SAME
from benchmarks.update_rules.weights import apart, gradients, start
from study.optimizers.keras_cautions import CAUTIONS
from study.optimizers.prodigy import Prodigy
from study.optimizers.reference.keras_differences import double_precision

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "update_rules.md"
NAMES = sorted(path.stem for path in CONF.glob("*.yaml"))


@pytest.fixture(scope="module")
def measured():
    with double_precision():
        return page.measure_all()


def columns(departures):
    return [value for value in (departures.plain, departures.large_epsilon, departures.decayed) if value is not None]


def test_every_optimizer_has_an_oracle_and_a_row():
    assert len(NAMES) > 20
    assert sorted(ORACLES) == NAMES
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for name in NAMES:
        assert sum(line.startswith(f"| {name} | {ORACLES[name].told} |") for line in lines) == 1, name


def test_an_optimizer_without_an_oracle_is_an_error(monkeypatch):
    monkeypatch.setattr(measure, "ORACLES", {})
    with pytest.raises(KeyError):
        measure_departures("sgd", read_optimizers()["sgd"])


def test_the_page_is_what_is_measured_now(measured):
    assert PAGE.read_text(encoding="utf-8") == page.page(*measured), "run: make rules"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_told_of_an_optimizer_is_what_is_measured(name, measured):
    _, departures, _ = measured
    found = columns(departures[name])
    if ORACLES[name].where.startswith(SAME):
        assert max(found) < 1e-6
    else:
        assert max(found) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_what_an_optimizer_has_is_measured(name, measured):
    _, departures, _ = measured
    section = read_optimizers()[name]
    assert (departures[name].decayed is not None) == ("weight_decay" in section)
    assert (departures[name].large_epsilon is not None) == bool({"epsilon", "epsilon_1"} & set(section))


@pytest.mark.parametrize("name", ["prodigy", "swats", "adam_then_sgd", "adam_then_given_sgd", "adabelief"])
def test_our_own_optimizers_decay_as_their_oracles(name, measured):
    _, departures, _ = measured
    assert departures[name].decayed < 1e-9


def test_the_decay_that_prodigy_had_is_seen(monkeypatch):
    """Keras's decay, whose rate lacks d."""
    monkeypatch.delattr(Prodigy, "_apply_weight_decay")
    with double_precision():
        found = measure_departures("prodigy", read_optimizers()["prodigy"])
    assert found.plain < 1e-6
    assert found.decayed > 1e-3


def test_a_walk_that_stands_apart_is_seen():
    def walk(factor):
        return lambda *_: factor * np.array([[1.0], [2.0], [3.0]])

    assert apart(walk(1.5), walk(1.0), weights=[np.zeros(1)], steps=[[np.ones(1)]] * 3) == pytest.approx(0.5)


def test_keras_on_tensorflow_takes_the_new_z_for_the_old_one():
    """Keras 3.15; the test fails once Keras corrects it."""
    numbers = {"learning_rate": float(np.float32(0.01)), "beta_1": float(np.float32(0.9))}
    stale = papers.schedule_free(**numbers, beta_2=float(np.float32(0.999)), stale=True)
    with double_precision():
        assert apart(ours("schedule_free_adamw"), stale) < 1e-6


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("schedule-free-jax", 0.0),
        ("global_clipnorm", 0.0),
        ("clipvalue", 0.0),
        # of a weight, the sums of a first gradient of 0.01 leave 1 - sqrt(n) / sqrt(n + g^2)
        ("ftrl-forgets", 100 * (1 - math.sqrt(0.1 / (0.1 + 1e-4)))),
        ("ftrl-keeps", 100 * (1 - math.sqrt(1e-10 / (1e-10 + 1e-4)))),
        # the scale of Liu et al. is 0.2 sqrt(8) of that of Jordan et al.
        ("muon-scale", 1 - 0.2 * math.sqrt(8)),
    ],
)
def test_sizes_are_those_of_the_formulas(key, expected, measured):
    _, _, sizes = measured
    assert sizes[key] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_ftrl_with_l2_is_the_papers_with_twice_as_much():
    zeros = [np.zeros_like(w) for w in start()]
    with double_precision():
        walk = ours("ftrl", l2_regularization_strength=1.0)
        numbers = {"learning_rate": float(np.float32(0.01)), "initial_accumulator_value": float(np.float32(0.1))}
        twice, once = (papers.ftrl_proximal(**numbers, l2=l2) for l2 in (2.0, 1.0))
        assert apart(walk, twice, weights=zeros) < 1e-6
        assert apart(walk, once, weights=zeros) > 1e-3


def test_ftrls_decay_fades_and_that_of_the_rule_does_not(measured):
    _, _, sizes = measured
    assert sizes["ftrl-decay"] < 0.2 * sizes["ftrl-decay-of-the-rule"]


def test_every_other_difference_is_one(measured):
    _, _, sizes = measured
    same = {"schedule-free-jax", "global_clipnorm", "clipvalue"}
    assert {further.key for further in FURTHER} == set(sizes)
    assert all(sizes[key] > 1e-3 for key in set(sizes) - same)


def test_every_caution_has_a_measured_row():
    assert {caution.key for caution in CAUTIONS} <= {further.key for further in FURTHER}


def test_gradients_differ_from_update_to_update_and_reach_below_a_large_epsilon():
    flat = np.array([np.concatenate([g.ravel() for g in step]) for step in gradients()])
    assert len(np.unique(flat, axis=0)) == len(flat)
    assert np.median(np.abs(flat), axis=0).min() < measure.LARGE_EPSILON < np.abs(flat).max()
