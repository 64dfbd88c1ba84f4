import re
import shlex
from pathlib import Path

import pytest

from study.cli import COMMANDS
from study.cli.launch.command_words import read_command_words
from study.cli.launch.compose import compose_jobs, prepare
from study.pipeline.preflight import load_config

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("everyday", "ci", "own_model", "vectorized"))]


def shown(page):
    """Return the commands in blocks of code of a page, without remarks, and with continued lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\n(.*?)^```|((?:^    .*\n)+)", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(fenced or indented for fenced, indented in blocks).splitlines()
    return [re.sub(r" +#.*", "", line).strip() for line in lines if re.match(r" *study \w", line)]


COMMANDS_SHOWN = list(dict.fromkeys(command for page in PAGES for command in shown(page)))


def test_commands_are_found():
    assert "study run -m optimizer=sgd,momentum,adam dataset=fashion_mnist model=mlp" in COMMANDS_SHOWN
    assert len(COMMANDS_SHOWN) > 30


@pytest.mark.parametrize("command", COMMANDS_SHOWN)
def test_a_shown_command_exists_and_its_config_is_valid(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, name, *words = shlex.split(command)
    assert name in COMMANDS
    if name == "run" and not {"--help", "..."} & {*words}:
        multirun = "-m" in words
        read = read_command_words([word for word in words if word != "-m"])
        assert list(read.faults) == []
        jobs = compose_jobs(prepare(read.kept), multirun=multirun)
        assert len(jobs) > multirun
        for job in jobs[:1]:
            config = load_config(job.raw, folder=tmp_path, labels=job.labels, helpers=job.helpers, trains_here=False)
            assert config.experiment_name
