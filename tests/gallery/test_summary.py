import json
from dataclasses import replace

import pytest

from study.core.errors import StudyError
from study.gallery import About, PageContents, Picture
from study.gallery.analysis.verdicts import ClaimVerdict
from study.gallery.run_facts import RunOrigin
from study.gallery.summary import FILE, cover_height, read_summary, summary_of, to_json

ABOUT = About(title="T < U", question="Q?", source="S", claim="C \u2212 D")
SHOWN = PageContents(
    pictures=(
        Picture(name="turn", caption="Turn it.", data=b"", suffix="html"),
        Picture(name="a/../b c", caption="A curve.", data=b"", suffix="svg"),
    ),
    tables=(),
    findings=("The claim held, for a. The claim is contradicted, for b.", "More."),
    headline="Short.",
)


@pytest.fixture
def summary(make_material):
    origin = RunOrigin(command="", published={"n_trials": 20}, made="")
    return summary_of(ABOUT, SHOWN, make_material({"sgd-setting=shared": [0.5]}), origin=origin)


def test_a_page_in_short_has_its_verdicts_size_cover_and_files(summary):
    assert summary.verdicts == (ClaimVerdict.HELD, ClaimVerdict.CONTRADICTED)
    assert summary.size == "reduced"
    assert summary.differences == ("3 trials of a search instead of 20",)
    assert [badge.kind for badge in summary.badges] == ["held", "contradicted", "reduced_size"]
    assert summary.cover == "a-..-b-c.svg"  # the name of a file in this folder
    assert summary.cover_caption == "A curve."
    assert summary.files == ("README.md", FILE, "turn.html", "a-..-b-c.svg")


def write(folder, text):
    folder.mkdir()
    (folder / FILE).write_text(text, "utf-8")


def test_what_was_written_is_read_back(summary, tmp_path):
    write(tmp_path / summary.name, to_json(summary))
    assert read_summary(tmp_path / summary.name) == summary


def test_a_folder_without_a_page_has_no_summary(tmp_path):
    assert read_summary(tmp_path / "none") is None
    (tmp_path / "file").write_text("")
    assert read_summary(tmp_path / "file") is None


@pytest.mark.parametrize(
    "change",
    [
        {"verdicts": ["WON"]},
        {"verdicts": "HELD"},
        {"size": "tiny"},
        {"title": None},
        {"title": ["T"]},
        {"differences": [1]},
        {"files": ["../other"]},
        {"files": [".."]},
        {"cover": "/etc/passwd"},
        {"cover": 'a.svg" onerror="alert(1)'},
        {"name": "other"},
    ],
)
def test_a_file_of_another_form_is_refused_with_the_way_out(summary, tmp_path, change):
    content = json.loads(to_json(summary)) | change
    write(tmp_path / summary.name, json.dumps(content))
    with pytest.raises(StudyError, match=rf"{FILE}: expected the summary of a page.*Delete the file"):
        read_summary(tmp_path / summary.name)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "\x00"])
def test_a_file_that_is_no_summary_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StudyError, match=f"{FILE}: expected the summary of a page"):
        read_summary(tmp_path)


def test_a_page_without_pictures_and_findings_has_no_cover_and_no_verdict(make_material):
    bare = PageContents(pictures=(), tables=(), findings=())
    origin = RunOrigin(command="", published=None, made="")
    found = summary_of(ABOUT, bare, make_material({"sgd-setting=shared": [0.5]}), origin=origin)
    assert (found.cover, found.verdicts, found.badges) == ("", (), ())
    assert replace(found, size="other").badges[0].label == "Other size"


@pytest.mark.parametrize(
    ("text", "height"),
    [
        ('<svg width="500pt" height="300pt" viewBox="0 0 1 1">', 0.6),
        ('<?xml version="1.0"?>\n<svg xmlns="a"\n height="400" width="200">', 2.0),
        ("<svg>", 0.0),
        ("", 0.0),
    ],
)
def test_the_height_of_a_cover_is_a_part_of_its_width(summary, tmp_path, text, height):
    (tmp_path / summary.cover).write_text(text)
    assert cover_height(tmp_path, summary) == pytest.approx(height)
    assert cover_height(tmp_path / "nowhere", summary) == 0.0
    assert cover_height(tmp_path, replace(summary, cover="")) == 0.0
