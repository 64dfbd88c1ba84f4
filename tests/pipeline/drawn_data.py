"""Data that is good, or wrong in one or two places, and what a trainer makes of it. As a program: on JAX."""

import dataclasses
import math
import sys
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from study.core.errors import DataError
from study.core.trainer_interface import Trial
from study.datasets import Dataset, Split
from study.pipeline.data_check import check_data
from study.pipeline.workload import build_trainer
from tests import drawn_examples

SPLITS = ("train", "validation", "test")
QUICKLY = settings(drawn_examples.QUICKLY, max_examples=16)


def _at(array, value):
    changed = array.astype(np.result_type(array, np.float32)) if isinstance(value, float) else array.copy()
    if changed.size:
        changed.flat[changed.size // 2] = value
    return changed


# Changes of one array, and of the same array in all splits.
WRONG = {
    "nan": lambda a: _at(a, math.nan),
    "inf": lambda a: _at(a, -math.inf),
    "huge": lambda a: a.astype(np.float64) * 1e300,
    "negative": lambda a: _at(a, -1),
    "short": lambda a: a[:-1],
    "text": lambda a: a.astype(str),
    "objects": lambda a: a.astype(object),
    "complex": lambda a: a.astype(np.complex64),
    "dates": lambda a: a.astype("M8[s]"),
    "masked": lambda a: np.ma.masked_less(a, 1),
    "list": lambda a: a.tolist(),
    "flat": lambda a: a.ravel(),
    "deeper": lambda a: a[..., None],
    "nothing": lambda _: None,
}
EVERYWHERE = {
    "float16": lambda a: a.astype(np.float16),
    "float64": lambda a: a.astype(np.float64),
    "int64": lambda a: a.astype(np.int64),
    "uint8": lambda a: a.astype(np.uint8),
    "Fortran order": np.asfortranarray,
    "backwards": lambda a: a[::-1],
    "read only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "long": lambda a: a.astype(np.longdouble),
    "large": lambda a: a.astype(np.int64) * 2**40,
    "other bytes": lambda a: a.astype(a.dtype.newbyteorder(">")),
}


def _split(n):
    x = np.linspace(-1, 1, 2 * n).reshape(n, 2).astype(np.float32)
    return Split(x=x, y=np.arange(n, dtype=np.int32) % 3)


@st.composite
def datasets(draw):
    """Draw a data set of 3 classes: sizes of the splits, changes of all splits, and up to one wrong array."""
    sizes = [draw(st.sampled_from([12, 12, 12, 6, 6, 6, 5, 1, 0])) for name in SPLITS]
    found = {name: _split(n) for name, n in zip(SPLITS, sizes, strict=True)}
    for part in ("x", "y"):
        if (change := EVERYWHERE.get(draw(st.sampled_from(["", "", *EVERYWHERE])))) is not None:
            found = {name: dataclasses.replace(s, **{part: change(getattr(s, part))}) for name, s in found.items()}
    if (change := WRONG.get(draw(st.sampled_from([*10 * [""], *WRONG])))) is not None:
        name, part = draw(st.sampled_from(SPLITS)), draw(st.sampled_from("xy"))
        found[name] = dataclasses.replace(found[name], **{part: change(getattr(found[name], part))})
    return Dataset(name="drawn", source="drawn", **found, n_outputs=3)


def is_told_or_trained(config, dataset):
    """Refuse a data set with the split's name, or train a trial on it: all its numbers are finite."""
    told = ""
    try:
        loaded = check_data(config, dataset)
    except DataError as error:
        told = str(error)
    if told:
        assert any(f"  {name}." in told for name in SPLITS), told
        return
    trainer = build_trainer(config, loaded)
    point = {name: searched.low for name, searched in config.optimizer.ranges.items()}
    trial = Trial(number=0, hyperparameters=config.optimizer.arguments(point), run_seed=1, order_seed=2, test=True)
    (result,) = trainer.train([trial], lambda *_: True)
    assert result.state == "complete", result.error
    values = [value for history in result.history.values() for value in history]
    assert values
    assert all(math.isfinite(value) for value in (*values, *result.summary.values()))


def _main(words):
    from study.cli.launch.compose import compose_jobs, prepare
    from study.pipeline.preflight import load_config

    with tempfile.TemporaryDirectory() as folder:
        (job,) = compose_jobs(prepare(words), multirun=False)
        config = load_config(job.raw, folder=Path(folder), labels=job.labels)

        @QUICKLY
        @given(dataset=datasets())
        def any_data(dataset):
            is_told_or_trained(config, dataset)

        any_data()


if __name__ == "__main__":
    _main(sys.argv[1:])
