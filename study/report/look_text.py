"""A look at the confirmation seeds in a line: what is still open, and which entries are ruled out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from study.report.pairing import Outcome


def look_text(outcome: Outcome) -> str:
    """Return the state after the last look that was made, in a line; empty before the first.

    Args:
        outcome: The scores compared, and the decisions on them.
    """
    decided = outcome.decisions
    if decided is None or not decided.n_looks_made or not decided.pairs:
        return ""
    pairs = [{pair.first, pair.second} for pair in decided.pairs if pair.claim == "open"]
    still_open = set().union(*(pair for pair in pairs if not pair & decided.ruled_out))
    parts = [f"{_names_are(outcome, still_open)} still open" if still_open else "decided"]
    if decided.ruled_out:
        parts.append(f"{_names_are(outcome, decided.ruled_out)} ruled out")
    n_made = decided.n_looks_made
    last = ", the last" if still_open and n_made == len(outcome.looks) else ""
    return f"look at {outcome.looks[n_made - 1].n_seeds} seeds{last}: {'; '.join(parts)}"


def names_text(names: Sequence[str]) -> str:
    """Return names as `adam, nadam and lamb`.

    Args:
        names: The names, at least one.
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _names_are(outcome: Outcome, entries: Collection[int]) -> str:
    names = [outcome.labels[entry] for entry in sorted(entries)]
    return f"{names_text(names)} {'are' if len(names) > 1 else 'is'}"
