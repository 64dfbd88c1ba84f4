"""Any words after `study run` change the config as typed, or one message refuses them and nothing is written."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from study.cli import main
from study.cli.launch import compose as composing
from study.cli.launch import hydra_app
from study.cli.launch.overrides import read_overrides
from study.core.names import name_fault
from tests import drawn_examples
from tests.awkward_names import names

pytestmark = pytest.mark.slow

QUICKLY = settings(drawn_examples.QUICKLY, max_examples=25)
AT_LENGTH = settings(QUICKLY, max_examples=300, derandomize=False)

KEYS = (
    *("optimizer.learning_rate", "model.activation", "model.hidden", "experiment_name", "study_name", "worker"),
    *(
        "objective.metric",
        "dataset.path",
        "budget.n_trials",
        "optimizer.search.beta_1.low",
        "allow_targets",
        "setting",
    ),
    *(
        "trainer.backend",
        "storage.artifacts",
        "tracking_uri",
        "settings.a.any",
        "hydra.job.name",
        "optimizer",
        "budget",
    ),
)
PLAIN = st.sampled_from(
    [
        *("1", "-1", "nan", "null", "true", "[]", "[1,a]", "{a: 1}", "1e999", "${worker}", "a,b", "x"),
        *("interval(0,1)", "tag(log,interval(1,2))", "tag(search,choice([1],[2]))", "tag(search,range(3))"),
        *("tag(no,interval(0,1))", "interval(a,b)"),
    ]
)


def _quoted(text):
    return "'" + text.replace("\\'", "\\\\'").replace("'", "\\'") + "'"


@st.composite
def words(draw):
    """Draw a word: a known or an awkward key, and a plain or an awkward value, in quotes or without."""
    key = draw(st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS).map(lambda key: f"{key}x"), names))
    value = draw(st.one_of(PLAIN, names, names.map(_quoted)))
    return draw(st.sampled_from(["{}={}", "+{}={}", "++{}={}", "{}={}", "~{}", "--{}={}", "{}"])).format(key, value)


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Call `study run` up to the checks of all jobs, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    composed = []
    compose = composing.compose_jobs

    def compose_and_keep(*words, **options):
        composed.extend(compose(*words, **options))
        return list(composed)

    monkeypatch.setattr("study.cli.launch.compose.compose_jobs", compose_and_keep)
    monkeypatch.setattr(hydra_app, "_application", lambda *_: lambda: None)
    monkeypatch.setattr("study.cli.actions.overview.show_studies", lambda *_, **__: None)
    monkeypatch.setattr("study.cli.actions.end_of_run.show_end", lambda _: False)
    monkeypatch.setattr("study.cli.actions.gallery.page_after_run", lambda *_: None)

    def call(*typed):
        composed.clear()
        capsys.readouterr()
        try:
            status = main(["run", *typed])
        except SystemExit as error:
            status = int(error.code or 0)
        return status, capsys.readouterr().err, list(composed)

    return call


def _at(raw, key):
    for part in key.split("."):
        raw = raw[part]
    return raw


def _are_taken_or_told(run, folder, typed):
    status, err, jobs = run(*typed)
    assert status in (0, 2)
    assert "Traceback" not in err
    assert list(folder.iterdir()) == []
    if status == 2:
        assert err.startswith(("study run: ", "usage: study run "))
        return
    for job in jobs:
        assert all(name_fault(label, parts=False) == "" for label in job.labels)
    last = {value.key: value for value in read_overrides(word for word in typed if "=" in word or word[:1] == "~")}
    for key, value in last.items():
        if value.text.startswith(("interval(", "tag(")):  # the value is the study's own, and the range is searched
            part = jobs[0].raw["search"]
            for name in key.removeprefix("search.").replace("optimizer.search.", "optimizer.").split("."):
                part = part[name]
            assert part
        elif (
            not value.deletes
            and "${" not in value.text
            and key.partition(".")[0] not in ("hydra", "optimizer", "budget")
        ):
            assert all(_at(job.raw, key) == value.value for job in jobs)


@QUICKLY
@given(typed=st.lists(words(), min_size=1, max_size=3))
@example(typed=["~seed"])
@example(typed=["+="])
@example(typed=["=1"])
@example(typed=[f"optimizer={'x' * 300}"])
@example(typed=["漢" * 90 + "=1"])
@example(typed=["+hydra.foo=1"])
@example(typed=["settings.a.any={learning_rate: 1}"])
@example(typed=["model.activation='tanh'"])
@example(typed=[f"worker={'x' * 300}"])
@example(typed=["-n", "optimizer=adam"])
@example(typed=["model.hidden=tag(search,choice([1],[2]))", "+model.activation=interval(0,1)"])
@example(typed=["search=interval(0,1)"])
@example(typed=["optimizer=interval(0,1)"])
@example(typed=["interval(0,1)=interval(0,1)"])
@example(typed=["optimizer.search.beta_1=interval(0,1)", "search.optimizer.beta_2=interval(0,1)"])
@example(typed=["experiment_name=tag(search,choice([1],[2]))"])
@example(typed=["optimizer.search.beta_1.low=interval(0,1)"])
@example(typed=["model.activation='interval(0,1)'"])
def test_any_words_are_taken_or_told(run, tmp_path, typed):
    _are_taken_or_told(run, tmp_path, typed)


@pytest.mark.faults
@AT_LENGTH
@given(typed=st.lists(words(), min_size=1, max_size=3))
def test_any_words_are_taken_or_told_at_length(run, tmp_path, typed):
    _are_taken_or_told(run, tmp_path, typed)
