"""The trainers of a command's studies: begun ones, those of an experiment, and new ones."""

import re

import keras
import pytest

from study.core import machine
from study.core.errors import ConfigError, DataError, StudyError
from study.pipeline.choose_trainers import choose_trainers
from study.pipeline.preflight import check, load_config
from study.search.ask_tell import open_search
from study.training.auto import Option
from study.training.auto_costs import VARIABLE, Cost, Speed, keep_measured

FIT_TF, FIT_JAX, SIDE_BY_SIDE = Option("fit", "tensorflow"), Option("fit", "jax"), Option("vectorized", "jax")
KINDS = ("dense", "recurrent", "convolutional", "embedding")


@pytest.fixture(autouse=True)
def own(tmp_path_factory, monkeypatch):
    """A machine without a GPU on which side by side is the quickest, with its own file of measurements."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv(VARIABLE, str(folder / "cache" / "measured.json"))
    monkeypatch.setattr(machine, "NVIDIA_CARDS", folder / "cards")
    quickest(SIDE_BY_SIDE)
    return folder


def quickest(best):
    """Keep measurements by which one option is the quickest by far, whatever the process has loaded."""
    listed = [
        Cost(**option._asdict(), compiling=0, training=1e-3 if option == best else 9.0, step=0, flop=0, weight=0)
        for option in (FIT_TF, FIT_JAX, SIDE_BY_SIDE)
    ]
    speed = Speed(start_s=1.0, gflops=100.0, n_cores=machine.n_cores())
    keep_measured("cpu", speed, {"tensorflow": 0.1, "jax": 0.1}, dict.fromkeys(KINDS, listed))


@pytest.fixture
def jobs():
    """The jobs of a command line."""
    from study.cli.launch.compose import compose_jobs, prepare

    def compose(*words):
        return compose_jobs(prepare(["live=false", *words]), multirun=True)

    return compose


@pytest.fixture
def choose(jobs, tmp_path):
    """The choices for a command line, with the folder of the test as the user's."""
    return lambda *words: choose_trainers([job.raw for job in jobs(*words)], folder=tmp_path, helpers=()).choices


@pytest.fixture
def begin(jobs, tmp_path):
    """Begin the studies of a command line: write them to the store of searches."""

    def write(*words):
        configs = [load_config(job.raw, folder=tmp_path, labels=job.labels) for job in jobs(*words)]
        for config in configs:
            with open_search(config):
                pass
        return configs

    return write


def seconds_of(choice):
    return float(re.search(r"about ([\d.]+) s", choice.reason)[1])


def options(choices):
    return [choice and choice.option for choice in choices]


def test_all_new_studies_of_a_command_get_one_trainer(choose):
    choices = choose("optimizer=sgd,adam", "model=mlp")
    assert options(choices) == [SIDE_BY_SIDE] * 2
    assert re.fullmatch(r"about [\d.,]+ s of training, [\d.,]+ s with fit on tensorflow", choices[0].reason)
    (alone,) = choose("optimizer=sgd", "model=mlp")
    # The seconds are those of both studies.
    assert seconds_of(alone) < seconds_of(choices[0]) == seconds_of(choices[1])
    assert len(set(choices)) == 1


def test_one_trainer_for_all_workloads_of_a_command_too(choose):
    quickest(FIT_JAX)
    assert options(choose("dataset=digits", "model=mlp,linear")) == [FIT_JAX] * 2


def test_a_config_that_names_its_trainer_is_left_alone(choose):
    assert options(choose("trainer=fit,auto,numpy")) == [None, SIDE_BY_SIDE, None]


def test_the_choice_is_the_study_that_names_the_trainer(jobs, tmp_path):
    for best, word in ((FIT_TF, "fit"), (SIDE_BY_SIDE, "vectorized")):
        quickest(best)
        auto, named = (
            check([(job.raw, job.labels)], folder=tmp_path)[0].config
            for job in (*jobs("trainer.batch_size=16"), *jobs(f"trainer={word}", "trainer.batch_size=16"))
        )
        assert auto.trainer == named.trainer
        assert (auto.digest, auto.raw["trainer"]) == (named.digest, named.raw["trainer"])
        assert auto.raw["advice"].startswith(f"{best}: about ")
        assert "advice" not in named.raw


def test_a_study_that_began_keeps_its_trainer_and_new_ones_of_its_experiment_take_it(choose, begin):
    (first,) = begin("optimizer=adam", "trainer=fit")
    grown, new = choose("optimizer=adam,sgd", "budget.n_trials=500")
    assert (grown.option, grown.reason) == (FIT_TF, "this study began with it")
    assert (new.option, new.reason) == (FIT_TF, f"as the other studies of {first.experiment_name}")
    assert options(choose("optimizer=adam", "study_seed=1")) == [FIT_TF]
    assert options(choose("optimizer=adam", "experiment_name=another")) == [SIDE_BY_SIDE]


