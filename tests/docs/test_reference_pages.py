import argparse
import re
from pathlib import Path

import pytest

from benchmarks import commands_page, configs_page
from study.cli import COMMANDS

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"


@pytest.fixture(scope="module")
def written():
    return configs_page.pages()


def test_the_page_of_commands_is_what_the_parsers_say_now():
    assert commands_page.PAGE.read_text("utf-8") == commands_page.page(), "run: make reference"


def test_every_command_has_a_section_with_its_options():
    sections = dict(re.findall(r"^## study (\S+)\n(.*?)(?=^## |\Z)", commands_page.page(), re.M | re.S))
    assert [*sections] == [*COMMANDS]
    assert "`--margin M`" in sections["plan"]
    assert "`-o OUTPUT`, `--output OUTPUT`" in sections["export"]
    assert "[options of most commands]" in sections["compare"]
    assert "usage: study run [-m]" in sections["run"]
    assert "  optimizer  adabelief" not in sections["run"]  # the groups have pages of their own


def test_a_parser_is_taken_from_its_command_which_does_nothing(capsys):
    parser = commands_page.parser_of("compare")
    assert isinstance(parser, argparse.ArgumentParser)
    assert parser.prog == "study compare"
    assert commands_page.parser_of("run") is None
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_pages_of_configs_are_what_the_files_say_now(written):
    folder = configs_page.FOLDER
    assert {path.name for path in folder.iterdir()} == {*written}
    stale = [name for name, text in written.items() if (folder / name).read_text("utf-8") != text]
    assert stale == [], "run: make reference"


@pytest.mark.slow
def test_every_file_of_every_group_is_described(written):
    for path in CONF.rglob("*.yaml"):
        group, _, name = str(path.relative_to(CONF).with_suffix("")).partition("/")
        if not name:
            continue
        if group == "hydra":
            group, _, name = str(path.relative_to(CONF).with_suffix("")).rpartition("/")
        page = written[f"{group.replace('/', '_')}.md"]
        assert f"## {group}={name}\n" in page or f"| `{name}` |" in page, path


@pytest.mark.slow
def test_almost_every_key_has_a_meaning(written):
    rows = [row for text in written.values() for row in re.findall(r"^\| `[\w.]+` \| .*$", text, re.MULTILINE)]
    empty = [row for row in rows if row.rstrip(" |").count(" | ") < 2]
    assert len(rows) > 300
    assert [row for row in empty if "| `" in row and row.endswith("|  |")] == []


def test_a_key_has_its_comment_its_value_and_the_docstring_of_its_argument(tmp_path):
    (tmp_path / "conf" / "model").mkdir(parents=True)
    path = tmp_path / "conf" / "model" / "mine.yaml"
    path.write_text(
        "# A net\n# of two layers.\nname: mine\n_target_: study.models.mlp.build\nhidden: [3, 4] # units\n"
        "# of the middle\nactivation: 'relu # no comment'\ninner: # parts\n  first: 1\n  second: {a: 1,\n    b: 2}\n"
        "dropout: 0.5\n"
    )
    found = configs_page.read_file(path)
    assert (found.name, found.about, found.target) == ("mine", "A net of two layers.", "study.models.mlp.build")
    keys = {key.name: (key.value, key.meaning) for key in found.keys}
    assert keys.pop("dropout")[0] == "0.5"
    assert keys == {
        "hidden": ("[3, 4]", "units"),
        "activation": ("'relu # no comment'", "of the middle"),
        "inner": ("", "parts"),
        "inner.first": ("1", ""),
        "inner.second": ("{a: 1, b: 2}", ""),
    }
