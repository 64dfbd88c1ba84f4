"""The rows of benchmarks/gpu.py, the most telling first, and their workloads at full size and in miniature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.workloads import Workload

# Trials of a row that trains them one by one, and of any row in miniature.
_ONE_BY_ONE, _FEW = 4, 2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        name: Name of the row.
        title: The row in words, for `--list`.
        measures: Facts about the machine, its matrix product, or the training of a workload.
        workload: Key of `WORKLOADS`, if it measures a training.
        trainer: `vectorized` or `fit`.
        n_trials: Trials of a batch; of `fit`, trials that train one after the other.
        capacity: The argument `trainer.capacity`: None: the number of trials; `auto`: as many of them as fit.
        in_two_processes: Train once more in another process, which finds the compiled programs of the first one.
        least_s: With less time than this, the row is left out, in seconds.
    """

    name: str
    title: str
    measures: Literal["machine", "product", "training"] = "training"
    workload: str = ""
    trainer: Literal["vectorized", "fit"] = "vectorized"
    n_trials: int = _ONE_BY_ONE
    capacity: Literal["auto"] | None = None
    in_two_processes: bool = False
    least_s: float = 20.0

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are measured in a process each."""
        return ("first", "again") if self.in_two_processes else ("first",)

    def miniature(self) -> Row:
        """Return the row with so few trials that a CPU trains them in seconds."""
        return replace(self, n_trials=min(self.n_trials, _FEW), least_s=1.0)


_FASHION = Workload(
    dataset="fashion_shaped",
    data={"n_train": 55_000, "n_validation": 5000},
    model="mlp",
    arguments={"hidden": [300, 100]},
    batch_size=128,
    n_epochs=1,
    n_confirmations=0,  # their program would compile while the trials are timed
)
_DIGITS = replace(_FASHION, dataset="digits", data={}, batch_size=32, n_epochs=5)
_CIFAR = replace(
    _FASHION, dataset="cifar_shaped", data={"n_train": 2560, "n_validation": 512}, model="cnn_2c2d", arguments={}
)
WORKLOADS = {
    "fashion_mnist-mlp": _FASHION,
    "digits-mlp": replace(_DIGITS, arguments={"hidden": [64, 64]}, n_epochs=10),
    "cnn_2c2d": _CIFAR,
    "resnet20": replace(_CIFAR, model="resnet20"),
    "lstm": replace(_FASHION, data={"n_train": 12_800, "n_validation": 1280}, model="lstm", arguments={"units": 64}),
    # The workloads of `study doctor --measure`, and an embedding.
    "dense": _DIGITS,
    "recurrent": replace(_DIGITS, model="lstm", arguments={}),
    "convolutional": replace(_DIGITS, model="cnn_2c2d", arguments={}, n_epochs=3),
    "embedding": replace(_DIGITS, dataset="zipf_words", model="word_embedding", arguments={}),
}
KINDS = ("dense", "recurrent", "convolutional", "embedding")


def miniature(workload: Workload) -> Workload:
    """Return a workload with so little data that a CPU trains it in seconds."""
    arguments = {"hidden": [8]} if workload.model == "mlp" else {"units": 4} if workload.model == "lstm" else {}
    if workload.model == "word_embedding":
        return replace(workload, batch_size=512, n_epochs=1)
    dataset = workload.dataset if workload.data else "fashion_shaped"
    data = {"n_train": 12, "n_validation": 4, "side": 8}  # a whole and a partial batch of small images
    return replace(workload, dataset=dataset, data=data, arguments=arguments, batch_size=8, n_epochs=1)


def _trained(workload: str, n_trials: int, *, least_s: float = 20.0, fits: bool = False) -> Row:
    most = f"at most {n_trials} at once, as many as fit" if fits else f"{n_trials} at once"
    return Row(
        name=f"{workload}/{n_trials}",
        title=f"{workload}, vectorized, {most}",
        workload=workload,
        n_trials=n_trials,
        capacity="auto" if fits else None,
        least_s=least_s,
    )


def _one_by_one(workload: str) -> Row:
    return Row(name=f"{workload}/fit", title=f"{workload}, fit on JAX, one by one", workload=workload, trainer="fit")


def _for_auto(kind: str, trainer: Literal["vectorized", "fit"]) -> Row:
    return Row(
        name=f"auto/{kind}/{trainer}",
        title=f"{trainer} on a small {kind} net: fixed seconds, with and without compiled programs, and per training",
        workload=kind,
        trainer=trainer,
        n_trials=64 if trainer == "vectorized" else _ONE_BY_ONE,
        in_two_processes=True,
        least_s=30.0,
    )


ROWS = (
    Row(name="machine", title="card, driver, versions", measures="machine"),
    Row(name="product", title="matrix product in float32, TF32 and bfloat16", measures="product"),
    _trained("fashion_mnist-mlp", 256, fits=True),
    _one_by_one("fashion_mnist-mlp"),
    _trained("cnn_2c2d", 16, fits=True),
    _one_by_one("cnn_2c2d"),
    _trained("fashion_mnist-mlp", 1024),
    _trained("digits-mlp", 1024),
    *(_for_auto(kind, trainer) for kind in KINDS for trainer in ("fit", "vectorized")),
    _trained("lstm", 256, fits=True),
    _one_by_one("lstm"),
    _trained("resnet20", 16, fits=True),
    _one_by_one("resnet20"),
    _trained("fashion_mnist-mlp", 2048, least_s=40.0),
    _trained("fashion_mnist-mlp", 64),
    _trained("fashion_mnist-mlp", 1),
    _trained("cnn_2c2d", 64, fits=True, least_s=40.0),
)
