"""The pages of landscapes: numbers as the rules give them, and verdicts that follow the numbers."""

import math

import numpy as np
import pytest
from walked import Walks, conf, experiment

from study.gallery.analysis import landscape_walks
from study.gallery.experiments import gradient_descent, landscapes, rmsprop_decay, rotated, two_dimensions

pytestmark = pytest.mark.slow

TUNED = {
    "sgd": [{"learning_rate": 0.2}, {"learning_rate": 5.0}],
    "momentum": [{"learning_rate": 0.05, "momentum": 0.9}],
    "adagrad": [{"learning_rate": 3.0}],
    "adam": [{"learning_rate": 0.7}],
    "rmsprop": [{"learning_rate": 0.3}],
}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Drawing takes seconds and has tests of its own; here it is only called."""
    for name in ("still", "animated", "interactive"):
        monkeypatch.setattr(landscape_walks, name, lambda scene, **_: b"drawn" * len(scene.paths))


def cells(table, row):
    return dict(zip(table.header, next(cells for cells in table.rows if cells[0].startswith(row)), strict=True))


def said(shown, words):
    return [finding for finding in shown.findings if words in finding]


def test_two_dimensions_agrees_with_the_published_rules():
    walks = experiment("two_dimensions")
    shown = two_dimensions.show(walks.material())
    assert [picture.suffix for picture in shown.pictures] == ["svg", "svg", "html", "svg"]
    (table,) = shown.tables
    assert float(cells(table, "sgd")["Keras"]) == pytest.approx(4.9 * 2 * 0.905**60 / 4 + 4 * 0.9**60, abs=1e-8)
    assert len(table.rows) == 5
    for row in table.rows:
        assert float(row[3]) < 1e-6
    assert said(shown, "Keras and the published rules agree to 1e-06")
    assert shown.findings[0] == (
        "The claim held, that SGD goes zigzag and the others more directly: its way is 5.35 times the straight line, "
        "the others' 1.05 to 1.58 times. The claim is contradicted, that SGD is the least efficient: at these rates "
        "SGD ends at 0.01333, lower than momentum, adam and rmsprop."
    )
    assert shown.pictures[0].caption.endswith("from the start (-7, 2); its panel's title gives the rate.")
    assert shown.pictures[1].caption.endswith("from the start (-7, 2); the legend gives the rates.")
    # AdaGrad's accumulator is full after a first pass.
    assert float(cells(table, "adagrad")["with carried state"]) > 10 * float(cells(table, "adagrad")["Keras"])
    assert float(cells(table, "sgd")["with carried state"]) == pytest.approx(float(cells(table, "sgd")["Keras"]))


def test_two_dimensions_tells_where_keras_and_the_rules_differ():
    walks = experiment("two_dimensions")
    walks.shift("adam-ellipse-published", 1e-4)
    shown = two_dimensions.show(walks.material())
    assert said(shown, "do not agree to 1e-06; the largest difference is")
    assert said(shown, "of adam")


def test_two_dimensions_gives_the_detour_of_sgd_where_another_way_is_longer(monkeypatch):
    monkeypatch.setattr(two_dimensions, "detour", lambda positions: 2.0 if positions[1, 1] < 0 else 3.0)
    told = two_dimensions.show(experiment("two_dimensions").material()).findings[0]
    # SGD's first step goes over the valley, 2 - 0.95 * 2 * 2 = -1.8; no other does.
    assert told.startswith("The claim is contradicted, that SGD goes zigzag and the others more directly: ")
    assert "its way is 2 times the straight line, the others' 3 to 3 times; the longest is that of " in told


def test_two_dimensions_needs_a_rule_of_the_article():
    walks = Walks("two_dimensions", n_steps=3)
    walks.add("adadelta", "ellipse", [{}], learning_rate=1.0)
    with pytest.raises(LookupError, match="optimizer=adadelta"):
        two_dimensions.show(walks.material())


def test_rotated_says_who_diverged_and_why():
    shown = rotated.show(experiment("rotated", points=TUNED).material())
    (table,) = shown.tables
    sgd = cells(table, "sgd")
    assert sgd["limit"] == "0.25"
    assert sgd["f"].endswith("(diverged)")
    assert sgd["tuned rate"] == "0.2"
    assert float(sgd["f tuned"]) < 1
    assert float(sgd["on the ellipse"]) == pytest.approx(0.01333, abs=1e-5)
    assert cells(table, "momentum")["limit"] == "0.475"
    assert cells(table, "adam")["limit"] == "-"
    (why,) = said(shown, "The claim held, with λ = 8:")
    assert "sgd at 0.95, above its limit of 0.25, diverged" in why
    assert "momentum at 0.1, below its limit of 0.475, did not diverge" in why
    assert said(shown, "At the published rates sgd diverged; once tuned, none.")


def test_rotated_takes_the_claim_back_where_it_does_not_hold():
    walks = experiment("rotated", points=TUNED)
    walks.called("sgd-rotated-published", "complete")
    assert said(rotated.show(walks.material()), "The claim is contradicted, with λ = 8:")


def test_landscapes_tells_who_leaves_the_saddle():
    shown = landscapes.show(experiment("landscapes").material())
    assert [picture.suffix for picture in shown.pictures] == ["svg", "svg", "html"] * 2
    (table,) = shown.tables
    assert cells(table, "sgd")["leaves the saddle"] == "not in 150"
    assert int(cells(table, "adam")["leaves the saddle"]) < 20
    assert said(shown, "The claim held at these rates: ")
    assert said(
        shown,
        "sgd, momentum and nesterov stayed within 150. At once is within 30 steps; to leave is to reach |x2| > 1.",
    )


def test_landscapes_verdict_follows_the_ways():
    walks = experiment("landscapes")
    walks.positions["sgd-saddle-shown-0"][0, 1] = 2.0
    assert said(landscapes.show(walks.material()), "The claim is contradicted at these rates: ")


def test_rmsprop_decay_at_one():
    walks = Walks("rmsprop_decay", n_steps=30)
    grid = [{"rho": rho, "learning_rate": rate} for rate in (0.03, 0.1) for rho in (0.5, 0.9, 0.99, 1.0)]
    walks.add("rmsprop", "ellipse", grid)
    shown = rmsprop_decay.show(walks.material())
    (table,) = shown.tables
    gradient, start = -0.7, -7.0
    for row, rate in zip(table.rows, (0.03, 0.1), strict=True):
        assert row[1] == f"{-rate * gradient / 1e-7:.6g}"
        assert row[2] == f"{-rate * gradient / math.sqrt(1e-7):.6g}"
        assert float(row[3]) == pytest.approx(float(row[2]), rel=1e-6)
        assert row[4] == "diverged"
    assert start + float(table.rows[1][2]) > 200
    assert shown.findings[0].startswith("The claim held: at a decay of exactly 1")
    # 0.1 · 0.7 over √ε, and over ε.
    assert (
        "it is 221.4 along x1; Keras's rule, lr·g/√ε, gives 221.4, the article's, lr·g/ε, 7e+05." in shown.findings[0]
    )
    assert shown.findings[0].endswith("2 of 2 rates diverged.")
    assert len(said(shown, "the decays below 1 move it from")) == 2


def test_rmsprop_decay_judges_the_claim_by_the_first_step_and_not_by_what_diverged():
    walks = Walks("rmsprop_decay", n_steps=30)
    walks.add("rmsprop", "ellipse", [{"rho": rho, "learning_rate": 0.1} for rho in (0.9, 1.0)])
    walks.called("rmsprop-ellipse", "complete")
    held = rmsprop_decay.show(walks.material()).findings[0]
    assert held.startswith("The claim held: ")
    assert held.endswith("0 of 1 rates diverged.")
    walks.called("rmsprop-ellipse", "diverged")
    walks.positions["rmsprop-ellipse-1"] = walks.positions["rmsprop-ellipse-1"] * 1.01
    assert rmsprop_decay.show(walks.material()).findings[0].startswith("The claim is contradicted: ")


def test_rmsprop_decay_tells_a_pair_that_was_never_tried_from_one_that_diverged():
    walks = Walks("rmsprop_decay", n_steps=3)
    pairs = [(0.5, 0.03), (1.0, 0.03), (0.5, 0.1)]
    walks.add("rmsprop", "ellipse", [{"rho": rho, "learning_rate": rate} for rho, rate in pairs])
    drawn = next(picture for picture in rmsprop_decay.show(walks.material()).pictures if picture.name == "pairs").data
    assert (drawn.count(b">not run<"), drawn.count(b">diverged<")) == (1, 1)


def test_rmsprop_decay_has_a_page_where_all_diverged():
    walks = Walks("rmsprop_decay", n_steps=3)
    walks.add("rmsprop", "ellipse", [{"rho": 1.0, "learning_rate": 0.1}])
    shown = rmsprop_decay.show(walks.material())
    assert [picture.name for picture in shown.pictures] == ["sensitivity", "pairs"]


def test_gradient_descent_holds_the_limits_against_what_was_seen():
    shown = gradient_descent.show(experiment("gradient_descent").material())
    (table,) = shown.tables
    states = {"too small": "complete", "right": "complete", "at limit": "to and fro", "above": "diverged"}
    assert {row[0]: row[-1] for row in table.rows} == {
        f"{optimizer}, {setting}": state for optimizer in ("sgd", "momentum") for setting, state in states.items()
    }
    assert cells(table, "sgd, at")["limit"] == "1"
    assert cells(table, "momentum, at")["limit"] == "1.9"
    assert float(cells(table, "sgd, at")["f at the end"]) == 9
    assert said(shown, "The claim held: 8 of 8 ways on the bowl went as the limit says")
    assert said(shown, "Momentum, at limit: the swing does not grow any more, but it is wider")
    assert not said(shown, "Sgd, at limit")
    assert "Momentum passed the local minimum" in shown.findings[0]


def test_gradient_descent_verdicts_follow_the_ways():
    walks = experiment("gradient_descent")
    walks.called("sgd-bowl-above", "complete")
    walks.positions["momentum-double_well-right-0"] = np.full((60, 1), 1.891)
    shown = gradient_descent.show(walks.material())
    assert said(shown, "The claim is contradicted: 7 of 8")
    assert said(shown, "Momentum did not pass the local minimum")


@pytest.mark.parametrize("name", ["rotated", "landscapes", "gradient_descent"])
def test_a_missing_study_is_told_by_what_the_page_lacks(name):
    walks = Walks(name, n_steps=2)
    walks.add("sgd", "ellipse", [{}], learning_rate=0.1, setting="other")
    page = {"rotated": rotated, "landscapes": landscapes, "gradient_descent": gradient_descent}[name]
    with pytest.raises(LookupError, match=r"model=|setting="):
        page.show(walks.material())


def test_the_published_rates_are_the_same_in_both_experiments():
    assert (
        conf("experiment", "rotated")["settings"]["published"]
        == (conf("experiment", "two_dimensions")["settings"]["published"])
    )


def test_a_part_of_a_claim_that_did_not_run_leaves_it_open():
    walks = Walks("gradient_descent", n_steps=60)
    section = conf("experiment", "gradient_descent")["settings"]["right"]["sgd"]
    for model in ("bowl", "double_well"):
        walks.add("sgd", model, [{}], setting="right", **section)
    claim = gradient_descent.show(walks.material()).findings[0]
    assert claim.startswith("Inconclusive: 1 of 1 ways on the bowl went as the limit says")
    assert "run were rates below the limit" in claim
    walks = Walks("two_dimensions", n_steps=3)
    walks.add("adam", "ellipse", [{}], **conf("experiment", "two_dimensions")["settings"]["published"]["adam"])
    assert two_dimensions.show(walks.material()).findings[0].startswith("Inconclusive: SGD and another optimizer")


def test_fewer_steps_than_the_claim_is_about_leave_it_open(monkeypatch):
    for page, name in ((two_dimensions, "two_dimensions"), (landscapes, "landscapes")):
        whole = page.show(experiment(name).material()).findings[0]
        assert not whole.startswith("Inconclusive")
        monkeypatch.setattr(page, "_STEPS", 1000)
        assert page.show(experiment(name).material()).findings[0].startswith("Inconclusive")


def test_one_side_of_the_limits_leaves_the_claim_open():
    walks = experiment("rotated", points=TUNED)
    for setting in ("published", "tuned"):
        walks.without(f"momentum-rotated-{setting}")
    assert rotated.show(walks.material()).findings[0].startswith("Inconclusive, with λ = 8: sgd at 0.95")


def test_pages_of_landscapes_hold_no_statistics():
    pages = (
        two_dimensions.show(experiment("two_dimensions").material()),
        rotated.show(experiment("rotated", points=TUNED).material()),
        landscapes.show(experiment("landscapes").material()),
        gradient_descent.show(experiment("gradient_descent").material()),
    )
    for shown in pages:
        told = " ".join([*shown.findings, *(cell for table in shown.tables for row in table.rows for cell in row)])
        for word in ("interval", "seed", "significant", "Holm"):
            assert word not in told
