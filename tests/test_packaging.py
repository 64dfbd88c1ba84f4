import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-distributed.lock")


def run(*command, cwd, environment=None):
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def in_wheel(file):
    """Return the path in a wheel of a file of the checkout; all Python modules are below `study`."""
    path = file.relative_to(ROOT)
    return (Path("study") / path if path.parts[0] in ("conf", "models") else path).as_posix()


def test_the_wheel_holds_every_module_every_yaml_and_bundled_data_once(wheel):
    packages = [ROOT / name for name in ("conf", "hydra_plugins", "models", "study")]
    kinds = ("*.py", "*.yaml", "*.csv", "*.css", "*.js", "*.j2")
    files = {file for package in packages for kind in kinds for file in package.rglob(kind)}
    expected = {in_wheel(file) for file in files if "__pycache__" not in file.parts}
    held = zipfile.ZipFile(wheel).namelist()
    assert expected <= set(held)
    assert len(held) == len(set(held))
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {"study", "hydra_plugins"}
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert {"study/report/html/plotly/plotly-basic.min.js", "study/report/html/plotly/LICENSE"} <= set(held)


@pytest.fixture(scope="module", params=["wheel", "editable"])
def installed(request, tmp_path_factory):
    """The folder that an install puts on Python's path: one with the wheel's files, or that of an editable install."""
    if request.param == "wheel":
        site = tmp_path_factory.mktemp("site")
        zipfile.ZipFile(request.getfixturevalue("wheel")).extractall(site)
        return str(site)
    folder = tmp_path_factory.mktemp("editable")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel:editable", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as held:
        (added,) = (name for name in held.namelist() if name.endswith(".pth"))
        return held.read(added).decode().strip()


def study(installed, *arguments, cwd):
    """Run the command as its console script does, with only the install and the libraries on Python's path."""
    call = "import sys; from study.cli import command_line; sys.exit(command_line())"
    environment = {"PYTHONPATH": installed, "PYTHONSAFEPATH": "1", "KERAS_BACKEND": ""}
    return run(sys.executable, "-c", call, *arguments, cwd=cwd, environment=environment)


