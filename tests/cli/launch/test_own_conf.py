"""Files of the user's own conf/ win over built-in ones, a line says so, and a faulty one is named."""

import pytest
from omegaconf import OmegaConf

from study.cli.launch.compose import compose_jobs, prepare
from study.cli.launch.own_conf import OwnFile, missing_keys, own_files, unreadable_files, with_files
from study.core.errors import Fault

ADAM = "name: adam\n_target_: keras.optimizers.Adam\nlearning_rate: 0.5\nsearch: {}\n"
FOREIGN = "lr: 0.001\nbetas: [0.9, 0.999]\n"
TOLD = "conf/optimizer/adam.yaml is taken instead of the built-in one (optimizer=builtin/adam takes that one)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write files of an own conf/ into a folder, and go there."""
    monkeypatch.chdir(tmp_path)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / "conf" / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def jobs(*words, multirun=False):
    return compose_jobs(prepare(words), multirun=multirun)


def test_the_own_file_is_taken_and_a_line_says_so(folder, here):
    place = folder(optimizer__adam=ADAM)
    (job,) = jobs()
    assert job.raw["optimizer"]["learning_rate"] == 0.5
    assert [str(file) for file in job.files] == [TOLD]
    status, out, err = here("run", "--cfg", "job", cwd=place)
    assert (status, err) == (0, f"study run: {TOLD}\n")
    assert "learning_rate: 0.5" in out
    status, _, err = here("run", "budget.n_epochs=0", cwd=place)
    assert (status, err.splitlines()[0]) == (2, f"study run: {TOLD}")


def test_both_folders_are_on_the_search_path_and_hydra_s_own_comes_first(folder, here):
    place = folder(optimizer__mine=ADAM)
    status, out, err = here("run", "--info", "searchpath", cwd=place)
    assert (status, err) == (0, "")  # a file of another name hides nothing
    places = [line.split("|")[2].strip() for line in out.splitlines() if "://" in line]
    assert places == ["pkg://hydra.conf", f"own://{place / 'conf'}", "pkg://study.conf", "structured://"]


def test_a_file_without_the_form_is_named_with_the_way_to_the_built_in_one(folder, here):
    place = folder(optimizer__adam=FOREIGN)
    status, _, err = here("run", cwd=place)
    assert status == 2
    for told in (
        "optimizer._target_=(missing): expected a value. Write it, for example _target_: keras.optimizers.SGD.",
        "optimizer.name=(missing): expected a value. Write it, for example name: adam.",
        "This section is from conf/optimizer/adam.yaml. To take the built-in one, rename that file or write "
        "optimizer=builtin/adam.",
    ):
        assert told in err
    assert sorted(path.name for path in place.iterdir()) == ["conf"]


@pytest.mark.parametrize(
    ("words", "names"),
    [(["optimizer=builtin/adam"], ["adam"]), (["-m", "optimizer=sgd,builtin/adam"], ["sgd", "adam"])],
)
def test_the_built_in_file_is_the_one_without_an_own_conf(folder, words, names):
    overrides = [word for word in words if word != "-m"]
    folder()
    plain = [job.raw for job in jobs(overrides[0].replace("builtin/", ""), multirun="-m" in words)]
    folder(optimizer__adam=FOREIGN)
    taken = jobs(*overrides, multirun="-m" in words)
    assert [job.raw for job in taken] == plain
    assert [job.raw["optimizer"]["name"] for job in taken] == names
    assert [file for job in taken for file in job.files] == []


def test_a_built_in_trainer_brings_its_candidates(folder):
    folder()
    (plain,) = jobs("trainer=auto")
    folder(trainer__auto="name: auto\n", trainer__fit="name: fit\n")
    (taken,) = jobs("trainer=builtin/auto")
    assert taken.raw == plain.raw


def test_a_config_yaml_of_another_application_is_not_read(folder, here):
    place = folder(config="defaults: [db: mysql]\nepochs: 50\n", optimizer="lr: 3\n", study_seed="3\n")
    status, out, err = here("run", "--cfg", "job", cwd=place)
    assert (status, err) == (0, "")
    assert "epochs: 50" not in out
    assert "name: digits" in out


# The keys of an own data set that this project's config refers to.
REFERRED = ("objective.metric", "objective.direction", "objective.target", "batch_size")


def test_missing_keys_of_an_own_data_set_are_told_together_with_examples(folder, here):
    place = folder(dataset__rings="task:\n  metrics: []\n")
    status, _, err = here("run", "dataset=rings", cwd=place)
    assert status == 2
    assert err.startswith("study run: 7 faults in the config, nothing was started:")
    for key in (*(f"dataset.task.{key}" for key in REFERRED), "dataset.name", "dataset._target_", "dataset.task.loss"):
        assert f"  {key}=(missing): expected a value" in err
    assert err.count("This section is from conf/dataset/rings.yaml.") == 7
    assert "for example metric: val_loss." in err
    assert "builtin" not in err  # there is no built-in one
    assert "Interpolation" not in err


