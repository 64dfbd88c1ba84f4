"""Show studies of the stores side by side."""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from study.cli.paragraphs import Paragraph, paragraph_lines, write_commands, write_paragraphs
from study.cli.text_table import render_table, table_lines
from study.core.errors import StoreError
from study.core.names import typed_command
from study.core.number_text import score_text
from study.core.readable_output import own_sequences
from study.core.records import RunRecord, StudyRecord
from study.core.terminal import height_of, is_screen
from study.pipeline.confirmed_means import confirmed_means
from study.report.choice_order import choice_key
from study.report.objective_metric import PREFIXES, confirmed_on_of, metric_of
from study.report.studies import at_target
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies
from study.tracking.study_summary import ConfirmedMean

if TYPE_CHECKING:
    from study.search.stored_searches import Searches  # imports Optuna

_HEADERS = (
    "study",
    "state",
    "trials",
    "diverged",
    "search best",
    "validation",
    "{split}{tuned}",
    "{split}, untuned",
    "best point",
)
_STATE, _TRIALS, _DIVERGED, _SEARCHED = 1, 2, 3, 4
# A table of more studies has one line for each, without the columns that do not fit.
_MOST_WITH_POINTS = 8
# Forms of a table and of the texts under it, the fullest first: whether the table and the texts are brief.
_FORMS = ((False, False), (False, True), (True, False), (True, True))
# Columns that a narrow terminal shows in a second line: as many as must, the first of these first.
_BELOW = (8, 4, 3, 2, 1, 7)
# Diverged confirmations in a cell, with words for which one line has no room.
_DIVERGED_PART = re.compile(r"; (\d+)(?: of \d+| others)? diverged(?: \(rate up to \d+ %\))?")
# A study that MLflow calls running, and no living worker has open.
ABANDONED = "abandoned"
# MLflow calls a study killed that was told to end, wrote what it had, and goes on with the same command.
_STATE_NAMES = {"KILLED": "stopped"}


@dataclass(frozen=True, kw_only=True)
class UnderTable:
    """The texts under the table of an experiment.

    Attributes:
        paragraphs: The texts. Default: none.
        brief: The same in fewer words, for a terminal on which the texts do not fit. Default: none.
        is_open: Some pairs are open, and `study plan` prices them. Default False.
    """

    paragraphs: Sequence[Paragraph] = ()
    brief: Sequence[Paragraph] = ()
    is_open: bool = False


def show_studies(
    experiments: Collection[tuple[str, str]],
    *,
    searches: Iterable[Searches] = (),
    connections: Connections | None = None,
    under: Mapping[tuple[str, str], UnderTable] | None = None,
) -> None:
    """Print one table for each experiment with what belongs to it, and the commands that show more.

    Args:
        experiments: Pairs of a store's address and an experiment's name.
        searches: Each returns the studies in a store of searches, which knows whether a study still has a worker; they
            are called only if a study is running. Default: none, so a study whose process was killed counts as
            running.
        connections: The command's connections. None (the default): open new ones.
        under: The texts under the tables, by experiment. None (the default): none.
    """
    connections = connections or Connections()
    read = {
        key: in_choice_order(read_studies(*key, trials=False, connections=connections)) for key in sorted(experiments)
    }
    is_any = any(study.status == "RUNNING" for studies in read.values() for study in studies)
    has_worker = with_worker(searches) if is_any else {}
    states = {key: [state_of(study, has_worker) for study in studies] for key, studies in read.items()}
    asked = {
        "is_open": any(texts.is_open for texts in (under or {}).values()),
        "is_running": any("running" in found for found in states.values()),
    }
    names, left_out = [name for _, name in experiments], False
    room = None
    if is_screen(sys.stdout) and under is not None:  # a line for the shell's next prompt, and those of what is next
        room = (height_of(sys.stdout) - 3 - len(_next_commands(names, **asked))) // max(len(read), 1)
    for key, studies in read.items():
        lines, is_cut = _block(key[1], studies, states[key], (under or {}).get(key, UnderTable()), room=room)
        left_out |= is_cut
        own_sequences(sys.stdout).write("".join(f"{line}\n" for line in ("", *lines)))
    sys.stdout.write("\nNext:\n")
    write_commands(_next_commands(names, **asked, has_points=not left_out), stream=sys.stdout)


