from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from study.gallery.experiments.update_rules import show
from study.optimizers.reference.keras_differences import KERAS_DIFFERENCES

LOSSES = 2.0 / np.arange(1, 31)


def material(make, *, off):
    """Two rules trained by Keras and in NumPy; adam's losses in NumPy are off by a share."""
    # The fixture takes studies whose names end so for fixed settings, and tells those apart by their rates.
    names = [f"{name}-trainer={trainer}-shared" for name in ("sgd", "adam") for trainer in ("vectorized", "numpy")]
    made = make({name: [0.9, 0.91] for name in names})
    configs = {name: {"trainer": {"name": name.split("=")[1].removesuffix("-shared")}} for name in names}

    def history(run, metric):
        assert metric == "step_loss"
        return LOSSES * (1 + off * (run.run_id.startswith("adam-trainer=numpy")))

    return replace(made, configs=configs, history=history)


def test_rules_that_agree_are_found_to(make_material):
    shown = show(material(make_material, off=1e-12))
    assert shown.findings[0] == (
        "The claim is contradicted: NumPy's form of Keras's rule agrees with Keras for 2 of 2 rules; Keras departs "
        "from the paper in 1 of 2 rules."
    )
    assert "30 steps" in shown.findings[1]
    assert [row[0] for row in shown.tables[0].rows] == ["adam", "sgd"]
    assert shown.tables[0].rows[1][-1] == "0.0e+00"
    assert shown.pictures[0].data.startswith(b"<svg")


def test_where_keras_departs_from_the_papers_stands_beside(make_material):
    rows = {row[0]: row[2:] for row in show(material(make_material, off=0.0)).tables[1].rows}
    assert set(rows) == {"sgd", "adam"}
    assert rows["sgd"] == ("nowhere", "-")
    assert rows["adam"][0].startswith("epsilon-hat")


def test_every_rule_of_the_experiment_has_its_paper():
    conf = Path(__file__).parents[3] / "conf" / "experiment" / "update_rules.yaml"
    run = yaml.safe_load(conf.read_text())["hydra"]["sweeper"]["params"]["optimizer"].split(",")
    assert set(run) <= {difference.name.lower() for difference in KERAS_DIFFERENCES}


def test_a_rule_that_does_not_is_named_with_its_difference(make_material):
    shown = show(material(make_material, off=0.01))
    assert shown.findings[0].startswith(
        "The claim is contradicted: NumPy's form of Keras's rule agrees with Keras for 1 of"
    )
    assert shown.findings[-1] == "Further apart: adam (1.0e-02)."


def test_a_training_that_diverged_in_one_of_both_is_no_agreement(make_material):
    whole = material(make_material, off=0.0)

    def history(run, metric):
        losses = whole.history(run, metric).copy()
        losses[20:] = np.nan if run.run_id.startswith("sgd-trainer=numpy") else losses[20:]
        return losses

    shown = show(replace(whole, history=history))
    assert "sgd (inf)" in shown.findings[-1]


def test_rules_without_recorded_losses_do_not_agree(make_material):
    whole = material(make_material, off=0.0)
    shown = show(replace(whole, history=lambda *_: np.empty(0)))
    assert "agrees with Keras for 0 of 2 rules" in shown.findings[0]
