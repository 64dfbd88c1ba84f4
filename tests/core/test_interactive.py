import subprocess
import sys
from types import SimpleNamespace

import pytest

from study.core.interactive import in_kernel, is_interactive, tell

KERNEL, TERMINAL = SimpleNamespace(kernel=object()), SimpleNamespace()


@pytest.mark.parametrize(
    ("shell", "found"), [(KERNEL, (True, True)), (TERMINAL, (False, True)), (None, (False, False))]
)
def test_a_kernel_is_known_by_its_shell(shell, found, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert (in_kernel(), is_interactive()) == found


def test_ipython_that_is_being_imported_is_no_kernel(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace())
    assert not in_kernel()
    assert not is_interactive()


def test_the_prompt_of_python_is_interactive(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not is_interactive()
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert is_interactive()
    assert not in_kernel()


def test_the_question_imports_no_ipython():
    ask = "from study.core.interactive import in_kernel; assert not in_kernel()"
    script = f"import sys; {ask}; print('IPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_lines_are_no_errors_in_a_notebook(monkeypatch, capsys):
    tell("at a prompt")
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: KERNEL))
    tell("in a cell")
    assert capsys.readouterr() == ("in a cell\n", "at a prompt\n")