def test_a_begun_study_of_each_trainer_keeps_its_own(choose, begin):
    begin("optimizer=adam", "trainer=fit")
    begin("optimizer=adam", "trainer=vectorized")
    begin("optimizer=sgd", "trainer=vectorized")
    # The one that began first goes on, of two studies of the same settings.
    assert options(choose("optimizer=adam,sgd,adamax")) == [FIT_TF, SIDE_BY_SIDE, SIDE_BY_SIDE]


def test_a_study_that_cannot_take_its_experiments_trainer_says_so(choose, begin):
    begin("optimizer=adam", "trainer=fit", "trainer.backend=tensorflow")
    (choice,) = choose("optimizer=sgd", "trainer.backend=jax")
    assert choice.option == SIDE_BY_SIDE
    assert choice.reason.endswith(
        "; the other studies of digits-mlp have fit on tensorflow, which this one cannot take (trainer.backend=jax); "
        "their numbers are of different trainers"
    )


def test_the_trainer_of_a_command_follows_its_begun_studies_in_other_experiments(choose, begin):
    begin("optimizer=adam", "trainer=fit")
    begun, new = choose("optimizer=adam", "dataset=digits,landscape", "model=mlp")
    assert (begun.option, new.option) == (FIT_TF, FIT_TF)
    assert new.reason == "as the other studies of this command"


def test_studies_without_a_common_trainer_choose_alone(choose):
    one, other = choose("trainer.backend=tensorflow,jax")
    assert (one.option, one.reason) == (FIT_TF, "trainer.backend=tensorflow")
    assert other.option == SIDE_BY_SIDE


def test_convolutions_on_a_cpu_go_to_fit_on_tensorflow_without_a_look_at_the_model(choose, monkeypatch):
    monkeypatch.setattr("study.pipeline.choose_trainers.load_dataset", None)
    (choice,) = choose("model=cnn_2c2d")
    assert (choice.option, choice.reason) == (FIT_TF, "the quickest for convolutions on a CPU")


def test_a_model_without_a_kind_is_classified_by_its_layers(choose):
    quick = Cost(**FIT_JAX._asdict(), compiling=0, training=0, step=0, flop=0, weight=0)
    slow = Cost(**SIDE_BY_SIDE._asdict(), compiling=0, training=9, step=0, flop=0, weight=0)
    by_kind = {"recurrent": [quick, slow], "dense": [slow]}
    keep_measured("cpu", Speed(start_s=1.0, gflops=1.0, n_cores=1), {"jax": 1.0}, by_kind)
    words = ("dataset=digits", "model.kind=null")
    (recurrent,) = choose(*words, "model=lstm")
    assert recurrent.option == FIT_JAX
    (dense,) = choose(*words, "model=mlp")
    assert dense.option == SIDE_BY_SIDE


def test_a_model_that_cannot_be_built_on_the_first_backend_goes_to_the_other(choose):
    (choice,) = choose("dataset=digits", "model=bowl")
    assert choice.option == FIT_TF
    assert choice.reason.startswith("it does not work on jax (")


