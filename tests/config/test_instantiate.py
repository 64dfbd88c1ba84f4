"""Sizes of configs that other people have written."""

import yaml

from study.config.instantiate import is_too_deep


def _referring(n_levels):
    """A short text in which each list names the one before nine times."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, n_levels))]
    return yaml.safe_load("\n".join(lines))


def test_a_config_that_is_deeper_or_larger_than_any_is_refused_without_following_every_reference():
    itself = {"a": {}}
    itself["a"]["b"] = [itself]
    assert is_too_deep(itself)
    assert is_too_deep(_referring(12))
    assert is_too_deep(_referring(29))


def test_a_config_with_long_lists_and_shared_sections_is_read():
    shared = {"rates": [0.1] * 10_000}
    assert not is_too_deep({"optimizer": {"search": shared}, "settings": {f"s{n}": shared for n in range(20)}})
    assert not is_too_deep(_referring(6))
