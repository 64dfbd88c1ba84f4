"""Tests of the tables of `benchmarks.startup`; none asserts a measured value."""

import json
import os
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import startup, startup_spans
from benchmarks.startup import CHILDREN, INTERPRETER, OTHER_IMPORTS, WHOLE

ROOT = Path(__file__).parents[1]


class Clock:
    def __init__(self):
        self.wall = self.cpu = 0.0

    def __call__(self):
        return self.wall, self.cpu

    def pass_by(self, wall, cpu):
        self.wall += wall
        self.cpu += cpu


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def spans(clock):
    return startup_spans.Spans((0.0, 0.0), clock=clock)


def test_a_moment_counts_for_the_innermost_span(spans, clock):
    clock.pass_by(1, 0.5)
    spans.enter("training")
    clock.pass_by(2, 3)
    spans.enter("tracing and compiling")
    clock.pass_by(4, 1)
    spans.leave()
    clock.pass_by(8, 2)
    spans.leave()
    spans.count()
    assert spans.rows == {"rest": [1, 0.5], "training": [10, 5], "tracing and compiling": [4, 1]}
    assert spans.last == (15, 6.5)


def test_spans_of_other_threads_are_left_out(spans, clock):
    def other():
        spans.enter("training")
        clock.pass_by(1, 1)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    spans.count()
    assert spans.rows == {"rest": [1, 1]}


@pytest.mark.parametrize(
    ("module", "asked_by", "row"),
    [
        ("scipy.stats", "import keras", "import scipy"),
        ("yaml.reader", "import hydra", "import hydra"),
        ("yaml", "rest", "import of others"),
        ("yaml", "training", "import of others"),
        ("study.run", "rest", "import study"),
    ],
)
def test_an_import_counts_for_its_library_or_for_the_one_that_asks(module, asked_by, row):
    assert startup_spans.row_of_import(module, asked_by) == row


def test_functions_and_contexts_are_wrapped_and_missing_ones_left_out(spans, clock):
    class Opened:
        def __enter__(self):
            clock.pass_by(1, 0)
            return 5

        def __exit__(self, *_):
            clock.pass_by(10, 0)

    def identify():
        clock.pass_by(100, 0)
        return 7

    module = ModuleType("study.search.ask_tell")
    module.open_search = lambda: Opened()
    other = ModuleType("study.pipeline.identity")
    other.identify = identify
    for each in (module, other, ModuleType("study.pipeline.reconcile")):
        startup_spans.wrap_functions(spans, each)
    with module.open_search() as found:
        assert (found, other.identify()) == (5, 7)
    assert {name: wall for name, (wall, _) in spans.rows.items() if wall} == {"stores": 101, "closing": 10}


def test_the_functions_are_in_this_checkout():
    def is_ours(place):
        return place.startswith("study.") and (ROOT / f"{place.partition(':')[0].replace('.', '/')}.py").is_file()

    lost = []
    for row, places in startup_spans.FUNCTIONS.items():
        found = [place for place in places if is_ours(place)]
        assert found, row
        for place in found:
            name, _, path = place.partition(":")
            source = (ROOT / f"{name.replace('.', '/')}.py").read_text()
            if f"def {path.rpartition('.')[2]}(" not in source and "preflight" not in place:
                lost.append(place)
    assert lost == []


def run(wall=10.0, cpu=6.0, **rows):
    told = {"rows": {"rest": [0.5, 0.25], **rows}, "began": [100.0, 0.1], "children_cpu": 0.5}
    inside = [sum(pair[i] for pair in told["rows"].values()) for i in (0, 1)]
    told["ended"] = [100.0 + inside[0], 0.1 + inside[1]]
    return startup.rows_of(told, began=99.5, ended=99.5 + wall, cpu_s=cpu)


def assert_adds_up(rows):
    for i in (0, 1):
        assert sum(pair[i] for name, pair in rows.items() if name != WHOLE) == pytest.approx(rows[WHOLE][i])


def test_rows_add_up_to_the_whole():
    rows = run(training=[4.0, 3.0])
    assert_adds_up(rows)
    assert rows[WHOLE] == (10.0, 6.0)
    assert rows[INTERPRETER] == pytest.approx((5.5, 2.25))
    assert rows[CHILDREN] == (0.0, 0.5)


def test_the_table_shows_two_checkouts_and_sums_small_imports():
    imports = {"import numpy": [2.0, 1.5], "import yaml": [0.02, 0.01], "import rich": [0.03, 0.02]}
    before, after = run(**imports, training=[1.0, 1.0]), run(8.0, 4.5, **imports, training=[1.0, 0.5])
    lines = startup.table([before, after]).splitlines()
    assert lines[0] == "|  | before: wall s | CPU s | after: wall s | CPU s | CPU ratio |"
    assert "| import numpy | 2.00 | 1.50 | 2.00 | 1.50 | 1.00 |" in lines
    assert f"| {OTHER_IMPORTS} | 0.05 | 0.03 | 0.05 | 0.03 | 1.00 |" in lines
    assert "| training | 1.00 | 1.00 | 1.00 | 0.50 | 0.50 |" in lines
    assert lines[-1] == "| whole command | 10.00 | 6.00 | 8.00 | 4.50 | 0.75 |"
    shown = [[float(cell) for cell in line.split("|")[2:4]] for line in lines[2:-1]]
    assert [sum(column) for column in zip(*shown, strict=True)] == pytest.approx([10.0, 6.0], abs=0.05)


def test_one_checkout_has_no_ratio_and_commands_that_look_have_one_line():
    assert startup.wholes({"study --help": [run()]}).splitlines() == [
        "|  | wall s | CPU s |",
        "|---|---:|---:|",
        "| study --help | 10.00 | 6.00 |",
    ]


def test_the_median_run_is_shown_whole():
    runs = [run(cpu=cpu) for cpu in (9.0, 5.0, 7.0, 8.0)]
    assert startup.median_run(runs) is runs[2]


def test_a_command_of_a_checkout_is_measured_in_its_own_process(tmp_path):
    home = startup.Home(folder=tmp_path, checkout=ROOT)
    rows = home.run(("--help",))
    assert_adds_up(rows)
    assert "usage: study COMMAND" in (tmp_path / "output").read_text()
    assert {INTERPRETER, "import study", "rest", WHOLE} <= rows.keys()
    assert json.loads((tmp_path / "rows.json").read_text())["children_cpu"] == 0
    with pytest.raises(SystemExit, match="study rnu failed"):
        home.run(("rnu",))
    assert not any("startup_spans" in path for path in sys.path + os.listdir(tmp_path))
