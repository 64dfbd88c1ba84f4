import re
import traceback

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from study.api.open_experiment import open_experiment
from study.core.errors import StoreAwayError, StoreError, StudyError
from study.tracking.connection import connect
from study.tracking.read_studies import read_studies
from tests.two_stores import begin_study, opened

pytestmark = pytest.mark.slow

QUIET = """
from study.api.open_experiment import open_experiment
view = open_experiment("digits-mlp")
print(repr(view), view.answer, len(view._repr_html_()), view.best("adam").model())
view.table(), view.trials(), view.curves()
view.page(r"{page}")
"""


def records_of(folder):
    return read_studies(f"sqlite:///{folder}/mlruns/mlflow.db", "digits-mlp")


def numbers_equal(column, values):
    expected = [np.nan if value is None else value for value in values]
    np.testing.assert_array_equal(column.to_numpy(dtype=float), np.array(expected, dtype=float))


def test_the_answer_and_its_cautions_are_those_of_study_compare(view, compared):
    assert view.answer == " ".join(compared["answer"]["sentences"])
    assert view.cautions == [f"{each['topic']}: {each['text']}" for each in compared["warnings"] if each["serious"]]
    assert view.studies == ["sgd", "adam"]
    assert repr(view) == f"<experiment digits-mlp, 2 studies: {compared['answer']['sentences'][0]}>"


def test_the_table_has_the_numbers_of_study_compare(view, compared):
    table, rows = view.table(), compared["summary"]
    assert table["study"].tolist() == [row["label"] for row in rows]
    assert set(table["metric"]) == {"test_accuracy"}
    for column, key, part in (
        ("mean", "tuned", "estimate"),
        ("ci_low", "tuned", "low"),
        ("ci_high", "tuned", "high"),
        ("untuned", "untuned", "estimate"),
        ("n_confirmations", "confirmed", "n"),
        ("n_confirmations_diverged", "confirmed", "n_diverged"),
    ):
        numbers_equal(table[column], [row[key] and row[key][part] for row in rows])
    numbers_equal(table["mean_with_diverged"], [row["mean"] for row in rows])
    for column, part in (("gain", "mean"), ("gain_ci_low", "low"), ("gain_ci_high", "high")):
        numbers_equal(table[column], [row["gain"] and row["gain"][part] for row in rows])
    for key in ("validation", "search_best", "n_trials", "n_planned", "seconds_per_trial"):
        numbers_equal(table[key], [row[key] for row in rows])
    numbers_equal(table["n_complete"], [row["states"].get("complete", 0) for row in rows])
    for argument in ("learning_rate", "beta_1"):
        best = [row["configuration"][0].get(argument) for row in rows]
        numbers_equal(table[argument], [None if text is None else float(text) for text in best])


def test_trials_have_the_recorded_values_with_their_types(view, ran):
    trials = view.trials()
    runs = [run for study in records_of(ran) for run in study.trials]
    assert trials["run_id"].tolist() == [run.run_id for run in runs]
    assert trials["study"].tolist() == ["sgd"] * 3 + ["adam"] * 3
    assert trials["number"].tolist() == [0, 1, 2] * 2
    for name in ("objective", "val_accuracy", "loss"):
        numbers_equal(trials[name], [run.metrics[name] for run in runs])
    numbers_equal(trials["beta_1"], [float(run.params.get("beta_1", "nan")) for run in runs])
    assert trials["nesterov"].tolist() == [False] * 3 + [pd.NA] * 3
    assert (trials["n_epochs"] == 2).all()
    assert trials["run_seed"].tolist() == [int(run.params["run_seed"]) for run in runs]
    assert [moment.timestamp() for moment in trials["started"]] == [run.started for run in runs]
    assert (trials["ended"] > trials["started"]).all()
    given = trials.dtypes.astype(str).to_dict()
    assert {given[name] for name in ("learning_rate", "momentum", "objective", "seconds", "val_loss")} == {"float64"}
    assert {given[name] for name in ("run_seed", "order_seed", "n_epochs")} == {"Int64"}
    assert (given["nesterov"], given["number"], given["state"]) == ("boolean", "int64", "string")
    assert given["started"] == given["ended"] == "datetime64[ms, UTC]"
    pd.testing.assert_frame_equal(view.trials("adam")["loss"].to_frame(), trials[3:][["loss"]].reset_index(drop=True))