TASK = "{loss: {_target_: keras.losses.MeanSquaredError}, batch_size: 8, objective: {metric: loss, target: null, "
TASK += "direction: auto}}"


@pytest.mark.parametrize(
    ("task", "written", "meant"),
    [
        (f"tasks: {TASK}", "dataset.tasks", "dataset.task"),
        (f"tsak: {TASK}", "dataset.tsak", "dataset.task"),
        (f"task: {TASK.replace('batch_size', 'batchsize')}", "dataset.task.batchsize", "dataset.task.batch_size"),
        (f"task: {TASK.replace('objective', 'objectives')}", "dataset.task.objectives", "dataset.task.objective"),
        (
            f"task: {TASK.replace('metric:', 'metrics:')}",
            "dataset.task.objective.metrics",
            "dataset.task.objective.metric",
        ),
    ],
)
def test_a_misspelt_key_of_an_own_data_set_is_named_instead_of_all_that_are_missing(
    folder, here, task, written, meant
):
    place = folder(dataset__rings=f"name: rings\n_target_: data.rings.load\n{task}\n")
    status, _, err = here("run", "dataset=rings", cwd=place)
    assert status == 2
    section = meant.rpartition(".")[0]
    assert err.splitlines() == [
        "study run: 1 fault in the config, nothing was started:",
        f"  {written}: expected a key of {section}, and {meant} is missing. Did you mean {meant}? "
        "This section is from conf/dataset/rings.yaml.",
    ]


def test_a_key_of_its_own_is_not_taken_for_a_missing_one(folder, here):
    text = "name: mine\n_target_: a.B\nbackend: jax\neval_batch_size: 8\n"
    status, _, err = here("run", "dataset=rings", "trainer=mine", cwd=folder(trainer__mine=text, dataset__rings="{}"))
    assert status == 2
    assert "  trainer.batch_size=(missing): expected a value" in err
    assert "Did you mean" not in err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [\n", "(while parsing"),
        ("a: \ud7ff\x01\n", "(unacceptable character"),
        ("\t- a\n", "(while scanning"),
        ("{a: 1}}\n", "("),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder, here, text, told):
    place = folder(model__mlp=text)
    status, _, err = here("run", cwd=place)
    assert status == 2
    assert "Traceback" not in err
    assert f"conf/model/mlp.yaml: expected a file that can be read as YAML {told}" in err
    assert "model=builtin/mlp" in err


def test_a_choice_that_an_own_file_names_is_told_with_the_file(folder, here):
    place = folder(experiment__mine="# @package _global_\ndefaults:\n  - override /optimizer: adm\n")
    status, _, err = here("run", "experiment=mine", cwd=place)
    assert status == 2
    assert "Did you mean adam or nadam?" in err
    folder(experiment__mine="# @package _global_\ndefaults:\n  - override /optimiser: adam\n")
    status, _, err = here("run", "experiment=mine", cwd=place)
    assert status == 2
    assert "optimiser: expected one of the groups" in err
    assert "Did you mean optimizer? The name is in conf/experiment/mine.yaml." in err


def test_only_faults_that_were_not_typed_get_a_file(folder):
    folder(optimizer__adam=ADAM)
    files = own_files({"optimizer": "adam", "model": "mlp", "trainer@trainer.candidates.fit": "fit"})
    assert files == [OwnFile(group="optimizer", name="adam", hides=True)]
    fault = Fault(key="optimizer.lr", value=1, allowed="x", advice="y.")
    (told,) = with_files([fault], files, typed=["optimizer"])
    assert "conf/optimizer/adam.yaml" in told.advice
    assert with_files([fault], files, typed=["optimizer.lr"]) == [fault]
    (told,) = with_files([fault], files, typed=[], defaults=["optimizer.lr"])
    assert told.advice == "y. This key is from conf/study.yaml."


@pytest.mark.parametrize(
    ("key", "defaults", "place"),
    [
        ("optimizer._target_", ["optimizer"], "This section is from conf/optimizer/adam.yaml."),
        (
            "optimizer.search.beta_1",
            ["optimizer", "optimizer.beta_2"],
            "This section is from conf/optimizer/adam.yaml.",
        ),
        ("optimizer.beta_2", ["optimizer", "optimizer.beta_2"], "This key is from conf/study.yaml."),
        ("optimizer", ["optimizer"], "This key is from conf/study.yaml."),
    ],
)
def test_a_choice_in_study_yaml_does_not_take_the_blame_for_the_file_that_it_chooses(folder, key, defaults, place):
    folder(optimizer__adam=ADAM)
    files = own_files({"optimizer": "adam"})
    fault = Fault(key=key, value=1, allowed="x", advice="y.")
    (told,) = with_files([fault], files, typed=[], defaults=defaults)
    assert told.advice.startswith(f"y. {place}")


def test_all_values_that_are_left_open_are_found():
    config = OmegaConf.create({"a": "${b.c}", "b": {"d": "???"}, "e": "${a}", "f": "${oc.env:NOT_THERE_AT_ALL}"})
    found = missing_keys(config, ())
    assert {fault.key for fault in found} == {"b.c", "b.d"}
    assert unreadable_files() == []
