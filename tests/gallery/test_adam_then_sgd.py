from __future__ import annotations

from collections.abc import Callable

import numpy as np

from study.gallery import Material
from study.gallery.adam_then_sgd import show

LUCK = 0.002 * np.random.default_rng(1).standard_normal(6)


def findings(make: Callable[..., Material], *, adam: float, momentum: float, switch: float) -> tuple[str, ...]:
    scores = {"adam": adam, "momentum": momentum, "swats": switch, "adam_then_sgd": adam}
    own = np.random.default_rng(2).standard_normal((len(scores), 6))
    studies = {
        f"{name}-setting={setting}": list(score + LUCK + 0.0005 * noise)
        for setting in ("shared", "tuned")
        for (name, score), noise in zip(scores.items(), own, strict=True)
    }
    return show(make(studies)).findings


def test_a_switch_above_adam_and_no_worse_than_sgd_is_what_was_claimed(make_material: Callable[..., Material]) -> None:
    told = findings(make_material, adam=0.85, momentum=0.88, switch=0.88)
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "the claim holds" in swats
    assert "is better than adam and is not told apart from momentum" in swats
    (half,) = (sentence for sentence in told if sentence.startswith("tuned, adam_then_sgd"))
    assert "the claim does not hold here; it is not told apart from adam" in half
    assert "is worse than momentum" in half


def test_a_switch_below_sgd_is_not(make_material: Callable[..., Material]) -> None:
    told = findings(make_material, adam=0.85, momentum=0.90, switch=0.88)
    (swats,) = (sentence for sentence in told if sentence.startswith("tuned, swats"))
    assert "the claim does not hold" in swats
