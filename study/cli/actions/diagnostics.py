"""Examine the backends, GPUs, data sets and stores of this machine; nothing is written or downloaded."""

from __future__ import annotations

import ast
import importlib
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from study.config.own_source import find_in_folder, find_module, hidden_by
from study.config.schema import BACKENDS, Stores
from study.core.database_address import sqlite_file
from study.core.errors import BackendError, StoreError, StudyError
from study.core.machine import VISIBLE_CARDS, cards, may_have_gpu
from study.core.nvidia import Card, Driver, card_room_advice, has_card_without_driver, read_driver
from study.core.packages import PROJECT, installed_version
from study.core.redaction import redact
from study.datasets import Whereabouts
from study.search.study_names import count_studies
from study.tracking.read_studies import read_experiments
from study.training.auto import NOT_MEASURED, show
from study.training.auto_costs import Device, StudySize, find_facts
from study.training.devices import ask_for_gpus, why_unseen

_PACKAGES = (PROJECT, "keras", "optuna", "mlflow", "hydra-core")
# Studies for the comparison of trainers, as of budget=small on digits: 10 trials and 5 confirmations of two settings,
# 5 epochs of 36 steps each.
_TYPICAL = [
    StudySize(kind=kind, flops=5 * 1437 * 3 * forward, n_weights=n_weights, n_steps=180, batches=(10, 5, 5))
    for kind, forward, n_weights in (
        ("dense", 1.8e4, 9_000),
        ("embedding", 4e2, 16_000),
        ("recurrent", 2.8e5, 19_000),
        ("convolutional", 2.8e6, 800_000),
    )
]
# The modules of this project that load data.
_DATASETS = "study.datasets."
_EXTRAS = {"torch": "optimizer-study[torch]"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of the examination.

    Attributes:
        kind: `package`, `driver`, `card`, `backend`, `dataset`, `store` or `advice`.
        name: Name of the package, driver, card, backend, data set, store or kind of network.
        state: `ok`; `missing`: absent, and perhaps not needed; `broken`: present but unusable.
        detail: A version, a place, or the error.
        advice: The next step. Default: the empty text, no step is needed.
    """

    kind: Literal["package", "driver", "card", "backend", "dataset", "store", "advice"]
    name: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    advice: str = ""


def examine(targets: Mapping[str, str | StudyError], stores: Stores, *, timeout_s: float) -> list[Finding]:
    """Examine everything that a study needs.

    Args:
        targets: The `_target_` of each data set, or the error in its file, by name of the data set.
        stores: The stores to read.
        timeout_s: Time allowed for a backend to start, in seconds.
    """
    with ThreadPoolExecutor(len(BACKENDS)) as pool:  # each backend starts in a child process, for seconds
        backends = pool.map(lambda name: _backend(name, timeout_s=timeout_s), BACKENDS)
        others = [*map(_dataset, targets, targets.values()), *_stores(stores), *_advice()]
        return [*_packages(), *_driver(), *backends, *others]


def can_run(findings: Sequence[Finding]) -> bool:
    """Return whether a study can run: at least one backend and one data set work, and no store is broken.

    Args:
        findings: The results of the examination.
    """
    working = {finding.kind for finding in findings if finding.state == "ok"}
    broken = {finding.kind for finding in findings if finding.state == "broken"}
    return {"backend", "dataset"} <= working and "store" not in broken


def _packages() -> list[Finding]:
    """Return the versions of Python and of the packages that every study uses."""
    found = [Finding(kind="package", name="python", state="ok", detail=platform.python_version())]
    for name in _PACKAGES:
        version = installed_version(name)
        found.append(Finding(kind="package", name=name, state="ok" if version else "missing", detail=version or ""))
    return found


def _driver() -> list[Finding]:
    """Return NVIDIA's driver, and its cards with their memory and the processes that hold it."""
    found = read_driver()
    if found is None:
        if has_card_without_driver():
            advice = "Install NVIDIA's driver; without it no backend sees the card."
            return [Finding(kind="driver", name="NVIDIA", state="missing", detail="a card, no driver", advice=advice)]
        return [Finding(kind="driver", name="NVIDIA", state="missing", detail="this machine has no NVIDIA card")]
    faulty = bool(found.fault) or not found.cards
    advice = "Start the machine anew, or install NVIDIA's driver again." if faulty else ""
    driver = Finding(
        kind="driver", name="NVIDIA", state="broken" if faulty else "ok", detail=str(found), advice=advice
    )
    return [driver, *(_card(card, found) for card in found.cards)]


def _card(card: Card, driver: Driver) -> Finding:
    hidden = "" if card in driver.visible_cards else f"; {VISIBLE_CARDS}={os.environ.get(VISIBLE_CARDS)} hides it"
    advice = f"But it is full. {card_room_advice(driver)}" if card.is_full and not hidden else ""
    return Finding(kind="card", name=f"card {card.index}", state="ok", detail=f"{card}{hidden}", advice=advice)


def _backend(name: str, *, timeout_s: float) -> Finding:
    """Start a backend in a child process."""
    version = installed_version(name)
    if version is None:
        advice = f"Only trainer.backend={name} needs it: pip install '{_EXTRAS.get(name, name)}'"
        return Finding(kind="backend", name=name, state="missing", detail="not installed", advice=advice)
    try:
        gpus = ask_for_gpus(name, timeout_s=timeout_s)
    except BackendError as error:
        return Finding(kind="backend", name=name, state="broken", detail=version, advice=str(error))
    if gpus:
        return Finding(kind="backend", name=name, state="ok", detail=f"{version}, GPU: {', '.join(gpus)}")
    if not may_have_gpu():
        return Finding(kind="backend", name=name, state="ok", detail=f"{version}, no GPU")
    unseen = why_unseen(name, timeout_s=timeout_s)
    advice = f"But it sees no GPU: {unseen.reason}. {unseen.advice}"
    return Finding(kind="backend", name=name, state="ok", detail=f"{version}, no GPU", advice=advice)


def _dataset(name: str, target: str | StudyError) -> Finding:
    """Ask a data set's module for the place that the data set would be read from; only a module of this project."""
    if isinstance(target, StudyError):
        advice = "Correct the file; study run shows the other keys that it needs."
        return Finding(kind="dataset", name=name, state="broken", detail=str(target), advice=advice)
    module = target.rpartition(".")[0]
    if not f"{module}.".startswith(_DATASETS):
        return _foreign_dataset(name, target)
    try:
        ask: Callable[[], Whereabouts] | None = getattr(importlib.import_module(module), "whereabouts", None)
        found = None if ask is None else ask()
    except ImportError as error:
        advice = f"Write the name of a module of this project in place of {module}, or of your own."
        return Finding(kind="dataset", name=name, state="broken", detail=str(error), advice=advice)
    if found is None:
        return Finding(kind="dataset", name=name, state="ok", detail=f"{target}, which does not report where it looks")
    if found.place is not None:
        return Finding(kind="dataset", name=name, state="ok", detail=found.place)
    advice = "\n  - ".join(("Do one of these:", *found.ways))
    return Finding(kind="dataset", name=name, state="missing", detail="not on this machine", advice=advice)


def _foreign_dataset(name: str, target: str) -> Finding:
    """Look for a data set's module without running it, since the folder may be from someone else."""
    module, top = target.rpartition(".")[0], target.partition(".")[0]
    here = Path.cwd()
    own, found = find_in_folder(module, here), find_module(module, folders=[here])
    if own is not None and own.origin is not None and (other := hidden_by(top, here)) is not None:
        detail, advice = f"Python takes {top} from {other}", f"Rename the {top} of {here}, also in conf/dataset."
        return Finding(kind="dataset", name=name, state="broken", detail=detail, advice=advice)
    if found is None or found.origin is None:
        advice = f"Put {module} where Python finds it."
        return Finding(kind="dataset", name=name, state="broken", detail=f"no module named {module}", advice=advice)
    try:
        if found.origin.endswith(".py"):
            ast.parse(Path(found.origin).read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        detail = f"{found.origin} cannot be read: {error}"
        return Finding(kind="dataset", name=name, state="broken", detail=detail, advice=f"Correct {module}.")
    return Finding(kind="dataset", name=name, state="ok", detail=f"{target}, of {found.origin}, which was not run")


def _stores(stores: Stores) -> list[Finding]:
    """Read the stores without creating them."""
    return [
        _store(
            "MLflow",
            redact(stores.tracking_uri),
            local=sqlite_file(stores.tracking_uri),
            count=lambda: f"experiments: {len(read_experiments(stores.tracking_uri))}",
        ),
        _store(
            "Optuna",
            str(stores.optuna_journal),
            local=stores.optuna_journal,
            count=lambda: f"studies: {count_studies(stores)}",
        ),
    ]


def _store(name: str, place: str, *, local: Path | None, count: Callable[[], str]) -> Finding:
    if local is not None and not local.exists():
        folder = next(parent for parent in local.absolute().parents if parent.exists())
        if os.access(folder, os.W_OK):
            return Finding(kind="store", name=name, state="missing", detail=f"{place}, which the first study creates")
        advice = "Allow writing there, or start from another folder."
        return Finding(kind="store", name=name, state="broken", detail=f"{folder} cannot be written to", advice=advice)
    try:
        return Finding(kind="store", name=name, state="ok", detail=f"{place}, {count()}")
    except StoreError as error:
        return Finding(kind="store", name=name, state="broken", detail=place, advice=str(error))


def _advice() -> list[Finding]:
    """Show what studies of each kind of network cost, by which `trainer=auto` chooses."""
    device: Device = "gpu" if cards() else "cpu"
    facts = find_facts(device)
    if facts is None:
        detail, advice = f"costs on a {device.upper()} are not known", "study doctor --measure measures them."
        return [Finding(kind="advice", name="trainer=auto", state="missing", detail=detail, advice=advice)]
    damaged = Finding(
        kind="advice", name="trainer=auto", state="broken", detail="damaged measurements", advice=facts.unread
    )
    installed = [name for name in BACKENDS if installed_version(name) is not None]
    return [damaged] * bool(facts.unread) + [
        Finding(kind="advice", name=kind, state="missing" if detail == NOT_MEASURED else "ok", detail=detail)
        for kind, detail in show(facts, _TYPICAL, device=device, backends=installed)
    ]
