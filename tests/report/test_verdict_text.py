from dataclasses import replace

import numpy as np
import pytest

from study.report.comparison import compare
from study.report.marked_text import Command, marked_command, marked_name, pieces, plain
from study.report.objective_metric import metric_of


def test_the_planted_winner_is_named_with_its_margin_and_interval_and_the_equal_two_as_such(planted):
    found = compare(planted)
    paired = {found.outcome.labels[each.other]: each for each in found.outcome.verdict.differences}
    spans = {name: f"{100 * each.low_holm:.2f} to {100 * each.high_holm:.2f}" for name, each in paired.items()}
    first, second, third, *_ = found.answer.sentences
    assert found.answer.winner == "adam"
    assert first.startswith("adam is the best of these 3 tuned configurations: its lead in mean test accuracy is ")
    assert first.endswith(". The 95 % intervals hold for all pairs together, if scores are roughly normal.")
    assert set(spans) == {"momentum", "sgd"}
    for name, span in spans.items():
        assert f"2.00 points over {name} ({span})" in first
    reached = 100 * found.rows[0].tuned.estimate
    assert second == f"adam reaches a mean test accuracy of {reached:.2f} % (10 confirmation seeds)."
    assert third.startswith("Behind it, momentum and sgd show no significant difference: the lead of ")


def test_equal_optimizers_have_no_winner_and_both_are_named(make_study, make_experiment):
    rng = np.random.default_rng(0)
    experiment = make_experiment(*(make_study(name, 0.8 + 0.01 * rng.standard_normal(10)) for name in ("adam", "sgd")))
    found = compare(experiment)
    assert (found.answer.kind, found.answer.winner) == ("none", None)
    assert found.answer.sentences[0].startswith(
        "No clear winner among these 2 tuned configurations: "
        "adam, the best on validation, shows no significant difference from sgd; the lead of adam in mean test "
        "accuracy is "
    )


def test_the_candidate_is_chosen_on_validation_and_a_better_test_result_is_told(make_study, make_experiment):
    rng = np.random.default_rng(0)
    base = 0.8 + 0.001 * rng.standard_normal(10)
    worse, better = base - 0.03 + 0.001 * rng.standard_normal(10), base
    found = compare(
        make_experiment(make_study("adam", worse, validation=0.9), make_study("sgd", better, validation=0.7))
    )
    assert found.outcome.candidate == "adam"
    assert found.answer.winner is None
    assert "adam was the best on validation, but sgd did better on the test split" in found.answer.sentences[0]


def test_a_loss_is_better_when_lower(make_study, make_experiment):
    params = {"objective.metric": "val_loss", "objective.target": "0.3"}

    def study(name, tests):
        made = make_study(name, tests, params=params, validation=float(np.mean(tests)))
        best = min(made.trials, key=lambda run: run.metrics["objective"])
        point = {key: best.params[key] for key in ("learning_rate", "beta_1")}
        runs = (
            replace(run, params=run.params | point, metrics=run.metrics | {"test_loss": run.metrics["test_accuracy"]})
            for run in made.confirmations
        )
        return replace(made, confirmations=tuple(runs))

    rng = np.random.default_rng(1)
    low, high = (level + 0.01 * rng.standard_normal(10) for level in (0.2, 0.5))
    found = compare(make_experiment(study("sgd", high), study("adam", low)))
    assert found.experiment.metric.direction == "minimize"
    assert found.answer.winner == "adam"
    (difference,) = found.outcome.verdict.differences
    assert difference.mean == pytest.approx(np.mean(high - low), abs=1e-4)  # losses keep four digits
    assert f"its lead in mean test loss is {difference.mean:.3g} over sgd" in found.answer.sentences[0]
    assert [row.label for row in found.rows] == ["adam", "sgd"]


@pytest.mark.parametrize(
    ("tests", "told"),
    [
        ([0.8], "No significance test is possible with one confirmation seed"),
        ([0.8, 0.81], "No significance test is possible with 2 confirmation seeds"),
        ([], "No result yet: there are no confirmations"),
    ],
)
def test_without_enough_seeds_nothing_is_claimed(make_study, make_experiment, tests, told):
    found = compare(make_experiment(make_study("adam", tests), make_study("sgd", tests)))
    assert found.answer.kind == "open"
    assert found.answer.sentences[0].startswith(told)


