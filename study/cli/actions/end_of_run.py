"""The end of `study run`: the tables, studies without a result, the answer, its price, and serious cautions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from study.cli.actions.describe import describe, describe_without_answer
from study.cli.actions.liveness import living
from study.cli.actions.overview import UnderTable, show_studies
from study.cli.paragraphs import Paragraph
from study.config.schema import StudyConfig
from study.core.names import typed_command
from study.core.records import StudyRecord, latest_of_settings
from study.core.status_line import status_line
from study.report.brief_lines import brief_cautions
from study.report.caution import Caution
from study.report.caveats import serious_cautions
from study.report.closing_lines import ClosingLines, closing_lines
from study.report.comparability import check_comparable
from study.report.marked_text import joined, plain
from study.report.pairing import decide_outcome
from study.report.studies import at_target, gather
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies

if TYPE_CHECKING:
    from study.search.stored_searches import Searches  # imports Optuna

# Reading a trial takes a millisecond. With more trials only `study compare` reads them.
_MOST_TRIALS = 2000
_FAILED = "Their runs have the reason in error.txt; --retry-failed trains them again."
_STATES = ("pruned", "diverged", "failed")


def show_end(configs: Sequence[StudyConfig], *, connections: Connections | None = None) -> bool:
    """Print the tables of a command's experiments, the answer and serious cautions under each, and what to type next.

    Args:
        configs: The configs of the studies that were run.
        connections: The command's connections. None (the default): open new ones.

    Returns:
        True if a study of the command has no completed trial.
    """
    from study.search.stored_searches import list_searches  # imports Optuna, which a test of the tables does not need

    connections = connections or Connections()
    with status_line("study run: comparing the studies"):
        searches = [partial(list_searches, stores) for stores in {config.stores for config in configs}]
        found, lost = under_tables(configs, connections=connections, searches=searches)
    show_studies(found.keys(), searches=searches, connections=connections, under=found)
    return lost


def under_tables(
    configs: Sequence[StudyConfig], *, connections: Connections | None = None, searches: Iterable[Searches] = ()
) -> tuple[dict[tuple[str, str], UnderTable], bool]:
    """Return what stands under the table of each experiment: studies without a result, the answer, serious cautions.

    Args:
        configs: The configs of the studies that were run.
        connections: The command's connections. None (the default): open new ones.
        searches: Each returns the studies in a store of searches, which knows whether a study still has a worker.
            Default: none.

    Returns:
        The texts by address of the store and name of the experiment, and whether a study of the command has no
        completed trial.
    """
    connections = connections or Connections()
    found: dict[tuple[str, str], UnderTable] = {}
    lost = False
    for uri, name in sorted({(config.stores.tracking_uri, config.experiment_name) for config in configs}):
        records = read_studies(uri, name, trials=False, connections=connections)
        limits = {each.typed_digest: each.budget.time_limit_s for each in configs if each.experiment_name == name}
        ours = [record for record in latest_of_settings(records) if record.settings_id in limits]
        lines = [line for record in ours for line in _lost(record, limits)]
        lost |= any(without_result(record) for record in ours)
        compared = answer_of(uri, name, records, connections=connections, searches=searches, describes=True)
        lacking = [Paragraph(text=line) for line in lines]
        without = [record for record in ours if without_result(record)]
        in_brief = [Paragraph(text=line) for line in brief_losses(without)]
        in_brief += [
            Paragraph(text=line) for record in ours if record not in without for line in _lost(record, limits)
        ]
        found[uri, name] = replace(
            compared,
            paragraphs=(*lacking, *compared.paragraphs),
            brief=(*in_brief, *(compared.brief or compared.paragraphs)),
        )
    return found, lost


def answer_of(
    uri: str,
    name: str,
    records: Sequence[StudyRecord],
    *,
    connections: Connections | None = None,
    searches: Iterable[Searches] = (),
    describes: bool = False,
) -> UnderTable:
    """Return the answer of an experiment's comparison, with its serious cautions, as it stands under the table.

    Args:
        uri: Address of the store.
        name: Name of the experiment.
        records: Its studies, with or without trials.
        connections: The command's connections. None (the default): open new ones.
        searches: Each returns the studies in a store of searches, which knows whether a study still has a worker.
            Default: none.
        describes: Write the answer to MLflow's description of the experiment too. Default False: the store is only
            read.
    """
    if sum(n_ended(record) for record in records) > _MOST_TRIALS:
        told = f"There are too many trials to read here: `{typed_command('compare', name)}` has the answer."
        if describes:
            headline = "There are too many trials to compare them at the end of a run."
            describe_without_answer(uri, name, headline=headline, connections=connections)
        return UnderTable(paragraphs=(Paragraph(text=told),))
    closing, cautions = _compared(uri, name, connections or Connections(), searches=searches, describes=describes)
    shorter = replace(closing, answer=closing.brief_answer or closing.answer, sentences=closing.brief)
    return UnderTable(
        paragraphs=tuple(_paragraphs(closing, cautions)),
        brief=tuple(_paragraphs(shorter, cautions, is_brief=True)),
        is_open=closing.is_open,
    )


def _paragraphs(closing: ClosingLines, cautions: Sequence[Caution], *, is_brief: bool = False) -> list[Paragraph]:
    """Return the answer, the sentences that belong to it, and the serious cautions, each with its topic."""
    answered = [Paragraph(text=closing.answer, look="answer")] if closing.answer else []
    belonging = [Paragraph(text=sentence) for sentence in closing.sentences]
    told = [plain(f"{each.topic}: {each.text}") for each in (*closing.cautions, *cautions)]
    if is_brief:
        told = [plain(line) for line in brief_cautions([*cautions, *closing.cautions])]
    serious = [Paragraph(text=text, look="caution") for text in told]
    return [*answered, *belonging, *serious]


def without_result(record: StudyRecord) -> bool:
    """Return whether a study has ended and none of its trials completed.

    Args:
        record: The study.
    """
    return record.status != "RUNNING" and not record.metrics.get("n_complete")


def has_diverged(record: StudyRecord) -> bool:
    """Return whether a study has ended with the result that all its trials and confirmations diverged.

    A fixed setting is confirmed though its trial diverged. It is compared, with the worst value for each confirmation.

    Args:
        record: The study.
    """
    ran = [run for run in record.confirmations if run.config != "default" and not run.superseded]
    return without_result(record) and bool(ran) and all(run.state == "diverged" for run in ran)


def brief_losses(records: Sequence[StudyRecord]) -> Iterator[str]:
    """Yield one sentence for all studies that have no result for one reason.

    Args:
        records: Studies that have ended, and of which no trial completed.
    """
    by_reason: dict[tuple[str, str], list[str]] = {}
    diverged: dict[str, list[str]] = {}
    for record in records:
        if has_diverged(record):
            diverged.setdefault(_brief_advice({"diverged": 1}, record), []).append(record.name)
            continue
        counts = {state: int(record.metrics.get(f"n_{state}", 0)) for state in _STATES}
        reason = " or ".join(state for state, count in counts.items() if count)
        by_reason.setdefault((reason, _brief_advice(counts, record)), []).append(record.name)
    for (reason, advice), names in by_reason.items():
        has, their = ("has", "its") if len(names) == 1 else ("have", "their")
        why = f"all {their} trials {reason}" if reason else "no trial ended"
        yield f"{joined(names)} {has} no result: {why}. {advice}"
    for advice, names in diverged.items():
        each = "each counts" if len(names) == 1 else "each of them counts"
        yield f"{joined(names)} diverged in all trials and confirmations; {each} as the worst value. {advice}"


def _lost(record: StudyRecord, limits: Mapping[str, float | None]) -> Iterator[str]:
    yield from lost_results(record, limit_s=limits[record.settings_id])


def lost_results(record: StudyRecord, *, limit_s: float | None = None) -> Iterator[str]:
    """Yield a sentence for everything that a study was asked for and has not.

    Args:
        record: The study, with or without its trials.
        limit_s: The study's time limit, in seconds. None (the default): no limit.
    """
    counts = {state: int(record.metrics.get(f"n_{state}", 0)) for state in _STATES}
    n = n_ended(record)
    listed = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    if has_diverged(record):
        yield (
            f"{record.name}: {'its only trial' if n == 1 else f'all {n} trials'} and all its confirmations diverged. "
            f"Each counts as the worst value. {_advice(counts, record)}"
        )
    elif without_result(record):
        told = f"none of its {n} trials completed" if n > 1 else "its only trial did not complete"
        told += f" ({listed})" if listed else ""
        yield f"{record.name}: {told if n else 'no trial ended'}, so it has no result. {_advice(counts, record)}"
    elif counts["failed"]:
        yield f"{record.name}: {counts['failed']} of {n} trials failed. {_FAILED}"
    if at_target(record) is not None:
        yield (
            f"{record.name}: its search ended after {n} of {record.n_trials} trials, when a confirmed configuration "
            f"reached budget.until.target={record.tags.get('target_reached')}."
        )
    elif 0 < n < record.n_trials and record.status == "FINISHED" and limit_s is not None:
        yield (
            f"{record.name}: it ended after {n} of {record.n_trials} trials, by budget.time_limit_s={limit_s:g}. The "
            "same command continues it."
        )


def n_ended(record: StudyRecord) -> int:
    """Return the number of trials of a study that ended.

    Args:
        record: The study.
    """
    done = record.tags.get("progress", "0/0").partition("/")[0]
    return int(done) if done.isdigit() else 0


def _advice(counts: Mapping[str, int], record: StudyRecord) -> str:
    if counts["diverged"]:
        return (
            f"Train longer (budget.n_epochs) if there were few steps, lower {_rate_key(record)}, and look for values "
            "in the data that are not finite or not scaled."
        )
    if counts["pruned"]:
        pruner = record.params.get("pruner.name", "")
        return f"The pruner {pruner} stopped them all: let it begin later, or take pruner=none."
    if counts["failed"]:
        return _FAILED
    return "Raise budget.time_limit_s, and start the same command again."


def _brief_advice(counts: Mapping[str, int], record: StudyRecord) -> str:
    if counts["diverged"]:
        return f"Lower {_rate_key(record)}, or train longer (budget.n_epochs)."
    return _advice(counts, record)


def _rate_key(record: StudyRecord) -> str:
    """Return the key that lowers a study's learning rates: the end of their range, or the fixed rate."""
    keys = ("optimizer.learning_rate", "optimizer.search.learning_rate.high")
    return next((key for key in keys if key in record.params), "the learning rate")


