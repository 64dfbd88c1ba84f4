from dataclasses import replace

import pytest

from study.report.comparison import compare
from study.report.html.trial_table import trial_table
from study.report.marked_text import plain

LINK = "http://mlflow/{}"


def table_of(experiment, **changes):
    return trial_table(compare(experiment), link=LINK, **changes)


def column(table, title):
    return [row.cells[table.columns.index(title)] for row in table.rows]


def test_all_trials_are_listed_the_best_first_with_their_values_and_runs(planted):
    table = table_of(planted)
    assert len(table.rows) == 18
    assert table.note.startswith("All 18 trials.")
    assert table.columns == ("state", "validation accuracy", "learning_rate", "beta_1", "seconds of training")
    assert (table.columns[table.sorted_by], table.order) == ("validation accuracy", "descending")
    scores = [float(text.split("\u00a0")[0]) for text in column(table, "validation accuracy")]
    assert scores == sorted(scores, reverse=True)
    best = planted.entries[0].trials[2]
    assert (table.rows[0].label, table.rows[0].number, table.rows[0].link) == (
        "adam",
        2,
        f"http://mlflow/{best.run_id}",
    )
    assert float(column(table, "learning_rate")[0]) == pytest.approx(float(best.params["learning_rate"]), rel=1e-4)
    assert column(table, "seconds of training")[0] == "2.00"


def test_seconds_too_few_to_compare_are_not_listed_and_marks_are_those_of_figures(planted):
    short = [
        replace(run, metrics={**run.metrics, "seconds_train": 0.182}) for run in planted.entries[0].studies[0].trials
    ]
    first, *others = planted.entries
    (study,) = first.studies
    hasty = replace(study, trials=tuple(short), record=replace(study.record, trials=tuple(short)))
    table = table_of(replace(planted, entries=(replace(first, studies=(hasty,)),)))
    assert "seconds of training" not in table.columns
    mixed = table_of(replace(planted, entries=(replace(first, studies=(hasty,)), *others)))
    told = dict(zip([row.label for row in mixed.rows], column(mixed, "seconds of training"), strict=True))
    assert told[first.label] == "< 1"
    assert {told[entry.label] for entry in others} == {"2.00"}
    look = compare(planted).look
    assert {row.label: row.marker for row in mixed.rows} == {label: style.marker for label, style in look.items()}


def test_trials_without_a_result_come_last_and_say_why(make_study, make_experiment):
    study = make_study("adam", [0.8] * 3)
    states = [("diverged", "FINISHED"), ("failed", "FAILED"), (None, "RUNNING"), (None, "KILLED")]
    odd = [
        replace(run, state=state, status=status, metrics={})
        for run, (state, status) in zip(study.trials, states, strict=False)
    ]
    table = table_of(make_experiment(replace(study, trials=(*odd, *study.trials[4:]))))
    assert column(table, "state") == ["complete", "complete", "diverged", "failed", "running", "cut off"]
    assert column(table, "validation accuracy")[2:] == [""] * 4
    assert column(table, "seconds of training")[2:] == [""] * 4


def test_a_loss_is_sorted_from_the_smallest(planted):
    metric = replace(planted.metric, name="val_loss", is_share=False, direction="minimize")
    table = table_of(replace(planted, metric=metric))
    scores = [float(text) for text in column(table, "validation loss")]
    assert scores == sorted(scores)
    assert table.order == "ascending"


def test_of_too_many_each_study_shows_its_best_and_the_caption_says_where_the_others_are(make_study, make_experiment):
    few = make_study("sgd", [0.8] * 3, trials=(0.1, 0.2, 0.3))
    many = make_study("adam", [0.8] * 3, trials=tuple(0.5 + 0.001 * number for number in range(60)))
    more = make_study("lion", [0.8] * 3, trials=tuple(0.4 + 0.001 * number for number in range(60)))
    table = table_of(make_experiment(few, many, more), most_rows=31)
    shown = {label: [row.number for row in table.rows if row.label == label] for label in ("sgd", "adam", "lion")}
    assert shown["sgd"] == [2, 1, 0]
    assert shown["adam"] == shown["lion"] == [*range(59, 45, -1)]
    assert "The best 31 of 123 trials, as many of each study as fit." in table.note
    assert "what study list --json tiny-mlp prints" in plain(table.note)
    assert "from number 3 on are beyond the budget that all studies have in common" in table.note


def test_several_study_seeds_are_told_by_their_seed(make_study, make_experiment):
    studies = [make_study(f"adam-{seed}", [0.8] * 3, params={"study_seed": str(seed)}) for seed in range(2)]
    table = table_of(make_experiment(*studies))
    assert table.columns[0] == "study seed"
    assert sorted(column(table, "study seed")) == ["0"] * 6 + ["1"] * 6


def test_an_experiment_without_trials_has_no_table(make_study, make_experiment):
    assert table_of(make_experiment(replace(make_study("adam", [0.8] * 3), trials=(), n_trials=0))) is None
