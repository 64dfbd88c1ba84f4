import json

import pytest

from study.tracking.packed_tags import INTERNALS, all_tags, packed

STUDY = {"role": "study", "optimizer": "adam", "n_test": "360", "keras": "3.15.0", "study_id": "abc"}
TRIAL = {**STUDY, "role": "trial", "process": "here:1"}


def test_a_person_sees_few_tags_and_a_program_reads_all_of_them():
    stored = packed(STUDY)
    assert set(stored) == {"role", "optimizer", "study_id", INTERNALS}
    assert all_tags(stored) == STUDY


def test_a_trial_shows_less_than_its_study():
    stored = packed(TRIAL)
    assert set(stored) == {"role", "process", INTERNALS}
    assert all_tags(stored) == TRIAL
    assert packed(stored) == stored


def test_a_run_of_an_earlier_version_keeps_its_tags_and_no_value_is_there_twice():
    recorded = {"role": "study", "n_test": "360", "keras": "3.14.0"}
    stored = packed({**STUDY, "n_test": "400", "looks": "5:0.05"}, recorded=recorded)
    assert (stored["n_test"], stored["keras"]) == ("400", "3.15.0")
    assert json.loads(stored[INTERNALS]) == {"looks": "5:0.05"}
    assert all_tags({**recorded, **stored}) == {**STUDY, "n_test": "400", "looks": "5:0.05"}


def test_packed_tags_that_are_not_written_again_stay():
    recorded = packed({**STUDY, "earlier_margin": "0.01"})
    assert all_tags(packed({"n_test": "400"}, recorded=recorded))["earlier_margin"] == "0.01"


@pytest.mark.parametrize("broken", ["", "{", "[1, 2]", "null", '"text"'])
def test_a_tag_that_a_person_broke_is_no_reason_to_fail(broken):
    assert all_tags({"role": "study", INTERNALS: broken}) == {"role": "study"}


def test_tags_that_are_too_long_together_stay_apart():
    long = {"looks": "x" * 8000, "n_test": "1"}
    assert packed(long) == long