def _refusal(name: str, reasons: Sequence[str]) -> Caution:
    """Return that studies are not compared, and where the groups are named that can be."""
    groups = f"`{typed_command('compare', name)}` names the groups that can be compared"
    brief = f"{reasons[0].partition(': ')[0]}; {groups}"
    text = f"{' '.join(reasons)} {groups}."
    return Caution(topic="Not comparable", text=text, serious=True, brief=brief)


def _compared(
    uri: str, name: str, connections: Connections, *, searches: Iterable[Searches], describes: bool
) -> tuple[ClosingLines, list[Caution]]:
    """Return the answer of the comparison, its price, and the serious cautions of its page.

    Cautions about studies that cannot be compared come first, and there is no answer then.
    """
    records = [
        record for record in read_studies(uri, name, connections=connections) if record.trials or record.confirmations
    ]
    if not records:
        return ClosingLines(), []
    digests = read_context(uri, name, connections=connections).digests
    reasons = check_comparable(name, latest_of_settings(records), digests=digests, force=True)
    refused = [_refusal(name, reasons)] if reasons else []
    compared = latest_of_settings(records) if reasons else records
    gathered = gather(name, compared, digests=digests, read_histories=lambda *_: {}, force=bool(reasons))
    gathered = replace(gathered, has_worker=living(gathered.records, searches))
    cautions = [*refused, *serious_cautions(gathered)]
    if reasons:
        if describes:
            headline = "No answer: the studies of this experiment are not comparable."
            describe_without_answer(uri, name, headline=headline, reasons=reasons, connections=connections)
        return ClosingLines(), cautions
    outcome, rows = decide_outcome(gathered), summarize(gathered)
    found = answer(gathered, outcome, rows)
    closing = closing_lines(gathered, outcome, found)
    if describes:
        told = (*closing.cautions, *cautions)
        describe(uri, gathered, rows=rows, found=found, cautions=told, connections=connections)
    return closing, cautions
