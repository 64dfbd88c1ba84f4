"""`trainer=auto`: what a study can take, the cheapest of it, and the config that results."""

import importlib.util

import pytest

from study.core.errors import ConfigError
from study.training.auto import Choice, Option, cheapest, find_candidates, first_choice, is_auto, show, with_choice
from study.training.auto_costs import Cost, Facts, Speed, StudySize

FIT_TF, FIT_JAX, SIDE_BY_SIDE = Option("fit", "tensorflow"), Option("fit", "jax"), Option("vectorized", "jax")
NOTHING = {"compiling": 0.0, "training": 0.0, "step": 0.0, "flop": 0.0, "weight": 0.0}
SPEED = Speed(start_s=2.0, gflops=100.0, n_cores=2)


@pytest.fixture
def raw():
    """The resolved config of a study with the given words."""
    from study.cli.launch.compose import compose_jobs, prepare

    def compose(*words):
        (job,) = compose_jobs(prepare(["trainer=auto", *words]), multirun=False)
        return job.raw

    return compose


def facts(**costs):
    """Facts of dense nets, with the given costs by a short name of the option."""
    options = {"fit_tf": FIT_TF, "fit_jax": FIT_JAX, "side_by_side": SIDE_BY_SIDE}
    listed = tuple(Cost(**options[name]._asdict(), **(NOTHING | given)) for name, given in costs.items())
    return Facts(speed=SPEED, starts={"tensorflow": 1.5, "jax": 1.0}, costs={"dense": listed}, source="a test")


def size(*batches, kind="dense", n_steps=10):
    return StudySize(kind=kind, flops=1e9, n_weights=1000, n_steps=n_steps, batches=batches)


def taken(found, *sizes, options=(FIT_TF, FIT_JAX, SIDE_BY_SIDE), device="cpu", loaded="jax"):
    choice = cheapest(options, sizes, found, side_by_side=[SIDE_BY_SIDE], device=device, loaded=loaded)
    return choice and choice.option


def test_the_default_config_leaves_the_trainer_open(raw):
    from study.cli.launch.compose import compose_jobs, prepare

    (job,) = compose_jobs(prepare([]), multirun=False)
    assert is_auto(job.raw)
    assert job.raw["trainer"] == raw()["trainer"]
    assert find_candidates(job.raw).options == (FIT_TF, FIT_JAX, SIDE_BY_SIDE)


@pytest.mark.parametrize(
    ("words", "options", "told"),
    [
        (["trainer.backend=tensorflow"], [FIT_TF], "trainer.backend=tensorflow"),
        (["trainer.backend=jax"], [FIT_JAX, SIDE_BY_SIDE], "trainer.backend=jax"),
        (["budget.time_limit_s=60"], [FIT_TF, FIT_JAX], "budget.time_limit_s is checked between trials"),
        (["trainer.jit_compile=true"], [FIT_TF, FIT_JAX], "it alone takes trainer.jit_compile=True"),
        (["trainer.capacity=8"], [SIDE_BY_SIDE], "it alone takes trainer.capacity=8"),
        (["trainer.capacity=8", "budget.time_limit_s=60"], [SIDE_BY_SIDE], "it alone takes trainer.capacity=8"),
        (["trainer.backend=mxnet"], [Option("fit", "mxnet")], "trainer.backend=mxnet"),
        (["trainer.checkpoint_every_n_epochs=1"], [FIT_TF, FIT_JAX, SIDE_BY_SIDE], ""),
        (["trainer.precision=bfloat16"], [FIT_TF, FIT_JAX, SIDE_BY_SIDE], ""),
    ],
)
def test_arguments_leave_the_trainers_that_take_them(raw, words, options, told):
    found = find_candidates(raw(*words))
    assert [*found.options] == options
    assert told in found.only_because
    assert bool(found.only_because) == bool(told)
    assert [option for option in options if found.trains_side_by_side(option)] == [
        option for option in options if option == SIDE_BY_SIDE
    ]


def test_only_installed_backends_are_options(raw, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "tensorflow" else found(name))
    assert find_candidates(raw()).options == (FIT_JAX, SIDE_BY_SIDE)
    assert find_candidates(raw("trainer.backend=tensorflow")).options == (FIT_TF,)  # refused later


