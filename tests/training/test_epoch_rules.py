import dataclasses
import math

import pytest
from training_workload import make_config

from study.config.epoch_rules import EarlyStopping, Monitor, RateReduction
from study.core.errors import StudyError
from study.training.epoch_rules import check_more_epochs, epoch_rules

MONITOR = Monitor(metric="val_loss", direction="minimize", patience=2, min_delta=0.0)


def rules(*, restore_best=True, monitor=MONITOR, reduction=None, stops=True, first_rate=1.0):
    stopping = EarlyStopping(monitor=monitor, restore_best=restore_best) if stops else None
    config = dataclasses.replace(make_config(), early_stopping=stopping, rate_reduction=reduction)
    return epoch_rules(config, first_rate=first_rate)


def seen(rule, losses):
    """Return the decisions after each epoch, up to the first that stops."""
    decisions = []
    for loss in losses:
        decisions.append(rule.after({"val_loss": loss, "val_accuracy": -loss}))
        if decisions[-1].stops:
            break
    return decisions


def test_a_study_without_rules_has_none():
    assert epoch_rules(make_config(), first_rate=1.0) is None


def test_it_stops_when_the_patience_ends_and_keeps_the_best_epoch():
    rule = rules()
    decisions = seen(rule, [3, 2, 1, 1.5, 1.2, 0.1])
    assert [each.stops for each in decisions] == [False, False, False, False, True]
    assert [each.keeps for each in decisions] == [True, True, True, False, False]
    assert rule.summary() == {"n_epochs": 5.0, "kept_epoch": 3.0}


def test_without_restoring_the_last_epoch_is_kept():
    rule = rules(restore_best=False)
    assert [each.keeps for each in seen(rule, [1, 2, 3])] == [True, True, True]
    assert rule.summary() == {"n_epochs": 3.0, "kept_epoch": 3.0}


def test_an_improvement_must_exceed_min_delta():
    rule = rules(monitor=dataclasses.replace(MONITOR, min_delta=0.5))
    assert len(seen(rule, [3, 2.5, 2.4, 2.0])) == 4
    assert rule.kept_epoch == 3  # 3 - 2.4 is the first difference above 0.5


def test_a_maximized_metric_improves_upwards():
    rule = rules(monitor=dataclasses.replace(MONITOR, metric="val_accuracy", direction="maximize"))
    assert len(seen(rule, [3, 2, 1, 4, 5, 0])) == 5
    assert rule.kept_epoch == 3


def test_a_value_that_is_no_number_is_never_an_improvement():
    rule = rules()
    decisions = seen(rule, [math.nan, 2, math.nan, 1, 5, 5])
    assert [each.keeps for each in decisions] == [True, True, False, True, False, False]
    assert rule.kept_epoch == 4


def test_begun_again_it_has_seen_nothing():
    rule = rules()
    seen(rule, [1, 2, 3])
    assert rule.fresh().n_epochs == 0


def test_the_rate_falls_after_each_patience_and_rests_in_a_cooldown():
    reduction = RateReduction(monitor=MONITOR, factor=0.5, cooldown=1, min_factor=0.0)
    rule = rules(stops=False, reduction=reduction)
    reduces = [each.reduces for each in seen(rule, [1.0] * 9)]
    # Keras 3.15's ReduceLROnPlateau: patience 2, then one epoch of cooldown that does not count.
    assert reduces == [False, False, True, False, True, False, True, False, True]
    assert rule.summary() == {}
    assert not rule.stops_early


def test_the_rate_falls_no_lower_than_its_share_of_the_first():
    reduction = RateReduction(monitor=MONITOR, factor=0.1, cooldown=0, min_factor=0.05)
    rule = rules(stops=False, reduction=reduction, first_rate=2.0)
    assert rule.reduced(2.0) == pytest.approx(0.2)
    assert rule.reduced(0.2) == pytest.approx(0.1)
    assert rule.reduced(0.1) == pytest.approx(0.1)


def test_early_stopping_needs_more_than_one_epoch():
    stopping = EarlyStopping(monitor=MONITOR, restore_best=True)
    config = dataclasses.replace(make_config(n_epochs=None, n_steps=5), early_stopping=stopping)
    with pytest.raises(StudyError, match=r"patience=2: expected a budget of more than one epoch.*n_steps=5"):
        check_more_epochs(config, n_epochs=1)
    check_more_epochs(config, n_epochs=2)
    check_more_epochs(make_config(), n_epochs=1)
