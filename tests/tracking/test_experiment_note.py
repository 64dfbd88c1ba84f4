from dataclasses import replace

import pytest
from mlflow.tracking import MlflowClient

from study.tracking.experiment_note import NOTE, ExperimentNote, mark_stale, write_note

CONTENT = ExperimentNote(
    headline="adam is the best.",
    sentences=["By 2 points."],
    table=[("study", "test"), ("adam", "0.9 ± 0.1"), ("a|b", "0.8\n± 0.1")],
    below=["Best first."],
    colors={},
    ranges={},
)


@pytest.fixture
def opened(make_config, open_tracker):
    config = make_config()
    with open_tracker(config) as tracker:
        pass
    client = MlflowClient(config.stores.tracking_uri, registry_uri=config.stores.tracking_uri)

    class Opened:
        uri, name, experiment_id, run_id = (
            config.stores.tracking_uri, config.experiment_name, tracker.experiment_id, tracker.run_id,
        )  # fmt: skip

        def note(self):
            return client.get_experiment(self.experiment_id).tags.get(NOTE)

        def write(self, content=CONTENT):
            return write_note(self.uri, self.name, content)

    Opened.client = client
    return Opened()


def test_a_description_begins_with_the_answer_and_has_a_table_and_links(opened):
    assert opened.write()
    first, *others = opened.note().split("\n\n")
    assert first == "adam is the best."
    table = others[0].replace("\N{NO-BREAK SPACE}", "").splitlines()
    assert table == ["| study | test |", "|---|---|", "| adam | 0.9 ± 0.1 |", "| a\\|b | 0.8 ± 0.1 |"]
    assert f"(#/experiments/{opened.experiment_id}/runs?viewStateShareKey=studies&" in opened.note()
    assert "comparison page and its figures" not in opened.note()  # none is kept yet


def test_a_description_without_a_table_replaces_an_earlier_answer(opened):
    opened.write()
    opened.write(replace(CONTENT, headline="No answer.", table=()))
    assert opened.note().split("\n\n")[:2] == ["No answer.", "Best first."]
    assert "adam" not in opened.note()


def test_results_that_a_study_lacks_are_written_with_the_description(opened):
    opened.write(replace(CONTENT, lacking={opened.run_id: ({"test": "0.9 ± 0.1"}, {"chosen_by": 0.8})}))
    data = opened.client.get_run(opened.run_id).data
    assert (data.tags["test"], data.metrics["chosen_by"]) == ("0.9 ± 0.1", 0.8)


def test_a_description_links_to_the_last_comparison(opened):
    for started in (2_000, 1_000):
        opened.client.create_run(opened.experiment_id, started, {"role": "comparison"})
    opened.write()
    runs = opened.client.search_runs([opened.experiment_id], "tags.role = 'comparison'", order_by=["start_time DESC"])
    assert f"/runs/{runs[0].info.run_id}/artifacts" in opened.note()
    assert opened.note().index("best first](#/experiments/") < opened.note().index("/artifacts")
    assert runs[1].info.run_id not in opened.note()


def test_our_own_description_is_renewed_and_that_of_a_person_stays(opened):
    opened.write()
    assert opened.write(replace(CONTENT, headline="sgd is the best."))
    assert opened.note().startswith("sgd is the best.")
    changed = opened.note().replace("By 2 points.", "By 2 points, as we hoped.")
    opened.client.set_experiment_tag(opened.experiment_id, NOTE, changed)
    assert not opened.write()
    assert opened.note() == changed


def test_a_table_that_is_too_long_for_mlflow_is_cut_and_says_so(opened):
    rows = [(f"study {number}", "x" * 60) for number in range(500)]
    assert opened.write(replace(CONTENT, table=[("study", "test"), *rows]))
    note = opened.note()
    assert len(note) <= 5000
    assert "| study 0" in note
    assert "more are on the comparison page." in note
    assert opened.write()  # it is ours still
    assert len(opened.note()) < 2000


def test_words_that_are_too_long_for_mlflow_are_cut(opened):
    assert opened.write(replace(CONTENT, sentences=["word " * 5000]))
    assert len(opened.note()) <= 5000
    assert opened.write()


def test_a_comparison_colors_a_study_and_its_trials(opened, make_config, open_tracker, record):
    with open_tracker(make_config()) as tracker:
        record(tracker, "trial", 0)
    opened.write(replace(CONTENT, colors={opened.run_id: "#123456"}))
    runs = opened.client.search_runs([opened.experiment_id])
    assert {run.data.tags["mlflow.runColor"] for run in runs} == {"#123456"}
    assert len(runs) == 2


def test_cautions_come_right_after_the_first_line_which_names_them(opened):
    cautions = [("Diverged confirmations", "adam: 1 of 4."), ("Unequal budgets", "one"), ("Unequal budgets", "two")]
    opened.write(replace(CONTENT, cautions=cautions))
    first, told, table, *_ = opened.note().split("\n\n")
    assert first == "adam is the best. Caution: diverged confirmations, unequal budgets."
    assert told.splitlines() == [
        "- **Diverged confirmations.** adam: 1 of 4.",
        "- **Unequal budgets.** one",
        "- **Unequal budgets.** two",
    ]
    assert table.startswith("| study")


def test_a_description_whose_runs_were_deleted_says_so_until_it_is_renewed(opened):
    opened.write()
    before = opened.note()
    assert mark_stale(opened.client, opened.run_id)
    first, second, *_ = opened.note().split("\n\n")
    assert first.startswith("Runs were deleted or restored since this answer was written.")
    assert f"study compare {opened.name}" in first
    assert second == "adam is the best."
    assert not mark_stale(opened.client, opened.run_id)
    assert opened.write()  # it is ours still
    assert opened.note() == before


def test_neither_the_description_of_a_person_nor_a_page_that_was_deleted_makes_it_stale(opened):
    opened.write()
    page = opened.client.create_run(opened.experiment_id, tags={"role": "comparison"})
    assert not mark_stale(opened.client, page.info.run_id)
    opened.client.set_experiment_tag(opened.experiment_id, NOTE, "Our own words.")
    assert not mark_stale(opened.client, opened.run_id)
    assert opened.note() == "Our own words."
