from dataclasses import replace

from study.report.html.live_state import live_state


def test_the_line_says_what_runs_and_what_was_done(make_study):
    done = make_study("adam", [0.8, 0.81])
    running = replace(make_study("sgd", []), status="RUNNING")
    begun = replace(running, trials=(*running.trials[:2], replace(running.trials[2], state=None, status="RUNNING")))
    assert live_state([done, begun]).kind == "running"
    assert live_state([done, begun]).text == "1 of 2 studies runs, 8 trials and 2 confirmations so far"
    assert live_state([begun]).text == "The study runs, 2 trials and 0 confirmations so far"
    one = replace(begun, trials=begun.trials[:1])
    assert live_state([one, one]).text == "2 of 2 studies run, 2 trials and 0 confirmations so far"
    assert live_state([done, done]).kind == "ended"
    assert live_state([done, done]).text == "All 2 studies have ended, with 12 trials and 4 confirmations"
    killed = replace(done, status="KILLED", confirmations=done.confirmations[:1])
    assert live_state([killed]).text == "The study has ended, with 6 trials and 1 confirmation"


def test_a_study_whose_process_has_died_does_not_run(make_study):
    done = make_study("adam", [0.8, 0.81])
    running = replace(done, status="RUNNING")
    told = "6 trials and 2 confirmations so far"
    assert live_state([running], n_abandoned=1).kind == "ended"
    assert live_state([running], n_abandoned=1).text == f"The study is abandoned: its process has died; {told}"
    told = "12 trials and 4 confirmations so far"
    found = live_state([running, running], n_abandoned=1)
    assert (found.kind, found.text) == (
        "running",
        f"1 of 2 studies runs, {told}; 1 is abandoned: its process has died",
    )
    found = live_state([running, running], n_abandoned=2)
    assert (found.kind, found.text) == ("ended", f"No study runs, 2 are abandoned: their process has died; {told}")


def test_studies_that_are_still_to_come_are_counted(make_study):
    done = make_study("adam", [0.8, 0.81])
    running = replace(make_study("sgd", []), status="RUNNING", trials=())
    found = live_state([done, running], n_to_come=2)
    told = "6 trials and 2 confirmations so far"
    assert (found.kind, found.text) == ("running", f"1 of 4 studies runs, 2 are still to come; {told}")
    assert found.begun_text == "2 of 4 studies begun"
    between = live_state([done], n_to_come=1)
    assert (between.kind, between.text) == ("running", f"1 of 2 studies has ended, 1 is still to come; {told}")
    assert live_state([done, running]).begun_text == ""


def test_without_a_study_the_line_waits_for_the_first_one():
    assert (live_state([]).kind, live_state([]).text) == ("running", "Waiting for the first study")
