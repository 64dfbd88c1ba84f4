"""The word of each page's claim, against material in which the answer is known."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reshaping import reshaped

from study.datasets import sunspots
from study.gallery.analysis.verdicts import ClaimVerdict
from study.gallery.experiments import (
    adam_then_sgd,
    batch_sizes,
    decay,
    fashion_mnist_eight,
    linear_regression,
    lstm_grid,
    mnist_mlp,
    numpy_four,
    regularisation,
    sparse,
    toy_regression,
)

pytestmark = pytest.mark.slow

PLAIN = {"batch_norm": False, "l2": 0.0, "dropout": 0.0, "init_scale": 1.0}
MODELS = {"none": PLAIN, "l2": PLAIN | {"l2": 0.001}}
SPLIT = {"n_train": 1000, "split_seed": 0, "task": {}}
LINE = {
    **{"name": "linear_regression", "_target_": "study.datasets.linear_regression.load"},
    **{"slope": 2.0, "intercept": -1.0, "noise": 0.0, **SPLIT},
}
PARABOLA = {"name": "toy_regression", "_target_": "study.datasets.toy_regression.load", "noise": 0.1, **SPLIT}
HELD, CONTRADICTED, NOT_SHOWN, INCONCLUSIVE = ClaimVerdict
SEEDS = 5
LUCK = np.random.default_rng(0).standard_normal((12, SEEDS))
# The effect in favor of the claim, and the noise of a seed, in units of the effect.
CASES = {
    "clear": (1.0, 0.01),
    "opposite": (-1.0, 0.02),
    "overlapping": (0.2, 1.0),
    "equal": (0.0, 0.02),
    "two seeds": (1.0, 0.02),
}
PAGES = Path(__file__).parents[3] / "study" / "gallery" / "experiments"


def scores(case, which, *, base=0.6, size=0.1, effect=True):
    """The scores of one of several optimizers: a base, the effect times its size, and the noise of its own seeds."""
    shift, noise = CASES[case]
    values = base + size * (shift * effect + noise * (LUCK[which] - (case == "equal") * LUCK[which].mean()))
    return list(values[: 2 if case == "two seeds" else SEEDS])


def grid_page(module, make_grid, studies, *, metric="accuracy"):
    return module.show(make_grid(studies, metric=metric)).findings[0]


def adam_then_sgd_page(case, make_material, _):
    # SGD alone is where the switch is expected to be; the effect is that on Adam alone.
    shift, _ = CASES[case]
    sgd = scores(case, 1, base=0.6 + 0.1 * max(shift, 0), effect=False)
    names = {"adam": scores(case, 0, effect=False), "momentum": sgd, "swats": scores(case, 2)}
    return adam_then_sgd.show(make_material({f"{k}-setting=tuned": v for k, v in names.items()})).findings[0]


def decay_page(case, _, make_grid):
    def study(schedule, values):
        return {"config": {"schedule": {"name": schedule}, "optimizer": {"name": "sgd"}}, "scores": values}

    return grid_page(
        decay, make_grid, [study("constant", scores(case, 0, effect=False)), study("cosine", scores(case, 1))]
    )


def fashion_page(case, make_material, _):
    # All gain by tuning: one that loses by it would say nothing.
    shared_case = "two seeds" if case == "two seeds" else "clear"
    shared = {"adam": scores(shared_case, 0, base=0.3), "sgd": scores(case, 1, base=0.3, effect=False)}
    tuned = {"adam": scores(case, 2), "sgd": scores(case, 3, effect=False)}
    studies = {f"{k}-setting={s}": v for s, own in (("shared", shared), ("tuned", tuned)) for k, v in own.items()}
    return fashion_mnist_eight.show(make_material(studies)).findings[0]


def lstm_page(case, _, make_grid):
    data = {"name": "sunspots", "window": 20, "n_validation": 29, "n_test": 29}
    assert len(sunspots.load().test.y) == 29

    def study(activation, optimizer, values):
        config = {"model": {"activation": activation}, "optimizer": {"name": optimizer}, "dataset": data}
        return {"config": config, "scores": values, "fixed": True}

    other = study("linear", "adam", scores(case, 0, effect=False))
    claimed = study("prelu", "rmsprop", scores(case, 1, size=-0.1))
    return grid_page(lstm_grid, make_grid, [other, claimed], metric="mae")


def mnist_page(case, _, make_grid):
    def study(name, values):
        config = {"optimizer": {"name": name}, "setting": "published", "dataset": {"name": "mnist"}}
        return {"config": config, "scores": values, "fixed": True}

    return grid_page(
        mnist_mlp, make_grid, [study("sgd", scores(case, 0, effect=False)), study("adam", scores(case, 1, size=-0.1))]
    )


def sparse_page(case, _, make_grid):
    def study(name, values):
        return {"config": {"optimizer": {"name": name}}, "scores": values}

    return grid_page(
        sparse, make_grid, [study("sgd", scores(case, 0, effect=False)), study("adagrad", scores(case, 1))]
    )


def regularisation_page(case, _, make_grid):
    """The gap between training and test, which L2 is to narrow; what it does to rates is not in the material."""

    def study(variant, values):
        config = {"variant": variant, "model": MODELS[variant], "optimizer": {"name": "sgd"}}
        return {"config": config, "scores": values}

    material = make_grid([study("none", scores(case, 0, effect=False)), study("l2", scores(case, 1))])
    # All train alike, so a higher test score is a narrower gap.
    return regularisation.show(replace(material, history=lambda *_: np.array([0.9, 0.99]))).findings[0]


def numpy_four_page(case, make_material, _):
    rules = ("sgd", "averaged_momentum", "paper_rmsprop", "paper_adam")
    train = {rule: scores(case, i, base=0.5 + 0.1 * i * CASES[case][0], effect=False) for i, rule in enumerate(rules)}
    if case == "overlapping":
        train = {rule: scores(case, i, base=0.7, effect=False) for i, rule in enumerate(rules)}
    studies = {f"{rule}-setting=published": values for rule, values in train.items()}
    material = reshaped(
        make_material(studies, n_epochs=499),
        metrics=lambda name, run: {"accuracy": train[name.partition("-")[0]][run.number]},
        config=lambda _: {},
        history=lambda *_: np.linspace(2, 1, 10),
        metric="val_accuracy",
    )
    return numpy_four.show(material).findings[0]


def toy_page(case, make_material, _):
    arrival = {"sgd": scores(case, 0, base=60, size=20), "adam": scores(case, 1, base=60, size=20, effect=False)}

    def history(run, _metric):
        at = int(arrival[run.run_id.partition("-")[0]][run.number])
        return np.where(np.arange(200) < max(at, 1), 0.3, 0.01)

    studies = {f"{name}-setting=published": list(np.divide(values, 100)) for name, values in arrival.items()}
    material = reshaped(
        make_material(studies),
        metrics=lambda *_: {"test_loss": 0.01},
        config=lambda _: {"dataset": PARABOLA},
        history=history,
        metric="val_loss",
    )
    return toy_regression.show(material).findings[0]


def line_page(case, make_material, _):
    shares = scores(case, 0, base=0.5, size=0.4 if case != "overlapping" else 0.2)

    def history(run, _metric):
        behind = np.arange(100) % 100 >= 100 * shares[run.number]
        order = np.random.default_rng(run.number).permutation(100)
        ahead = np.where(behind[order], 1.2, 0.8)
        return np.tile(ahead, 2) if run.run_id.startswith("adam") else np.ones(200)

    studies = {f"{name}-setting=published": shares for name in ("sgd", "adam")}
    material = reshaped(
        make_material(studies),
        metrics=lambda *_: {"test_loss": 0.01, "val_output_spread": 1.0, "val_output_mean": 0.0},
        config=lambda _: {"dataset": LINE},
        history=history,
        metric="val_loss",
    )
    return linear_regression.show(material).findings[0]


def batch_page(case, make_material, _):
    shift, noise = CASES[case]
    batches = ("full", "mini", "single")
    n = len(scores(case, 0))

    def of(name):
        return name.partition("batch=")[2].partition("-")[0]

    def seconds(batch, seed):
        luck = noise * LUCK[batches.index(batch)][seed]
        return float(np.exp(luck - (shift if batch == "mini" else 0.0)))

    def history(run, _metric):
        batch = of(run.run_id)
        spread = 0.1 * np.exp(shift * batches.index(batch) + noise * LUCK[5 + batches.index(batch)][run.number])
        n_after = np.arange(4000) - 2000  # so late that the width of a moving average is no matter
        draws = np.where(n_after % 2 == 0, 1.0, -1.0)
        return np.where(n_after < 0, 2.0, 0.5 + 1e-6 * n_after + 0.1 * spread * draws)

    material = reshaped(
        make_material({f"sgd-batch={batch}-setting=shared": [0.9] * n for batch in batches}),
        metrics=lambda name, run: {
            "n_steps": 4000.0,
            "n_examples": 4000.0,
            "seconds_train": seconds(of(name), run.number),
        },
        config=lambda name: {"setting": "shared", "batch": of(name), "tracking": {"every_n_steps": 1}},
        history=history,
        metric="val_accuracy",
    )
    return batch_sizes.show(material).findings[0]


WORDS = {
    "clear": HELD,
    "opposite": CONTRADICTED,
    "overlapping": NOT_SHOWN,
    "equal": NOT_SHOWN,
    "two seeds": INCONCLUSIVE,
}
TRAINED = (
    *(adam_then_sgd_page, batch_page, decay_page, fashion_page, line_page, lstm_page),
    *(mnist_page, numpy_four_page, regularisation_page, sparse_page, toy_page),
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("page", TRAINED, ids=lambda page: page.__name__)
def test_the_word_follows_from_the_interval(page, case, make_material, make_grid):
    claim = page(case, make_material, make_grid)
    assert claim.startswith(WORDS[case]), claim
    if WORDS[case] is not INCONCLUSIVE:
        # The interval that decides stands in the sentence, unless the page says that all pairs agree.
        assert re.search(r"\[.* to .*\]", claim) or "all 1 pairs" in claim or "keep theirs" in claim, claim


@pytest.mark.parametrize("path", sorted(PAGES.glob("[a-z]*.py")), ids=lambda path: path.stem)
def test_no_page_has_a_word_of_its_own_for_a_claim(path):
    text = path.read_text()
    assert re.search(r"verdicts import|rankings import", text)
    for phrase in (
        "holds in part",
        "claim does not",
        "claim did not hold",
        "held in part",
        "refuted",
        '"holds',
        "Confirmed",
    ):
        assert phrase not in text, phrase
