"""The collection and the installation of the wheelhouse, without a network."""

import ast
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def program(name):
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / ".ci" / name))
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    try:
        loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@pytest.fixture(scope="module")
def collecting():
    return program("collect_wheels")


@pytest.fixture(scope="module")
def installing():
    return program("install_wheels")


@pytest.fixture(scope="module")
def pins(collecting):
    return collecting.select(collecting.parse_lock(LOCK), collecting.environment_of("3.12", "x86_64"))


def test_the_lock_is_read_whole_with_hashes_and_what_needs_each(collecting):
    found = collecting.parse_lock(LOCK)
    assert len(found) == LOCK.count("==") - LOCK.count("== '")
    assert all(pin.hashes for pin in found)
    (keras,) = (pin for pin in found if pin.name == "keras")
    assert keras.needed_by == {"optimizer-study", "tensorflow"}


def test_a_lock_without_reasons_names_the_next_step(collecting):
    with pytest.raises(collecting.Fault, match=r"requirements.lock: 'a==1 .* is not as `make lock` writes it"):
        collecting.parse_lock("a==1 \\\n    --hash=sha256:00\n")


def test_packages_for_other_systems_and_pythons_are_not_selected(collecting, pins):
    assert "pywin32" not in pins
    other = collecting.select(collecting.parse_lock(LOCK), collecting.environment_of("3.11", "x86_64"))
    assert pins["numpy"].version != other["numpy"].version


def test_what_a_study_imports_is_carried_and_what_the_node_has_is_not(collecting, pins):
    carried, spare = collecting.choose(pins)
    assert {"keras", "optuna", "hydra-core", "mlflow-skinny", "sqlalchemy", "alembic", "cryptography"} <= carried
    node = {*collecting.NODE, "jaxlib", "contourpy", "markupsafe"}
    assert not carried & {*node, *collecting.LEFT_OUT, *collecting.INSTEAD}
    assert not carried & {"flask", "aiohttp", "docker", "grpcio", "libclang", "gitdb", "h11"}  # only those need them
    assert "narwhals" in spare  # plotly needs it, and scikit-learn did not always
    assert not spare & {*carried, *collecting.NODE}


def test_all_that_a_carried_package_needs_is_carried_spare_on_the_node_or_left_out(collecting, pins):
    carried, spare = collecting.choose(pins)
    there = {*carried, *spare, *collecting.NODE, *collecting.LEFT_OUT}
    lacking = {pin.name for pin in pins.values() if pin.needed_by & carried and pin.name not in there}
    assert lacking == set()


def test_every_exclusion_still_excludes_something(collecting, pins):
    assert {*collecting.LEFT_OUT, *collecting.INSTEAD, *collecting.NODE, *collecting.FROM_SOURCE} <= set(pins)
    needs = {name for pin in pins.values() for name in pin.needed_by}
    assert {other for other, _ in collecting.INSTEAD.values()} <= needs


def test_of_the_extra_only_nvml_is_collected(collecting, pins):
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["cuda"]
    assert [text for text in extra if collecting.is_for_node(text, pins)] == ["nvidia-ml-py>=13"]


def test_a_platform_gets_the_tags_of_all_older_ones(collecting):
    tags = collecting.platform_tags("manylinux_2_18_aarch64")
    assert tags[:3] == ["manylinux_2_18_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"]
    assert tags[-2:] == ["manylinux_2_5_aarch64", "manylinux1_aarch64"]


@pytest.mark.parametrize("python", ["2.7", "3.99", "3", "latest"])
def test_an_unsupported_python_is_refused(python, collecting, capsys, tmp_path):
    assert collecting.main(["--python", python, "--into", str(tmp_path / "wheels")]) == 2
    told = capsys.readouterr().err
    assert f"PYTHON={python}: expected 3.11, 3.12, 3.13" in told
    assert "`python3 --version`" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "platforms",
    [
        ["win_amd64"],
        ["manylinux_2_34_ppc64le"],
        ["manylinux_2_4_x86_64"],
        ["manylinux_2_34_x86_64", "manylinux_2_34_aarch64"],
    ],
)
def test_an_unknown_platform_is_refused(platforms, collecting, capsys, tmp_path):
    assert collecting.main(["--python", "3.12", "--into", str(tmp_path / "w"), "--platform", *platforms]) == 2
    told = capsys.readouterr().err
    assert f"PLATFORM={' '.join(platforms)}: expected manylinux_2_<glibc>_<machine>" in told


