import argparse
import re
from dataclasses import replace

import pytest

from study.cli.actions import gallery
from study.core.errors import StudyError
from study.gallery.material import known
from study.gallery.summary import read_summary, to_json

pytestmark = pytest.mark.slow

NAME = "fashion_mnist_eight"


@pytest.fixture
def store(monkeypatch, eight):
    """Let the store hold studies of the experiment, given by digest as their status."""

    def hold(studies):
        record = eight.experiment.records[0]
        records = [replace(record, study_id=digest, status=status) for digest, status in studies.items()]
        monkeypatch.setattr(gallery, "read_experiments", lambda _, **__: {NAME: "1"} if studies else {})
        monkeypatch.setattr(gallery, "read_studies", lambda *_, **__: records)

    def read(*_, digests=None, **__):
        budget = min(digests).rsplit(" ", 1)[0] if digests else f"published/{NAME}"
        named = {
            key: {**config, "budget": {**config["budget"], "name": budget}} for key, config in eight.configs.items()
        }
        return replace(eight, name=NAME, configs=named)

    monkeypatch.setattr(gallery, "find_stores", lambda _: argparse.Namespace(tracking_uri="sqlite:///none"))
    monkeypatch.setattr(gallery, "read_material", read)
    return hold


@pytest.fixture
def studies(monkeypatch):
    """Let every size of the experiment consist of two studies."""
    monkeypatch.setattr(gallery, "studies_of", lambda _, budget: {f"{budget} a", f"{budget} b"})


def options(tmp_path, *names):
    return argparse.Namespace(experiments=list(names), output=tmp_path, folder=tmp_path, no_log=True)


def finished(*budgets):
    return {f"{budget} {study}": "FINISHED" for budget in budgets for study in "ab"}


@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize(
    ("held", "command"),
    [
        (finished(f"gallery/{NAME}"), f"study run -m experiment={NAME} budget=gallery/{NAME}<"),
        (finished(f"gallery/{NAME}", f"published/{NAME}"), f"study run -m experiment={NAME}<"),
        ({**finished("smoke"), f"published/{NAME} a": "FINISHED"}, f"study run -m experiment={NAME} budget=smoke<"),
        ({"of one's own": "FINISHED"}, f"study run -m experiment={NAME}<"),
    ],
)
def test_the_best_size_that_was_run_to_its_end_is_shown(store, tmp_path, held, command):
    store(held)
    gallery.make_gallery(options(tmp_path, NAME))
    assert command in (tmp_path / f"{NAME}.html").read_text()
    assert (tmp_path / NAME / "rankings.svg").exists()
    assert f"study run -m experiment={NAME}" in (tmp_path / NAME / "README.md").read_text()
    assert f'href="{NAME}.html"' in (tmp_path / "gallery.html").read_text()


@pytest.mark.usefixtures("studies")
@pytest.mark.parametrize(
    "held",
    [
        {},
        {f"gallery/{NAME} a": "FINISHED"},
        {f"gallery/{NAME} a": "FINISHED", f"gallery/{NAME} b": "RUNNING"},
        {"of one's own": "RUNNING"},
    ],
)
def test_what_was_not_run_to_its_end_is_told_with_the_command_that_runs_it(store, tmp_path, held):
    store(held)
    with pytest.raises(StudyError, match=rf"not run here.*\n  study run -m experiment={NAME}"):
        gallery.make_gallery(options(tmp_path, NAME))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("studies")
def test_without_names_those_that_were_run_are_shown_and_the_others_told(store, tmp_path, monkeypatch):
    store(finished(f"published/{NAME}"))
    monkeypatch.setattr(gallery, "known", lambda: ("another", NAME))
    monkeypatch.setattr(gallery, "load_experiment", lambda _, load=gallery.load_experiment: load(NAME))
    with pytest.raises(StudyError, match=r"experiment=another$"):
        gallery.make_gallery(options(tmp_path))
    assert (tmp_path / f"{NAME}.html").exists()
    assert f'href="{NAME}.html"' in (tmp_path / "gallery.html").read_text()
    index = (tmp_path / "README.md").read_text()
    assert f"]({NAME}/README.md)" in index
    linked = set(re.findall(r"\]\(([^)]+)\)", index))
    assert f"{NAME}/loss-shared.svg" in linked
    assert "badges/contradicted.svg" in linked
    for path in linked:  # every picture, badge and page is there
        assert (tmp_path / path).is_file(), path
    page = (tmp_path / NAME / "README.md").read_text()
    for path in re.findall(r"\]\(([^)]+)\)", page):
        assert (tmp_path / NAME / path).is_file(), path


