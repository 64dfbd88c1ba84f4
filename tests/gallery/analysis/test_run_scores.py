import numpy as np

from study.gallery.analysis.run_scores import last_values, listed, mean_text
from study.report.objective_metric import ObjectiveMetric

ACCURACY = ObjectiveMetric(name="val_accuracy", direction="maximize", target=None, is_share=True)
LOSS = ObjectiveMetric(name="val_loss", direction="minimize", target=None, is_share=False)


def test_an_interval_of_a_share_stays_between_0_and_1():
    assert mean_text(np.array([1.0, 0.9, 1.0]), ACCURACY).endswith("to 100.00\N{NO-BREAK SPACE}%]")
    assert mean_text(np.array([1.0, 2.0, 3.0]), LOSS).startswith("2 [-0.48")
    assert mean_text(np.array([]), LOSS) == "none finite"
    assert mean_text(np.array([0.5]), ACCURACY) == "50.00\N{NO-BREAK SPACE}%"


def test_values_that_are_none_are_left_out(make_run):  # type: ignore[no-untyped-def]
    runs = [make_run("some", None, n, value, rate=0.1) for n, value in enumerate((0.5, np.inf, 0.7))]
    assert last_values(runs, "objective").tolist() == [0.5, 0.7]
    assert len(last_values(runs, "nothing")) == 0


def test_names_are_listed_as_in_a_sentence():
    assert [listed(names) for names in ([], ["a"], ["a", "b", "c"])] == ["none", "a", "a, b and c"]
