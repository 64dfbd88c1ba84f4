"""Experiments without a study yet: what a command that waits for their first one says of them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from study.core.database_address import sqlite_file
from study.tracking.connection import Connections
from study.tracking.read_studies import read_experiments

_MOST_NAMES = 8


def known_experiments(tracking_uri: str, *, connections: Connections) -> list[str]:
    """Return the names of the experiments with studies; none of a folder whose first study has not begun.

    Args:
        tracking_uri: Address of the store.
        connections: The command's connections.

    Raises:
        StoreError: The store cannot be read.
    """
    path = sqlite_file(tracking_uri)
    if path is not None and not path.exists():
        return []
    return list(read_experiments(tracking_uri, connections=connections))


def waiting_text(names: Sequence[str], known: Collection[str]) -> str:
    """Return that experiments have no study yet, with the names that may have been meant.

    Args:
        names: Names without a study, at least one.
        known: Names of the experiments with studies.
    """
    told = f"{' and '.join(names)}: no study yet; this waits for the first one."
    near = list(dict.fromkeys(each for name in names for each in difflib.get_close_matches(name, known, cutoff=0.6)))
    if near:
        return f"{told} If the name is misspelled: did you mean {' or '.join(near)}?"
    if not known:
        return f"{told} There is no study of another name either."
    listed = [*known][:_MOST_NAMES]
    more = f" and {len(known) - len(listed)} more" if len(known) > len(listed) else ""
    return f"{told} Experiments with studies: {', '.join(listed)}{more}."
