import pytest

from study.config.named_settings import refuse_given, resolve_setting, told_by_origin
from study.core.errors import ConfigError

SETTINGS = {
    "shared": {"any": {"learning_rate": 0.001}, "momentum": {"learning_rate": 0.001, "momentum": 0.9}},
    "tuned": {},
    "few": {"sgd": {"learning_rate": 0.1}},
    "bare": {"sgd": {}},
}
SEARCH = {"learning_rate": {"low": 1e-4, "high": 1.0, "scale": "log"}}


def raw(setting, *, optimizer="sgd", settings=SETTINGS, **arguments):
    section = {"name": optimizer, "learning_rate": None, "search": SEARCH, "search_only": None, **arguments}
    return {"optimizer": section, "settings": settings, "setting": setting}


def faults(config):
    with pytest.raises(ConfigError) as caught:
        resolve_setting(config)
    return [str(fault) for fault in caught.value.faults]


def test_a_setting_fixes_what_it_gives_and_leaves_nothing_to_search():
    resolved = resolve_setting(raw("shared"))
    assert resolved.raw["optimizer"]["learning_rate"] == 0.001
    assert resolved.raw["optimizer"]["search_only"] == []
    assert resolved.origins == {"optimizer.learning_rate": "settings.shared.any.learning_rate"}


def test_an_optimizer_that_is_named_gets_its_own_and_not_those_of_any():
    settings = {"shared": {"any": {"learning_rate": 0.1, "epsilon": 1e-3}, "momentum": {"momentum": 0.9}}}
    optimizer = resolve_setting(raw("shared", optimizer="momentum", settings=settings)).raw["optimizer"]
    assert optimizer["momentum"] == 0.9
    assert optimizer["learning_rate"] is None
    assert "epsilon" not in optimizer


@pytest.mark.parametrize("setting", ["tuned", None])
def test_an_empty_setting_and_none_leave_the_optimizer_as_it_is(setting):
    given = raw(setting)
    assert resolve_setting(given).raw["optimizer"] == given["optimizer"]


def test_an_optimizer_named_without_arguments_is_not_searched():
    optimizer = resolve_setting(raw("bare")).raw["optimizer"]
    assert optimizer["learning_rate"] is None
    assert optimizer["search_only"] == []


def test_what_was_resolved_resolves_to_itself_and_nothing_given_is_changed():
    given = raw("shared")
    once = resolve_setting(given).raw
    assert resolve_setting(once).raw == once
    assert (once["setting"], once["settings"]) == ("shared", {"shared": {}})
    assert given == raw("shared")


def test_a_config_that_knows_no_settings_is_left_alone():
    old = {"optimizer": {"name": "sgd"}}
    assert resolve_setting(old).raw == old


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (raw("shard"), ["setting=shard", "one of shared, tuned, few, bare", "Did you mean shared?"]),
        (raw("shared", settings={}), ["setting=shared", "null, since settings is empty"]),
        (raw(3), ["setting=3", "one of shared"]),
        (raw("few", optimizer="adam"), ["optimizer=adam", "settings.few names: sgd", "settings.few.any"]),
        (raw("shared", settings=[1]), ["settings=[1]", "a section of named settings"]),
        (raw("shared", settings={"shared": 0.1}), ["settings.shared=0.1", "arguments by optimizer"]),
        (raw("shared", settings={"shared": {"any": 0.1}}), ["settings.shared.any=0.1", "a section of arguments"]),
        (raw("shared", settings={"shared": {"any": {"search": 1}}}), ["settings.shared.any.search=1", "an argument"]),
    ],
)
def test_a_fault_tells_key_value_allowed_and_advice(config, told):
    (message,) = faults(config)
    assert all(part in message for part in told), message


def test_an_argument_typed_beside_the_setting_that_fixes_it_is_refused():
    with pytest.raises(
        ConfigError, match=r"optimizer\.learning_rate=0\.1: expected no value together with settings\.shared"
    ):
        refuse_given(raw("shared"), {"optimizer.learning_rate": "0.1"})
    refuse_given(raw("shared"), {"optimizer.epsilon": "0.1"})
    refuse_given(raw("tuned"), {"optimizer.learning_rate": "0.1"})


def test_faults_are_told_by_the_key_that_the_value_comes_from(compose):
    with pytest.raises(ConfigError) as caught:
        compose("settings={shared: {any: {learning_rat: 0.001}}}", "setting=shared", "budget.n_trials=0")
    keys = [fault.key for fault in caught.value.faults]
    assert keys == ["settings.shared.any.learning_rat", "budget.n_trials"]
    assert "Did you mean settings.shared.any.learning_rate?" in str(caught.value)
    assert told_by_origin(caught.value, {}).faults == caught.value.faults


def test_the_study_is_the_one_with_the_values_typed(compose):
    settings = "settings={shared: {any: {learning_rate: 0.001}}, tuned: {}}"
    fixed = compose(settings, "setting=shared", "optimizer=sgd")
    typed = compose("optimizer=sgd", "optimizer.learning_rate=0.001", "optimizer.search_only=[]")
    assert fixed.digest == typed.digest
    assert (fixed.n_trials, fixed.optimizer.ranges) == (1, {})
    assert fixed.optimizer.fixed["learning_rate"] == 0.001
    assert "setting=shared" in fixed.labels[0].split("-")
    assert "settings=" not in fixed.labels[0]
    tuned = compose(settings, "setting=tuned", "optimizer=sgd")
    assert tuned.digest == compose("optimizer=sgd").digest
    assert set(tuned.optimizer.ranges) == {"learning_rate"}
