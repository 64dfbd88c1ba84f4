"""The registry of models in MLflow: numbered versions of a named model, each perhaps with an alias: `champion`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from study.core import names
from study.core.errors import Fault, StudyError
from study.core.redaction import redacted
from study.tracking.connection import Connections, is_database, store_errors
from study.tracking.mlflow_internals import lookups_at

# MLflow refuses `/` and `:`. The others end the name in an address `models:/NAME@ALIAS`.
_NOT_IN_NAME = "/:@?#%"
_ALIAS = re.compile(r"[\w-]+")
_LIKE_A_VERSION = re.compile(r"[vV]\d+")
_LONGEST_ALIAS = 255
# Length of the longest description and tag that a database takes, in characters.
_LONGEST_TEXT = 5000
# Tag of a logged model with the versions that it is in the registry; MLflow's server writes it itself.
_VERSIONS = "mlflow.modelVersions"


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version of a registered model.

    Attributes:
        name: Name of the registered model.
        version: Number of the version, from 1.
        is_new: Whether it was registered now, and not before.
    """

    name: str
    version: int
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class DescribedModel:
    """A logged model and the record that its version in the registry gets.

    Attributes:
        model_id: MLflow's id of the logged model.
        run_id: Id of the study's run.
        description: Description of the version.
        tags: Tags of the version.
        collection: Description of the registered model, if it is created now.
    """

    model_id: str
    run_id: str
    description: str
    tags: Mapping[str, str]
    collection: str


def check_name(name: str) -> None:
    """Refuse a name that the registry does not take, or under which no model could be loaded.

    Args:
        name: The name of a registered model.

    Raises:
        StudyError: The name is invalid.
    """
    signs = " ".join(_NOT_IN_NAME)
    if names.name_fault(name, parts=False) or set(name) & set(_NOT_IN_NAME) or name != name.strip():
        allowed = f"at most {names.LONGEST} bytes of printable characters, a letter or a digit among them, without "
        allowed += f"quotes, backslashes, {signs} and spaces at its ends"
        proposed = default_name(name)
        raise _refusal(
            "--name", name, allowed, f"Use for instance --name {proposed}." if proposed else "Name another."
        )


def default_name(experiment: str) -> str:
    """Return the name of an experiment as a name of a registered model.

    Args:
        experiment: Name of the experiment.

    Returns:
        The name, with `-` in place of the characters that the registry does not take; empty if none is left.
    """
    taken = "".join("-" if sign in _NOT_IN_NAME else sign for sign in experiment)
    name = names.shortened(names.in_label(taken).strip(" -"))
    return "" if names.name_fault(name, parts=False) else name


def check_alias(alias: str) -> None:
    """Refuse an alias that MLflow does not take.

    Args:
        alias: The alias.

    Raises:
        StudyError: The alias is invalid.
    """
    is_reserved = alias.lower() == "latest" or _LIKE_A_VERSION.fullmatch(alias)
    if not _ALIAS.fullmatch(alias) or len(alias) > _LONGEST_ALIAS or is_reserved:
        allowed = f"at most {_LONGEST_ALIAS} letters, digits, - and _, and neither latest nor a version such as v1"
        raise _refusal("--alias", alias, allowed, "Use for instance --alias champion.")


def register_version(
    tracking_uri: str,
    described: DescribedModel,
    *,
    name: str,
    alias: str | None = None,
    connections: Connections | None = None,
) -> RegisteredVersion:
    """Register a logged model as the next version of a registered model, which is created if it is missing.

    A model that is a version of this name already gets no second one.

    Args:
        tracking_uri: Address of the store.
        described: The model.
        name: Name of the registered model.
        alias: The alias that the version gets; another version loses it. None (the default): no alias.
        connections: The command's connections. None (the default): open a new one.

    Raises:
        StoreError: The store is missing or cannot be written.
        StudyError: The name belongs to a prompt of MLflow's.
    """
    client = (connections or Connections()).client(tracking_uri)
    with store_errors(tracking_uri, "the model cannot be registered"), lookups_at(tracking_uri):
        is_created = _create(client, name, described.collection)
        source = f"models:/{described.model_id}"
        found = None if is_created else _version_of(client, name, source)
        try:
            version = found or _add_version(client, tracking_uri, described, name=name, source=source)
        except Exception:
            if is_created:  # leave no name without a version
                with contextlib.suppress(MlflowException):
                    client.delete_registered_model(name)
            raise
        if alias is not None:
            client.set_registered_model_alias(name, alias, version.version)
    return RegisteredVersion(name=name, version=int(version.version), is_new=found is None)


def _create(client: MlflowClient, name: str, description: str) -> bool:
    """Create a registered model, and return False if there is one of this name."""
    try:
        client.create_registered_model(name, description=description[:_LONGEST_TEXT])
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if not client.search_registered_models(f"name = '{name}'"):
            advice = "Choose another one with --name."
            allowed = "the name of a registered model, or a new one, and this one belongs to a prompt of MLflow's"
            raise _refusal("--name", name, allowed, advice) from error
        return False
    return True


def _version_of(client: MlflowClient, name: str, source: str) -> ModelVersion | None:
    """Return the first version of a registered model that is a logged model; None without one."""
    token, found = None, []
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += [version for version in page if version.source == source]
        token = page.token
        if not token:
            return min(found, key=lambda version: int(version.version), default=None)


def _add_version(
    client: MlflowClient, tracking_uri: str, described: DescribedModel, *, name: str, source: str
) -> ModelVersion:
    tags = {key: str(redacted(text, key=key))[:_LONGEST_TEXT] for key, text in described.tags.items()}
    version = client.create_model_version(
        name,
        source,
        run_id=described.run_id,
        tags=tags,
        description=described.description[:_LONGEST_TEXT],
        model_id=described.model_id,
    )
    if is_database(tracking_uri):  # so that MLflow's page of the logged model shows its versions
        known = json.loads(client.get_logged_model(described.model_id).tags.get(_VERSIONS, "[]"))
        known.append({"name": name, "version": version.version})
        client.set_logged_model_tags(described.model_id, {_VERSIONS: json.dumps(known)})
    return version


def _refusal(option: str, value: str, allowed: str, advice: str) -> StudyError:
    return StudyError(str(Fault(key=option, value=value, allowed=allowed, advice=advice)))
