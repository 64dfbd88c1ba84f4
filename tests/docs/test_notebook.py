import ast
import re

import nbformat
import pytest

import study
from benchmarks.notebooks import NOTEBOOKS, execute, streams

PATH = NOTEBOOKS / "first_comparison.ipynb"


def read():
    return nbformat.read(PATH, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def cell_with(notebook, source):
    (found,) = [cell for cell in code_cells(notebook) if source in cell.source]
    return found


def bundles(cell):
    return [output.data for output in cell.outputs if "data" in output]


def look(notebook):
    """Check the outputs that a reader looks for, and that nothing else is between them."""
    for cell in code_cells(notebook):
        assert [output for output in cell.outputs if output.output_type == "error"] == []
        assert streams(cell, "stderr") == "", cell.source
    compared = cell_with(notebook, "optimizers = [")
    assert streams(compared, "stdout").startswith("loss: SparseCategoricalCrossentropy(from_logits=True)")
    ends = [bundle["text/plain"].splitlines()[-1] for bundle in bundles(compared)]
    names = ("sgd", "adam", "adamw-weight_decay=0.01")
    searched = [
        re.match(r"digits-net/(\S+) \(study \d of 3\): best val_accuracy 0\.\d+ \(trial \d+\) after ", end)
        for end in ends[:3]
    ]
    assert [found and found[1] for found in searched] == [*names]
    assert all(re.match(r"digits-net/\S+: \d+ further confirmations after ", end) for end in ends[3:]), ends
    assert "look at 5 seeds: " in streams(compared, "stdout")
    answer = streams(next(cell for cell in code_cells(notebook) if cell.source == "print(result.answer)"), "stdout")
    assert "mean test accuracy of 9" in answer
    (shown,) = bundles(next(cell for cell in code_cells(notebook) if cell.source == "result"))
    assert "<table" in shown["text/html"]
    assert "data:image/svg+xml" in shown["text/html"]
    for source in ("columns = [", '"n_confirmations": 40'):
        table = bundles(cell_with(notebook, source))[-1]["text/html"]
        assert all(f"<td>{name}</td>" in table for name in names)
        assert table.count("<td>10</td>") == 3
    further = cell_with(notebook, '"n_confirmations": 40')
    assert "superseded" not in streams(further, "stdout")
    assert "mean test accuracy" in streams(further, "stdout")
    for source in ("plot.scatter", "best_runs.pivot"):
        assert "image/png" in bundles(cell_with(notebook, source))[-1]
    accuracy = re.search(
        r"accuracy on the test examples: (0\.\d+)", streams(cell_with(notebook, ".predict("), "stdout")
    )
    assert float(accuracy[1]) > 0.9
    assert streams(cell_with(notebook, "later = "), "stdout") == f"{[*names]}\n"


def test_the_stored_outputs_are_those_of_one_run_and_hold_no_place_of_a_machine():
    stored = read()
    look(stored)
    counts = [cell.execution_count for cell in code_cells(stored)]
    assert counts == list(range(1, len(counts) + 1))
    text = PATH.read_text(encoding="utf-8")
    assert not re.search(r"/(tmp|root|home|Users|usr)/|site-packages", text)
    assert len(text) < 500_000


def test_the_notebook_uses_public_names_of_the_project_alone():
    parsed = [ast.parse(cell.source) for cell in code_cells(read())]
    nodes = [node for tree in parsed for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    ours = {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if node.module == "study"
    }
    assert {"compare", "open_experiment"} == ours <= set(study.__all__)
    assert not any(
        name.name.startswith("study") for node in nodes if isinstance(node, ast.Import) for name in node.names
    )
    assert not any(str(node.module).startswith("study.") for node in nodes if isinstance(node, ast.ImportFrom))


@pytest.mark.slow
@pytest.mark.long(reason="six studies, as a reader of the notebook runs them")
def test_every_cell_runs_and_shows_what_is_stored(tmp_path):
    executed = execute(read(), folder=tmp_path)
    look(executed)
    kinds = [
        [[output.output_type for output in cell.outputs] for cell in code_cells(each)] for each in (executed, read())
    ]
    assert kinds[0] == kinds[1]
    assert {path.name for path in tmp_path.iterdir()} == {".jupyter", "mlruns", "digits-net.html"}
    assert "digits-net" in (tmp_path / "digits-net.html").read_text(encoding="utf-8")
