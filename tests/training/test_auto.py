"""`trainer=auto`: its choice, the study's identity, which does not depend on it, and the message for a bad fact."""

import json
import re

import pytest

from study.config.instantiate import parameters
from study.core import machine
from study.core.errors import ConfigError
from study.training.auto_costs import VARIABLE, Cost, find_facts, keep_measured, measured_path
from study.training.trainer_check import ARGUMENTS

pytestmark = pytest.mark.slow

QUICK = {"fixed_s": 1.0, "trial_s": 1.0}
# Vectorized pays off from the third training on.
COSTS = [
    Cost(trainer="fit", backend="tensorflow", **QUICK),
    Cost(trainer="fit", backend="jax", fixed_s=2.0, trial_s=1.0),
    Cost(trainer="vectorized", backend="jax", fixed_s=3.0, trial_s=0.01),
]


@pytest.fixture(autouse=True)
def own(tmp_path_factory, monkeypatch):
    """A machine without a GPU, with its own file of measurements."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(VARIABLE, str(folder / "cache" / "measured.json"))
    monkeypatch.setattr(machine, "NVIDIA_CARDS", folder / "cards")
    return folder


@pytest.fixture
def load(tmp_path):
    """Compose and check a study from the given overrides alone."""
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config

    def build(*overrides, trainer="auto"):
        words = prepare(["live=false", f"trainer={trainer}", *overrides])
        (job,) = compose_jobs(words, multirun=False)
        return load_config(job.raw, folder=tmp_path, labels=job.labels)

    return build


def chosen(config):
    return config.trainer.name, config.backend


@pytest.mark.parametrize("trainer", ["fit", "vectorized"])
def test_the_study_chosen_is_the_one_with_the_trainer_spelled_out(load, trainer):
    least = 0.0 if trainer == "fit" else 90.0
    rest = Cost(trainer="fit", backend="tensorflow", fixed_s=least, trial_s=1.0)
    keep_measured({"dense": [rest, *COSTS[2:]]})
    words = ("trainer.batch_size=16", "budget.n_trials=2", "budget.n_confirmations=0")
    auto, spelled = load(*words), load(*words, trainer=trainer)
    assert chosen(auto) == chosen(spelled)
    assert auto.trainer == spelled.trainer
    assert auto.digest == spelled.digest
    assert auto.raw["trainer"] == spelled.raw["trainer"]
    assert auto.raw["trainer"]["batch_size"] == 16


def test_few_trials_do_not_pay_for_compiling_and_many_do(load):
    keep_measured({"dense": COSTS})
    few, many = (load(f"budget.n_trials={n}", "budget.n_confirmations=1") for n in (1, 100))
    assert chosen(few) == ("fit", "tensorflow")
    assert chosen(many) == ("vectorized", "jax")
    assert "about 4 s beside 103 s of fit on tensorflow (25.6 times)" in many.raw["advice"]
    assert str(measured_path()) in many.raw["advice"]


def test_a_small_gain_is_not_worth_other_numbers(load):
    keep_measured({"dense": [COSTS[0], Cost(trainer="vectorized", backend="jax", fixed_s=0.5, trial_s=0.8)]})
    config = load()
    assert chosen(config) == ("fit", "tensorflow")
    assert "vectorized on jax gains too little" in config.raw["advice"]


@pytest.mark.parametrize(
    ("words", "expected", "told"),
    [
        (
            ["trainer.backend=tensorflow"],
            ("fit", "tensorflow"),
            "fit on tensorflow: the quickest, about 21 s for 20 trainings",
        ),
        (["trainer.backend=jax"], ("vectorized", "jax"), "of fit on jax"),
        (["budget.time_limit_s=60"], ("fit", "tensorflow"), "budget.time_limit_s"),
        (
            ["trainer.jit_compile=true"],
            ("fit", "tensorflow"),
            "fit on tensorflow: it alone takes trainer.jit_compile=True",
        ),
        (
            ["trainer.capacity=8", "model.kind=convolutional"],
            ("vectorized", "jax"),
            "vectorized on jax: it alone takes trainer.capacity=8",
        ),
        (["model.kind=null"], ("fit", "tensorflow"), "model.kind is not set"),
        (["model.kind=recurrent"], ("fit", "tensorflow"), "gains too little"),
    ],
)
def test_other_arguments_that_decide_the_choice(load, words, expected, told):
    keep_measured({"dense": COSTS, "recurrent": [COSTS[0], Cost(trainer="fit", backend="jax", **QUICK)][::-1]})
    config = load(*words)
    assert chosen(config) == expected
    assert told in config.raw["advice"]


def test_arguments_that_no_trainer_takes_together_are_a_fault(load):
    with pytest.raises(ConfigError, match=r"trainer\.capacity=8: expected an argument of study\.training\.fit"):
        load("trainer.capacity=8", "trainer.jit_compile=true")
    with pytest.raises(ConfigError, match=r"trainer\.backend=mxnet: expected one of tensorflow, jax, torch"):
        load("trainer.backend=mxnet")


def test_on_a_gpu_no_cost_is_known_until_measured(load, own, monkeypatch):
    (own / "cards" / "0").mkdir(parents=True)
    (own / "cards" / "0" / "information").write_text("Model: \t\t H200\nIRQ: 1\n")
    assert machine.machine().endswith("cores, H200")
    config = load("budget.n_trials=1000")
    assert chosen(config) == ("fit", "tensorflow")
    assert "study doctor --measure" in config.raw["advice"]
    keep_measured({"dense": COSTS})
    assert chosen(load("budget.n_trials=1000")) == ("vectorized", "jax")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # another machine: no GPU, and conf/ has its costs
    assert machine.cards() == ()
    assert find_facts({}, kind="dense").costs == ()


@pytest.mark.parametrize(("visible", "n"), [("0,1", 2), ("1", 1), ("-1", 0), ("0,7", 1), ("GPU-8f2", 2)])
def test_only_visible_gpus_count(own, monkeypatch, visible, n):
    for name in "ab":
        (own / "cards" / name).mkdir(parents=True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.cards() == ("NVIDIA card",) * n


@pytest.mark.usefixtures("own")
def test_conf_knows_dense_recurrent_and_convolutional_nets_on_a_cpu(load):
    assert chosen(load("budget.n_trials=50")) == ("vectorized", "jax")
    assert chosen(load("budget.n_trials=50", "model=lstm")) == ("vectorized", "jax")
    assert chosen(load("budget.n_trials=50", "model=cnn_2c2d")) == ("fit", "tensorflow")


def test_a_study_continues_with_the_trainer_that_it_began_with(load):
    from study.search.ask_tell import open_search

    keep_measured({"dense": COSTS})
    began = load("budget.n_trials=1", "budget.n_confirmations=0")
    with open_search(began):
        pass
    grown = load("budget.n_trials=500")
    assert (chosen(grown), grown.digest) == (("fit", "tensorflow"), began.digest)
    assert grown.raw["advice"].startswith("fit on tensorflow: this study began with it (a new one: vectorized on jax,")
    assert chosen(load("budget.n_trials=500", "study_seed=1")) == ("vectorized", "jax")


def test_a_study_reports_the_choice_and_resumes_with_the_trainer_spelled_out(load, capfd):
    from study.run import run_study
    from study.tracking.read_studies import read_studies

    keep_measured({"dense": COSTS})
    words = ("model.hidden=[4]", "budget=smoke", "budget.n_confirmations=0", "tracking.log_model=false")
    config = load(*words)
    outcome = run_study(config)
    assert f"trainer=auto: {config.raw['advice']}" in capfd.readouterr().err
    spelled = run_study(load(*words, trainer="fit"))
    assert spelled.run_id == outcome.run_id
    (record,) = read_studies(config.stores.tracking_uri, config.experiment_name)
    assert len(record.trials) == 2
    assert record.params["trainer.name"] == "fit"


def test_the_advice_is_recorded_and_a_wrong_kind_is_reported_with_all_other_faults(load):
    from study.tracking.mlflow_schema import config_params, config_tags

    config = load()
    assert config_tags(config)["advice"] == config.raw["advice"]
    assert not [param for param in config_params(config) if param.key in ("advice", "model.kind")]
    with pytest.raises(ConfigError) as caught:
        load("model.kind=cnn", "budget.n_trials=0")
    assert [fault.key for fault in caught.value.faults] == ["model.kind", "budget.n_trials"]
    assert "one of dense, convolutional, recurrent" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"machines": 3}', '{"machines": {"here": {"date": "x", "costs": {"cnn": []}}}}',
     '{"machines": {"here": {"date": "x", "costs": {"dense": [{"trainer": "fit"}]}}}}',
     '{"machines": {"here": {"date": "x", "costs": {"dense": {"fit": 1}}}}}'],
)  # fmt: skip
def test_unreadable_measurements_are_left_out_told_and_can_be_measured_again(load, content):
    usual = load().raw["advice"]
    path = measured_path()
    path.parent.mkdir()
    path.write_text(content.replace("here", machine.machine()))
    advice = load().raw["advice"]
    assert advice.startswith(usual.rpartition("conf/trainer/auto.yaml")[0])
    assert re.search(r"measured\.json: expected what `study doctor --measure` writes \(.*delete the file", advice)
    keep_measured({"dense": COSTS})
    assert load().trainer.name in ("fit", "vectorized")


def test_measuring_replaces_this_machine_alone():
    keep_measured({"dense": COSTS, "recurrent": COSTS})
    path = measured_path()
    path.write_text(path.read_text().replace(json.dumps(machine.machine())[1:-1], "another"))
    keep_measured({"dense": COSTS[:1]})
    assert set(json.loads(path.read_text())["machines"]) == {"another", machine.machine()}
    assert find_facts({}, kind="dense").costs == tuple(COSTS[:1])
    assert find_facts({}, kind="recurrent").costs == ()


@pytest.mark.parametrize("facts", [[1], {"cpu": {"dense": [{"trainer": "fit", "backend": "jax", "fixed_s": -1}]}}])
def test_unreadable_facts_of_conf_raise_an_error(facts):
    with pytest.raises(
        ConfigError, match=r"trainer\.facts=.*: expected for each device and kind a list of trainer, back"
    ):
        find_facts(facts, kind="dense")


@pytest.mark.parametrize(
    "facts",
    [
        {"x": 3},
        {"cpus": {}},
        {"cpu": {"desne": []}},
        {"gpu": {"recurrent": [{"trainer": "fit", "backend": "jax", "fixed_s": 1}]}},
        {"cpu": 3},
        "cpu",
    ],
)
def test_facts_that_a_study_does_not_use_are_checked_too(facts):
    with pytest.raises(ConfigError, match=r"trainer\.facts=.*: expected for each device and kind a list"):
        find_facts(facts, kind="convolutional")


@pytest.mark.parametrize("word", ["trainer.facts.x=3", "trainer.facts.cpu.desne=[]"])
def test_a_mistyped_key_of_the_facts_is_refused_whatever_the_kind(compose, word):
    with pytest.raises(ConfigError, match=r"trainer\.facts="):
        compose("trainer=auto", "~trainer.backend", word, "model.kind=null")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "trainer.candidates.vectorized.capacity=abc",
            "expected a whole number of at least 1, or auto. Set trainer.candidates.vectorized.capacity=auto to fill",
        ),
        ("trainer.candidates.fit.jit_compile=7", "expected one of true, false, auto. Choose one of them."),
        ("trainer.candidates.vectorized.backend=torch", "Set trainer.candidates.vectorized.backend=jax"),
        ("trainer.candidates.fit.backend=mxnet", "expected one of tensorflow, jax, torch"),
        ("trainer.candidates.fit.checkpoint_every_n_epochs=0", "expected a whole number of at least 1, or null"),
        ("+trainer.candidates.vectorized.capcity=8", "Did you mean trainer.candidates.vectorized.capacity?"),
        ("trainer.candidates.fit.precision=bfloat16", "expected float32, as trainer.precision. Set trainer.precision"),
        ("trainer.candidates.fit.batch_size=abc", "as trainer.batch_size. Set trainer.batch_size, which all"),
        ("trainer.candidates.fit._target_=study.training.fit.FitTrianer", "expected one of study.training.fit.Fit"),
        ("+trainer.candidates.vectorised.capacity=8", "Did you mean trainer.candidates.vectorized?"),
    ],
)
def test_candidates_that_are_not_chosen_are_checked_too(load, word, told):
    keep_measured({"dense": COSTS[:1]})
    with pytest.raises(ConfigError) as raised:
        load(word, "budget.n_trials=2", "budget.n_epochs=0")
    faults = [str(fault) for fault in raised.value.faults]
    key = word.removeprefix("+").partition("=")[0]
    (fault,) = [fault for fault in faults if "candidates" in fault]
    assert fault.startswith(key) or fault.startswith("trainer.candidates.vectorised=")
    assert told in fault
    assert any(fault.startswith("budget.n_epochs=0") for fault in faults)


def test_the_arguments_known_of_each_trainer_are_those_of_its_class():
    for target, arguments in ARGUMENTS.items():
        assert {*arguments} == {*parameters(target)} - {"config", "dataset"}
