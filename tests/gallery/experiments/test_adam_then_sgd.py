import numpy as np
import pytest

from study.gallery.experiments.adam_then_sgd import show

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
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "generalizes better than Adam alone, and as well as SGD alone, holds here; it is better than adam" in swats
    assert "is better than adam and shows no significant difference from momentum" in swats
    (half,) = (sentence for sentence in told if sentence.startswith("tuned, adam_then_sgd"))
    assert "does not hold here; it shows no significant difference from adam" in half
    assert "is worse than momentum" in half


def test_a_switch_below_sgd_is_not(make_material):
    told = findings(make_material, adam=0.85, momentum=0.90, switch=0.88)
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "as well as SGD alone, does not hold here" in swats


@pytest.mark.parametrize(("momentum", "n_seeds"), [(0.85, 6), (0.90, 1)])
def test_what_the_seeds_do_not_tell_from_adam_is_not_shown_and_not_refuted(make_material, momentum, n_seeds):
    told = findings(make_material, adam=0.85, momentum=momentum, switch=0.85, n_seeds=n_seeds)
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "as well as SGD alone, is not shown here; it shows no significant difference from adam" in swats


def test_a_switch_below_adam_is_refuted(make_material):
    told = findings(make_material, adam=0.85, momentum=0.80, switch=0.82)
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "as well as SGD alone, does not hold here; it is worse than adam and is better than momentum" in swats


def test_without_sgd_alone_nothing_is_said_of_it(make_material):
    told = findings(make_material, adam=0.85, switch=0.88)
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "that it generalizes better than Adam alone holds here; it is better than adam." in swats