def show_experiments(
    tracking_uri: str, names: Collection[str], *, searches: Iterable[Searches] = (), connections: Connections
) -> None:
    """Print a table with one line for each experiment, and the commands that show more.

    Args:
        tracking_uri: Address of the store.
        names: Names of the experiments.
        searches: As for `show_studies`. Default: none.
        connections: The command's connections.
    """
    found = {name: read_studies(tracking_uri, name, trials=False, connections=connections) for name in sorted(names)}
    is_any = any(study.status == "RUNNING" for studies in found.values() for study in studies)
    has_worker = with_worker(searches) if is_any else {}
    rows, is_running, metrics = [], False, []
    for name, studies in found.items():
        counts = Counter(state_of(study, has_worker) for study in studies)
        is_running |= "running" in counts
        best = in_choice_order(studies)[0]
        told = [f"{n} {state}" for state, n in counts.most_common()] if len(counts) > 1 else [*counts]
        rows.append([name, str(len(studies)), ", ".join(told), best.name, _interval(best).partition(" [")[0]])
        metrics.append((metric_of(best.params, best.tags).spoken, _spoken_mean(best)))
    n = sum(map(len, found.values()))
    sys.stdout.write("\n")
    write_paragraphs([f"{len(found)} experiments with {n} studies"], stream=sys.stdout)
    chosen_by, mean = "best by validation", "its mean"
    if len({*metrics}) == 1:
        chosen_by, mean = f"{chosen_by} {metrics[0][0]}", f"{mean} {metrics[0][1]}"
    else:  # each cell says what it is the mean of
        spoken = [of_mean for _, of_mean in metrics]
        rows = [[*row[:-1], row[-1] and f"{row[-1]} {words}"] for row, words in zip(rows, spoken, strict=True)]
    headers = ["experiment", "studies", "state", chosen_by, mean]
    render_table(headers, rows, stream=sys.stdout, below=["state", mean])
    sys.stdout.write("\nNext:\n")
    more = [(f"{typed_command('list')} EXPERIMENT", "its studies with their results and best points")]
    write_commands([*more, *_next_commands([], is_open=False, is_running=is_running)], stream=sys.stdout)


def in_choice_order(studies: Iterable[StudyRecord]) -> list[StudyRecord]:
    """Return studies in the order of the protocol's choice, as on the page: the best first.

    Args:
        studies: The studies, with their confirmations.
    """

    def key(study: StudyRecord) -> tuple[int, float, str]:
        sign = metric_of(study.params, study.tags).sign
        searched = study.metrics.get("best_objective")
        return choice_key(study.name, confirmed=_validation(study), searched=searched, sign=sign)

    return sorted(studies, key=key)


def _heading(experiment: str, studies: Sequence[StudyRecord]) -> str:
    """Return the experiment's name, the number of studies and the rule of their order."""
    if len(studies) == 1:
        return f"{experiment}: 1 study"
    is_confirmed = any(_validation(study) is not None for study in studies)
    by = "mean validation of the confirmations" if is_confirmed else "validation of the best trial"
    return f"{experiment}: {len(studies)} studies, best first by {by}"


def _block(
    experiment: str, studies: Sequence[StudyRecord], states: Sequence[str], below: UnderTable, *, room: int | None
) -> tuple[list[str], bool]:
    """Return the lines of an experiment in the fullest form that fits, and whether its table lacks columns.

    Args:
        experiment: The experiment's name.
        studies: Its studies.
        states: Their states.
        below: The texts under the table.
        room: Number of lines that fit. None: any number, and one line for each of many studies.
    """
    lines: list[str] = []
    is_cut = False
    forms = _FORMS if room is not None else ((len(studies) > _MOST_WITH_POINTS, False),)
    for is_short, is_brief in forms:
        table, is_cut = _table(studies, states, is_short=is_short, for_answer=room is not None)
        lines = [*paragraph_lines([_heading(experiment, studies)], stream=sys.stdout), *table]
        if ABANDONED in states:
            told = f"{ABANDONED}: its process has died; the same study run continues it."
            lines += paragraph_lines([told], stream=sys.stdout, indent="  ")
        if texts := (below.brief if is_brief and below.brief else below.paragraphs):
            lines += ["", *paragraph_lines(texts, stream=sys.stdout, indent="  ", hanging="    ")]
        if room is None or len(lines) <= room:
            break
    return lines, is_cut


