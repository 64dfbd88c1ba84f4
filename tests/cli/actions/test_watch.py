"""Looks of a watcher at stores that change between them: studies that run elsewhere, and that end."""

from dataclasses import replace
from pathlib import Path

import pytest

from study.cli.actions import watch
from study.cli.stores import stores_of
from study.core.errors import StoreError, StudyError
from study.core.records import RunRecord, StudyRecord
from study.pipeline.stored_progress import progress_of, update

PARAMS = {
    "objective.metric": "val_accuracy",
    "objective.direction": "auto",
    "optimizer.search.learning_rate.low": "0.01",
}


def study(*, n_ended=0, n_confirmed=0, status="RUNNING", **changes):
    confirmations = tuple(
        RunRecord(
            run_id=f"c{number}", role="confirmation", config="best", number=number, state="complete",
            status="FINISHED", superseded=False, params={}, metrics={"objective": 0.9}, started=0.0, ended=1.0,
        )
        for number in range(n_confirmed)
    )  # fmt: skip
    tags = {"progress": f"{n_ended}/4", "confirm": "fixed", "n_confirmations": "3", "objective_direction": "maximize"}
    best = {"best_objective": 0.75, "best_trial_number": 1.0} if n_ended else {}
    made = StudyRecord(
        run_id="r", experiment="e", name="sgd", optimizer="sgd", dataset="d", model="m", study_id="s", status=status,
        n_trials=4, tags=tags, params=PARAMS, metrics=best, trials=(), confirmations=confirmations,
        started=0.0, ended=1.0,
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture
def stores(monkeypatch):
    """Let each look find the next of some states: a study, and whether a worker has it open."""

    def offer(*states):
        looks = iter(states)
        now = {}

        def read(*_, **__):
            now["study"], now["is_open"] = next(looks)
            if isinstance(now["study"], Exception):
                raise now["study"]
            return [now["study"]]

        monkeypatch.setattr(watch, "known_experiments", lambda *_, **__: ["e"])
        monkeypatch.setattr(watch, "read_studies", read)
        monkeypatch.setattr(watch, "with_worker", lambda _: {"s": now["is_open"]})
        shown = []
        monkeypatch.setattr(watch._Watching, "show_tables", lambda _: shown.append("tables"))
        return stores_of(Path()), shown

    return offer


def lines_of(capsys, stores, *names):
    watch.watch(stores, names, idle_s=0.0, pause_s=0.0)
    return capsys.readouterr().err.splitlines()


def test_each_change_is_a_line_without_a_terminal_and_the_tables_come_at_the_end(stores, capsys):
    place, shown = stores(
        (study(), True),
        (study(n_ended=2), True),
        (study(n_ended=2), True),
        (study(n_ended=4, n_confirmed=3), True),
        (study(n_ended=4, n_confirmed=3, status="FINISHED"), False),
    )
    untuned = "confirm untuned 0 of 3"
    assert lines_of(capsys, place, "e") == [
        f"e/sgd: search 0 of 4 trials, confirm tuned 0 of 3, {untuned}; no val_accuracy yet",
        f"e/sgd: search 2 of 4 trials, confirm tuned 0 of 3, {untuned}; best val_accuracy 0.7500 (trial 1)",
        f"e/sgd: search 4 of 4 trials, confirm tuned 3 of 3, {untuned}; best val_accuracy 0.7500 (trial 1)",
        "e/sgd: finished, best val_accuracy 0.7500 (trial 1) after 1 s",
    ]
    assert shown == ["tables"]


def test_a_study_that_closes_its_search_before_its_run_is_not_abandoned(stores, capsys):
    place, _ = stores((study(), True), (study(n_ended=4), False), (study(n_ended=4, status="FINISHED"), False))
    assert lines_of(capsys, place)[-1].startswith("e/sgd: finished, ")


def test_a_study_whose_worker_was_killed_is_abandoned_at_the_second_look(stores, capsys):
    place, _ = stores((study(), True), (study(), False), (study(), False))
    assert lines_of(capsys, place)[-1].startswith("e/sgd: abandoned, ")


def test_a_study_that_is_just_being_opened_waits_for_the_next_look(stores, capsys):
    place, _ = stores(
        (study(), True), (study(name="adam", params={}), True), (study(name="adam"), True), (study(status="KILLED"), 0)
    )
    told = lines_of(capsys, place)
    assert [line for line in told if "cannot be read" in line] == []


def test_a_store_that_is_away_for_a_moment_is_tried_again(stores, capsys):
    place, _ = stores((study(), True), (StoreError("away"), True), (study(status="FINISHED"), False))
    told = lines_of(capsys, place)
    assert told[1] == "study watch: the stores cannot be read now, and are tried again. away"
    assert told[2].startswith("e/sgd: finished, ")


def test_a_store_that_stays_away_ends_the_watching(stores, capsys):
    place, _ = stores((study(), True), *[(StoreError("away"), True)] * 9)
    with pytest.raises(StoreError, match="away"):
        lines_of(capsys, place)


def test_nothing_that_runs_is_said_and_the_tables_are_shown(stores, capsys):
    place, shown = stores((study(status="FINISHED"), False))
    assert lines_of(capsys, place, "e") == ["study watch: nothing runs in e now."]
    assert shown == ["tables"]


def test_an_unknown_experiment_is_refused_with_those_there_are(stores, capsys):
    place, _ = stores()
    with pytest.raises(StudyError, match="EXPERIMENT=yours: expected one of e"):
        lines_of(capsys, place, "yours")


def test_the_time_left_comes_from_changes_between_looks_once_there_is_one_after_the_first():
    progress = progress_of(study(), now=100.0, now_s=0.0)
    assert "time left not known yet" in progress.time_text(130.0)
    update(progress, study(n_ended=1), now=130.0)  # mostly the time of compiling
    assert progress.time_text(130.0) == "30 s so far, up to 4 min 30 s left"  # 9 times as long
    update(progress, study(n_ended=2), now=132.0)
    # 2 trials and 6 confirmations of 2 s, and programs of 28 s
    assert progress.time_text(132.0) == "32 s so far, about 44 s left"


def test_a_study_that_is_met_later_has_a_time_at_once():
    progress = progress_of(study(n_ended=2), now=132.0, now_s=32.0)
    assert progress.time_text(132.0) == "32 s so far, up to 2 min 8 s left"
    update(progress, study(n_ended=3), now=134.0)
    assert progress.time_text(134.0) == "34 s so far, about 42 s left"  # 7 of 2 s and programs of 28 s
    continued = study(n_ended=2, tags={**study(n_ended=2).tags, "opened_ms": "900000"})
    assert "time left not known yet" in progress_of(continued, now=132.0, now_s=932.0).time_text(132.0)


def test_a_terminal_waits_for_the_first_study_of_an_experiment(stores, monkeypatch, capsys):
    place, shown = stores((study(), True), (study(n_ended=4, status="FINISHED"), False))
    looks = iter([["f"], ["f"], ["f", "e"], ["f", "e"]])
    monkeypatch.setattr(watch, "known_experiments", lambda *_, **__: next(looks))
    watch.watch(place, ["e"], waits=True, idle_s=0.0, pause_s=0.0)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "study watch: e: no study yet; this waits for the first one. Experiments with studies: f."
    assert told[1].startswith("e/sgd: search 0 of 4 trials")
    assert told[-1].startswith("e/sgd: finished")
    assert shown == ["tables"]


def test_a_study_is_shown_in_its_place_among_those_of_its_command():
    planned = study(tags={**study().tags, "command_studies": "a,s,d"})
    progress = progress_of(planned, now=100.0, now_s=0.0)
    assert progress.named == "e/sgd (study 2 of 3)"
    update(progress, replace(planned, tags={**planned.tags, "progress": "1/4"}), now=130.0)
    update(progress, replace(planned, tags={**planned.tags, "progress": "2/4"}), now=132.0)
    told = "32 s so far, about 44 s left; about 2 min 0 s with 1 more study like it"
    assert progress.time_text(132.0) == told
    again = progress_of(replace(planned, tags={**planned.tags, "opened_ms": "900000"}), now=100.0, now_s=901.0)
    assert again.named == "e/sgd"  # continued