@pytest.mark.usefixtures("studies")
def test_one_page_made_anew_keeps_the_others_in_the_index_and_leaves_no_old_picture(store, tmp_path):
    store(finished(f"published/{NAME}"))
    gallery.make_gallery(options(tmp_path, NAME))
    made = read_summary(tmp_path / NAME)
    (tmp_path / "decay").mkdir()
    other = replace(made, name="decay", title="Of another day")
    (tmp_path / "decay" / "summary.json").write_text(to_json(other))
    (tmp_path / NAME / "old.svg").write_text("an earlier page's")
    (tmp_path / NAME / "notes.txt").write_text("the user's")
    (tmp_path / NAME / "summary.json").write_text(to_json(replace(made, files=(*made.files, "old.svg"))))
    gallery.make_gallery(options(tmp_path, NAME))
    assert "Of another day" in (tmp_path / "gallery.html").read_text()
    assert "](decay/README.md)" in (tmp_path / "README.md").read_text()
    assert not (tmp_path / NAME / "old.svg").exists()
    assert (tmp_path / NAME / "notes.txt").exists()


@pytest.mark.usefixtures("studies")
def test_a_page_of_an_earlier_version_is_named_where_the_index_leaves_it_out(store, tmp_path, capsys):
    store(finished(f"published/{NAME}"))
    (tmp_path / "decay.html").write_text("a page without a summary")
    gallery.make_gallery(options(tmp_path, NAME))
    told = "1 page of this folder is not shown here, without a summary.json (made by an earlier version): decay."
    assert told in capsys.readouterr().out
    for file in ("gallery.html", "README.md"):
        assert told in (tmp_path / file).read_text()


@pytest.mark.usefixtures("studies")
def test_a_damaged_summary_keeps_no_page_from_the_index(store, tmp_path):
    store(finished(f"published/{NAME}"))
    (tmp_path / "decay").mkdir()
    (tmp_path / "decay" / "summary.json").write_text("{")
    with pytest.raises(StudyError, match=r"decay/summary\.json: expected the summary of a page"):
        gallery.make_gallery(options(tmp_path, NAME))
    assert f'href="{NAME}.html"' in (tmp_path / "gallery.html").read_text()


@pytest.mark.usefixtures("studies")
def test_the_command_says_the_verdict_of_each_page(store, tmp_path, capsys):
    store(finished(f"published/{NAME}"))
    gallery.make_gallery(options(tmp_path, NAME))
    assert f"{NAME}.html (contradicted, reduced size)" in capsys.readouterr().out


@pytest.mark.usefixtures("studies")
def test_an_experiment_that_cannot_be_shown_keeps_no_other_from_its_page(store, tmp_path, monkeypatch):
    store(finished(f"published/{NAME}"))
    monkeypatch.setattr(gallery, "known", lambda: ("another", NAME))
    monkeypatch.setattr(gallery, "load_experiment", lambda _, load=gallery.load_experiment: load(NAME))
    monkeypatch.setattr(gallery, "read_experiments", lambda _, **__: {"another": "1", NAME: "2"})

    def show(_, name, *, read=gallery.read_material, **__):
        if name == "another":
            raise StudyError("it lacks a study")
        return read()  # type: ignore[no-any-return]

    monkeypatch.setattr(gallery, "read_material", show)
    with pytest.raises(StudyError, match=r"^another: it lacks a study$"):
        gallery.make_gallery(options(tmp_path))
    assert f'href="{NAME}.html"' in (tmp_path / "gallery.html").read_text()


def test_a_name_without_a_page_is_told_with_those_that_have_one(store, tmp_path):
    store({})
    with pytest.raises(StudyError, match=rf"EXPERIMENT=other: expected one with a page: .*{NAME}"):
        gallery.make_gallery(options(tmp_path, "other"))


def test_a_run_of_no_experiment_makes_no_page(capsys):
    gallery.page_after_run(["optimizer=sgd"], [])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", known())
def test_the_values_that_an_experiment_varies_are_read_from_its_file(name):
    swept = gallery._swept(name)
    assert all(values and all(values) for values in swept.values())
    assert bool(swept) == (name != "rmsprop_decay")  # one study
    assert name != "lstm_grid" or (len(swept["optimizer"]), len(swept["model.activation"])) == (7, 11)
