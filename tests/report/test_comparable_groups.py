"""Groups of studies that can be compared, and the settings that select one."""

from dataclasses import replace

import pytest

from study.core.errors import StudyError
from study.report.comparability import check_comparable
from study.report.comparable_groups import NotComparableError, selected
from tests.report.conftest import study_of

DIGESTS = {}


def studies(**params_of):
    """Return studies of these names, each with params of its own beside the usual ones."""
    made = [(study_of(name, [0.8, 0.81]), own) for name, own in params_of.items()]
    return [replace(study, params={**study.params, **own}) for study, own in made]


def refused(records, digests=DIGESTS):
    with pytest.raises(NotComparableError) as caught:
        check_comparable("e", records, digests=digests, force=False)
    return caught.value


def test_the_setting_that_tells_the_groups_apart_is_named_with_its_values_and_the_largest_group_comes_first():
    wide = {"model.hidden": "[64]", "model.units": "64"}  # a second key says nothing new
    error = refused(studies(adam=wide, nadam={}, sgd={}, adamw={}, rmsprop=wide))
    assert [*error.differing] == ["model.units"]
    assert [group.studies for group in error.groups] == [("adamw", "nadam", "sgd"), ("adam", "rmsprop")]
    assert [group.where for group in error.groups] == [("model.units=",), ("model.units=64",)]


def test_another_data_set_is_told_by_its_name_though_many_keys_differ():
    iris = {"dataset.name": "iris", "dataset.flat": "true", "model.hidden": "[9]"}
    error = refused(studies(adam=iris, sgd={}))
    assert error.differing == {"dataset.name": ["iris", "tiny"]}


def test_studies_that_differ_in_two_ways_need_two_settings():
    error = refused(studies(adam={}, sgd={"model.hidden": "[9]"}, nadam={"objective.metric": "val_loss"}))
    metrics = ["val_accuracy", "val_loss"]
    assert error.differing == {"objective.metric": metrics, "model.hidden": ["[8]", "[9]"]}
    assert len(error.groups) == 3


def test_other_data_under_the_same_settings_is_told_by_its_digest():
    records = studies(adam={}, sgd={})
    digests = {records[0].run_id: "today", records[1].run_id: "yesterday"}
    error = refused(records, digests)
    assert error.differing == {"data": ["today", "yesterday"]}
    assert [record.name for record in selected("e", records, ["data=today"], digests=digests)] == ["adam"]


def test_each_group_is_selected_by_its_settings_and_can_be_compared():
    records = studies(
        a={"model.hidden": "[9]"}, b={"objective.metric": "val_loss"}, c={}, d={}, e={"model.hidden": "[9]"}
    )
    for group in refused(records).groups:
        found = selected("e", records, group.where, digests=DIGESTS)
        assert sorted(record.name for record in found) == [*group.studies]
        assert check_comparable("e", found, digests=DIGESTS, force=False) == ()


@pytest.mark.parametrize("word", ["model.hidden=[7]", "model.hidden", "model.hiden=[8]"])
def test_a_setting_that_no_study_has_is_refused(word):
    with pytest.raises(StudyError, match=r"^--where=model.hid") as caught:
        selected("e", studies(adam={}, sgd={"model.hidden": "[9]"}), [word], digests=DIGESTS)
    assert ("expected model.hidden=[8], model.hidden=[9] for" in str(caught.value)) == ("hidden" in word)


def test_the_error_of_many_studies_is_short():
    records = [each for n in range(30) for each in studies(**{f"adam{n}": {"model.hidden": f"[{n}]"}})]
    text = str(refused(records))
    assert "Its 30 studies have different models, by model.hidden ([0], [1], [2], 27 more)." in text
    assert len(text) < 400
    (reason,) = check_comparable("e", records, digests=DIGESTS, force=True)
    assert reason.endswith("different models: hidden=[0] of adam0; hidden=[1] of adam1; hidden=[2] of adam2; 27 more.")