@pytest.fixture
def with_broken_model(tmp_path, monkeypatch):
    """A folder with a model of the user's own that works on no backend."""
    module = tmp_path.name  # of this test alone, since imported modules remain
    (tmp_path / f"{module}.py").write_text("def build(input_shape, n_outputs):\n    raise RuntimeError('no net')\n")
    section = tmp_path / "conf" / "model" / "broken.yaml"
    section.parent.mkdir(parents=True)
    section.write_text(f"name: broken\n_target_: {module}.build\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("with_broken_model")
def test_a_model_that_cannot_be_built_moves_no_other_study(choose):
    (mlp, broken, linear) = choose("dataset=digits", "model=mlp,broken,linear")
    assert options([mlp, linear]) == [SIDE_BY_SIDE] * 2
    assert mlp.reason == linear.reason
    assert broken.reason.startswith("it does not work on jax (")


@pytest.mark.slow
def test_a_model_that_can_be_built_on_no_backend_is_refused_before_any_study_starts(jobs, with_broken_model):
    before = {*with_broken_model.rglob("*")}
    sweep = [(job.raw, job.labels) for job in jobs("dataset=digits", "model=mlp,broken")]
    with pytest.raises(StudyError, match="no net"):
        check(sweep, folder=with_broken_model, helpers=())
    assert {path for path in with_broken_model.rglob("*") if "__pycache__" not in path.parts} <= before


@pytest.mark.parametrize("begun", [False, True])
def test_data_that_cannot_be_loaded_are_tried_once_and_are_no_reason_for_another_trainer(
    begun, choose, begin, monkeypatch
):
    if begun:
        begin("optimizer=adam", "trainer=fit", f"trainer.backend={keras.backend.backend()}")
    asked = []

    def refuse(config):
        asked.append(config.backend)
        raise DataError("no such file")

    monkeypatch.setattr("study.pipeline.choose_trainers.load_dataset", refuse)
    with pytest.raises(DataError, match="no such file"):
        choose("optimizer=sgd,momentum")
    assert len(asked) == 1


def test_unknown_costs_are_told(choose, own, monkeypatch):
    empty = own / "recorded.json"
    empty.write_text('{"machines": {"recorded": {}}}')
    monkeypatch.setattr("study.training.auto_costs._RECORDED", empty)
    keep_measured("cpu", Speed(start_s=1.0, gflops=1.0, n_cores=1), {"jax": 1.0}, {"dense": []})
    (choice,) = choose("model=mlp")
    reason = "costs on a CPU are not known; `study doctor --measure` measures them"
    assert (choice.option, choice.reason) == (SIDE_BY_SIDE, reason)


def test_on_a_gpu_that_was_not_measured_many_trials_train_at_once_convolutions_too(choose, own, monkeypatch):
    (own / "cards" / "0").mkdir(parents=True)
    monkeypatch.setattr("study.pipeline.choose_trainers.device", lambda: "gpu: H200")
    (choice,) = choose("model=cnn_2c2d")
    reason = "costs on a GPU are not known; `study doctor --measure` measures them"
    assert (choice.option, choice.reason) == (SIDE_BY_SIDE, reason)
    (hidden,) = choose("model=cnn_2c2d", "++trainer.device=cpu")
    assert hidden.option == FIT_TF


def test_all_faults_are_told_as_with_a_named_trainer(jobs, tmp_path):
    words = ("model.kind=cnn", "budget.n_trials=0", "trainer.candidates.fit.jit_compile=7")
    with pytest.raises(ConfigError) as caught:
        check([(job.raw, job.labels) for job in jobs("optimizer=sgd,adam", *words)], folder=tmp_path, helpers=())
    keys = [fault.key for fault in caught.value.faults]
    assert {"model.kind", "budget.n_trials", "trainer.candidates.fit.jit_compile"} <= {*keys}
    assert len(keys) == len({*keys})
    assert list(tmp_path.iterdir()) == []


def test_data_that_was_loaded_for_the_choice_is_handed_to_the_studies(jobs, tmp_path):
    one, two = check([(job.raw, job.labels) for job in jobs("optimizer=sgd,adam")], folder=tmp_path, helpers=())
    assert one.dataset is two.dataset is not None
    assert one.choice == two.choice
    assert (one.config.trainer.name, one.config.backend) == SIDE_BY_SIDE


def test_a_config_that_is_read_alone_gets_a_trainer_for_the_backend_of_this_process(jobs, tmp_path):
    loaded = keras.backend.backend()
    quickest(FIT_JAX if loaded == "tensorflow" else FIT_TF)
    (job,) = jobs("model=mlp")
    config = load_config(job.raw, folder=tmp_path, labels=job.labels, helpers=job.helpers)
    assert config.backend == loaded


def test_a_study_that_does_not_work_on_its_experiments_backend_gets_another(choose, begin, monkeypatch):
    loaded, other = keras.backend.backend(), FIT_JAX if keras.backend.backend() == "tensorflow" else FIT_TF
    begin("optimizer=adam", "trainer=fit", f"trainer.backend={loaded}")
    quickest(other)

    def refuse(config, dataset):
        del dataset
        if config.backend == loaded:
            raise StudyError(f"not on {loaded}")

    monkeypatch.setattr("study.pipeline.choose_trainers.check_task", refuse)
    (choice,) = choose("optimizer=sgd")
    assert choice.option.backend == other.backend
    assert f"the other studies of digits-mlp have fit on {loaded}, which this one cannot take (not on {loaded}); " in (
        choice.reason
    )


def test_a_study_that_began_goes_on_with_a_limit_of_time_and_before_later_ones(choose, begin):
    begin("optimizer=adam", "trainer=vectorized")
    begin("optimizer=adam", "trainer=fit")
    for words in ([], ["budget.time_limit_s=60"]):
        (choice,) = choose("optimizer=adam", *words)
        assert (choice.option, choice.reason) == (SIDE_BY_SIDE, "this study began with it")