def test_an_install_gives_python_one_name(installed, tmp_path):
    names = ["study", "study.conf", "study.models.mlp", "conf", "models", "tests", "benchmarks"]
    call = f"import importlib.util as u, study; print(study.__file__); print([bool(u.find_spec(n)) for n in {names}])"
    environment = {"PYTHONPATH": installed, "PYTHONSAFEPATH": "1"}
    done = run(sys.executable, "-c", call, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    place, found = done.stdout.splitlines()
    assert Path(place).is_relative_to(installed)
    assert found == "[True, True, True, False, False, False, False]"


def test_the_command_works_outside_the_checkout(installed, tmp_path):
    done = study(installed, "run", "optimizer=momentum", "budget=smoke", "--cfg", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "name: momentum" in done.stdout
    assert list(tmp_path.iterdir()) == []


NET = """
import keras

def build(input_shape, n_outputs, width=8):
    layers = [keras.layers.Flatten(), keras.layers.Dense(width, "relu"), keras.layers.Dense(n_outputs)]
    return keras.Sequential([keras.Input(input_shape), *layers])
"""
DATA = """
import numpy as np
from study.datasets import Dataset, Split

def load(split_seed):
    x = np.random.default_rng(split_seed).normal(size=(90, 6)).astype("float32")
    splits = [Split(x=x[n : n + 30], y=(x[n : n + 30, 0] > 0).astype("int32")) for n in (0, 30, 60)]
    return Dataset(
        name="mine", source="made", train=splits[0], validation=splits[1], test=splits[2], n_outputs=2
    )
"""
SMOKE = ("optimizer=sgd", "budget=smoke", "budget.n_confirmations=0", "tracking.log_model=false", "live=false")


def test_a_users_folder_with_models_conf_data_and_tests_works(installed, request, tmp_path):
    # One install gets packages, the other plain folders, since testing both with each takes long.
    with_init = "wheel" in request.node.name
    files = {
        "models/mynet.py": NET,
        "conf/model/mynet.yaml": "name: mynet\n_target_: models.mynet.build\nwidth: 8\n",
        "conf/dataset/mine.yaml": own_dataset(),
        "data/mine.py": DATA,
        "tests/test_mine.py": "",
        "study.yaml": "mine: true\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        if with_init and "/" in name:
            (tmp_path / name.split("/")[0] / "__init__.py").touch()
    done = study(installed, "run", "-m", "model=mynet,mlp", "dataset=mine", *SMOKE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine-mynet/sgd (study 1 of 2): best val_accuracy" in done.stderr
    assert "mine-mlp/sgd (study 2 of 2): best val_accuracy" in done.stderr


def own_dataset():
    """Return the YAML of a data set whose only argument is the seed of its split."""
    bundled = yaml.safe_load((ROOT / "conf" / "dataset" / "digits.yaml").read_text())
    own = {"name": "mine", "_target_": "data.mine.load", "split_seed": "${split_seed}", "task": bundled["task"]}
    return yaml.safe_dump(own)


def test_every_template_is_found_in_an_install(installed, tmp_path):
    call = (
        "from study.report.html.templates import environment\n"
        "found = environment().list_templates(['j2'])\n"
        "assert all(environment().get_template(name) for name in found)\n"
        "print(*found)"
    )
    environment = {"PYTHONPATH": installed, "PYTHONSAFEPATH": "1"}
    done = run(sys.executable, "-c", call, cwd=tmp_path, environment=environment)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {str(path.relative_to(ROOT / "study")) for path in ROOT.glob("study/**/*.j2")}


def test_a_users_own_models_module_does_no_harm(installed, tmp_path):
    (tmp_path / "models.py").write_text("raise SystemExit('this module was imported')\n")
    done = study(installed, "run", "model=mlp", "trainer=numpy", *SMOKE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "digits-mlp/sgd-trainer=numpy: best val_accuracy" in done.stderr


def test_the_entry_point_exists():
    module, _, function = PROJECT["scripts"]["study"].partition(":")
    done = run(sys.executable, "-c", f"from {module} import {function}; {function}(['--help'])", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "usage: study" in done.stdout


def pins(lock):
    pattern = r"^([\w.-]+)==([^\s;]+)( ;[^\\]*)? \\$"
    found = re.findall(pattern, (ROOT / lock).read_text(), re.MULTILINE)
    return {(name, marker.strip()): version for name, version, marker in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_all_and_names_no_host(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index" not in text
    requirements = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(requirements) == len(pins(lock)) > 50
    for block in re.split(r"\n(?=[a-z0-9])", text):
        assert "--hash=sha256:" in block, block


@pytest.mark.parametrize(("lock", "extra"), [*zip(LOCKS, (None, "dev", "distributed"), strict=True)])
def test_the_locks_cover_the_projects_dependencies_and_agree(lock, extra):
    base, locked = pins(LOCKS[0]), pins(lock)
    dependencies = PROJECT["dependencies"] + PROJECT["optional-dependencies"].get(extra, [])
    names = {re.split(r"[\[<>=~! ]", dependency)[0].lower() for dependency in dependencies}
    assert names <= {name for name, _ in locked}
    versions = {name: {v for (n, _), v in locked.items() if n == name} for name, _ in base}
    for (name, _), version in base.items():
        assert version in versions[name], name


@pytest.fixture
def only_path(tmp_path):
    """An empty PATH, to which a test adds Pythons."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rm").symlink_to("/bin/rm")
    program(folder / "id", "echo 1000")
    return folder


def program(path, body):
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


def make_venv(only_path, venv):
    return run(ROOT / ".ci" / "make_venv", venv, cwd=only_path, environment={"PATH": str(only_path)})


def test_without_a_supported_python_the_message_says_what_to_install(only_path, tmp_path):
    program(only_path / "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    done = make_venv(only_path, tmp_path / "venv")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "python3 is Python 3.9.2" in done.stderr
    assert "3.11, 3.12 or 3.13" in done.stderr


def test_an_unsupported_python3_is_skipped(only_path, tmp_path):
    program(only_path / "python3", "exit 1")
    program(only_path / "python3.12", f'exec "{sys.executable}" "$@"')
    done = make_venv(only_path, tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv" / "bin" / "pip").exists()


def test_a_python_without_venv_is_reported_and_leaves_nothing_behind(only_path, tmp_path):
    stub = f'[[ "$2" == *ensurepip* ]] && exit 1\nexec "{sys.executable}" "$@"'
    program(only_path / "python3", stub)
    done = make_venv(only_path, tmp_path / "venv")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 2
    assert f"sudo apt-get install python{version}-venv" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_root_gets_the_missing_venv_installed(only_path, tmp_path):
    installed = tmp_path / "installed"
    stub = f'[[ "$2" == *ensurepip* && ! -e "{installed}" ]] && exit 1\nexec "{sys.executable}" "$@"'
    program(only_path / "python3", stub)
    program(only_path / "id", "echo 0")
    program(only_path / "apt-get", f'[[ "$*" == *install*-venv ]] && echo "$*" > "{installed}"; true')
    done = make_venv(only_path, tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in installed.read_text()
    assert (tmp_path / "venv" / "bin" / "python").exists()
