"""Tables of the page as HTML, each in a box that scrolls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from study.report.caveats import length
from study.report.comparison import Comparison
from study.report.confirmed import ConfirmedScores, divergence_text
from study.report.curve_data import TimesToTarget
from study.report.figures.style import Style
from study.report.objective_metric import MINUS, SPACE, ObjectiveMetric
from study.report.studies import ComparedStudy
from study.report.summary_rows import Row
from study.statistics.intervals import Interval
from study.statistics.winner import is_testable

_SUMMARY_CAPTION = (
    "Best mean test result first. An interval is of one mean alone: for the best of several it is a little too narrow."
)


def summary_table(comparison: Comparison, *, link: str) -> str:
    """Return the summary table.

    Args:
        comparison: The comparison.
        link: A link to a run, with `{}` for its id.
    """
    metric, look = comparison.experiment.metric, comparison.look
    winner = comparison.answer.winner
    studies = any(row.over_studies for row in comparison.rows)
    head = [
        ("optimizer", ""),
        (f"test {metric.spoken}", "num"),
        ("95 % interval", "num"),
        *([("over studies", "num")] if studies else []),
        ("n", "num"),
        ("untuned", "num"),
        ("gain, points" if metric.is_share else "gain", "num"),
        ("best configuration", ""),
        ("trials", "num"),
        ("diverged", "num"),
        ("pruned", "num"),
        ("s/trial", "num"),
        ("state", "num"),
    ]
    body = [
        _row(
            _summary_cells(row, metric, style=look[row.label], link=link, with_studies=studies),
            kind="winner" if row.label == winner else "",
        )
        for row in comparison.rows
    ]
    return _table(head, body, caption=_SUMMARY_CAPTION)


def _summary_cells(
    row: Row, metric: ObjectiveMetric, *, style: Style, link: str, with_studies: bool
) -> list[tuple[str, str]]:
    links = " ".join(_link(link, run_id) for run_id in row.run_ids)
    note = ' <span class="note">not ended</span>' if row.running else ""
    return [
        (f"{_name(row.label, style)} {links}{note}", ""),
        (_mean(row.tuned, metric) + _apart(row.confirmed), "num strong"),
        (_span(row.tuned, metric), "num"),
        *([(_interval(row.over_studies, metric), "num")] if with_studies else []),
        (str(row.tuned.n) if row.tuned else "", "num"),
        (_mean(row.untuned, metric) + _apart(row.untuned_confirmed), "num"),
        ("" if row.gain is None else metric.change(row.gain).removesuffix(f"{SPACE}points"), "num"),
        (_configurations(row), "wide"),
        (f"{row.n_trials}" if row.n_trials == row.n_planned else f"{row.n_trials}/{row.n_planned}", "num"),
        (str(row.states.get("diverged", 0)), "num"),
        (str(row.states.get("pruned", 0)), "num"),
        ("" if row.seconds_per_trial is None else f"{row.seconds_per_trial:.3g}", "num"),
        (_bytes(row.state_bytes), "num"),
    ]


def differences_table(comparison: Comparison) -> str:
    """Return the candidate's paired differences; empty without differences."""
    verdict, metric, look = comparison.outcome.verdict, comparison.experiment.metric, comparison.look
    if verdict is None or not is_testable(verdict):
        return ""
    head = [
        (f"{comparison.outcome.candidate} against", ""),
        ("mean difference", "num"),
        ("95 % interval", "num"),
        ("p, all pairs", "num"),
        ("P(beats)", "num"),
        ("significant difference", ""),
    ]
    body = []
    for each in sorted(verdict.differences, key=lambda each: each.mean):
        label = comparison.outcome.labels[each.other]
        told = "no" if each.other in verdict.tied else "worse" if each.other in verdict.better else "better"
        cells = [
            (_name(label, look[label]), ""),
            (metric.change(each.mean), "num strong"),
            (metric.change_span(each.low_holm, each.high_holm), "num"),
            (_p(each.p_holm), "num"),
            (f"{100 * each.p_superior:.0f} %", "num"),
            (told, ""),
        ]
        body.append(_row(cells))
    caption = (
        f"Over {verdict.n_seeds} shared {comparison.outcome.unit}s; positive favors {comparison.outcome.candidate}"
    )
    return _table(head, body, caption=caption)


def sensitivity_table(comparison: Comparison) -> str:
    """Return the widths of the regions of good learning rates; empty without an estimate."""
    look = comparison.look
    found = [(label, each) for label, each in comparison.rates.items() if each.sensitivity is not None]
    if not found:
        return ""
    point = "one point" if comparison.experiment.metric.is_share else "one percent"
    head = [("optimizer", ""), ("width, decades", "num"), ("from", "num"), ("to", "num"), ("diverged", "num")]
    body = []
    for label, each in sorted(found, key=lambda item: -_width(item[1].sensitivity)):
        width = each.sensitivity
        assert width is not None  # others were left out above
        is_open = width.open_low or width.open_high
        cells = [
            (_name(label, look[label]), ""),
            (f"{'at least ' if is_open else ''}{width.width_decades:.2f}", "num strong"),
            (f"{'≤ ' if width.open_low else ''}{width.low:.2g}", "num"),
            (f"{'≥ ' if width.open_high else ''}{width.high:.2g}", "num"),
            (f"{int(each.diverged.sum())} of {each.rates.size}", "num"),
        ]
        body.append(_row(cells))
    return _table(head, body, caption=f"Learning rates whose upper envelope is within {point} of the best.")


