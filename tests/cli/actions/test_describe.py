"""The description of an experiment in MLflow, from studies that were planted."""

import math
from dataclasses import replace

import pytest

from study.cli.actions import describe
from study.report.caution import Caution
from study.report.pairing import decide_outcome
from study.report.studies import gather
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from tests.report.conftest import no_histories, study_of


@pytest.fixture
def note(monkeypatch):
    """Describe an experiment of studies, and return what MLflow would get."""

    def described(*studies, read_histories=lambda *_: {}, digests=None, cautions=()):
        kept = []
        monkeypatch.setattr(describe, "read_histories", lambda _, *given, **__: read_histories(*given))
        monkeypatch.setattr(describe, "write_note", lambda *given, **_: not kept.append(given[-1]))
        known = digests or dict.fromkeys((study.run_id for study in studies), "digest")
        experiment = gather(
            "tiny-mlp", studies, digests=known, read_histories=lambda *_: {}, force=digests is not None
        )
        rows = summarize(experiment)
        found = answer(experiment, decide_outcome(experiment), rows)
        assert describe.describe("sqlite:///nowhere", experiment, rows=rows, found=found, cautions=cautions)
        return kept[0]

    return described


CLOSE = (0.90, 0.92, 0.91)


def test_studies_stand_in_the_order_of_the_protocols_choice(note):
    found = note(
        study_of("adam", CLOSE, validation=0.7),
        study_of("sgd", (0.80, 0.82, 0.81), validation=0.9),
        study_of("lion", ()),
    )
    head, *rows = found.table
    assert head[:3] == ("study", "val_accuracy", "test_accuracy, tuned")
    assert [row[0] for row in rows] == ["**sgd**", "**adam**", "**lion**"]
    assert rows[0][2].startswith("0.8100 ± 0.0")
    assert rows[2][1:3] == ("0.8000 (search)", "")
    assert rows[0][5].startswith("learning_rate=")


def test_the_first_line_is_short_and_the_whole_answer_follows(note):
    found = note(study_of("adam", CLOSE), study_of("sgd", CLOSE))
    assert found.headline.endswith(".")
    assert len(found.headline) < 90
    assert found.sentences[0].startswith(found.headline[:-1])
    assert "study compare tiny-mlp" in found.below[0]


def test_the_first_line_says_where_tuning_did_not_help(note):
    found = note(study_of("adam", CLOSE, validation=0.9, untuned=(0.95, 0.96, 0.94)), study_of("sgd", CLOSE))
    assert found.headline == "No clear winner among these 2 tuned configurations. Tuning made adam worse."
    assert found.sentences[1].startswith("Tuning made adam worse: its untuned defaults reach 95.00 %, and lead by ")


def test_a_forced_comparison_is_said_in_the_first_line(note):
    studies = [study_of("adam", CLOSE), study_of("sgd", CLOSE)]
    found = note(*studies, digests={study.run_id: study.name for study in studies})
    assert found.headline.endswith(". The studies are not comparable; --force was given.")


def test_each_study_has_the_color_of_its_entry(note):
    found = note(*(study_of(name, CLOSE) for name in ("adam", "sgd", "lion")))
    assert set(found.colors) == {"adam-study", "sgd-study", "lion-study"}
    assert len(set(found.colors.values())) == 3


def test_axes_show_the_differences_and_one_that_failed_does_not_hide_them(note):
    close = [
        study_of(name, CLOSE, validation=value) for name, value in (("adam", 0.95), ("sgd", 0.94), ("lion", 0.96))
    ]
    low, high = note(*close).ranges["ends"]
    assert 0.9 < low < 0.94
    assert 0.96 < high < 1.0
    far = study_of("rmsprop", CLOSE, validation=0.1)
    assert note(*close, far).ranges["ends"] == (low, high)


def test_the_axis_of_the_curves_shows_their_beginnings(note):
    close = [study_of(name, CLOSE, validation=value) for name, value in (("adam", 0.8), ("sgd", 0.82), ("lion", 0.81))]
    low, high = note(*close, read_histories=no_histories).ranges["ends"]  # the curves begin at 0.4
    assert 0.3 < low < 0.4
    assert 0.82 < high < 0.9
    far = study_of("rmsprop", CLOSE, validation=0.1)
    assert note(*close, far, read_histories=no_histories).ranges["ends"] == (low, high)


def test_a_study_of_an_earlier_version_gets_what_the_table_of_studies_sorts_by(note):
    old, new = study_of("adam", CLOSE, validation=0.7), study_of("sgd", CLOSE, metrics={"chosen_by": 0.8})
    running = study_of("lion", CLOSE, status="RUNNING")
    lacking = note(old, new, running).lacking
    assert lacking.keys() == {"adam-study"}
    tags, metrics = lacking["adam-study"]
    assert tags["test"] == "0.9100 ± 0.0248"
    assert tags["validation"].startswith("0.7 ± ")
    assert metrics == {"chosen_by": pytest.approx(0.7)}


@pytest.mark.parametrize("values", [(), (0.5,), (0.5, 0.5), (math.nan, 0.5), (math.inf, 0.5, 0.5)])
def test_values_without_a_difference_have_no_axis(values):
    assert describe._range(values) is None


def test_a_diverged_confirmation_is_counted_beside_the_mean(note):
    study = study_of("adam", CLOSE)
    bad = replace(study.confirmations[0], state="diverged")
    found = note(replace(study, confirmations=(bad, *study.confirmations[1:])), study_of("sgd", CLOSE))
    (row,) = (row for row in found.table if row[0] == "**adam**")
    assert "1 of 3 diverged" in row[2]


def test_serious_cautions_are_told_in_one_sentence_each(note):
    serious = Caution(topic="Unequal budgets", text="All are cut. Give every study the same budget.", serious=True)
    long = Caution(topic="Data", text="x" * 500, serious=True)
    found = note(study_of("adam", CLOSE), cautions=[serious, long, replace(serious, serious=False)])
    assert found.cautions[0] == ("Unequal budgets", "All are cut.")
    assert found.cautions[1][0] == "Data"
    assert len(found.cautions[1][1]) == 240
    assert len(found.cautions) == 2
