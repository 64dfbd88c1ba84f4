import pytest

from study.config.schema import Budget


def budget(*, n_epochs, n_steps):
    return Budget(n_trials=1, n_epochs=n_epochs, n_steps=n_steps, n_confirmations=0, time_limit_s=None)


@pytest.mark.parametrize(
    ("n_epochs", "n_steps", "total"),
    [(3, None, 30), (None, 7, 7), (None, 25, 25)],
)
def test_a_budget_counts_the_steps_of_a_training(n_epochs, n_steps, total):
    assert budget(n_epochs=n_epochs, n_steps=n_steps).total_steps(10) == total
