"""conf/study.yaml: a user's own defaults, over this project's and under everything typed."""

import pytest

from study.cli.launch.compose import compose_jobs, prepare
from study.cli.launch.own_defaults import swept_keys

OWN = """
optimizer: sgd
budget.n_trials: 3
budget: {n_epochs: 2}
model: {hidden: [7]}
study_seed: 4
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write conf/study.yaml, and go to its folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()

    def write(text):
        (tmp_path / "conf" / "study.yaml").write_text(text)
        return tmp_path

    return write


def composed(*words):
    (job,) = compose_jobs(prepare(words), multirun=False)
    raw = job.raw
    budget = raw["budget"]
    return (
        raw["optimizer"]["name"],
        budget["n_trials"],
        budget["n_epochs"],
        raw["model"].get("hidden"),
        raw["study_seed"],
    )


def test_own_defaults_are_merged_over_ours_and_under_what_is_typed(own):
    ours = composed()
    own(OWN)
    assert composed() == ("sgd", 3, 2, [7], 4)
    assert composed("optimizer=adam", "study_seed=9", "budget.n_trials=5") == ("adam", 5, 2, [7], 9)
    own("")
    assert composed() == ours  # nothing of the earlier file stays


def test_the_section_of_a_group_that_is_typed_is_left_out(own):
    own(OWN)
    assert composed("budget=smoke")[1:3] == (2, 1)
    assert composed("model=linear")[3] is None
    name, n_trials, n_epochs, hidden, seed = composed("experiment=toy_regression", "hydra.mode=RUN")
    assert (n_trials, n_epochs, hidden, seed) == (20, 5, [20], 4)  # its budget and model, and our seed
    assert name != ""


def test_a_line_says_what_the_file_gives(own, here):
    place = own(OWN)
    status, out, err = here("run", "--cfg", "job", "budget=smoke", cwd=place)
    assert (status, err) == (0, "study run: conf/study.yaml gives optimizer, model.hidden, study_seed\n")
    assert "name: sgd" in out


def test_misspelt_keys_and_choices_are_told_with_the_file(own, here):
    place = own("modle: mlp\nbudget: {epochs: 3}\noptimizer: {lerning_rate: 1}\n")
    status, _, err = here("run", cwd=place)
    assert status == 2
    for near in ("model=mlp?", "budget.n_epochs?", "optimizer.learning_rate?"):
        assert f"Did you mean {near} This key is from conf/study.yaml." in err
    own("optimizer: adm\n")
    status, _, err = here("run", cwd=place)
    assert status == 2
    assert "Did you mean adam or nadam? The name is in conf/study.yaml." in err


@pytest.mark.parametrize(
    ("text", "told"),
    [("- a\n", "without a list of defaults"), ("a: [\n", "while parsing"), ("defaults: [sgd]\n", "GROUP: NAME"),
     ("experiment: two_dimensions\n", "study run experiment=NAME"), ("a: 1\na.b: 2\n", "a.b is below a single value")],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(own, here, text, told):
    place = own(text)
    status, out, err = here("run", cwd=place)
    assert (status, out) == (2, "")
    assert err.startswith("study run: conf/study.yaml: expected keys and values, such as optimizer: sgd")
    assert told in err


def test_the_study_is_the_one_with_the_values_typed(own, tmp_path):
    from study.pipeline.preflight import load_config

    typed = compose_jobs(prepare(["optimizer=sgd", "model.hidden=[7]"]), multirun=False)
    own("optimizer: sgd\nmodel.hidden: [7]\n")
    given = compose_jobs(prepare([]), multirun=False)
    first, second = (load_config(job.raw, folder=tmp_path).digest for (job,) in (typed, given))
    assert first == second


@pytest.mark.parametrize("word", ["setting=tuned", "++setting=tuned", "setting=published,tuned"])
def test_a_typed_value_replaces_the_sweep_of_an_experiment(own, word):
    own("")
    assert swept_keys(["experiment=rotated", word]) == {"optimizer", "setting"}
    jobs = compose_jobs(prepare(["experiment=rotated", "optimizer=sgd", word]), multirun=False)
    assert [job.raw["setting"] for job in jobs] == word.partition("=")[2].split(",")


def test_a_sweep_that_was_typed_for_the_sweeper_is_known_too():
    assert swept_keys(["+hydra.sweeper.params.study_seed='1,2'", "optimizer=sgd"]) == {"study_seed"}
    assert prepare(["+hydra.sweeper.params.study_seed='1,2'", "study_seed=3"])[-1] == "study_seed=3"
