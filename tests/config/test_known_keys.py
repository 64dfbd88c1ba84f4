"""Keys that no part of the project reads are faults, each with the nearest known key."""

import json
from pathlib import Path

import pytest
import yaml

from study.config.arguments import nested_faults
from study.config.instantiate import takes_any_keyword
from study.config.known_keys import SECTIONS, dotted_keys, helper_keys, is_misspelt, nearest, unknown_keys
from study.config.parse import parse
from study.core.errors import ConfigError

CONF = Path(__file__).parents[2] / "conf"


def given(compose, *overrides):
    return json.loads(json.dumps(compose(*overrides).raw))


@pytest.fixture(scope="module")
def raw(compose_quick, tmp_path_factory):
    return given(lambda *words: compose_quick(*words, folder=tmp_path_factory.mktemp("known")))


def faults(raw, changes, helpers=()):
    changed = json.loads(json.dumps(raw))
    for key, value in changes.items():
        *parents, last = key.split(".")
        node = changed
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    return {fault.key: fault.advice for fault in unknown_keys(changed, helpers=helpers)}


def test_all_keys_of_the_config_and_its_groups_are_known(raw):
    assert unknown_keys(raw, helpers=()) == []
    root = yaml.safe_load((CONF / "config.yaml").read_text())
    groups = {path.name for path in CONF.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert groups - {"experiment", "hydra"} <= set(SECTIONS)
    assert set(root) - {"defaults", "hydra"} <= {*SECTIONS, *dotted_keys({})}


@pytest.mark.parametrize(
    ("key", "value", "near"),
    [
        ("seed", 3, "study_seed=3"),
        ("n_trials", 3, "budget.n_trials=3"),
        ("optimiser", "sgd", "optimizer=sgd"),
        ("budget.epochs", 3, "budget.n_epochs"),
        ("dataset.task.batchsize", 8, "dataset.task.batch_size"),
        # Siblings of the cases that were reported.
        ("study_sed", 3, "study_seed=3"),
        ("hidden", [3], "model.hidden"),
        ("dropout", 0.5, "model.dropout=0.5"),
        ("lr", 0.1, "optimizer.learning_rate=0.1"),
        ("batch_size", 64, "trainer.batch_size=64"),
        ("metric", "val_loss", "objective.metric=val_loss"),
        ("optimizr", {"learning_rate": 1}, "optimizer"),
        ("budget.n_trails", 3, "budget.n_trials"),
        ("tracking.logmodel", False, "tracking.log_model"),
        ("objective.metrics", "val_loss", "objective.metric"),
        ("storage.mlflow_databse", "x.db", "storage.mlflow_database"),
        ("dataset.task.objective.diretion", "minimize", "dataset.task.objective.direction"),
    ],
)
def test_an_unknown_key_is_a_fault_with_the_nearest_one(raw, key, value, near):
    assert faults(raw, {key: value}) == {key: f"Did you mean {near}?"}


def test_a_key_that_is_near_to_nothing_is_a_fault_too(raw):
    found = faults(raw, {"dataset.task.class_wait": {"0": 2}, "frobnicate": 1, "storage.host": "db", "variant": "a"})
    assert found["dataset.task.class_wait"] == "Did you mean dataset.task.class_weight?"
    assert found["frobnicate"].startswith("Remove frobnicate, or read it somewhere as ${frobnicate}")
    assert {"storage.host", "variant"} <= set(found)  # of another store, and without variants


def test_a_key_that_references_read_is_no_fault(raw):
    changed = {**raw, "rates": {"slow": 0.1}, "rate": "slow", "width": 3, "unused": 4}
    texts = ["${rates.${rate}}", "[${width}, ${width}]", "unused", "plain ${model.name}"]
    assert helper_keys(changed, texts) == {"rates", "rate", "width"}
    assert set(faults(changed, {}, helpers=helper_keys(changed, texts))) == {"unused"}


def test_a_resolved_config_without_its_references_passes_with_sections_and_choices_of_its_own(raw):
    changed = {**raw, "rates": {"slow": 0.1}, "rate": "slow"}
    assert unknown_keys(changed) == []
    assert [fault.key for fault in unknown_keys({**changed, "optimzer": {"name": "sgd"}})] == ["optimzer"]
    assert [fault.key for fault in unknown_keys({**changed, "n_trials": 3})] == ["n_trials"]


def test_a_config_from_a_store_keeps_the_keys_of_its_version(raw, tmp_path):
    older = {**raw, "experiment": "mine", "budget": {**raw["budget"], "patience": 3}}
    assert parse(older, folder=tmp_path, allow=()).budget.n_trials == 3
    with pytest.raises(
        ConfigError, match=r"(?s)budget\.patience=3.*experiment=mine|experiment=mine.*budget\.patience=3"
    ):
        parse(older, folder=tmp_path)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("optimizer.untuned.epsilom=1", "Did you mean optimizer.untuned.epsilon?"),
        ("enqueue.lerning_rate=0.1", "Did you mean enqueue.learning_rate?"),
        ("optimizer.searchonly=[beta_1]", "Did you mean optimizer.search_only?"),
        ("schedule.alpha=0.1", "schedule.alpha=0.1: expected no arguments for schedule=constant"),
        ("model.hiden=[10]", "Did you mean model.hidden?"),
        ("sampler.n_point=3", "sampler.n_point=3: expected an argument of"),
        ("optimizer.lr=0.1", "Did you mean optimizer.learning_rate?"),
        ("optimizer.search.lr.low=0.1", "Did you mean optimizer.learning_rate?"),
        ("dataset.task.loss.from_logit=true", "Did you mean dataset.task.loss.from_logits?"),
        (
            "dataset.task.metrics=[{_target_:keras.metrics.F1Score,name:f1,averag:macro}]",
            "dataset.task.metrics.0.averag=",
        ),
    ],
)
def test_keys_of_the_sections_with_arguments_are_checked_too(compose, override, told):
    with pytest.raises(ConfigError) as caught:
        compose(override)
    assert told in str(caught.value)


