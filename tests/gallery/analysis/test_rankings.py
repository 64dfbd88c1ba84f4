from dataclasses import replace

import pytest

from study.gallery.analysis.rankings import by_setting, by_study, changes, ranking, verdict


def rank(material, setting):  # type: ignore[no-untyped-def]
    return ranking(setting, by_setting(material)[setting], material.experiment.metric)


def test_entries_are_told_apart_by_the_setting_of_their_config(eight):
    settings = by_setting(eight)
    assert set(settings) == {"shared", "tuned"}
    assert not any(entry.searched for entry in settings["shared"].values())
    assert all(entry.searched for entry in settings["tuned"].values())


def test_only_differences_beyond_the_noise_of_the_seeds_are_told_apart(make_material):
    found = rank(
        make_material(
            {
                "sgd-setting=shared": [0.70, 0.71, 0.69, 0.70],
                "adam-setting=shared": [0.80, 0.81, 0.79, 0.801],
                "nadam-setting=shared": [0.82, 0.78, 0.80, 0.805],
            }
        ),
        "shared",
    )
    assert found.names == ("nadam", "adam", "sgd")
    assert found.told_apart == {("adam", "sgd"), ("nadam", "sgd")}
    assert found.intervals["adam"].estimate == pytest.approx(0.80025)


def test_one_seed_tells_nothing_apart(make_material):
    found = rank(make_material({"sgd-setting=shared": [0.1], "adam-setting=shared": [0.9]}), "shared")
    assert found.names == ("adam", "sgd")
    assert found.told_apart == frozenset()


def test_what_changes_is_counted_by_pairs(make_material):
    scores = {"sgd": (0.1, 0.9), "adam": (0.5, 0.5), "nadam": (0.6, 0.4)}
    material = make_material(
        {
            f"{name}-setting={setting}": [score, score + 0.01, score - 0.01]
            for name, both in scores.items()
            for setting, score in zip(("shared", "tuned"), both, strict=True)
        }
    )
    metric = material.experiment.metric
    told = changes(rank(material, "shared"), rank(material, "tuned"), metric)
    assert "Of 3 pairs, 3 change their order by their means (Kendall's tau -1.00)" in told[0]
    assert "nadam minus sgd +50.00" in told[2]
    assert "under shared and \u221250.00" in told[2]
    same = changes(rank(material, "shared"), rank(material, "shared"), metric)
    assert "0 change their order by their means (Kendall's tau 1.00)" in same[0]


def test_who_lost_by_tuning_is_named_and_only_then(make_material):
    scores = {"sgd": (0.5, 0.6), "adam": (0.9, 0.7)}
    material = make_material(
        {
            f"{name}-setting={setting}": [score, score + 0.01, score - 0.01]
            for name, both in scores.items()
            for setting, score in zip(("shared", "tuned"), both, strict=True)
        }
    )
    shared, tuned, metric = rank(material, "shared"), rank(material, "tuned"), material.experiment.metric
    lost = "Worse mean under tuned than under shared, not tested: adam (\u221220.00\u00a0points)."
    assert lost in changes(shared, tuned, metric)
    back = " ".join(changes(tuned, shared, metric))
    assert "than under tuned, not tested: sgd (\u221210.00\u00a0points)." in back
    assert not any("Worse mean under" in sentence for sentence in changes(shared, shared, metric))
    diverged = replace(tuned, intervals={**tuned.intervals, "adam": None})
    assert "than under shared, not tested: adam (diverged)." in " ".join(changes(shared, diverged, metric))


def test_a_best_that_the_seeds_do_not_tell_from_the_next_is_said_to_be(make_material):
    material = make_material(
        {
            "adam-setting=shared": [0.80, 0.81, 0.79, 0.801],
            "nadam-setting=shared": [0.82, 0.78, 0.80, 0.805],
            "adam-setting=tuned": [0.90, 0.91, 0.89, 0.901],
            "nadam-setting=tuned": [0.50, 0.51, 0.49, 0.502],
        }
    )
    (best, *_) = changes(rank(material, "shared"), rank(material, "tuned"), material.experiment.metric)
    assert best.startswith(
        "By its mean, the best under shared is nadam (no significant difference from adam), under tuned it is adam. "
    )


def test_the_entry_of_a_study_is_found_by_its_name(eight):
    found = by_study(eight)
    assert len(found) == 16
    assert found["sgd-setting=tuned"].searched
    assert not found["sgd-setting=shared"].searched


def test_a_turn_that_the_seeds_do_not_tell_apart_settles_nothing(make_material):
    near = {"sgd": ([0.50, 0.52, 0.48], [0.51, 0.53, 0.49]), "adam": ([0.51, 0.47, 0.53], [0.50, 0.46, 0.52])}
    material = make_material(
        {
            f"{name}-setting={setting}": scores
            for name, both in near.items()
            for setting, scores in zip(("shared", "tuned"), both, strict=True)
        }
    )
    shared, tuned = rank(material, "shared"), rank(material, "tuned")
    assert (shared.names[0], tuned.names[0]) == ("adam", "sgd")
    metric = material.experiment.metric
    assert verdict(shared, tuned, metric).startswith("The claim is not shown: 1 of 1 pairs change their order")
    # The same order by the means is no proof of it either.
    assert verdict(shared, shared, metric).startswith("The claim is not shown: 0 of 1 pairs change their order")


def test_a_ranking_of_two_seeds_is_open(make_material):
    material = make_material(
        {
            f"{name}-setting={s}": [x, x + 0.01]
            for name, x in (("sgd", 0.1), ("adam", 0.9))
            for s in ("shared", "tuned")
        }
    )
    shared, tuned = rank(material, "shared"), rank(material, "tuned")
    assert verdict(shared, tuned, material.experiment.metric).startswith(
        "Inconclusive: no pair has three shared seeds"
    )
    assert "adam (compared with none)" in changes(shared, tuned, material.experiment.metric)[0]


def reversed_pair(make_material, adam_tuned):
    """Return both rankings of two optimizers; sgd goes from the last place to the first."""
    scores = {"sgd": (0.6, 0.9), "adam": (0.8, adam_tuned)}
    material = make_material(
        {
            f"{name}-setting={setting}": [score, score + 0.001, score - 0.001, score + 0.0005]
            for name, both in scores.items()
            for setting, score in zip(("shared", "tuned"), both, strict=True)
        }
    )
    return rank(material, "shared"), rank(material, "tuned"), material.experiment.metric


def test_a_pair_reversed_by_tuning_contradicts_the_claim(make_material):
    told = verdict(*reversed_pair(make_material, 0.81))
    assert told.startswith("The claim is contradicted: once each optimizer is tuned, 1 of 1 pairs has")


def test_a_pair_reversed_by_a_search_that_fell_short_decides_nothing(make_material):
    told = verdict(*reversed_pair(make_material, 0.79))
    assert told.startswith(
        "The claim is not shown: 1 of 1 pairs change their order by their means, 1 with significant differences in "
        "opposite directions (adam minus sgd "
    )
    assert "). But adam did worse under tuned than under shared: so short a search decides nothing" in told
