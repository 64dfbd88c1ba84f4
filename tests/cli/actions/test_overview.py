"""The table of studies: its test metric, and numbers of any size."""

from dataclasses import replace

import pytest

from study.cli import paragraphs, text_table
from study.cli.actions import overview
from study.core.records import StudyRecord
from tests.report.conftest import study_of


def study(metric, **means):
    shown = {f"{part}_{name}": value for name, value in means.items() for part in ("mean", "low", "high")}
    return StudyRecord(
        run_id="r", experiment="e", name="sgd", optimizer="sgd", dataset="d", model="m", study_id="s",
        status="FINISHED", n_trials=1, tags={}, params={"objective.metric": metric, "objective.direction": "auto"},
        metrics=shown, trials=(), confirmations=(), started=0.0, ended=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "means", "shown"),
    [
        ("val_loss", {"test_loss": 0.25, "test_x1": -3.0}, "0.2500 [0.2500, 0.2500]"),
        ("val_accuracy", {"test_loss": 0.25, "test_accuracy": 0.5}, "0.5000 [0.5000, 0.5000]"),
        ("val_f1", {"test_loss": 0.25, "test_accuracy": 0.5}, "0.5000 [0.5000, 0.5000]"),
        ("val_loss", {"test_loss": 3e-33}, "3e-33 [3e-33, 3e-33]"),
        ("val_loss", {"test_loss": 2.4e51}, "2.4e+51 [2.4e+51, 2.4e+51]"),
    ],
)
def test_the_table_shows_the_metric_that_was_selected_by(
    monkeypatch,
    capsys,
    metric,
    means,
    shown,
):
    monkeypatch.setattr(overview, "read_studies", lambda *_, **__: [study(metric, **means)])
    overview.show_studies({("sqlite:///nowhere", "e")})
    assert shown in capsys.readouterr().out


def test_the_table_shows_divergence_and_no_interval_of_two_seeds(monkeypatch, capsys):
    made = study("val_accuracy", test_accuracy=0.5)
    diverged = replace(made, metrics={**made.metrics, "n_confirmations_diverged": 2.0, "divergence_rate_high": 0.5069})
    nan = float("nan")
    two = replace(made, metrics={**made.metrics, "low_test_accuracy": nan, "high_test_accuracy": nan})
    none = replace(diverged, metrics={**diverged.metrics, "mean_test_accuracy": nan})
    monkeypatch.setattr(overview, "read_studies", lambda *_, **__: [diverged, two, none])
    overview.show_studies({("sqlite:///nowhere", "e")})
    shown = capsys.readouterr().out
    assert "0.5000 [0.5000, 0.5000]; 2 others diverged (rate up to 51 %)" in shown
    assert "0.5000 (0 seeds)" in shown
    assert "| 2 diverged (rate up to 51 %) |" in " ".join(shown.split())


def test_a_study_that_was_cut_off_shows_the_mean_of_the_confirmations_it_has(monkeypatch, capsys):
    cut_off = replace(study_of("adam", [0.8, 0.81, 0.82]), status="KILLED")
    assert not [name for name in cut_off.metrics if name.startswith("mean_")]
    monkeypatch.setattr(overview, "read_studies", lambda *_, **__: [cut_off])
    overview.show_studies({("sqlite:///nowhere", "e")})
    assert "0.8100 [0.7852, 0.8348]" in capsys.readouterr().out


