"""The importance of each hyperparameter with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from study.report.studies import ComparedExperiment

# Quantile of Student's t for an interval of 90 % from ten subsets of the trials.
_T_90 = 1.833


@dataclass(frozen=True, kw_only=True)
class ImportanceShare:
    """The share of one hyperparameter in the variance that single ones account for, from 0 to 1.

    Attributes:
        share: The share.
        low: Lower end of its 90 % interval; None where it is not known.
        high: Upper end.
    """

    share: float
    low: float | None
    high: float | None


def importance_shares(experiment: ComparedExperiment, label: str) -> Mapping[str, ImportanceShare] | None:
    """Return the shares of an entry, the largest first; None without any.

    Args:
        experiment: The experiment, with its importances.
        label: The entry's label.
    """
    errors = experiment.importance_errors.get(label, {})
    found = {
        name: _with_interval(share, errors.get(name)) for name, share in experiment.importances.get(label, {}).items()
    }
    return found or None


def _with_interval(share: float, error: float | None) -> ImportanceShare:
    if error is None:
        return ImportanceShare(share=share, low=None, high=None)
    return ImportanceShare(share=share, low=max(0.0, share - _T_90 * error), high=min(1.0, share + _T_90 * error))
