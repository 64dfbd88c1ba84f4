import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-distributed.lock")


def run(
    *command: str | Path, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
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
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_every_yaml_and_bundled_data(wheel: Path) -> None:
    packages = [ROOT / name for name in ("conf", "hydra_plugins", "models", "study")]
    files = [file for package in packages for kind in ("*.py", "*.yaml", "*.csv") for file in package.rglob(kind)]
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {file.relative_to(ROOT).as_posix() for file in files} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests/", "benchmarks/", "mlruns/")) for name in held)


def test_the_command_works_from_the_wheel_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(site)
    work.mkdir()
    call = "import study.cli, sys; print(study.__file__); sys.exit(study.cli.main(sys.argv[1:]))"
    arguments = ("run", "optimizer=momentum", "budget=smoke", "--cfg", "job")
    done = run(sys.executable, "-c", call, *arguments, cwd=work, environment={"PYTHONPATH": str(site)})
    assert done.returncode == 0, done.stderr
    imported_from, config = done.stdout.split("\n", 1)
    assert Path(imported_from).is_relative_to(site)
    assert "name: momentum" in config
    assert list(work.iterdir()) == []


def test_the_entry_point_exists() -> None:
    module, _, function = PROJECT["scripts"]["study"].partition(":")
    done = run(sys.executable, "-c", f"from {module} import {function}; {function}(['--help'])", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "usage: study" in done.stdout


def pins(lock: str) -> dict[tuple[str, str], str]:
    pattern = r"^([\w.-]+)==([^\s;]+)( ;[^\\]*)? \\$"
    found = re.findall(pattern, (ROOT / lock).read_text(), re.MULTILINE)
    return {(name, marker.strip()): version for name, version, marker in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_and_hashes_all_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--index" not in text
    requirements = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(requirements) == len(pins(lock)) > 50
    for block in re.split(r"\n(?=[a-z0-9])", text):
        assert "--hash=sha256:" in block, block


@pytest.mark.parametrize(("lock", "extra"), [*zip(LOCKS, (None, "dev", "distributed"), strict=True)])
def test_the_locks_cover_what_the_project_asks_for_and_agree(lock: str, extra: str | None) -> None:
    base, locked = pins(LOCKS[0]), pins(lock)
    dependencies = PROJECT["dependencies"] + PROJECT["optional-dependencies"].get(extra, [])
    names = {re.split(r"[\[<>=~! ]", dependency)[0].lower() for dependency in dependencies}
    assert names <= {name for name, _ in locked}
    versions = {name: {v for (n, _), v in locked.items() if n == name} for name, _ in base}
    for (name, _), version in base.items():
        assert version in versions[name], name


@pytest.fixture
def only_path(tmp_path: Path) -> Path:
    """A PATH of its own, to which a test adds Pythons."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rm").symlink_to("/bin/rm")
    program(folder / "id", "echo 1000")
    return folder


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


def make_venv(only_path: Path, venv: Path) -> subprocess.CompletedProcess[str]:
    return run(ROOT / ".ci" / "make_venv", venv, cwd=only_path, environment={"PATH": str(only_path)})


def test_without_a_fitting_python_the_message_says_what_to_install(only_path: Path, tmp_path: Path) -> None:
    program(only_path / "python3", 'if [ "$1" = --version ]; then echo Python 3.9.2; else exit 1; fi')
    done = make_venv(only_path, tmp_path / "venv")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "python3 is Python 3.9.2" in done.stderr
    assert "3.11, 3.12 or 3.13" in done.stderr


def test_an_unfit_python3_is_passed_over(only_path: Path, tmp_path: Path) -> None:
    program(only_path / "python3", "exit 1")
    program(only_path / "python3.12", f'exec "{sys.executable}" "$@"')
    done = make_venv(only_path, tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "venv" / "bin" / "pip").exists()


def test_a_python_without_venv_is_told_of_and_leaves_nothing(only_path: Path, tmp_path: Path) -> None:
    stub = f'[[ "$2" == *ensurepip* ]] && exit 1\nexec "{sys.executable}" "$@"'
    program(only_path / "python3", stub)
    done = make_venv(only_path, tmp_path / "venv")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert done.returncode == 2
    assert f"sudo apt-get install python{version}-venv" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_root_gets_the_missing_venv_installed(only_path: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    stub = f'[[ "$2" == *ensurepip* && ! -e "{installed}" ]] && exit 1\nexec "{sys.executable}" "$@"'
    program(only_path / "python3", stub)
    program(only_path / "id", "echo 0")
    program(only_path / "apt-get", f'[[ "$*" == *install*-venv ]] && echo "$*" > "{installed}"; true')
    done = make_venv(only_path, tmp_path / "venv")
    assert done.returncode == 0, done.stderr
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in installed.read_text()
    assert (tmp_path / "venv" / "bin" / "python").exists()
