import importlib.metadata

import pytest

from study.core.packages import installed_version


@pytest.fixture
def only_skinny(monkeypatch):
    """An environment with mlflow-skinny as its only package."""

    def version(name):
        if name != "mlflow-skinny":
            raise importlib.metadata.PackageNotFoundError(name)
        return "3.17.2"

    monkeypatch.setattr(importlib.metadata, "version", version)


@pytest.mark.usefixtures("only_skinny")
def test_the_version_is_that_of_the_package_or_of_one_with_the_same_modules():
    assert installed_version("mlflow") == "3.17.2"
    assert installed_version("keras") is None
