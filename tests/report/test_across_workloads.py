from dataclasses import replace

import numpy as np

from study.report.across_workloads import across, sentence
from study.report.comparison import compare
from study.report.html.tables import ranks_table


def test_optimizers_that_share_the_best_rank_are_all_named(make_study, make_experiment):
    first, second = (
        compare(make_experiment(make_study("adam", [a] * 3), make_study("sgd", [b] * 3)))
        for a, b in ((0.9, 0.8), (0.8, 0.9))
    )
    assert sentence(across([first, second])).startswith(
        "adam and sgd have the best average rank of 2 optimizers over 2 workloads, 1.50"
    )


def test_significance_that_no_ranking_can_reach_is_seen_as_such(planted):
    told = sentence(across([compare(planted)] * 3))
    assert told.startswith("adam has the best average rank of 3 optimizers over 3 workloads, 1.00;")
    assert "significance needs a difference of 1.91 ranks, and the largest possible is 2." in told


def test_the_number_of_workloads_that_the_ranks_would_need_is_said(planted):
    # Ranks 1, 2.5, 2.5 of three: 2.343^2 * 3 * 4 / (6 * 1.5^2) = 4.9, with q of Demsar (2006), table 5.
    for n in (2, 3):
        told = sentence(across([compare(planted)] * n))
        assert told.endswith("adam ranks significantly before momentum from 5 workloads on."), told


def test_a_p_value_of_almost_zero_is_not_printed_as_zero(make_study, make_experiment):
    rng = np.random.default_rng(0)
    levels = {"adam": 0.9, "momentum": 0.8, "nadam": 0.7, "sgd": 0.6}
    one = compare(
        make_experiment(*(make_study(name, level + 0.001 * rng.standard_normal(5)) for name, level in levels.items()))
    )
    told = sentence(across([one] * 10))
    assert "(Friedman p < 0.001)" in told


def test_scores_across_workloads_have_the_sign_and_the_unit_of_the_summary(make_study, make_experiment):
    accuracy = compare(make_experiment(make_study("adam", [0.8] * 3), make_study("sgd", [0.7] * 3)))
    metric = replace(accuracy.experiment.metric, name="val_r2_score", is_share=False)
    rows = tuple(replace(row, mean=-0.3 if row.label == "sgd" else 0.4) for row in accuracy.rows)
    other = replace(accuracy, experiment=replace(accuracy.experiment, metric=metric), rows=rows)
    table = ranks_table(across([accuracy, other]))
    assert [list(cells) for _, _, cells in table.columns[1:3]] == [["80.00\u00a0%", "70.00\u00a0%"], ["0.4", "-0.3"]]


def test_the_profile_score_is_explained_where_it_is_shown(planted):
    table = ranks_table(across([compare(planted)] * 2))
    assert ("profile score" in [title for title, _, _ in table.columns]) == bool(table.notes)
    assert "averaged over the factors from 1 to 4" in table.notes[0]