def test_a_folder_with_a_wheel_for_another_python_is_refused(collecting, tmp_path):
    (tmp_path / "numpy-2.0-cp39-cp39-linux_x86_64.whl").touch()
    with pytest.raises(collecting.Fault, match=r"numpy-2.0-cp39.*Remove them, or choose another folder"):
        collecting.check_folder(tmp_path)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("WARNING: Retrying after: NewConnectionError\nERROR: No matching distribution found for a==1", "no package"),
        (
            "ERROR: No matching distribution found for a==1",
            "a==1 has no wheel for Python 3.12 on manylinux_2_28_x86_64",
        ),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "DO NOT MATCH THE HASHES"),
    ],
)
def test_the_failure_of_pip_is_explained(output, told, collecting):
    assert told in collecting.explain(output, python="3.12", platform="manylinux_2_28_x86_64")


def write_wheel(folder, name, *, tag="py3-none-any", needs=()):
    """Write a wheel of one module and return its name."""
    file = f"{name}-1-{tag}.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n" + "".join(f"Requires-Dist: {n}\n" for n in needs)
    with zipfile.ZipFile(folder / file, "w") as wheel:
        wheel.writestr(f"{name}.py", "x = 1\n")
        wheel.writestr(f"{name}-1.dist-info/METADATA", metadata)
        wheel.writestr(f"{name}-1.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{name}-1.dist-info/RECORD", "")
    return file


def test_the_node_gets_the_bounds_of_the_project_and_of_the_wheels(collecting, tmp_path):
    needs = ("numpy>=1.5", "pandas<3; extra == 'more'", "Pillow>=9", "jax; sys_platform == 'win32'")
    write_wheel(tmp_path, "one", needs=needs)
    environment = collecting.environment_of("3.12", "x86_64")
    accepted = collecting.on_node({"dependencies": ["numpy<3"]}, tmp_path, environment)
    told = {name: str(bounds) for name, bounds in accepted.items() if str(bounds)}
    assert told == {"numpy": "<3,>=1.5", "pillow": ">=9"}


@pytest.fixture
def wheelhouse(collecting, tmp_path):
    """A wheelhouse of one wheel, for this Python and a node with NumPy."""
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    write_wheel(folder, "carried_alone")
    contents = collecting.describe(folder, python=HERE, platforms=["manylinux_2_28_x86_64"], spare=())
    assert contents["wheels"]["carried_alone-1-py3-none-any.whl"]["name"] == "carried-alone"
    write_contents(folder, contents | {"node": {"numpy": ">=1"}})
    return folder


def write_contents(folder, contents):
    (folder / "contents.json").write_text(json.dumps(contents))


def change_contents(folder, **changes):
    write_contents(folder, json.loads((folder / "contents.json").read_text()) | changes)


@pytest.fixture
def refused(installing, wheelhouse, capsys, tmp_path):
    """Return the message with which an installation is refused before it writes anything."""

    def told(*arguments):
        target = tmp_path / "target"
        assert installing.main(["--wheelhouse", str(wheelhouse), "--target", str(target), *arguments]) == 2
        assert not target.exists()
        return capsys.readouterr().err

    return told


def test_a_missing_list_is_refused(refused, wheelhouse):
    (wheelhouse / "contents.json").unlink()
    assert "contents.json cannot be read" in (told := refused())
    assert f"make wheelhouse PYTHON={HERE}" in told


def test_another_python_is_refused(refused, wheelhouse):
    change_contents(wheelhouse, python="3.7")
    assert f"this is Python {HERE} ({sys.executable}), and the wheels are for Python 3.7" in refused()


