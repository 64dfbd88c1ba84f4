"""`study plan` on a real store with invented results."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from study.cli import main
from study.core.trainer_interface import EpochReport, Trial, TrialResult
from study.datasets import Dataset, Split
from study.tracking.study_tracker import open_study

pytestmark = pytest.mark.slow


@pytest.fixture
def make_pilot(folder, compose_quick):
    """Make two studies of a pilot, whose scores differ by luck."""

    def make(n_seeds, *, with_command=True, names=("adam", "nadam")):
        split = Split(x=np.zeros((2000, 3), np.float32), y=np.zeros(2000, np.int64))
        dataset = Dataset(name="digits", source="made up", train=split, validation=split, test=split, n_outputs=2)
        for index, name in enumerate(names):
            rate = "" if name in ("adam", "nadam") else f"optimizer.epsilon={1e-7 * (index + 1):g}"
            optimizer = "adam" if rate else name
            words = (f"optimizer={optimizer}", "model.hidden=[8]", *filter(None, [rate]))
            config = compose_quick(*words, f"budget.n_confirmations={n_seeds}", folder=folder)
            config = replace(config, typed_words=(*words, f"budget.n_confirmations={n_seeds}"))
            config = config if with_command else replace(config, typed_words=None)
            luck = 0.9 + 0.01 * np.random.default_rng(index).standard_normal(n_seeds)
            with open_study(config, study_name=name, dataset=dataset, environment={"keras": "3.15.1"}) as tracker:
                for number in range(config.n_trials):
                    _record(tracker, "trial", number, 0.9 - 0.1 * number)
                for number, score in enumerate(luck):
                    _record(tracker, "best", number, float(score))
                tracker.summarize(best=0)
        return "digits-mlp"

    return make


def _record(tracker, kind, number, score):
    rate = 0.01 * (1 + (number if kind == "trial" else 0))
    trial = Trial(number=number, hyperparameters={"learning_rate": rate}, run_seed=number, order_seed=number)
    tracker.start(kind, trial)
    metrics = {"loss": 1.0, "accuracy": score, "val_accuracy": score, "val_loss": 1.0}
    tracker.epoch(kind, trial, EpochReport(epoch=0, step=10, metrics=metrics))
    summary = {"seconds_train": 30.0, "n_steps": 10.0} | ({} if kind == "trial" else {"test_accuracy": score})
    result = TrialResult(trial=trial, state="complete", history={"val_accuracy": [score]}, summary=summary)
    tracker.end(kind, result, objective=score)


def test_a_pilot_is_priced_and_the_command_is_printed(make_pilot, capsys):
    name = make_pilot(5)
    assert main(["plan", name, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (pair,) = found["pairs"]
    n_seeds = found["n_seeds"]
    assert (pair["first"], pair["second"], pair["n_seeds"]) == ("adam", "nadam", 5)
    assert found["seconds"] == pytest.approx((n_seeds - 5) * 60.0)
    assert found["studies"] == {"adam": n_seeds, "nadam": n_seeds}
    words = f"'model.hidden=[8]' budget.confirm=sequential budget.n_confirmations={n_seeds}"
    assert found["commands"] == [f"study run -m optimizer=adam,nadam {words}"]
    assert main(["plan", name, "--margin", "0.001", "--power", "0.9"]) == 0
    out = capsys.readouterr().out
    header, _, row = (line for line in out.splitlines() if line.startswith("|"))
    columns = [cell.strip() for cell in header.strip("|").split("|")]
    assert columns[-2:] == ["finds 0.10 points", "shows equality"]
    cells = dict(zip(columns, (cell.strip() for cell in row.strip("|").split("|")), strict=True))
    assert (cells["open pair"], cells["against"], cells["seeds now"]) == ("adam", "nadam", "5")
    assert int(cells["decided at"].removeprefix("over ")) > 5
    assert "Go by this column" in out
    assert "objective.margin=0.001" in out
    assert "with 90 % probability" in out


def test_without_a_recorded_command_the_words_to_add_are_named(make_pilot, capsys):
    name = make_pilot(5, with_command=False)
    assert main(["plan", name]) == 0
    assert "Type the command that made the studies again, with budget.confirm=sequential" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--margin", "0"], "study plan: --margin=0: expected a number above 0 and below 1"),
        (["--power", "1"], "study plan: --power=1: expected a number above 0 and below 1"),
        ([], "study plan: EXPERIMENT=digits-mlp: expected a pilot of 3 shared seeds or more, found 2."),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_message(make_pilot, capsys, words, told):
    assert main(["plan", make_pilot(2), *words]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith(told)
    assert error.count("\n") == 1


def test_a_terminal_shows_the_five_cheapest_of_many_pairs_and_all_with_an_option(make_pilot, monkeypatch, capsys):
    names = tuple(f"optimizer-{letter}" for letter in "abcde")
    name = make_pilot(5, names=names)
    assert main(["plan", name]) == 0
    piped = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| optimizer-")]
    monkeypatch.setattr("study.cli.actions.plan.is_screen", lambda _: True)
    monkeypatch.setattr("study.cli.text_table.is_screen", lambda _: True)
    monkeypatch.setattr("study.cli.text_table.width_of", lambda _: 80)
    assert main(["plan", name, "--margin", "0.005"]) == 0
    out = capsys.readouterr().out
    assert out.count("    against optimizer-") == 5
    assert f"{len(piped) - 5} more pairs are open" in out
    table = out[out.index("  open") : out.index("more pairs are open")]
    assert max(map(len, re.sub(r"\x1b\[\d*m", "", table).splitlines())) <= 80
    assert main(["plan", name, "--margin", "0.005", "--all"]) == 0
    out = capsys.readouterr().out
    assert out.count("    against optimizer-") == len(piped)
    assert "more pairs" not in out
    told = [line for line in re.sub(r"\x1b\[\d*m", "", out).splitlines() if re.match(r"  optimizer-", line)]
    assert len(told) == len(piped) > 6
    # The cheapest first: no pair with an end in sight is behind one without.
    ends = ["over" in line.split()[1] for line in told]
    assert ends == sorted(ends)