def test_sections_below_others_are_checked_unless_they_take_any_keyword():
    function = {"_target_": "study.models.landscape_functions.rotated", "angel": 3}
    (fault,) = nested_faults({"model": {"_target_": "study.models.landscape.build", "function": function}})
    assert (fault.key, fault.value) == ("model.function.angel", 3)
    assert takes_any_keyword("study.no_such_module.thing")
    assert not takes_any_keyword("keras.losses.Huber")
    own = {"model": {"_target_": "keras.models.Model", "inner": {"_target_": "keras.layers.Dense", "unit": 3}}}
    assert nested_faults(own) == []  # a layer takes any keyword


def test_a_name_is_never_its_own_correction():
    assert nearest("model.depth", ("model.depth", "model.hidden")) is None
    assert nearest("seed", ("study_seed",)) == "study_seed"
    assert is_misspelt("lerning_rate", ["learning_rate"])
    assert not is_misspelt("sgd_learning_rate", ["learning_rate"])
    assert not is_misspelt("rho", ["momentum"])


@pytest.mark.parametrize("name", ["batch_size", "metric", "direction", "target", "task", "from_logits"])
def test_a_reference_to_another_key_of_the_same_name_reads_none_at_the_root(raw, name):
    texts = ("${dataset.task.batch_size}", "${dataset.task.objective.metric}", "${dataset.task.objective.direction}")
    more = ("${..objective.target}", "target of ${study_seed}", "a.${dataset.task.loss.from_logits}.b")
    changed = {**raw, name: 64}
    assert helper_keys(changed, (*texts, *more)) == set()
    assert set(faults(changed, {}, helpers=())) == {name}


@pytest.mark.parametrize(
    "text",
    [
        "${rate}",
        "${.rate}",
        "${...rate}",
        "${oc.select:rate,3}",
        "${oc.decode: ${rate}}",
        "${rate.value}",
        "${rate[value]}",
        "${rate.${dataset.name}}",
        "${model.${rate}}",
        "as ${study_seed} and ${rate}",
    ],
)
def test_all_forms_of_a_reference_read_a_key(raw, text):
    assert helper_keys({**raw, "rate": {"value": 3}}, [text]) == {"rate"}
    assert helper_keys({**raw, "rates": {"value": 3}}, [text]) == set()


@pytest.mark.parametrize("text", ["${budget.usual}", "${.usual}", "${..budget.usual}", "${budget.${model.name}}"])
def test_all_forms_of_a_reference_read_a_key_of_a_section(raw, text):
    changed = {**raw, "budget": {**raw["budget"], "usual": 3}}
    assert helper_keys(changed, [text]) == {"budget.usual"}
    assert helper_keys(changed, ["${tracking.usual}", "${usual}"]) == set()