def test_each_of_several_experiments_gets_a_line(monkeypatch, capsys):
    made = study("val_accuracy", test_accuracy=0.5)
    of = {
        "one": [replace(made, metrics={**made.metrics, "best_objective": 0.5})],
        "two": [
            replace(made, name="adam", metrics={**made.metrics, "best_objective": 0.9}),
            replace(made, metrics={**made.metrics, "best_objective": 0.8}),
            replace(made, name="nadam", status="KILLED", metrics={}),
        ],
    }
    monkeypatch.setattr(overview, "read_studies", lambda _, name, **__: of[name])
    overview.show_experiments("sqlite:///nowhere", [*of], connections=None)
    out = capsys.readouterr().out
    assert out.startswith("\n2 experiments with 4 studies\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[:1] == "|"]
    assert rows[0] == ["experiment", "studies", "state", "best by validation accuracy", "its mean test accuracy"]
    assert rows[2:] == [
        ["one", "1", "finished", "sgd", "0.5000"],
        ["two", "3", "2 finished, 1 stopped", "adam", "0.5000"],
    ]
    assert "study list EXPERIMENT" in out


def test_a_mean_says_its_split_and_metric_where_experiments_have_different_ones(monkeypatch, capsys):
    of = {"one": [study("val_accuracy", test_accuracy=0.5)], "two": [study("val_loss", test_loss=0.25)]}
    monkeypatch.setattr(overview, "read_studies", lambda _, name, **__: of[name])
    overview.show_experiments("sqlite:///nowhere", [*of], connections=None)
    rows = [
        [*map(str.strip, line.strip("|").split("|"))] for line in capsys.readouterr().out.splitlines() if "|" in line
    ]
    assert rows[0][-2:] == ["best by validation", "its mean"]
    assert [row[-1] for row in rows[2:]] == ["0.5000 test accuracy", "0.2500 test loss"]


def test_a_study_whose_confirmations_all_diverged_has_no_number_for_them(monkeypatch, capsys):
    made = study_of("adam", [0.8, 0.81, 0.82])
    lost = replace(made, confirmations=tuple(replace(run, state="diverged") for run in made.confirmations))
    monkeypatch.setattr(overview, "read_studies", lambda *_, **__: [lost])
    overview.show_studies({("sqlite:///nowhere", "e")})
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("| adam"))
    assert [cell.strip() for cell in row.strip("|").split("|")][5:7] == [
        "3 diverged",
        "3 diverged (rate up to 100 %)",
    ]


@pytest.mark.parametrize(("n", "height"), [(3, 24), (4, 24), (5, 24), (4, 60), (20, 60)])
def test_a_table_above_an_answer_has_a_line_for_each_study_where_two_do_not_fit(monkeypatch, capsys, n, height):
    point = "learning_rate=0.00050572 beta_1=0.63697 beta_2=0.99984 epsilon=0.0000001"
    made = study("val_accuracy", test_accuracy=0.5)
    made = replace(made, tags={"best": point, "progress": "1/1"})
    monkeypatch.setattr(overview, "read_studies", lambda *_, **__: [replace(made, name=f"s{i}") for i in range(n)])
    for module in (overview, text_table, paragraphs):
        monkeypatch.setattr(module, "is_screen", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", str(height))
    overview.show_studies({("sqlite:///nowhere", "e")}, under={})
    out = capsys.readouterr().out
    table = out[: out.index("Next:")].strip().splitlines()[1:]
    if 1 + 3 + n * 3 <= height - 5:  # a heading, a head; below the next commands, and the prompt
        assert out.count("epsilon=0.0000001") == n
        assert "trials" in out
    else:
        assert "epsilon" not in out
        assert "1/1" not in out  # all trials of every study
        assert len(table) <= n + 3
        assert "best points" in out[out.index("Next:") :]


@pytest.mark.parametrize(
    ("status", "has_worker", "shown"),
    [
        ("RUNNING", {"s": True}, "running"),
        ("RUNNING", {"s": False}, "abandoned"),
        ("RUNNING", {}, "running"),  # its search is not known here
        ("KILLED", {"s": False}, "stopped"),
    ],
)
def test_a_study_that_no_living_worker_has_open_is_abandoned(monkeypatch, capsys, status, has_worker, shown):
    recorded = replace(study("val_accuracy"), status=status)
    monkeypatch.setattr(overview, "read_studies", lambda *_, **__: [recorded])
    monkeypatch.setattr(overview, "with_worker", lambda _: has_worker)
    overview.show_studies({("sqlite:///nowhere", "e")})
    out = capsys.readouterr().out
    assert f"| {shown} " in out
    assert ("the same study run continues it" in out) == (shown == "abandoned")
