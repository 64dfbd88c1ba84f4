"""Of studies with the same settings, the one that was opened last counts."""

from dataclasses import replace

from study.core.records import StudyRecord, latest_of_settings, n_to_come


def record(name, *, settings="", opened=None, started=0.0):
    tags = {"settings_id": settings} if settings else {}
    if opened is not None:
        tags["opened_ms"] = str(opened)
    return StudyRecord(
        run_id=name,
        experiment="e",
        name=name,
        optimizer="sgd",
        dataset="digits",
        model="mlp",
        study_id=f"id of {name}",
        status="FINISHED",
        n_trials=1,
        tags=tags,
        params={},
        metrics={},
        trials=(),
        confirmations=(),
        started=started,
        ended=None,
    )


def test_the_study_opened_last_is_kept_of_each_setting():
    old = record("sgd", settings="s", opened=1000, started=1.0)
    new = record("sgd-data-1", settings="s", opened=3000, started=2.0)
    other = record("adam", settings="a", opened=500)
    assert latest_of_settings([old, new, other]) == [new, other]
    reopened = record("sgd", settings="s", opened=4000, started=1.0)
    assert latest_of_settings([reopened, new]) == [reopened]


def test_records_of_an_earlier_version_are_all_kept():
    records = [record("sgd", started=1.0), record("adam", started=2.0)]
    assert latest_of_settings(records) == records
    assert records[0].settings_id == "id of sgd"
    assert records[0].opened == 1.0


def test_studies_to_come_are_those_of_running_commands_that_have_not_begun():
    sgd = record("sgd", settings="s")
    sgd = replace(sgd, status="RUNNING", tags={**sgd.tags, "command_studies": "a,s,d"})
    adam = record("adam", settings="a")
    assert n_to_come([sgd], begun=[sgd], now_s=0.0) == 2
    assert n_to_come([sgd, adam], begun=[sgd, adam], now_s=0.0) == 1
    assert n_to_come([], begun=[sgd], now_s=0.0) == 0  # its process has died
    ended = replace(sgd, status="FINISHED", ended=100.0)
    assert n_to_come([ended], begun=[ended], now_s=110.0) == 2  # the next one is being opened
    assert n_to_come([ended], begun=[ended], now_s=1000.0) == 0
    stopped = replace(ended, status="KILLED")
    assert n_to_come([stopped], begun=[stopped], now_s=110.0) == 0
    assert n_to_come([record("old", settings="o")], begun=[], now_s=0.0) == 0
