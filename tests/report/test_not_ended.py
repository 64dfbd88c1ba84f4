from dataclasses import replace

import pytest

from study.report.not_ended import not_begun, not_ended
from study.report.pairing import decide_outcome
from study.report.summary_rows import summarize
from study.report.verdict_text import answer


@pytest.mark.parametrize(
    ("status", "known", "told"),
    [
        ("RUNNING", True, "adam is running: 6 of 6 trials, 1 confirmation. Its numbers may change."),
        ("RUNNING", False, "adam was killed: 6 of 6 trials, 1 confirmation. The same command continues it."),
        ("RUNNING", None, "adam is running, or was killed: 6 of 6 trials, 1 confirmation. Its numbers may change."),
        ("KILLED", None, "adam was cut off (killed): 6 of 6 trials, 1 confirmation. The same command continues it."),
    ],
)
def test_the_state_of_a_study_is_said_as_far_as_it_is_known(make_study, make_experiment, status, known, told):
    made = make_study("adam", [0.8], status=status)
    made = replace(made, tags={**made.tags, "n_confirmations": "5"})
    experiment = make_experiment(made)
    (caution,) = not_ended(replace(experiment, has_worker={} if known is None else {made.run_id: known}))
    assert caution.text == told
    assert caution.serious


def test_a_study_that_ended_has_no_caution(make_study, make_experiment):
    assert not list(not_ended(make_experiment(make_study("adam", [0.8, 0.81]))))


def test_a_study_that_was_cut_off_is_named_though_its_tuned_confirmations_are_all_there(make_study, make_experiment):
    made = make_study("adam", [0.8, 0.81], status="KILLED")
    (caution,) = not_ended(make_experiment(made))
    assert caution.text == "adam was cut off (killed): 6 of 6 trials, 2 confirmations. The same command continues it."


def test_studies_of_a_command_that_have_not_begun_are_counted(make_study, make_experiment):
    made = make_study("adam", [0.8, 0.81])
    planned = replace(made, tags={**made.tags, "command_studies": f"{made.settings_id},b,c"})
    (caution,) = not_begun(make_experiment(planned))
    assert caution.serious
    assert caution.text.startswith("2 of the 3 studies of these commands have no trial yet, or have been deleted. ")
    running = replace(planned, status="RUNNING")
    for known, begins in ((True, "The command runs, and begins them."), (False, "The same command begins them.")):
        watched = replace(make_experiment(running), has_worker={running.run_id: known})
        (caution,) = not_begun(watched)
        assert f" {begins} Each further" in caution.text
        assert ("deleted" in caution.text) != known
    other = make_study("sgd", [0.8, 0.81])
    all_there = replace(made, tags={**made.tags, "command_studies": f"{made.settings_id},{other.settings_id}"})
    assert not list(not_begun(make_experiment(all_there, other)))
    assert not list(not_begun(make_experiment(made)))


def test_a_claim_about_some_studies_of_a_command_says_so_in_the_sentence(make_study, make_experiment):
    adam, sgd = make_study("adam", [0.9, 0.91, 0.92, 0.9]), make_study("sgd", [0.5, 0.51, 0.52, 0.5])
    planned = replace(adam, tags={**adam.tags, "command_studies": f"{adam.settings_id},{sgd.settings_id},c,d"})

    def told(*studies):
        experiment = make_experiment(*studies)
        outcome = decide_outcome(experiment)
        return answer(experiment, outcome, summarize(experiment)).sentences[0]

    assert told(planned, sgd).startswith("So far, with 2 of 4 studies, adam is the best of these 2 tuned ")
    assert told(adam, sgd).startswith("adam is the best of ")
    searching = replace(make_study("nadam", []), status="RUNNING", confirmations=())
    assert told(adam, sgd, searching).startswith("So far, with 2 of 3 studies, adam is the best ")
    alike = make_study("nadam", [0.9, 0.91, 0.92, 0.9])
    assert told(replace(planned, tags={**planned.tags, "command_studies": "c"}), alike).startswith(
        "So far, with 2 of 3 studies, no clear winner among "
    )