def target_table(comparison: Comparison) -> str:
    """Return the times to the target; empty without a target."""
    look = comparison.look
    if not comparison.targets:
        return ""
    head = [("optimizer", ""), ("seeds that met it", "num"), ("median steps", "num"), ("median seconds", "num")]

    def key(item: tuple[str, TimesToTarget]) -> tuple[float, float, str]:
        return item[1].median_steps, -item[1].n_met, item[0]

    body = [
        _row(
            [
                (_name(label, look[label]), ""),
                (f"{found.n_met} of {found.steps.size}", "num"),
                (_time(found.median_steps, ".0f"), "num strong"),
                (_time(found.median_seconds, ".3g"), "num"),
            ]
        )
        for label, found in sorted(comparison.targets.items(), key=key)
    ]
    return _table(head, body, caption="A seed that never meets the target counts as infinitely late.")


def studies_table(comparison: Comparison, *, link: str) -> str:
    """Return the settings, seeds and data of each study."""
    head = [
        ("study", ""),
        ("status", ""),
        ("length", ""),
        ("sampler, pruner", ""),
        ("study seed", "num"),
        ("order seed", "num"),
        ("split seed", "num"),
        ("data digest", ""),
        ("commit", ""),
        ("started (UTC)", ""),
    ]
    body = [_row(_made(study, comparison, link=link)) for study in comparison.experiment.studies]
    return _table(head, body, caption="Settings of each study; its config.yaml in MLflow has all of them.")


def _made(study: ComparedStudy, comparison: Comparison, *, link: str) -> list[tuple[str, str]]:
    record, params = study.record, study.record.params
    seeds = [(escape(params.get(key, "")), "num") for key in ("study_seed", "order_seed", "split_seed")]
    return [
        (f"{escape(record.name)} {_link(link, record.run_id)}", ""),
        (record.status.lower(), ""),
        (length(study), ""),
        (f"{escape(params.get('sampler.name', ''))}, {escape(params.get('pruner.name', ''))}", ""),
        *seeds,
        (f"<code>{escape(comparison.experiment.digests.get(record.run_id, 'unknown'))}</code>", ""),
        (f"<code>{escape(record.tags.get('git_commit', 'unknown')[:10])}</code>", ""),
        (datetime.fromtimestamp(record.started, UTC).strftime("%Y-%m-%d %H:%M"), ""),
    ]


def _table(head: Sequence[tuple[str, str]], body: Sequence[str], *, caption: str) -> str:
    names = "".join(f'<th scope="col" class="{kind}">{escape(name)}</th>' for name, kind in head)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table><caption>'
        f"{escape(caption)}</caption><thead><tr>{names}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _row(cells: Sequence[tuple[str, str]], *, kind: str = "") -> str:
    """Return a row; cells are HTML, and the first one is the row's header."""
    first, *others = cells
    data = "".join(f'<td class="{style}">{content}</td>' for content, style in others)
    return f'<tr class="{kind}"><th scope="row">{first[0]}</th>{data}</tr>'


def _name(label: str, style: Style) -> str:
    return f'<span class="swatch" style="--of:{style.color}"></span>{escape(label)}'


def _link(link: str, run_id: str) -> str:
    return f'<a class="run" href="{escape(link.format(run_id))}" title="run {run_id} in MLflow">run</a>'


def _mean(interval: Interval | None, metric: ObjectiveMetric) -> str:
    return "" if interval is None else metric.text(interval.estimate)


def _apart(found: ConfirmedScores | None) -> str:
    """Return a note that the mean is that of the confirmations that did not diverge; empty where none diverged."""
    text = divergence_text(found)
    return f' <span class="note">of the others; {escape(text)}</span>' if text else ""


def _span(interval: Interval | None, metric: ObjectiveMetric) -> str:
    return "" if interval is None else metric.span(interval.low, interval.high)


def _interval(interval: Interval | None, metric: ObjectiveMetric) -> str:
    return "" if interval is None else f"{_mean(interval, metric)} ({_span(interval, metric)})"


def _configurations(row: Row) -> str:
    texts = []
    for configuration in row.configuration:
        pairs = " ".join(f"{escape(key)}={_short(value)}" for key, value in configuration.items())
        texts.append(f"<code>{pairs}</code>" if pairs else "")
    texts += [
        f'<span class="note">{escape(argument)} near its {edge} edge</span>'
        for argument, edge in sorted({(edge.argument, edge.edge) for edge in row.edges})
    ]
    return "<br>".join(texts)


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}".replace("-", MINUS)
    except ValueError:
        return escape(value)


def _bytes(n: float | None) -> str:
    if n is None:
        return ""
    return f"{n:.0f} B" if n < 1e3 else f"{n / 1e3:.3g} kB" if n < 1e6 else f"{n / 1e6:.3g} MB"


def _p(p: float) -> str:
    return "&lt; 0.001" if p < 0.001 else f"{p:.3f}"


def _time(value: float, digits: str) -> str:
    return "never" if not math.isfinite(value) else f"{value:{digits}}"


def _width(found: object) -> float:
    return float(getattr(found, "width_decades", 0.0))