def test_one_optimizer_is_compared_with_nothing(make_study, make_experiment):
    found = compare(make_experiment(make_study("adam", [0.8, 0.81])))
    assert found.answer.sentences[0].endswith("There is nothing to compare it with yet.")


def test_three_study_seeds_make_the_study_the_unit_and_the_optimizer_the_subject(make_study, make_experiment):
    rng = np.random.default_rng(2)
    studies = []
    for name, level in (("adam", 0.85), ("sgd", 0.75)):
        for seed in range(3):
            tests = level + 0.002 * rng.standard_normal(5)
            made = make_study(f"{name}-{seed}", tests, validation=level, params={"study_seed": str(seed)})
            studies.append(made)
    found = compare(make_experiment(*studies))
    assert [entry.label for entry in found.experiment.entries] == ["adam", "sgd"]
    assert (found.outcome.unit, found.outcome.units) == ("study", (0, 1, 2))
    assert "of the 2 optimizers" in found.answer.sentences[0]
    spread = found.rows[0].over_studies
    assert spread.n == 3
    assert spread.estimate == pytest.approx(found.rows[0].tuned.estimate)


def test_every_second_piece_of_a_sentence_is_a_name_or_a_command(planted):
    found = compare(planted).answer
    for parts, sentence in zip(found.pieces, found.sentences, strict=True):
        assert "".join(parts).replace("\u00a0", " ") == sentence
        assert {part for part in parts[1::2] if not isinstance(part, Command)} <= {"adam", "momentum", "sgd"}
        assert not any(name in text for name in ("adam", "momentum", "sgd") for text in parts[::2])
    assert found.pieces[0][1] == "adam"


def test_an_end_of_exactly_zero_is_told_as_open(make_study):
    metric = metric_of(make_study("adam", [0.8]).params)
    assert metric.change_span(0.0, 0.0212) == "above 0 to 2.12"
    assert metric.change_span(-0.0212, 0.0) == "\u22122.12 to below 0"
    assert metric.change_span(-0.01, 0.0212) == "\u22121.00 to 2.12"


def test_an_end_beyond_the_margin_never_reads_as_if_it_were_on_it(make_study):
    metric = metric_of(make_study("adam", [0.8]).params)
    assert metric.change_span(-0.0013, 0.00501, margin=0.005) == "\u22120.13 to 0.501"
    assert metric.change_span(-0.0050004, 0.0013, margin=0.005) == "\u22120.50004 to 0.13"
    assert metric.change_span(-0.0013, 0.00499, margin=0.005) == "\u22120.13 to 0.50"
    assert metric.change_span(-0.005, 0.005, margin=0.005) == "\u22120.50 to 0.50"
    assert metric.change_span(-0.00003, 0.0078) == "\u22120.003 to 0.78"
    assert metric.change_span(-0.0013, 0.006, margin=0.005) == "\u22120.13 to 0.60"
    loss = replace(metric, is_share=False)
    assert loss.change_span(-0.01, 0.50012, margin=0.5) == "\u22120.01 to 0.5001"


def test_without_a_test_the_best_on_validation_is_called_that_and_no_more(make_study, make_experiment):
    found = compare(make_experiment(make_study("adam", [0.8, 0.81], validation=0.9), make_study("sgd", [0.85, 0.86])))
    assert found.answer.sentences[0] == (
        "No significance test is possible with 2 confirmation seeds. adam, the best on validation, reaches a mean "
        "test accuracy of 80.50 % (2 confirmation seeds). Confirm on 3 seeds or more (budget.n_confirmations)."
    )


def test_a_mean_is_said_to_be_of_as_many_seeds_as_it_is_of(make_study, make_experiment):
    tests = 0.8 + 0.01 * np.random.default_rng(3).standard_normal(10)
    found = compare(make_experiment(make_study("adam", list(tests), validation=0.9), make_study("sgd", [0.7] * 5)))
    assert len(found.outcome.units) == 5  # shared; the mean is of all ten
    reached = f"adam reaches a mean test accuracy of {100 * np.mean(tests):.2f} % (10 confirmation seeds)."
    assert reached in found.answer.sentences


