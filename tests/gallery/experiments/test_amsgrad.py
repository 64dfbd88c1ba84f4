from dataclasses import replace

import numpy as np
import pytest

from study.gallery.experiments.amsgrad import show
from study.optimizers.reference import Adam, AMSGrad

COSTS = (3.0, -1.0, -1.0)
N_CYCLES = 400
RULES = {"adam": Adam, "amsgrad": AMSGrad}
BETAS = {"theorem": {"beta_1": 0.0, "beta_2": 0.1}, "usual": {"beta_1": 0.9, "beta_2": 0.999}}


def played(optimizer, setting):
    """Play the problem of the experiment in NumPy: what each cycle cost a step, and where x was after it."""
    x = [np.array([1.0])]
    made = RULES[optimizer](learning_rate=0.5, **BETAS[setting])
    state, t = made.init(x), 0
    told = {"loss": [], "val_x": []}
    for _ in range(N_CYCLES):
        paid = 0.0
        for cost in COSTS:
            t += 1
            paid += cost * float(x[0][0])
            x, state = replace(made, learning_rate=0.5 / np.sqrt(t)).step(x, [np.array([cost])], state)
            x = [np.clip(x[0], -1.0, 1.0)]
        told["loss"].append(paid / len(COSTS))
        told["val_x"].append(float(x[0][0]))
    return told


@pytest.fixture
def material(make_material):
    # The fixture takes studies whose names end so for fixed settings, and tells those apart by their rates.
    names = [f"{optimizer}-setting={setting}-shared" for optimizer in RULES for setting in BETAS]
    made = make_material({name: [0.0] for name in names})
    histories = {name: played(*name.removesuffix("-shared").split("-setting=")) for name in names}
    section = {"dataset": {"costs": list(COSTS)}, "model": {"low": -1.0, "high": 1.0}}
    configs = {name: {**section, "setting": name.split("=")[1].removesuffix("-shared")} for name in names}

    def history(run, metric):
        (name,) = (name for name in names if run.run_id.startswith(f"{name}-"))
        return np.asarray(histories[name][metric])

    return replace(made, configs=configs, history=history)


def test_adam_goes_wrong_under_the_betas_of_the_proof_alone(material):
    shown = show(material)
    by_setting = {sentence.partition(" betas")[0].split()[-1]: sentence for sentence in shown.findings}
    assert by_setting["theorem"].startswith(
        "The claim held with the theorem betas: Adam ends at 1.000, AMSGrad at -0.9"
    )
    assert by_setting["usual"].startswith("With the usual betas the claim is contradicted: Adam ends at -")
    rows = {row[0]: [float(cell) for cell in row[1:]] for row in shown.tables[0].rows}
    # At x = 1 a step costs 1/3 on average where -1/3 could be had, and a little more on the way back to 1.
    assert rows["adam, theorem betas"][2] == pytest.approx(0.68, abs=0.02)
    assert rows["amsgrad, theorem betas"][2] < rows["amsgrad, theorem betas"][1] < 0.2
    assert {picture.name for picture in shown.pictures} == {"position", "regret"}


@pytest.mark.parametrize(
    ("adam", "amsgrad", "word"),
    [
        (1.0, -1.0, "The claim held"),
        (-0.99, -1.0, "The claim is contradicted"),
        (1.0, 0.95, "The claim is contradicted"),
        (0.3, -1.0, "The claim is not shown"),
        (1.0, 0.0, "The claim is not shown"),
        (np.nan, -1.0, "Inconclusive"),
    ],
)
def test_an_end_is_judged_by_where_it_lies(material, adam, amsgrad, word):
    def history(run, metric):
        x = amsgrad if run.run_id.startswith("amsgrad") else adam
        return np.array([0.0, x]) if metric == "val_x" else np.array([0.1, 0.1])

    first, *others = show(replace(material, history=history)).findings
    assert first.startswith(word)
    inside = f" betas {word[0].lower()}{word[1:]}: Adam ends at "
    assert others
    assert all(inside in sentence for sentence in others)