def test_a_wheel_that_was_not_collected_is_refused(refused, wheelhouse):
    (wheelhouse / "numpy-2.0-cp39-cp39-linux_x86_64.whl").touch()
    assert "numpy-2.0-cp39-cp39-linux_x86_64.whl. Remove them" in refused()


def test_a_damaged_wheel_is_refused(refused, wheelhouse):
    (wheelhouse / "carried_alone-1-py3-none-any.whl").write_bytes(b"cut")
    assert "1 of 1 wheels" in (told := refused())
    assert "Copy the folder again" in told


def test_a_wheel_for_another_machine_is_refused(refused, wheelhouse):
    (wheelhouse / "carried_alone-1-py3-none-any.whl").unlink()
    name = write_wheel(wheelhouse, "native", tag="cp39-cp39-manylinux_2_34_s390x")
    digest = hashlib.sha256((wheelhouse / name).read_bytes()).hexdigest()
    change_contents(wheelhouse, wheels={name: {"name": "native", "sha256": digest, "spare": False}})
    told = refused()
    assert f"wheels for another machine: {name}" in told
    assert f"make wheelhouse PYTHON={HERE} PLATFORM=manylinux_2_" in told


def test_missing_and_old_packages_are_all_named(refused, wheelhouse):
    change_contents(wheelhouse, node={"numpy": ">=999", "no-such-jax": "!=1,<2,>=1"})
    told = refused()
    assert "no-such-jax is not installed, expected <2,>=1" in told
    assert "is installed, expected >=999" in told


def test_a_newer_package_is_only_noted(installing):
    accepted, installed = {"jax": "<0.12,>=0.10", "numpy": ">=2.1"}, {"jax": "0.13.0", "numpy": "2.0.0"}
    lacking, newer = installing.compare_versions(accepted, installed)
    assert lacking == ["numpy 2.0.0 is installed, expected >=2.1"]
    assert newer == ["jax 0.13.0 is installed, expected <0.12"]


def test_a_python_without_pip_names_the_next_step(refused, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert f"{sys.executable} -m ensurepip" in refused()


def test_a_folder_of_something_else_is_kept(installing, wheelhouse, tmp_path, capsys):
    (tmp_path / "mine").write_text("mine")
    assert installing.main(["--wheelhouse", str(wheelhouse), "--target", str(tmp_path)]) == 2
    assert "exists, and this command did not make it" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_refused(installing, wheelhouse, tmp_path, capsys):
    (tmp_path / "file").touch()
    target = tmp_path / "file" / "target"
    assert installing.main(["--wheelhouse", str(wheelhouse), "--target", str(target)]) == 2
    told = capsys.readouterr().err
    assert f"{target} cannot be written: " in told
    assert "--target" in told


def test_wheels_are_installed_where_a_study_takes_them_for_installed(
    installing, wheelhouse, tmp_path, monkeypatch, capsys
):
    from study.config.own_source import source_digests

    # That everything imports is true of a whole wheelhouse only.
    monkeypatch.setattr(installing, "CHECKED", ("carried_alone",))
    target = tmp_path / "a folder"
    for _ in range(2):  # the second installation replaces the first
        assert installing.main(["--wheelhouse", str(wheelhouse), "--target", str(target)]) == 0
    folder = target / "site-packages"
    assert f"export PYTHONPATH='{folder}':" in capsys.readouterr().out
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    assert importlib.util.find_spec("carried_alone").origin == str(folder / "carried_alone.py")
    assert source_digests(["carried_alone.x"]) == {}
    (project,) = importlib.metadata.distributions(name="optimizer-study", path=[str(folder)])
    assert project.version == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert os.access(target / "bin" / "study", os.X_OK)


def test_an_old_python_can_read_the_program_of_the_node():
    ast.parse((ROOT / ".ci" / "install_wheels").read_text(), feature_version=(3, 6))


def test_the_page_names_what_is_left_out_and_what_the_node_has(collecting):
    page = (ROOT / "docs" / "gpu_node.md").read_text()
    names = {*collecting.LEFT_OUT, *collecting.INSTEAD}
    assert {name for name in names if f"| `{name}` |" not in page} == set()
    assert {name for name in collecting.NODE if f"`{name}`" not in page} == set()