def test_an_interval_that_is_corrected_for_all_pairs_is_said_to_be(make_study, make_experiment):
    rng = np.random.default_rng(0)
    studies = [make_study(name, 0.8 + 0.01 * rng.standard_normal(10)) for name in ("adam", "momentum", "sgd")]
    told = compare(make_experiment(*studies)).answer.sentences[0]
    assert told.endswith(" The 95 % intervals hold for all pairs together, if scores are roughly normal.")
    two = compare(make_experiment(*studies[:2])).answer.sentences[0]
    assert two.endswith("). The 95 % interval holds for roughly normal scores.")


@pytest.mark.parametrize("same_order", [False, True])
def test_the_sentence_on_seeds_says_what_varies_and_what_is_fixed(make_study, make_experiment, same_order):
    studies = [make_study(name, [0.8, 0.82, 0.81]) for name in ("adam", "sgd")]
    if same_order:
        studies = [
            replace(
                study,
                confirmations=tuple(
                    replace(run, params=run.params | {"order_seed": "0"}) for run in study.confirmations
                ),
            )
            for study in studies
        ]
    told = " ".join(compare(make_experiment(*studies)).answer.sentences)
    varying = "The seeds vary initial weights and batch orders; the split of the data is the same in all."
    fixed = "The seeds vary initial weights; the split of the data and the batch order are the same in all."
    assert (fixed if same_order else varying) in told


def test_an_optimizer_whose_trials_all_diverged_is_said_to_have_nothing_to_confirm(make_study, make_experiment):
    lost = make_study("rmsprop", [])
    lost = replace(lost, trials=tuple(replace(run, state="diverged") for run in lost.trials))
    studies = [make_study(name, [0.8, 0.82, 0.81]) for name in ("adam", "sgd")]
    found = compare(make_experiment(lost, *studies))
    assert found.answer.sentences[-1] == (
        "rmsprop is not in the comparison: it has no confirmations, since none of its 6 trials completed (6 diverged)."
    )


def test_a_lead_and_its_interval_have_one_sign_whoever_is_better(make_study, make_experiment):
    rng = np.random.default_rng(4)
    studies = [
        make_study(name, level + 0.01 * rng.standard_normal(10), validation=validation)
        for name, level, validation in (("adam", 0.8, 0.9), ("momentum", 0.801, 0.8), ("sgd", 0.799, 0.7))
    ]
    found = compare(make_experiment(*studies))
    told = found.answer.sentences[0].replace("\u2212", "-")
    behind, ahead = sorted(found.outcome.verdict.differences, key=lambda each: each.mean)
    assert behind.mean < 0 < ahead.mean
    for each in (behind, ahead):
        span = f"({100 * each.low_holm:.2f} to {100 * each.high_holm:.2f})"
        assert f"{100 * each.mean:.2f} points over {found.outcome.labels[each.other]} {span}" in told
    assert "; below 0 it is behind. The 95 % intervals hold" in told
    assert "worse" not in told
    assert "better" not in told


def test_the_lead_behind_a_winner_is_that_of_the_better_of_two(make_study, make_experiment):
    rng = np.random.default_rng(6)
    levels = {"adam": (0.9, 0.9), "momentum": (0.80, 0.8), "sgd": (0.802, 0.7)}
    luck = 0.005 * rng.standard_normal((3, 10))
    luck -= luck.mean(axis=1, keepdims=True)
    studies = [
        make_study(name, level + own, validation=validation)
        for (name, (level, validation)), own in zip(levels.items(), luck, strict=True)
    ]
    found = compare(make_experiment(*studies))
    pair = found.outcome.pair_of(1, 2)
    assert pair.mean < 0  # sgd is better on test, momentum on validation
    span = f"{-100 * pair.high:.2f} to {-100 * pair.low:.2f}"
    told = found.answer.sentences[2].replace("\u2212", "-")
    assert told.endswith(f": the lead of sgd is {-100 * pair.mean:.2f} points (95 % interval {span}).")


