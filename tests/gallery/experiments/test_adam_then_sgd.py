import numpy as np
import pytest

from study.gallery.experiments.adam_then_sgd import show

pytestmark = pytest.mark.slow

LUCK = 0.002 * np.random.default_rng(1).standard_normal(6)


def findings(make, *, n_seeds=6, **scores):
    """Return the sentences on scores by optimizer; `switch` is that of swats, the other switch stays what Adam is."""
    scores = {"swats": scores.pop("switch"), "adam_then_sgd": scores["adam"], **scores}
    own = np.random.default_rng(2).standard_normal((len(scores), 6))
    studies = {
        f"{name}-setting={setting}": list(score + LUCK + 0.0005 * noise)[:n_seeds]
        for setting in ("shared", "tuned")
        for (name, score), noise in zip(scores.items(), own, strict=True)
    }
    return show(make(studies)).findings


def test_a_switch_above_adam_and_no_worse_than_sgd_is_what_was_claimed(make_material):
    told = findings(make_material, adam=0.85, momentum=0.88, switch=0.88)
    (swats,) = (sentence for sentence in told if "swats, tuned" in sentence)
    assert swats.startswith("The claim held for swats, tuned (88.")
    assert "Better than Adam alone is shown: +3." in swats
    assert "as well as SGD alone, or better is shown: " in swats
    assert "equal within 0.50\u00a0points" in swats
    (half,) = (sentence for sentence in told if "adam_then_sgd, tuned" in sentence)
    assert half.startswith("The claim is contradicted for adam_then_sgd")
    assert "Better than Adam alone is not shown" in half
    assert "as well as SGD alone, or better is contradicted: \u22123." in half


def test_a_switch_below_sgd_is_not(make_material):
    told = findings(make_material, adam=0.85, momentum=0.90, switch=0.88)
    (swats,) = (sentence for sentence in told if "swats, tuned" in sentence)
    assert swats.startswith("The claim is contradicted")
    assert "as well as SGD alone, or better is contradicted: \u22122." in swats


@pytest.mark.parametrize(
    ("n_seeds", "word", "part"),
    [(6, "The claim is not shown", "is not shown: "), (2, "Inconclusive", "is open: too few seeds")],
)
def test_equal_to_adam_is_not_better_than_adam(make_material, n_seeds, word, part):
    told = findings(make_material, adam=0.85, momentum=0.85, switch=0.85, n_seeds=n_seeds)
    (swats,) = (sentence for sentence in told if "swats, tuned" in sentence)
    assert swats.startswith(word)
    assert f"Better than Adam alone {part}" in swats


def test_a_switch_below_adam_is_refuted(make_material):
    told = findings(make_material, adam=0.85, momentum=0.80, switch=0.82)
    (swats,) = (sentence for sentence in told if "swats, tuned" in sentence)
    assert swats.startswith("The claim is contradicted")
    assert "Better than Adam alone is contradicted: \u22123." in swats
    assert "as well as SGD alone, or better is shown: +1.99" in swats


def test_without_sgd_alone_nothing_is_said_of_it(make_material):
    told = findings(make_material, adam=0.85, switch=0.88)
    (swats,) = (sentence for sentence in told if "swats, tuned" in sentence)
    assert swats.startswith("The claim held for swats")
    assert "SGD" not in swats


def test_no_significant_difference_from_sgd_is_not_equality(make_material):
    noise = np.array([0.0, 0.03, -0.03, 0.02, -0.02, 0.01])
    studies = {"adam-setting=tuned": list(0.6 + LUCK), "momentum-setting=tuned": list(0.9 + LUCK)}
    (swats,) = show(make_material({**studies, "swats-setting=tuned": list(0.9 + LUCK + noise)})).findings
    assert swats.startswith("The claim is not shown for swats, tuned")
    assert "as well as SGD alone, or better is not shown: +0.17" in swats
