"""The end of `study run`: no result, failed trials and cautions that make a comparison wrong are said."""

import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from study.cli import paragraphs, text_table
from study.cli.actions import end_of_run, overview
from study.cli.actions.end_of_run import (
    _paragraphs,
    answer_of,
    brief_losses,
    lost_results,
    n_ended,
    show_end,
    without_result,
)
from study.core.records import StudyRecord
from study.report.caution import Caution
from study.report.closing_lines import ClosingLines
from study.run import run_study
from study.tracking.connection import Connections
from tests.report.conftest import study_of


def record(*, n_trials=5, status="FINISHED", **counts):
    n = sum(counts.values())
    return StudyRecord(
        run_id="r", experiment="e", name="adam", optimizer="adam", dataset="d", model="m", study_id="s", status=status,
        n_trials=n_trials, tags={"progress": f"{n}/{n_trials}"}, params={"pruner.name": "median"},
        metrics={f"n_{state}": float(count) for state, count in counts.items()}, trials=(), confirmations=(),
        started=0.0, ended=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (record(diverged=5), ["none of its 5 trials completed (5 diverged)", "lower the learning rate", "not finite"]),
        (record(pruned=5), ["none of its 5 trials completed (5 pruned)", "The pruner median", "pruner=none"]),
        (record(diverged=2, pruned=3), ["(3 pruned, 2 diverged), so it has no result"]),
        (record(failed=1, n_trials=1), ["its only trial did not complete (1 failed)", "error.txt", "--retry-failed"]),
        (record(failed=2, complete=3), ["adam: 2 of 5 trials failed", "--retry-failed"]),
        (record(), ["no trial ended, so it has no result", "budget.time_limit_s"]),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_said(found, told):
    (sentence,) = lost_results(found)
    assert all(part in sentence for part in told), sentence
    assert without_result(found) == ("so it has no result" in sentence)


def test_what_diverged_everywhere_has_that_result_and_advice_about_the_rate_that_was_typed():
    searched, fixed = {"optimizer.search.learning_rate.high": "0.1"}, {"optimizer.learning_rate": "1000"}
    study = replace(record(diverged=1, n_trials=1), params={**searched, **fixed})
    (run,) = study_of("sgd", (0.8,)).confirmations[:1]
    run = replace(run, config="fixed", state="diverged", superseded=False)
    for other in (study, replace(study, confirmations=(replace(run, config="default"),))):
        assert list(brief_losses([other])) == [
            "adam has no result: all its trials diverged. Lower optimizer.learning_rate, or train longer "
            "(budget.n_epochs)."
        ]
    study = replace(study, confirmations=(run, replace(run, number=1)))
    (sentence,) = lost_results(study)
    assert sentence.startswith("adam: its only trial and all its confirmations diverged. Each counts as the worst")
    assert "lower optimizer.learning_rate, and" in sentence
    (sentence,) = brief_losses([study, replace(study, name="sgd")])
    assert sentence.startswith("adam and sgd diverged in all trials and confirmations; each of them counts as the ")
    part = replace(study, confirmations=(run, replace(run, number=1, state="complete")))
    assert "so it has no result" in next(lost_results(part))
    only_searched = replace(record(diverged=5), params=searched)
    assert "Lower optimizer.search.learning_rate.high, or" in next(brief_losses([only_searched]))
    assert "lower optimizer.search.learning_rate.high, and" in next(lost_results(only_searched))


def test_a_search_that_its_time_limit_cut_is_said():
    cut = record(complete=2)
    (sentence,) = lost_results(cut, limit_s=9.0)
    assert sentence == ("adam: it ended after 2 of 5 trials, by budget.time_limit_s=9. The same command continues it.")
    assert list(lost_results(record(complete=5), limit_s=9.0)) == []
    assert (n_ended(cut), without_result(cut)) == (2, False)
    assert not without_result(record(status="RUNNING"))


def test_cautions_have_plain_spaces_which_every_terminal_has():
    caution = Caution(topic="Diverged confirmations", text="a rate of up to 100\u00a0%", serious=True)
    (paragraph,) = _paragraphs(ClosingLines(), [caution])
    assert paragraph.text == "Diverged confirmations: a rate of up to 100 %"


def test_studies_that_diverged_and_differences_of_an_experiment_are_said(
    compose, tmp_path, empty_store, capsys, monkeypatch
):
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_store, tmp_path / "mlruns" / "mlflow.db")
    words = ("budget.n_trials=2", "budget.n_confirmations=0", "experiment_name=e", "model.hidden=[4]")
    lost = compose(*words, "optimizer.search.learning_rate.low=1e29", "optimizer.search.learning_rate.high=1e30")
    kept = compose(
        *words, "optimizer=sgd", "optimizer.learning_rate=0.1", "trainer.batch_size=64", "budget.n_epochs=3"
    )
    outcomes = [run_study(config) for config in (lost, kept)]
    assert [outcome.best is None for outcome in outcomes] == [True, False]
    capsys.readouterr()
    assert show_end([lost]) is True
    shown = capsys.readouterr().out
    table, told = (
        shown.index("| study"),
        shown.index(f"  {outcomes[0].name}: none of its 2 trials completed (2 diverg"),
    )
    assert "so it has no result. Train longer" in shown
    assert table < told < shown.index("study compare e ") < shown.index("study ui")
    assert show_end([kept]) is False
    shown = capsys.readouterr().out
    assert "none of its" not in shown  # said of this command's studies alone
    assert "  Unequal training: The studies trained for different lengths: 2 epochs for adam" in shown
    assert "  Unequal batch sizes: The studies have different batch sizes: 32 for adam" in shown
    monkeypatch.setattr(end_of_run, "describe", lambda *_, **__: pytest.fail("a reader wrote into the store"))
    assert answer_of(kept.stores.tracking_uri, "e", []).paragraphs


