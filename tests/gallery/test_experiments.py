"""Every experiment of conf/experiment has all that belongs to it, and runs to its page in its smallest form."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sweep_parts import only_jobs

from study.gallery import About
from study.gallery.analysis.verdicts import ClaimVerdict
from study.gallery.material import known, load_experiment
from study.gallery.summary import FILE, read_summary

pytestmark = pytest.mark.long(reason="the first test runs every published comparison in its smallest size")

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
BUDGET = {"name", "n_trials", "n_epochs", "n_steps", "n_confirmations", "time_limit_s"}


def header(name):
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    end = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(lines[1:end])


@pytest.fixture(scope="module")
def composed():
    from study.cli.launch.compose import compose_jobs, prepare

    return lambda *overrides: compose_jobs(prepare(overrides), multirun=False)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Run all experiments in one process, which pays for its imports once."""
    kept = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "XLA_FLAGS")}
    folder = tmp_path_factory.mktemp("gallery")
    command = [sys.executable, str(Path(__file__).with_name("smoke_cases.py")), str(folder), *NAMES]
    environment = kept | {"PYTHONPATH": str(ROOT), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # no numbers are compared
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_every_experiment_has_a_page_and_every_page_an_experiment():
    assert list(known()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_header_tells_question_source_command_time_and_result(name):
    told = header(name)
    assert "?" in told
    assert f"study run -m experiment={name}" in told or f"study run experiment={name}" in told
    for part in ("Source:", "Time:", "Seen:"):
        assert part in told, f"the header is to have a line that begins with {part}"


def shown(name):
    """The committed page of an experiment: as Markdown and in short."""
    folder = ROOT / "docs" / "gallery" / name
    return (folder / "README.md").read_text(), read_summary(folder)


@pytest.mark.parametrize("name", NAMES)
def test_header_and_page_begin_with_the_same_word_for_the_claim(name):
    page, summary = shown(name)
    seen = " ".join(line.removeprefix("#").strip() for line in header(name).partition("Seen:")[2].splitlines())
    word = summary.verdicts[0]
    assert seen.strip().startswith(word)
    assert page.partition("## Result")[2].strip().startswith(word)
    assert f"![{word.label}]" in page.partition("## Result")[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_page_is_whole_and_in_the_index(name):
    folder = ROOT / "docs" / "gallery" / name
    page, summary = shown(name)
    linked = set(re.findall(r"\]\(([^)]+)\)", page))
    assert all((folder / path).is_file() for path in linked), linked
    assert {path for path in summary.files if path != FILE and path != "README.md"} <= linked
    index = (ROOT / "docs" / "gallery" / "README.md").read_text()
    assert f"({name}/README.md)" in index
    if summary.cover:
        assert re.search(rf'(\(|src="){name}/{re.escape(summary.cover)}(\)|")', index)


def test_the_committed_gallery_is_small():
    tracked = [path for name in NAMES for path in (ROOT / "docs" / "gallery" / name).iterdir()]
    assert sum(path.stat().st_size for path in tracked) < 6e6


QUOTED = re.compile(
    r"([+\u2212]?[\d.e+]+)\s?(?:%|points)? \[(?:above )?(\u2212?[\d.e+]+) to (?:below )?(\u2212?[\d.e+]+)\s?%?\]"
)


def within_rounding(text):
    return 0.5 * 10.0 ** -len(text.partition(".")[2])


def texts_of(name):
    """The texts about an experiment: the comment of its config, and its committed page."""
    return header(name), shown(name)[0].partition("## Traps")[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_quoted_interval_has_its_estimate_inside_and_that_of_a_mean_in_the_middle(name):
    """Holm's intervals of differences, which have a sign, lean to one side, like those of ratios."""
    texts = (" ".join(line.removeprefix("#").strip() for line in text.splitlines()) for text in texts_of(name))
    for sentence in ". ".join(texts).split(". "):
        for texts in QUOTED.findall(sentence):
            mean, low, high = (float(each.replace("\u2212", "-")) for each in texts)
            assert low <= mean <= high, texts
            leans = texts[0].startswith(("+", "\u2212")) or "ratios" in sentence
            if not leans and high < 100:  # one that ends there was clipped
                off = within_rounding(texts[0]) + (within_rounding(texts[1]) + within_rounding(texts[2])) / 2
                assert abs(mean - (low + high) / 2) <= off + 1e-9, texts


@pytest.mark.parametrize("name", NAMES)
def test_overlapping_intervals_are_not_quoted_as_a_test(name):
    assert not any("overlap" in text for text in texts_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_module_says_what_the_experiment_is_about(name):
    about = load_experiment(name).about
    assert isinstance(about, About)
    assert about.question.endswith("?")
    assert all((about.title, about.source, about.claim))


@pytest.mark.parametrize("name", NAMES)
def test_it_has_a_published_budget(name):
    """tests/conf/test_conf.py composes every job of every experiment and sees that it has this budget."""
    published = yaml.safe_load((CONF / "budget" / "published" / f"{name}.yaml").read_text())
    assert set(published) == BUDGET


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_other_budget_wins(name, composed):
    budgets = ["smoke", *(f"gallery/{path.stem}" for path in (CONF / "budget").glob(f"gallery/{name}.yaml"))]
    for budget in budgets:
        with only_jobs(lambda jobs: [jobs[0], jobs[-1]]):
            ends = composed(f"experiment={name}", f"budget={budget}")
        for job in ends:
            assert job.raw["budget"]["name"] == budget
            assert job.raw["experiment_name"] == name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_its_smallest_form_runs_to_its_page(name, smoke):
    assert "error" not in smoke[name], smoke[name]["error"]
    page = smoke[name]["page"]
    about = load_experiment(name).about
    assert about.title in html.unescape(page)
    found = page.partition("What was seen</h2>")[2].partition("<li>")[2].partition("</li>")[0]
    badge, _, finding = found.rpartition("</span>")
    assert html.unescape(finding).strip().startswith(tuple(ClaimVerdict)), found[:200]
    assert 'class="badge ' in badge
    assert "Reduced." in page


@pytest.mark.slow
def test_studies_on_jax_load_no_tensorflow(smoke):
    assert not smoke["loaded TensorFlow"]


@pytest.mark.slow
def test_the_command_makes_the_page_from_the_store(smoke):
    assert smoke["study gallery"] == {"status": "0", "error": "", "made": "amsgrad.html, gallery.html"}


@pytest.mark.slow
def test_the_studies_of_an_experiment_are_known_before_they_are_run(composed, tmp_path):
    from study.cli.actions.gallery import studies_of
    from study.pipeline.preflight import load_config

    jobs = composed("experiment=fashion_mnist_eight", "budget=gallery/fashion_mnist_eight")
    configs = [load_config(job.raw, folder=tmp_path, labels=job.labels) for job in jobs[:2]]
    known_before = studies_of("fashion_mnist_eight", "gallery/fashion_mnist_eight")
    assert len(known_before) == len(jobs)
    assert {config.digest for config in configs} <= known_before