def test_a_difference_over_fewer_seeds_than_those_of_the_means_names_them(in_looks, make_experiment):
    studies = [in_looks(name, level, n) for name, level, n in (("adam", 0.9, 10), ("nadam", 0.9, 10), ("sgd", 0.7, 5))]
    found = compare(make_experiment(*studies))
    first = found.answer.sentences[0]
    assert "shared seeds" not in first  # sgd is ruled out, and the others have the same ten seeds
    alone = compare(make_experiment(in_looks("adam", 0.9, 10), in_looks("lamb", 0.85, 10), in_looks("sgd", 0.7, 5)))
    assert alone.answer.winner == "adam"
    assert alone.answer.sentences[0].count("shared seeds") == 1
    assert "), over their 5 shared seeds. The 95 % intervals" in alone.answer.sentences[0]  # decided at the first look
    late = [in_looks(name, level, 10, noise=0.004) for name, level in (("adam", 0.9), ("lamb", 0.896))]
    near = compare(make_experiment(*late, in_looks("sgd", 0.7, 5)))
    over_lamb, over_sgd = (near.answer.sentences[0].partition(f"over {name} (")[2] for name in ("lamb", "sgd"))
    assert over_sgd.partition(")")[0].endswith("; over their 5 shared seeds")
    assert "shared" not in over_lamb.partition(")")[0]


@pytest.mark.parametrize(
    ("n_fixed", "told"),
    [
        (0, "these 3 tuned configurations"),
        (1, "these 3 configurations (2 tuned, 1 fixed)"),
        (3, "these 3 fixed configurations"),
    ],
)
def test_a_configuration_that_was_fixed_is_not_called_tuned(make_study, make_experiment, as_fixed, n_fixed, told):
    rng = np.random.default_rng(8)
    studies = [
        make_study(name, level + 0.002 * rng.standard_normal(10), validation=level)
        for name, level in (("adam", 0.9), ("momentum", 0.8), ("sgd", 0.7))
    ]
    found = compare(make_experiment(*map(as_fixed, studies[:n_fixed]), *studies[n_fixed:]))
    assert found.answer.sentences[0].startswith(f"adam is the best of {told}: ")
    whole = " ".join(found.answer.sentences)
    assert ("it depends on the luck of the search" in whole) == (n_fixed == 0)
    assert ("those tuned depend on the luck of the search" in whole) == (n_fixed == 1)
    assert ("luck of the search" in whole) == ("three study seeds" in whole) == (n_fixed < 3)
    assert ("tuned" in whole) == (n_fixed < 3)
    names = [trace["name"] for trace in found.figures["results"].traces]
    assert f"{ {0: 'tuned ', 1: '', 3: 'fixed '}[n_fixed] }mean, 95 % interval" in names


def test_of_many_leads_the_smallest_of_a_winner_is_said_or_the_span_of_those_that_are_open(
    make_study, make_experiment
):
    def told(levels, noise):
        rng = np.random.default_rng(11)
        names = ("adam", "lamb", "lion", "momentum", "sgd")
        return compare(
            make_experiment(
                *(
                    make_study(name, level + noise * rng.standard_normal(10), validation=0.9 - 0.01 * place)
                    for place, (name, level) in enumerate(zip(names, levels, strict=True))
                )
            )
        )

    won = told((0.9, 0.6, 0.7, 0.8, 0.5), 0.002)
    assert won.answer.winner == "adam"
    nearest = min(won.outcome.verdict.differences, key=lambda each: each.mean)
    assert (
        f"the smallest of its leads in mean test accuracy is {100 * nearest.mean:.2f} points, over momentum ("
        in won.answer.sentences[0]
    )
    assert won.answer.sentences[0].endswith(
        "The 95 % interval holds for all pairs together, if scores are roughly normal."
    )
    open_ones = told((0.9,) * 5, 0.02)
    means = [100 * each.mean for each in open_ones.outcome.verdict.differences]
    span = f"{min(means):.2f} to {max(means):.2f} points".replace("-", "\u2212")
    first = open_ones.answer.sentences[0]
    assert (
        f"; the leads of adam in mean test accuracy over them are {span}, and every interval contains zero." in first
    )
    assert first.endswith(" The 95 % intervals hold for all pairs together, if scores are roughly normal.")


def test_a_command_is_a_piece_of_its_own_and_plain_text_has_it_without_marks():
    text = f"Type {marked_command('study plan digits-mlp')}, {marked_name('adam')}."
    found = pieces(text)
    assert found == ("Type ", "study plan digits-mlp", ", ", "adam", ".")
    assert [isinstance(piece, Command) for piece in found] == [False, True, False, False, False]
    assert plain(text) == "Type study plan digits-mlp, adam."