def test_an_earlier_answer_does_not_stay_where_studies_are_not_comparable(monkeypatch):
    described, studies = [], [study_of(name, (0.8, 0.81, 0.82)) for name in ("adam", "sgd")]
    digests = {studies[0].run_id: "of today", studies[1].run_id: "of yesterday"}
    monkeypatch.setattr(end_of_run, "read_studies", lambda *_, **__: studies)
    monkeypatch.setattr(end_of_run, "read_context", lambda *_, **__: SimpleNamespace(digests=digests))
    monkeypatch.setattr(end_of_run, "describe_without_answer", lambda *_, **given: described.append(given))
    answer_of("sqlite:///nowhere", "tiny-mlp", [], connections=Connections(), describes=True)
    (given,) = described
    assert given["headline"] == "No answer: the studies of this experiment are not comparable."
    assert "different data digests: of today of adam; of yesterday of sgd" in given["reasons"][0]


def test_trials_of_a_large_experiment_are_not_read(monkeypatch, capsys, compose):
    config = compose()
    params = {"objective.metric": "val_accuracy", "objective.direction": "auto"}
    large = replace(record(complete=5), tags={"progress": "2001/2001"}, n_trials=2001, params=params)
    asked = []

    def read(*_, trials=True, **__):
        asked.append(trials)
        return [large]

    described = []
    monkeypatch.setattr(end_of_run, "read_studies", read)
    monkeypatch.setattr(overview, "read_studies", read)
    monkeypatch.setattr(end_of_run, "describe_without_answer", lambda *given, **_: described.append(given[1]))
    assert show_end([config]) is False
    assert set(asked) == {False}
    assert described == [config.experiment_name]  # an earlier answer does not stay
    assert f"too many trials to read here: `study compare {config.experiment_name}`" in capsys.readouterr().out


def diverged_once(study):
    """Return a study one of whose confirmations diverged."""
    first, *others = study.confirmations
    return replace(study, confirmations=(replace(first, state="diverged", metrics={}), *others))


@pytest.mark.parametrize("leads", [0.1, 0.0])
def test_title_table_answer_cautions_and_commands_fit_24_lines_for_six_optimizers(monkeypatch, capsys, leads):
    names = ("momentum", "nesterov", "rmsprop", "adam", "adamw", "sgd")
    scores = [0.80 - 0.01 * (number % 2) for number in range(5)]
    point = "learning_rate=0.00050572 beta_1=0.63697 beta_2=0.99984"
    studies = [study_of(name, scores) for name in names]
    studies[0] = study_of("momentum", [score + leads for score in scores], validation=0.8 + leads)
    studies = [
        replace(
            each, metrics={**each.metrics, "n_diverged": 3.0}, tags={**each.tags, "best": point, "progress": "6/6"}
        )
        for each in studies
    ]
    if not leads:  # a diverged run counts as the worst result, so that no lead over it is shown
        studies[-2:] = map(diverged_once, studies[-2:])
    longer = replace(studies[1], params={**studies[1].params, "budget.n_epochs": "9"})
    planned = replace(studies[2], tags={**studies[2].tags, "command_studies": "another"})
    studies[1:3] = longer, planned
    for module in (end_of_run, overview):
        monkeypatch.setattr(module, "read_studies", lambda *_, **__: studies)
    monkeypatch.setattr(end_of_run, "read_context", lambda *_, **__: SimpleNamespace(digests={}))
    for module in (overview, text_table, paragraphs):
        monkeypatch.setattr(module, "is_screen", lambda _: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    place = ("sqlite:///nowhere", "e")
    below = answer_of(*place, studies, connections=Connections())
    overview.show_studies({place}, under={place: below})
    lines = capsys.readouterr().out.strip("\n").splitlines()
    shown = " ".join(re.sub(r"\x1b\[\d+m", "", " ".join(lines)).split())
    assert len(lines) < 24, "\n".join(lines)  # and a line for the prompt
    assert lines[0] == "e: 6 studies, best first by mean validation of the confirmations"
    assert all(any(line.strip().startswith(name) for line in lines) for name in names)
    assert "So far, with 6 of 7 studies, " in shown
    assert ("momentum is the best of these 6" in shown) == bool(leads)
    assert "Not begun:" in shown
    assert lines[-1].strip().startswith("study ui")
