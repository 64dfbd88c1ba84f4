from types import SimpleNamespace

import pytest

from study import rounds
from study.cli.launch import child_process
from study.cli.launch.compose import compose_jobs, prepare
from study.cli.launch.confirm_rounds import confirm_in_rounds, confirm_jobs_in_rounds
from study.pipeline import preflight
from study.pipeline.preflight import CheckedStudy

SEQUENTIAL = ("budget.confirm=sequential", "budget.n_confirmations=20")


@pytest.fixture
def planned(monkeypatch):
    """Plan rounds: the numbers of confirmations by study name; return what was trained, in order."""

    def plan(*numbers):
        def confirm_until_decided(configs, *, train, tell):
            tell("a look")
            for of_round in numbers:
                known = {config.optimizer.name: config for config in configs}
                train([preflight.replace(known[name], confirm_up_to=n) for name, n in of_round.items()])

        monkeypatch.setattr(rounds, "confirm_until_decided", confirm_until_decided)

    return plan


@pytest.fixture
def jobs(compose):
    """The jobs of a command and their checked studies."""

    def make(*words):
        composed = [
            job
            for name in ("adam", "sgd")
            for job in compose_jobs(prepare([f"optimizer={name}", *words]), multirun=False)
        ]
        studies = [CheckedStudy(config=compose(f"optimizer={n}", *words), kept=object()) for n in ("adam", "sgd")]
        return composed, studies

    return make


def test_a_launcher_gets_the_jobs_that_are_due_with_their_numbers(planned, jobs, capsys):
    planned({"adam": 10, "sgd": 10}, {"sgd": 20})
    (adam, sgd), studies = jobs(*SEQUENTIAL)
    launched = []
    confirm_jobs_in_rounds([adam, sgd], studies, launch=launched.append)
    assert launched == [{adam.overrides: 10, sgd.overrides: 10}, {sgd.overrides: 20}]
    assert capsys.readouterr().err == "a look\n"


def test_without_a_launcher_this_process_trains_with_the_parts_of_before(planned, jobs, monkeypatch):
    planned({"adam": 10}, {"adam": 20, "sgd": 20})
    composed, studies = jobs(*SEQUENTIAL)
    trained = []
    monkeypatch.setattr(preflight, "check_stores", lambda _: None)
    monkeypatch.setattr(
        child_process,
        "run_anywhere",
        lambda config, **parts: trained.append(
            (config.optimizer.name, config.confirm_up_to, config.typed_words, parts)
        ),
    )
    confirm_jobs_in_rounds(composed, studies, launch=None)
    assert [each[:2] for each in trained] == [("adam", 10), ("adam", 20), ("sgd", 20)]
    assert {words[0] for _, _, words, _ in trained} == {"optimizer=adam", "optimizer=sgd"}
    assert [parts for *_, parts in trained] == [{"dataset": None, "kept": studies[index].kept} for index in (0, 0, 1)]


def test_fixed_studies_are_not_even_read(planned, jobs):
    planned({"adam": 10})
    told = []
    confirm_in_rounds(jobs("budget.confirm=fixed")[1], tell=told.append)
    assert told == []


def test_a_job_that_is_not_due_trains_nothing(monkeypatch, jobs):
    from study.cli.launch import hydra_app

    (job, _), _ = jobs(*SEQUENTIAL)
    monkeypatch.setattr(hydra_app, "read_job", lambda *_, **__: job)
    settings = SimpleNamespace(
        overrides=SimpleNamespace(task=[]), launcher=SimpleNamespace(_target_=hydra_app._BASIC_LAUNCHER)
    )
    monkeypatch.setattr(hydra_app, "HydraConfig", SimpleNamespace(get=lambda: settings))
    monkeypatch.setattr(child_process, "run_anywhere", lambda *_, **__: pytest.fail("it was trained"))
    assert hydra_app._run(None, (), (), {}, {("optimizer=other",): 10}) is None
