"""Runs of a study as they count: the worst value for divergence, whichever version recorded it."""

import pytest

from study.core.records import RunRecord
from study.tracking.child_records import with_worst_objective, without_twins


def run(state, *, number=0, started=0.0, **metrics):
    return RunRecord(
        run_id=f"{state}-{started}", role="trial", config=None, number=number, state=state, status="FINISHED",
        superseded=False, params={}, metrics=metrics, started=started, ended=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "is_share", "worst"),
    [("maximize", "True", 0.0), ("minimize", "True", 1.0), ("maximize", "False", -1e9), ("minimize", "False", 1e9)],
)
def test_a_diverged_run_has_the_worst_value(direction, is_share, worst):
    tags = {"objective_direction": direction, "objective_is_share": is_share}
    found = with_worst_objective([run("diverged", loss=3.0), run("failed"), run("complete", objective=0.5)], tags)
    assert [child.metrics.get("objective") for child in found] == [worst, None, 0.5]
    assert found[0].metrics["loss"] == 3.0


def test_the_value_of_an_earlier_version_stays():
    tags = {"objective_direction": "minimize", "objective_is_share": "False"}
    (found,) = with_worst_objective([run("diverged", objective=7.0)], tags)
    assert found.metrics["objective"] == 7.0
    (found,) = with_worst_objective([run("diverged")], {})
    assert "objective" not in found.metrics


def test_of_two_finished_runs_of_one_trial_the_later_counts():
    earlier, later = run("complete", started=1.0), run("complete", started=2.0)
    assert without_twins([later, earlier]) == [later]