def test_confirmations_give_the_means_of_the_table(view, compared):
    found = view.confirmations()
    assert set(found["config"]) == {"best", "default"}
    assert not found["superseded"].any()
    for row in compared["summary"]:
        best = found[(found["study"] == row["label"]) & (found["config"] == "best")]
        assert best["repetition"].tolist() == [0, 1, 2]
        kept = best[best["state"] == "complete"]["test_accuracy"]
        assert kept.mean() == pytest.approx(row["tuned"]["estimate"], abs=1e-6)
    same = found.groupby(["config", "repetition"])["run_seed"].nunique()
    assert (same == 1).all()  # shared by both optimizers


def test_curves_end_at_the_metrics_of_the_runs(view):
    curves = view.curves("adam")
    assert curves["kind"].unique().tolist() == ["trial", "best", "default"]
    assert set(curves["metric"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert len(curves) == 2 * 4 * 9
    assert curves.dtypes.astype(str).to_dict() == {
        **dict.fromkeys(["study", "kind", "metric", "run_id"], "string"),
        **dict.fromkeys(["number", "epoch"], "int64"),
        **{"run_seed": "Int64", "value": "float64"},
    }
    last = curves[curves["epoch"] == curves.groupby("run_id")["epoch"].transform("max")]
    ends = last.pivot(index="run_id", columns="metric", values="value")
    trials = view.trials("adam").set_index("run_id")
    for metric in ("val_accuracy", "loss"):
        assert ends.loc[trials.index, metric].tolist() == trials[metric].tolist()


def test_a_page_is_that_of_study_compare(view, ran, command, tmp_path):
    command("compare", "digits-mlp", "--no-log", "--output", str(tmp_path / "theirs.html"), cwd=ran)
    assert view.page(tmp_path / "ours.html") == tmp_path / "ours.html"
    theirs, ours = ((tmp_path / name).read_text() for name in ("theirs.html", "ours.html"))
    said = f"study compare digits-mlp --no-log --output {tmp_path / 'theirs.html'}"
    assert said in theirs
    made = re.compile(r"Made \d{4}-\d\d-\d\d \d\d:\d\d UTC")
    assert made.sub("", ours) == made.sub("", theirs.replace(said, "study compare digits-mlp"))
    told = r"page\('/no/such/page.html'\): expected a file in an existing folder"
    with pytest.raises(StudyError, match=told):
        view.page("/no/such/page.html")


def test_figures_have_names_for_python_and_those_of_their_files(view):
    assert view.figures[:3] == ["scores", "tuning_curves", "training_curves"]
    for name in view.figures:
        figure = view.figure(name)
        assert isinstance(figure, go.Figure)
        assert figure.data
        assert figure.layout.title.text
    assert view.figure("tuning_curves") == view.figure("tuning")
    with pytest.raises(StudyError, match=r"figure\('tuning_curve'\): expected one of scores, .*Did you mean tuning"):
        view.figure("tuning_curve")
    with pytest.raises(StudyError, match=r"figure\('importance'\): expected a figure with data"):
        view.figure("importance")


def test_a_notebook_shows_the_answer_and_images_without_a_script(view, compared):
    shown = view._repr_html_()
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", shown))
    assert re.sub(r"\s+", " ", compared["answer"]["sentences"][0]) in plain
    assert shown.count("data:image/svg+xml;base64,") == 4
    assert not re.search(r"<script|<link|https?://", shown)
    assert len(shown) < 400_000


def test_names_are_those_of_studies_and_optimizers(record_study):
    for seed in (0, 1):
        folder = record_study(
            f"adam-{seed}", "optimizer=adam", f"study_seed={seed}", trials=(0.5, 0.6), best=(0.7,) * 3
        )
    record_study("other", "optimizer=sgd", trials=(0.5, 0.4), best=(0.6,) * 3)
    view = open_experiment("digits-mlp", folder=folder)
    assert view.studies == ["adam-0", "adam-1", "other"]
    table = view.table().set_index("study")
    assert table["n_studies"].to_dict() == {"adam": 2, "other": 1}
    assert table["n_trials"].to_dict() == {"adam": 4, "other": 2}
    assert len(view.trials("adam")) == 4
    assert view.trials("sgd")["study"].unique().tolist() == ["other"]
    assert view.best("sgd").study == "other"
    with pytest.raises(StudyError, match=r"best\('adam'\): expected one study, and 2 .* Choose one of adam-0, adam-1"):
        view.best("adam")
    with pytest.raises(StudyError, match=r"best\('adm'\): expected one of adam-0, adam-1, other. Did you mean adam"):
        view.best("adm")
    with pytest.raises(StudyError, match=r"trials\('xyz'\): expected one of adam-0, adam-1, other. Choose one"):
        view.trials("xyz")


def test_the_label_that_a_page_prints_names_its_study(record_study):
    for decay in ("0.01", "0.02"):
        words = (f"adam-weight_decay={decay}", "optimizer=adam", f"optimizer.weight_decay={decay}")
        folder = record_study(*words, trials=(0.5, 0.6), best=(0.7,) * 3)
    view = open_experiment("digits-mlp", folder=folder)
    assert "adam (weight_decay 0.02)" in " ".join(view.answer.split())
    assert view.best("adam (weight_decay 0.02)").study == "adam-weight_decay=0.02"
    assert view.trials("adam (weight_decay 0.01)")["study"].unique().tolist() == ["adam-weight_decay=0.01"]
    with pytest.raises(StudyError, match=r"best\('adam \(weight_decay 0.03\)'\): expected one of adam-weight_decay="):
        view.best("adam (weight_decay 0.03)")
    assert view.delete("adam (weight_decay 0.02)") == ["adam-weight_decay=0.02"]


def test_hyperparameters_keep_their_types_and_do_not_hide_other_columns(record_study):
    more = {"steps": 3, "mode": "fast", "number": 0.5, "betas": ("a", "b"), "nesterov": True}
    folder = record_study("sgd", trials=(0.5, 0.6), hyperparameters=more)
    trials = open_experiment("digits-mlp", folder=folder).trials()
    assert trials["number"].tolist() == [0, 1]
    assert trials["optimizer.number"].tolist() == [0.5, 0.5]
    assert trials["betas"].tolist() == [("a", "b")] * 2
    kinds = trials.dtypes.astype(str)
    assert [kinds[name] for name in ("steps", "mode", "betas", "nesterov")] == ["Int64", "string", "object", "boolean"]


def test_an_experiment_without_a_trial_says_so_and_has_empty_frames(record_study, view):
    folder = record_study("sgd")
    empty = open_experiment("digits-mlp", folder=folder)
    assert empty.answer == "No result yet: no trial has begun."
    assert (empty.cautions, empty.figures, empty.studies) == ([], [], ["sgd"])
    assert "no trial has begun" in empty._repr_html_()
    assert repr(empty) == "<experiment digits-mlp, 1 study: No result yet: no trial has begun.>"
    for frame in ("table", "trials", "confirmations", "curves"):
        nothing, full = getattr(empty, frame)(), getattr(view, frame)()
        assert nothing.empty
        searched = {"learning_rate", "momentum", "nesterov", "amsgrad", "beta_1", "beta_2", "epsilon"}
        expected = {name: kind for name, kind in full.dtypes.items() if name not in searched}
        assert nothing.dtypes.to_dict() == expected
    told = "best('sgd'): expected a study with a completed trial, and none of its 0 trials has completed"
    with pytest.raises(StudyError, match=re.escape(told)):
        empty.best("sgd")
    with pytest.raises(StudyError, match=r"figure\('scores'\): expected a figure with data"):
        empty.figure("scores")
    with pytest.raises(StudyError, match=r"page\('x.html'\): expected an experiment with studies that have trials"):
        empty.page("x.html")


def test_what_runs_is_shown_and_a_refresh_reads_it_again(record_study, empty_folder):
    record_study("sgd", trials=(0.5, 0.6))
    view = open_experiment("digits-mlp", folder=empty_folder)
    assert view.answer.startswith("No result yet: there are no confirmations to compare.")
    assert view.trials()["objective"].tolist() == [0.5, 0.6]
    assert view.best("sgd").number == 1
    record_study("other", "study_seed=1", trials=(0.7,), state=None)
    assert len(view.trials()) == 2  # kept
    running = view.refresh().trials("other")
    assert running["state"].tolist() in (["running"], ["cut off"])
    assert running["n_epochs"].tolist() == [2]
    assert np.isnan(running["objective"]).all()
    assert view.curves("other")["epoch"].tolist() == [1, 2] * 4
    with pytest.raises(StudyError, match=r"best\('other'\): expected a study with a completed trial"):
        view.best("other")


def test_studies_that_cannot_be_compared_are_compared_on_demand(record_study):
    folder = record_study("sgd", trials=(0.5,), best=(0.5,) * 3)
    record_study("adam", "optimizer=adam", "++model.hidden=[8]", trials=(0.6,), best=(0.6,) * 3)
    view = open_experiment("digits-mlp", folder=folder)
    told = r"answer: expected studies with one metric, data set, model and loss.* compare them anyway with force=True"
    with pytest.raises(StudyError, match=told):
        view.answer  # noqa: B018 - a property that raises
    assert "different models" in repr(view)
    assert "different models" in view._repr_html_()
    assert len(view.trials()) == 2
    forced = open_experiment("digits-mlp", folder=folder, force=True)
    assert any(caution.startswith("Not comparable: ") for caution in forced.cautions)


def test_an_unknown_experiment_or_folder_is_told_without_a_traceback_of_libraries(ran, tmp_path):
    with pytest.raises(StudyError) as caught:
        open_experiment("digits-mpl", folder=ran)
    told = "open_experiment('digits-mpl'): expected one of digits-mlp. Did you mean digits-mlp?"
    assert str(caught.value) == told
    lines = "".join(traceback.format_exception(caught.value))
    assert lines.count("Traceback") == 1
    with pytest.raises(StoreError, match=r"open_experiment\('x'\): expected a folder with mlruns/mlflow.db"):
        open_experiment("x", folder=tmp_path)
    damaged = tmp_path / "mlruns" / "mlflow.db"
    damaged.parent.mkdir()
    damaged.write_text("no database, but a text that is longer than the head of one" * 99)
    with pytest.raises(StoreError) as caught:
        open_experiment("x", folder=tmp_path)
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


def test_libraries_print_nothing(ran, in_process, tmp_path):
    done = in_process(QUIET.format(page=tmp_path / "page.html"), cwd=ran)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert (tmp_path / "page.html").is_file()
    assert {path.name for path in ran.iterdir()} == {"mlruns"}  # nothing was written here


def test_a_study_is_deleted_and_renamed_in_both_stores(compose_quick, empty_folder):
    def config_of(name, seed):
        words = (f"study_name={name}", f"study_seed={seed}", "budget.n_trials=6")
        return compose_quick(*words, folder=empty_folder)

    for name, seed in (("first", 0), ("second", 1), ("third", 2)):
        begin_study(config_of(name, seed))
    view = open_experiment("digits-mlp", folder=empty_folder)
    assert view.trials("first")["state"].tolist() == ["complete", "diverged", "pruned", "failed"]
    view.rename("first", "renamed")
    assert view.studies == ["renamed", "second", "third"]
    with pytest.raises(StudyError, match=r"^rename\('renamed', 'third'\): the search has third already"):
        view.rename("renamed", "third")
    assert view.delete("second") == ["second"]
    assert view.studies == ["renamed", "third"]
    with (
        opened(config_of("third", 2)),
        pytest.raises(StoreAwayError, match=r"^delete\(\): expected a study that is not running"),
    ):
        view.delete()
    assert sorted(view.delete()) == ["renamed", "third"]
    with pytest.raises(StudyError, match=r"open_experiment\('digits-mlp'\): expected one of \(none yet\)"):
        open_experiment("digits-mlp", folder=empty_folder)


def test_another_store_is_named_by_its_address(copied, tmp_path):
    uri = f"sqlite:///{copied}/mlruns/mlflow.db"
    connect(uri, create=False)
    view = open_experiment("digits-mlp", folder=tmp_path, tracking_uri=uri)
    assert view.studies == ["sgd", "adam"]
    assert view.best("adam").yaml().startswith("# @package _global_")
