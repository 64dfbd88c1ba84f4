import sys
from pathlib import Path

import pytest

from study.config.own_code import CustomObject, model_code

FILES = {
    "netone.py": "import numpy\nfrom netparts.layers import Scale\nimport scipy.special\n",
    "netparts/__init__.py": "",
    "netparts/layers.py": "from .numbers import FACTOR\nimport keras, math\n",
    "netparts/numbers.py": "def f():\n    import netlater\nFACTOR = 2\n",
    "netparts/unused.py": "import netmissing\n",
    "netlater.py": "from study.models._layers import output_layer\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return tmp_path


def of(module, name="Scale"):
    return CustomObject(key=name, module=module, name=name, is_class=True, is_registered=True)


def test_the_modules_that_define_a_class_and_those_that_they_import_are_found_and_not_run(folder):
    code = model_code([of("netparts.layers")])
    names = ["netlater.py", "netparts/__init__.py", "netparts/layers.py", "netparts/numbers.py"]
    assert code.files == {name: folder / name for name in names}
    assert code.packages == ()
    assert code.project_modules == ("study.models._layers",)
    imported = {Path(name).with_suffix("").parts[0] for name in FILES} & {*sys.modules}
    assert imported == set()


def test_installed_packages_are_required_with_their_versions(folder):
    import scipy

    code = model_code([of("netone")])
    assert code.packages == (f"scipy=={scipy.__version__}",)
    assert folder / "netone.py" in code.files.values()


def test_a_class_of_this_project_or_of_a_package_has_no_files():
    import optuna

    assert model_code([of("study.models.bounded_point", "Between")]).project_modules == ("study.models.bounded_point",)
    code = model_code([of("optuna.samplers")])
    assert (code.files, code.packages) == ({}, (f"optuna=={optuna.__version__}",))
    assert model_code([]).files == {}
