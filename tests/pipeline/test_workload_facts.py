import numpy as np
import pytest

from study.pipeline.workload_facts import kind_of_targets


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.arange(4), "classes"),
        (np.arange(4)[:, None], "classes"),
        (np.array([True, False]), "classes"),
        (np.array(["a", "b"]), "classes"),
        (np.array(["a", "b"], dtype=object), "classes"),
        (np.eye(3, dtype=np.float32), "one_hot"),
        (np.eye(3, dtype=int), "one_hot"),
        (np.array([[1, 1, 0], [0, 1, 0]]), "numbers"),
        (np.linspace(0, 1, 4), "numbers"),
        (np.zeros((4, 2)), "numbers"),
        (np.zeros((4, 8, 8), int), "numbers"),
    ],
)
def test_the_kind_of_targets(y, kind):
    assert kind_of_targets([y]) == kind


def test_several_arrays_are_several():
    assert kind_of_targets([np.arange(3), np.arange(3)]) == "several"
