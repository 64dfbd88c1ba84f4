"""Sections of the page on one experiment, in reading order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from study.report.comparison import Comparison
from study.report.figures.figure import Figure
from study.report.html import tables

_VERSIONS = ("python", "keras", "tensorflow", "jax", "torch", "optuna", "mlflow", "numpy", "optimizer-study")


@dataclass(frozen=True, kw_only=True)
class PageSection:
    """A section of the page with a heading that links can point to.

    Attributes:
        anchor: Its id.
        title: Its heading.
        html: The content below the heading.
        level: 1 for one of several experiments, 2 (the default) within an experiment.
    """

    anchor: str
    title: str
    html: str
    level: int = 2

    @property
    def markup(self) -> str:
        """The whole section as HTML."""
        tag = f"h{self.level + (self.level == 1)}"
        kind = "workload-heading" if self.level == 1 else ""
        return (
            f'<section id="{self.anchor}" class="{kind}"><{tag}><a href="#{self.anchor}">{escape(self.title)}</a>'
            f"</{tag}>{self.html}</section>"
        )


def answer_block(comparison: Comparison) -> str:
    """Return the answer, the sentences that qualify it, and the serious warnings."""
    first, *others = comparison.answer.markup
    serious = [caution for caution in comparison.cautions if caution.serious]
    listed = "".join(f"<li><b>{escape(each.topic)}.</b> {escape(each.text)}</li>" for each in serious)
    return (
        f'<div class="answer {comparison.answer.kind}"><p class="sentence">{first}</p>'
        f"{''.join(f'<p>{other}</p>' for other in others)}</div>"
        + (f'<ul class="serious" aria-label="Warnings">{listed}</ul>' if listed else "")
    )


def sections(
    comparison: Comparison, *, prefix: str, drawn: Mapping[str, Figure], link: str, command: str
) -> list[PageSection]:
    """Return the sections of one experiment.

    Args:
        comparison: The comparison.
        prefix: Prefix of every anchor; it keeps the experiments of one page apart.
        drawn: The figures by their names on the page.
        link: A link to a run, with `{}` for its id.
        command: The command that makes the page.
    """

    def plot(*names: str) -> str:
        found = [f"{prefix}{name}" for name in names if f"{prefix}{name}" in drawn]
        return "".join(_plot(name, drawn[name], heading=len(names) > 1) for name in found)

    made = [
        ("summary", "Summary", plot("results") + tables.summary_table(comparison, link=link)),
        ("tuning-curves", "Tuning curves", _tuning(comparison, plot("tuning"))),
        ("training-curves", "Training curves", _training(plot)),
        ("learning-rate", "Sensitivity to the learning rate", _sensitivity(comparison, plot("sensitivity"))),
        ("paired", "Paired differences", _paired(comparison, plot("differences"))),
        ("time-to-target", "Time to target", _target(comparison, plot)),
        ("hyperparameters", "Importance of hyperparameters", _importance(plot("importance"))),
        ("parallel-coordinates", "Parallel coordinates", _parallel(comparison, prefix, drawn)),
        ("warnings", "Warnings", _cautions(comparison)),
        ("making", "How it was made", _making(comparison, link=link, command=command)),
    ]
    return [PageSection(anchor=f"{prefix}{anchor}", title=title, html=html) for anchor, title, html in made]


def _plot(name: str, figure: Figure, *, heading: bool = False) -> str:
    title = f"<h3>{escape(figure.title)}</h3>" if heading else ""
    return (
        f'<figure>{title}<div class="plot" data-figure="{escape(name)}" style="min-height:{figure.height}px" '
        f'role="img" aria-label="{escape(figure.description)}"></div></figure>'
    )


def _tuning(comparison: Comparison, plot: str) -> str:
    if not plot:
        return f"<p>{escape(comparison.no_tuning)}</p>"
    return (
        "<p>The best validation result to expect from a random search with so many trials: the median over all "
        "subsets, with a band that holds for all numbers of trials at once. Where bands overlap, the trials show no "
        f"significant difference between the optimizers.</p>{plot}"
    )


def _training(plot: Callable[..., str]) -> str:
    drawn = plot("validation-steps", "validation-seconds", "training-steps", "training-seconds")
    if not drawn:
        return "<p>There are no histories of confirmations to draw.</p>"
    return (
        "<p>Median and quartiles over the confirmation seeds of each best configuration. Seconds are training time "
        f'only, spread evenly over the epochs.</p><div class="pair">{drawn}</div>'
    )


def _sensitivity(comparison: Comparison, plot: str) -> str:
    if not plot:
        return "<p>No learning rate was searched.</p>"
    return (
        "<p>The result of every trial over its learning rate. The line is the upper envelope, because the other "
        "hyperparameters vary too. Crosses along the edge are diverged trials. With fewer than 25 trials, a width is "
        "much too small."
        f"</p>{plot}{tables.sensitivity_table(comparison)}"
    )


def _paired(comparison: Comparison, plot: str) -> str:
    if not plot:
        return "<p>There are no shared seeds, so there are no paired differences.</p>"
    candidate = escape(comparison.outcome.candidate or "")
    return (
        f"<p>{candidate} is the candidate: it has the best mean validation result over the confirmations of its "
        "configuration. This choice does not use the test split. Differences are between test results under shared "
        f"seeds. The intervals hold for all pairs together, whichever is the candidate.</p>{plot}"
        f"{tables.differences_table(comparison)}"
    )


def _target(comparison: Comparison, plot: Callable[..., str]) -> str:
    metric = comparison.experiment.metric
    if metric.target is None:
        return "<p>The workload has no target (objective.target).</p>"
    if not comparison.targets:
        return "<p>There are no histories of confirmations.</p>"
    drawn = plot("target-steps", "target-seconds")
    return (
        f"<p>The time until the confirmations first reach a validation {escape(metric.spoken)} of "
        f"{metric.text(metric.target)}, checked at the end of each epoch.</p>"
        f'<div class="pair">{drawn}</div>{tables.target_table(comparison)}'
    )


def _importance(plot: str) -> str:
    if not plot:
        return "<p>Importance needs at least two searched hyperparameters and enough trials.</p>"
    return (
        "<p>The share of the variance of the validation result that each hyperparameter accounts for over its whole "
        f"range (functional ANOVA, by Optuna). Diverged trials count as the worst result.</p>{plot}"
    )


def _parallel(comparison: Comparison, prefix: str, drawn: Mapping[str, Figure]) -> str:
    parts: list[str] = []
    for index, entry in enumerate(comparison.experiment.entries):
        name = f"{prefix}parallel-{index}"
        if name in drawn:
            is_open = "" if parts else " open"
            parts.append(
                f"<details{is_open}><summary>{escape(entry.label)}</summary>{_plot(name, drawn[name])}</details>"
            )
    if not parts:
        return "<p>Parallel coordinates need at least two searched hyperparameters.</p>"
    return f"<p>Each line is a trial; the last axis is the rank of its validation result.</p>{''.join(parts)}"


def _cautions(comparison: Comparison) -> str:
    if not comparison.cautions:
        return "<p>None.</p>"
    items = "".join(f"<dt>{escape(c.topic)}</dt><dd>{escape(c.text)}</dd>" for c in comparison.cautions)
    return f"<dl>{items}</dl>"


def _making(comparison: Comparison, *, link: str, command: str) -> str:
    records = comparison.experiment.records
    versions = _shared([{key: record.tags[key] for key in _VERSIONS if key in record.tags} for record in records])
    names = [f"{comparison.experiment.name}/{record.name}" for record in records]
    commands = [command, *(f"study reproduce {name}" for name in names)]
    settings = _shared(
        [{k: v for k, v in record.params.items() if not k.startswith("optimizer")} for record in records]
    )
    return (
        f"<p>Versions: {versions or 'not recorded'}.</p>{tables.studies_table(comparison, link=link)}"
        "<p>Links open MLflow while <code>study ui</code> runs; they do not work inside MLflow's own viewer.</p>"
        f"<h3>Commands</h3><pre>{escape(chr(10).join(commands))}</pre>"
        f"<details><summary>Settings that all studies share</summary><p class='settings'>{settings}</p></details>"
    )


def _shared(of_each: Sequence[Mapping[str, str]]) -> str:
    """Return each setting with its value, or with up to four different values."""
    keys = sorted({key for each in of_each for key in each})
    parts = []
    for key in keys:
        values = sorted({each.get(key, "none") for each in of_each})
        text = values[0] if len(values) == 1 else " or ".join(values[:4])
        parts.append(f"<span>{escape(key)} <code>{escape(text)}</code></span>")
    return " ".join(parts)
