"""Labels of entries: what distinguishes them, whole names where that is not enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.report.entry_labels import entry_labels


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["adam-setting=bold", "adam-setting=tuned"], ("adam (bold)", "adam (tuned)")),
        (["adam-setting=tuned"], ("adam (tuned)",)),
        (["adam", "adam-schedule=cosine"], ("adam", "adam (cosine)")),
        (["adam-lr=1e-05-schedule=cosine", "adam-lr=0.1-schedule=cosine"], ("adam (lr 1e-05)", "adam (lr 0.1)")),
        (["adam-amsgrad=true", "adam-amsgrad=false"], ("adam (amsgrad true)", "adam (amsgrad false)")),
        (
            ["adam-batch_size=8-setting=tuned", "adam-setting=bold"],
            ("adam (batch_size 8, setting tuned)", "adam (setting bold)"),
        ),
        (["adam-search-dropout-l2", "my run"], ("adam-search-dropout-l2", "my run")),
        (["adam-setting=a", "adam (a)", "adam-setting=b"], ("adam-setting=a", "adam (a)", "adam (b)")),
    ],
)
def test_a_label_has_the_optimizer_and_what_differs(names, expected):
    assert entry_labels(names, optimizers=["adam"] * len(names)) == expected


def test_what_all_share_and_hidden_keys_are_left_out():
    names = ["adam-setting=tuned-study_seed=0", "sgd-setting=tuned-study_seed=1"]
    assert entry_labels(names, optimizers=["adam", "sgd"], hidden=["study_seed"]) == ("adam", "sgd")


@given(parts=st.lists(st.text("ab=-(), 1", max_size=8), min_size=1, max_size=6, unique=True))
def test_labels_of_distinct_names_are_distinct(parts):
    names = [f"adam{part}" for part in parts]
    labels = entry_labels(names, optimizers=["adam"] * len(names))
    assert len(set(labels)) == len(names)
