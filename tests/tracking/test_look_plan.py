from dataclasses import replace
from types import SimpleNamespace

import pytest
from mlflow.tracking import MlflowClient

from study.config.schema import Objective
from study.core.errors import StoreError
from study.statistics.looks import ERROR, error_spent, looks_of, looks_text, plan_looks
from study.tracking.connection import connect
from study.tracking.look_plan import changed_margin, look_tags, plan_of_study, recorded_looks
from study.tracking.mlflow_schema import PARENT


class Recorded:
    """An experiment in a store, with studies and their confirmations."""

    def __init__(self, uri):
        self.client: MlflowClient = connect(uri, create=True)
        self.experiment_id = self.client.create_experiment("e")
        self.runs = {}
        self.n_opened = 0

    def open(self, name, budget):
        """Open a study as `study run` does, and return its plan."""
        if name not in self.runs:
            run = self.client.create_run(self.experiment_id, tags={"role": "study", "study_name": name})
            self.runs[name] = run.info.run_id
        run_id = self.runs[name]
        plan = plan_of_study(
            self.client,
            self.experiment_id,
            run_id,
            recorded=self.client.get_run(run_id).data.tags,
            budget=budget,
        )
        self.n_opened += 1
        tags = {"n_confirmations": budget.n_confirmations, "confirm": budget.confirm, "opened_ms": self.n_opened}
        for key, value in {**tags, **look_tags(plan)}.items():
            self.client.set_tag(run_id, key, str(value))
        return looks_text(plan)

    def confirm(self, name, numbers, *, config="best", superseded=False):
        for number in numbers:
            tags = {"role": "confirmation", "config": config, "number": str(number), PARENT: self.runs[name]}
            tags |= {"state": "complete"} | ({"superseded": "true"} if superseded else {})
            run_id = self.client.create_run(self.experiment_id, tags=tags).info.run_id
            self.client.log_metric(run_id, "objective", 0.5)
            self.client.set_terminated(run_id)


@pytest.fixture
def store(tmp_path):
    return Recorded(f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.fixture
def budget(compose):
    config = compose()
    return lambda n, confirm="sequential": replace(config.budget, n_confirmations=n, confirm=confirm)


def test_a_new_study_records_the_plan_of_its_budget(store, budget):
    assert store.open("adam", budget(20, "fixed")) == "20:0.05"
    assert store.open("sgd", budget(20)) == looks_text(plan_looks(20, sequential=True))


def test_the_plan_stays_whatever_is_done_and_without_confirmations(store, budget):
    plan = store.open("adam", budget(40))
    store.confirm("adam", range(12))
    assert store.open("adam", budget(40)) == plan
    assert store.open("adam", budget(0)) == plan


def test_more_confirmations_keep_the_looks_made_and_divide_what_is_left(store, budget):
    before = looks_of(store.open("adam", budget(20)))
    store.confirm("adam", range(10))
    after = looks_of(store.open("adam", budget(40)))
    assert [look.n_seeds for look in after] == [5, 10, 20, 40]
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    assert error_spent(after) == ERROR


@pytest.mark.parametrize(
    "numbers",
    [
        {"numbers": range(1, 10)},
        {"numbers": range(10), "config": "default"},
        {"numbers": range(10), "superseded": True},
    ],
)
def test_a_look_that_lacks_a_confirmation_is_not_made(store, budget, numbers):
    store.open("adam", budget(10, "fixed"))
    store.confirm("adam", **numbers)
    assert store.open("adam", budget(40)) == looks_text(plan_looks(40, sequential=True))


def test_more_confirmations_after_all_error_was_spent_say_a_larger_total(store, budget):
    store.open("adam", budget(10, "fixed"))
    store.confirm("adam", range(10))
    after = looks_of(store.open("adam", budget(20, "fixed")))
    assert [look.n_seeds for look in after] == [10, 20]
    assert error_spent(after) > ERROR


@pytest.mark.parametrize("order", [("adam", "sgd"), ("sgd", "adam")])
def test_studies_that_were_left_at_different_looks_get_one_plan(store, budget, order):
    for name in order:
        store.open(name, budget(20))
    store.confirm("adam", range(10))
    store.confirm("sgd", range(5))
    first, second = (store.open(name, budget(40)) for name in order)
    assert first == second
    assert [look.n_seeds for look in looks_of(first)] == [5, 10, 20, 40]
    assert looks_of(first)[1] == plan_looks(20, sequential=True)[1]  # adam has made it
    assert store.open("lion", budget(40)) == first  # a new study takes the plan of the others


def test_a_plan_is_not_taken_from_a_study_with_other_looks_behind_it(store, budget):
    store.open("adam", budget(10, "fixed"))
    store.confirm("adam", range(10))
    other = store.open("sgd", budget(40))
    after = store.open("adam", budget(40))
    assert after != other
    assert after.startswith("10:0.05 ")


def test_a_study_of_an_earlier_version_has_one_look():
    assert recorded_looks({"n_confirmations": "10"}) == plan_looks(10, sequential=False)
    assert recorded_looks({"n_confirmations": "0"}) == recorded_looks({}) == ()


@pytest.mark.parametrize("text", ["5:0.01 5:0.04", "many", "5:2"])
def test_a_damaged_plan_is_refused_with_the_name_of_the_study(text):
    with pytest.raises(StoreError, match=r"adam: its plan was changed in the store: .*[lL]ook|level"):
        recorded_looks({"looks": text, "study_name": "adam"})


@pytest.mark.parametrize(
    ("recorded", "n_confirmed", "tags"),
    [
        ({}, 3, {}),
        ({"objective_margin": "0.01"}, 3, {}),
        ({"objective_margin": "0.005"}, 0, {}),
        ({"objective_margin": "0.005"}, 3, {"earlier_margin": "0.005"}),
        ({"objective_margin": "null"}, 3, {"earlier_margin": "null"}),
        ({"objective_margin": "0.02", "earlier_margin": "0.005"}, 3, {}),
    ],
)
def test_a_margin_that_is_changed_after_confirmations_is_kept(recorded, n_confirmed, tags):
    objective = Objective(metric="val_accuracy", direction="maximize", target=None, is_share=True, margin=0.01)
    children = [SimpleNamespace(role="confirmation", has_result=True)] * n_confirmed
    assert changed_margin(recorded, objective, children) == tags
