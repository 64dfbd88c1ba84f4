from dataclasses import replace

import numpy as np
import pytest

from study.report.comparison import compare

SHARES = {"best tenth": 0.1, "best quarter": 0.25, "better half": 0.5, "worse half": 1.0}


def n_lines(trace):
    return int(np.sum(np.isnan(np.asarray(trace["x"], dtype=float))))


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 20, 41])
def test_a_group_of_trials_is_as_good_as_its_name(make_study, make_experiment, n):
    study = make_study("adam", [0.8] * 3, trials=tuple(0.3 + 0.01 * number for number in range(n)))
    drawn = compare(make_experiment(study)).figures["parallel-0"].traces
    counts = {trace["name"]: n_lines(trace) for trace in drawn}
    assert sum(counts.values()) == n
    up_to = 0
    for name, share in SHARES.items():
        up_to += counts.get(name, 0)
        assert up_to <= share * n + 1e-9


def test_a_decay_rate_near_one_is_not_shown_as_one_and_a_choice_is_shown_by_name(make_study, make_experiment):
    study = make_study("adam", [0.8] * 3)
    trials = tuple(replace(run, params=run.params | {"beta_1": "0.99996352", "mode": "fast"}) for run in study.trials)
    ranges = {"optimizer.search.mode.choices": '["fast", "slow"]'}
    experiment = make_experiment(replace(study, trials=trials, params=study.params | ranges))
    texts = [text for trace in compare(experiment).figures["parallel-0"].traces for text in trace["text"]]
    assert all("beta_1 0.9999635" in text and "mode fast" in text for text in texts)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("0.5", "0.99", ["0.5", "0.8", "0.9", "0.95", "0.98", "0.99"]),
        ("0.9", "0.99999", ["0.9", "0.99", "0.999", "0.9999", "0.99999"]),
        ("0.0", "0.9", ["0", "0.5", "0.8", "0.9"]),
        ("0.93", "0.94", ["0.93", "0.94"]),
    ],
)
def test_a_scale_near_one_has_ticks_from_end_to_end(make_study, make_experiment, low, high, expected):
    ends = {"optimizer.search.beta_1.low": low, "optimizer.search.beta_1.high": high}
    axis = compare(make_experiment(make_study("adam", [0.8] * 3, params=ends))).figures["sensitivity-beta_1"].x
    assert axis["ticktext"] == expected
    assert axis["tickvals"] == sorted(axis["tickvals"])
