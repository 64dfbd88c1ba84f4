import pytest
from hydra.core.plugins import Plugins

from study.cli import main
from study.pipeline import preflight
from study.run import StudyOutcome

pytestmark = pytest.mark.slow

WORDS = ("dataset=digits", "model=mlp", "trainer=fit", "trainer.backend=tensorflow", "budget=smoke", "live=false")


@pytest.fixture
def launched(tmp_path, monkeypatch):
    """Launch jobs that train nothing; return the configs to run, and the number of configs read."""
    ran = []
    read = []
    parse = preflight.parse

    def run(config, **_):
        ran.append(config)
        return StudyOutcome(experiment="e", name="n", best=None, tracking_uri="sqlite:///x.db", run_id="r")

    monkeypatch.setattr("study.cli.launch.child_process.run_anywhere", run)
    monkeypatch.setattr("study.cli.actions.overview.show_studies", lambda *_, **__: None)
    monkeypatch.setattr("study.cli.actions.end_of_run.show_end", lambda _: None)
    monkeypatch.setattr(preflight, "parse", lambda raw, **given: read.append(raw) or parse(raw, **given))
    monkeypatch.chdir(tmp_path)

    def launch(*words):
        assert main(["run", *WORDS, *words]) == 0
        return ran, len(read)

    return launch


def test_a_job_that_was_checked_is_not_read_again(launched):
    ran, n_read = launched("-m", "optimizer=sgd,adam", "study_seed=1,2")
    assert n_read == 4
    assert [(config.optimizer.name, config.study_seed) for config in ran] == [
        ("sgd", 1), ("sgd", 2), ("adam", 1), ("adam", 2),
    ]  # fmt: skip
    assert ran[0].labels == ("sgd-study_seed=1", "sgd-backend=tensorflow-study_seed=1-trainer=fit")


def test_a_job_that_is_another_one_by_now_is_read_again(
    launched,
):
    (config,), n_read = launched("optimizer=sgd", "study_name='at-${now:%f}'")
    assert n_read == 2
    assert str(config.study_name).startswith("at-")


def test_a_job_that_another_launcher_checks_again_knows_the_studies_of_its_command(launched, monkeypatch):
    monkeypatch.setattr("study.cli.launch.hydra_app._runs_here", lambda: False)
    ran, n_read = launched("-m", "optimizer=sgd,adam")
    assert n_read == 4
    assert [config.command_studies for config in ran] == [tuple(config.typed_digest for config in ran)] * 2


def test_stores_are_checked_again_when_a_job_starts(launched, monkeypatch):
    checked = []
    monkeypatch.setattr(preflight, "check_name", lambda config: checked.append(config.optimizer.name))
    launched("-m", "optimizer=sgd,adam")
    assert checked == ["sgd", "adam", "sgd", "adam"]


def test_a_study_without_a_result_ends_the_command_with_status_1(launched, monkeypatch):
    launched("optimizer=sgd")
    monkeypatch.setattr("study.cli.actions.end_of_run.show_end", lambda configs: len(configs) == 2)
    assert main(["run", *WORDS, "optimizer=sgd"]) == 0
    assert main(["run", *WORDS, "-m", "optimizer=sgd,adam"]) == 1


def test_a_key_that_is_typed_twice_does_not_differ_between_jobs(launched):
    ran, _ = launched("-m", "optimizer=sgd,adam", "study_seed=1", "study_seed=2")
    assert [config.labels[0] for config in ran] == ["sgd", "adam"]
    (config,), _ = launched("optimizer=sgd", "model.dropout=0.1", "model.dropout=0.2")[0][2:], 0
    assert "dropout=0.2" in config.labels[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("hydra/launcher=joblib",), "hydra/launcher=joblib: expected a launcher that is installed, and "),
        (("hydra/launcher=submitit_slurm",), "hydra/launcher=submitit_slurm: expected a launcher that is installed"),
        (("hydra/launcher=ray",), "hydra/launcher=ray: expected a launcher that is installed, and "),
    ],
)
def test_a_launcher_that_is_not_installed_is_said_before_anything_runs(tmp_path, monkeypatch, capsys, words, told):
    monkeypatch.chdir(tmp_path)
    plugins = Plugins.instance().class_name_to_class
    for name in [name for name in plugins if "joblib" in name or "submitit" in name]:
        monkeypatch.delitem(plugins, name)
    monkeypatch.setattr("study.cli.launch.hydra_messages.find_spec", lambda name: None if name == "ray" else name)
    assert main(["run", "-m", *WORDS, "optimizer=sgd,adam", *words]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Install it (pip install 'optimizer-study[distributed]'), or leave out hydra/launcher." in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sweep", ["-m", "hydra.mode=MULTIRUN"])
@pytest.mark.parametrize("part", ["sweeper", "launcher"])
@pytest.mark.parametrize("target", ["os.mkdir", "hydra_plugins.mine.Mine"])
def test_another_class_is_neither_launcher_nor_sweeper(tmp_path, monkeypatch, capsys, sweep, part, target):
    monkeypatch.chdir(tmp_path)
    words = [f"hydra.{part}._target_={target}", f"+hydra.{part}.path={tmp_path / 'made'}"]
    assert main(["run", sweep, *WORDS, "optimizer=sgd,adam", *words]) == 2
    assert f"hydra/{part}=basic: expected a {part} that is installed, and {target} is not" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("word", "package"),
    [
        ("hydra/sweeper=optuna", "hydra-optuna-sweeper"),
        ("hydra/sweeper=ax", "hydra-ax-sweeper"),
        ("hydra/job_logging=colorlog", "hydra-colorlog"),
        ("hydra/launcher=rq", "hydra-rq-launcher"),
    ],
)
def test_a_known_plugin_of_hydra_that_is_missing_is_named_with_its_package(
    tmp_path, monkeypatch, capsys, word, package
):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "-m", *WORDS, "optimizer=sgd", word]) == 2
    err = capsys.readouterr().err
    assert f"{word}: expected one of " in err
    assert f"It is a plugin of Hydra: pip install {package}." in err
    assert "conf/hydra/config.yaml" not in err
