import subprocess
import sys
from pathlib import Path

import pytest

import study

# Each takes a tenth of a second or more.
SLOW = ["IPython", "hydra", "jax", "keras", "matplotlib", "mlflow", "numpy", "optuna", "pandas", "tensorflow", "torch"]


def test_importing_the_package_loads_no_library():
    script = f"import sys, study; dir(study); print([name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", study.__all__)
def test_a_public_name_is_found_and_documented(name):
    assert getattr(study, name).__name__ == name
    assert getattr(study, name).__doc__
    assert name in dir(study)


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'comparer'"):
        study.comparer  # noqa: B018