def test_a_chosen_trainer_gives_the_config_that_names_it(raw):
    from study.cli.launch.compose import compose_jobs, prepare

    for option in (FIT_TF, SIDE_BY_SIDE):
        words = ["trainer.batch_size=16", "trainer.precision=bfloat16", "trainer.checkpoint_every_n_epochs=2"]
        named = [f"trainer={option.trainer}", f"trainer.backend={option.backend}"]
        (job,) = compose_jobs(prepare([*named, *words]), multirun=False)
        chosen = with_choice(raw(*words), Choice(option=option, reason="it is quick"))
        assert chosen.pop("advice") == f"{option}: it is quick"
        assert chosen == job.raw


def test_no_candidates_are_a_fault(raw):
    broken = raw()
    broken["trainer"]["candidates"] = None
    with pytest.raises(ConfigError, match=r"trainer\.candidates=null: expected sections of trainers"):
        first_choice(broken)


def test_few_trials_do_not_pay_for_compiling_and_many_do():
    found = facts(fit_jax={"compiling": 1.0, "training": 0.1}, side_by_side={"compiling": 2.0, "training": 0.01})
    assert taken(found, size(1)) == FIT_JAX
    assert taken(found, size(100)) == SIDE_BY_SIDE
    # In one command with the large study, the small one gets its trainer too.
    assert taken(found, size(1), size(100)) == SIDE_BY_SIDE


def test_a_core_trains_a_trial_of_its_own_and_a_gpu_takes_a_step_of_all_together():
    cost = Cost(**SIDE_BY_SIDE._asdict(), **(NOTHING | {"step": 0.01, "flop": 50.0}))
    one, two = (cost.seconds(size(n), SPEED, side_by_side=True) for n in (1, 2))
    assert one == two == pytest.approx(2 * (10 * 0.01 * 2.0 + 50 * 1e9 / 100e9))
    # On a GPU steps count once for a batch, arithmetic for each training.
    batch = cost.seconds(size(64), SPEED, side_by_side=True, device="gpu")
    assert batch == pytest.approx(10 * 0.01 * 2.0 + 64 * 50 * 1e9 / 100e9)
    alone = cost.seconds(size(64), SPEED, side_by_side=False, device="gpu")
    assert alone == pytest.approx(64 * (10 * 0.01 * 2.0 + 50 * 1e9 / 100e9))


def test_each_study_on_another_backend_starts_a_process():
    found = facts(fit_tf={"training": 0.1}, fit_jax={"training": 0.6})
    assert taken(found, size(2), loaded="jax") == FIT_JAX  # 1.2 start-ups beside 0.2 and 1.5 of the process
    assert taken(found, size(2), loaded=None) == FIT_TF
    assert taken(found, size(20), loaded="jax") == FIT_TF
    assert taken(found, *[size(2)] * 10, loaded="jax") == FIT_JAX


def test_a_kind_that_was_not_measured_gives_no_choice():
    found = facts(fit_tf={"training": 0.1})
    assert taken(found, size(1, kind="recurrent")) is None
    assert taken(found, size(1), size(1, kind="recurrent")) is None
    assert taken(found, size(1), options=(FIT_JAX, SIDE_BY_SIDE)) is None


def test_the_reason_has_both_durations_in_few_words():
    found = facts(fit_jax={"training": 0.1}, side_by_side={"training": 0.01})
    (choice,) = [
        cheapest(
            (FIT_JAX, SIDE_BY_SIDE), [size(10, 5)], found, side_by_side=[SIDE_BY_SIDE], device="cpu", loaded="jax"
        )
    ]
    assert choice.reason == "about 0.32 s of training, 3 s with fit on jax"


def test_durations_are_shown_with_ratios_to_the_lowest():
    found = facts(fit_jax={"training": 0.2}, side_by_side={"training": 0.1})
    shown = dict(show(found, [size(10), size(10, kind="recurrent")], device="cpu"))
    assert shown["dense"] == "vectorized on jax 1.0x (4.0 s), fit on jax 1.5x (6.0 s), by a test"
    assert shown["recurrent"] == "not measured"