def _table(
    studies: Sequence[StudyRecord], states: Sequence[str], *, is_short: bool, for_answer: bool
) -> tuple[list[str], bool]:
    """Return the table's lines; a terminal gets no column that says the same of every study.

    Args:
        studies: The studies.
        states: Their states.
        is_short: Each study has one line.
        for_answer: An answer follows.

    Returns:
        The lines, and whether columns were left out so that each study has one line.
    """
    rows = [_row(study, state) for study, state in zip(studies, states, strict=True)]
    split = " or ".join(sorted({confirmed_on_of(study.tags) for study in studies}))
    has_fixed = any(run.config == "fixed" for study in studies for run in _tuned(study))
    headers = [header.format(split=split, tuned="" if has_fixed else ", tuned") for header in _HEADERS]
    left_out: set[int] = set()
    is_short &= is_screen(sys.stdout)
    if is_screen(sys.stdout):
        left_out |= {_STATE} if {*states} <= {"finished"} else set()
        left_out |= {_DIVERGED} if {row[_DIVERGED] for row in rows} <= {"0"} else set()
        left_out |= {column for column in range(1, len(headers)) if not any(row[column] for row in rows)}
        if is_short and for_answer and {*states} <= {"finished"}:  # the validation of the best trial decides nothing
            left_out |= {_SEARCHED, *([_TRIALS] if len({row[_TRIALS] for row in rows}) == 1 else [])}
        if _TRIALS in left_out and _DIVERGED not in left_out:
            headers[_DIVERGED] = "trials diverged"
            rows = [_with_whole(row) for row in rows]
    kept = [column for column in range(len(headers)) if column not in left_out]
    if is_short:
        rows = [tuple(_DIVERGED_PART.sub(r"; \1 diverged", cell) for cell in row) for row in rows]
    shown = [headers[column] for column in kept], [[row[column] for column in kept] for row in rows]
    below = [headers[column] for column in _BELOW]
    lines, missing = table_lines(*shown, stream=sys.stdout, below=below, second_lines=not is_short)
    return lines, bool(missing)


def _with_whole(row: tuple[str, ...]) -> tuple[str, ...]:
    """Return a row whose number of diverged trials has the number of all beside it, as `3 of 8`."""
    whole = row[_TRIALS].partition("/")[0]
    return (*row[:_DIVERGED], f"{row[_DIVERGED]} of {whole}", *row[_DIVERGED + 1 :])


def _next_commands(
    names: Sequence[str], *, is_open: bool, is_running: bool, has_points: bool = True
) -> list[tuple[str, str]]:
    """Return the commands to type next with their purposes."""
    (name,) = names if len(names) == 1 else (None,)
    of = [name] if name else []
    placeholder = "" if name else " EXPERIMENT"
    page = f"the page: figures, intervals, {'every pair' if has_points else 'best points'}"
    found = [(typed_command("compare", *of) + placeholder, page)]
    if is_open:
        found.append((typed_command("plan", *of) + placeholder, "the price of each open pair, and what to type"))
    if is_running:
        found.insert(0, (typed_command("watch", *of) + placeholder, "follow what runs"))
    return [*found, ("study ui", "every run in MLflow")]


def with_worker(searches: Iterable[Searches]) -> dict[str, bool]:
    """Return whether a living worker has a study open, by digest; empty without a readable search.

    Args:
        searches: Each returns the studies in a store of searches.
    """
    found: dict[str, bool] = {}
    for listed in searches:
        with contextlib.suppress(StoreError):  # the commands that need a search say that it cannot be read
            found |= {search.digest: search.is_open for search in listed()}
    return found


def state_of(study: StudyRecord, has_worker: Mapping[str, bool]) -> str:
    """Return the state of a study: running, finished, stopped, failed or abandoned.

    Args:
        study: The study.
        has_worker: Whether a living worker has a study open, by digest. One that is not there may have.
    """
    is_abandoned = study.status == "RUNNING" and not has_worker.get(study.study_id, True)
    return ABANDONED if is_abandoned else _STATE_NAMES.get(study.status, study.status.lower())


def _row(study: StudyRecord, state: str) -> tuple[str, ...]:
    untuned = [run for run in study.confirmations if not run.superseded and run.config == "default"]
    return (
        study.name,
        state,
        study.tags.get("progress", f"0/{study.n_trials}") + (", at target" if at_target(study) is not None else ""),
        f"{study.metrics.get('n_diverged', 0):.0f}",
        _number(study.metrics.get("best_objective")),
        _validation_text(study),
        _interval(study),
        _mean(study, untuned),
        study.tags.get("best", ""),
    )


def _tuned(study: StudyRecord) -> list[RunRecord]:
    return [run for run in study.confirmations if run.config != "default" and not run.superseded]


def _validation(study: StudyRecord) -> float | None:
    """Return the mean validation objective over the confirmations, with the worst value for a diverged one."""
    metric = metric_of(study.params, study.tags)
    values = [value for run in _tuned(study) if (value := metric.validation(run)) is not None]
    return sum(values) / len(values) if values else None


def _validation_text(study: StudyRecord) -> str:
    """Return the cell of the mean validation objective; that of a study without a finite one says why."""
    tuned = _tuned(study)
    if tuned and all(run.state == "diverged" for run in tuned):
        return f"{len(tuned)} diverged"  # the worst value, which orders it, would read as a measured one
    return _number(_validation(study))


def _confirmed_metric(study: StudyRecord, names: Collection[str]) -> str | None:
    """Return the metric of confirmations to show: that of the study's objective, otherwise any, a loss last."""
    found = sorted(name for name in names if name.startswith(PREFIXES[confirmed_on_of(study.tags)]))
    selected = metric_of(study.params, study.tags).confirmed
    if selected in found:
        return selected
    return next((name for name in found if "loss" not in name), found[0] if found else None)


def _means_of(study: StudyRecord) -> Mapping[str, ConfirmedMean]:
    """Return the means of the tuned confirmations by metric, as stored, else from the confirmations so far."""
    return _stored_means(study) or confirmed_means(_tuned(study), params=study.params, tags=study.tags)


def _spoken_mean(study: StudyRecord) -> str:
    """Return the metric of `_interval` with its split, such as `test accuracy`."""
    means = _means_of(study)
    name = _confirmed_metric(study, means) or metric_of(study.params, study.tags).confirmed
    split = confirmed_on_of(study.tags)
    return f"{split} {name.removeprefix(PREFIXES[split]).replace('_', ' ')}"


def _interval(study: StudyRecord) -> str:
    means = _means_of(study)
    metric = _confirmed_metric(study, means)
    if metric is None:
        return ""
    found = means[metric]
    apart = ""
    if found.n_diverged and found.divergence_limit is not None:
        others = "" if math.isnan(found.mean) else "others "
        limit = math.ceil(100 * found.divergence_limit - 1e-9)
        apart = f"{found.n_diverged} {others}diverged (rate up to {limit} %)"
    if math.isnan(found.mean):
        return apart
    n = found.n - found.n_diverged
    few = "one seed" if n == 1 else f"{n} seeds"
    ends = f"({few})" if math.isnan(found.low) else f"[{_number(found.low)}, {_number(found.high)}]"
    return "; ".join(filter(None, (f"{_number(found.mean)} {ends}", apart)))


def _stored_means(study: StudyRecord) -> dict[str, ConfirmedMean]:
    """Return the means over confirmations in the study's run; empty for a study that was cut off before them."""
    kept = study.metrics
    n_diverged = int(kept.get("n_confirmations_diverged", 0))
    n = n_diverged + sum(run.state == "complete" for run in _tuned(study))

    def mean_of(metric: str) -> ConfirmedMean:
        mean, low, high = (kept.get(f"{part}_{metric}", math.nan) for part in ("mean", "low", "high"))
        limit = kept.get("divergence_rate_high")
        return ConfirmedMean(mean=mean, low=low, high=high, n=n, n_diverged=n_diverged, divergence_limit=limit)

    return {metric: mean_of(metric) for name in kept if (metric := name.removeprefix("mean_")) != name}


def _mean(study: StudyRecord, runs: Sequence[RunRecord]) -> str:
    """Return the mean over confirmations that did not diverge, and the number of those that did."""
    metric = _confirmed_metric(study, {name for run in runs for name in run.metrics})
    left = [run for run in runs if run.state != "diverged"]
    values = [run.metrics[metric] for run in left if metric in run.metrics] if metric else []
    parts = [_number(sum(values) / len(values))] if values else []
    parts += [f"{len(runs) - len(left)} of {len(runs)} diverged"] if len(left) < len(runs) else []
    return "; ".join(parts)


def _number(value: float | None) -> str:
    return "" if value is None else score_text(value)
