"""S13: Adam that becomes SGD, compared with Adam and SGD alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.gallery import About, Material, PageContents, Picture
from study.gallery.analysis.rankings import Ranking, by_setting, changes, ranking, rankings_table
from study.gallery.analysis.run_scores import interval_text
from study.gallery.figures.loss_curves import Curve, loss_curves, stacked, step_losses
from study.gallery.figures.ranks import rankings_picture
from study.report.objective_metric import ObjectiveMetric
from study.report.studies import Entry

ABOUT = About(
    title="Adam first, SGD later",
    question="Is it worth to begin with Adam and end with SGD, when each alone has the same budget?",
    source="N. S. Keskar and R. Socher, Improving generalization performance by switching from Adam to SGD (2017), "
    "and the advice that follows from it.",
    claim="Training that begins with Adam and goes on with SGD generalizes better than Adam alone, and as well as SGD "
    "alone.",
    traps=(
        "The paper's moment to switch is when the rate that SGD would need lies within 1e-9 of its average: with few "
        "steps that may never be so, and swats is then Adam.",
        "A switch at a chosen moment, and a rate for SGD, are hyperparameters more: they are tuned here with as many "
        "trials as the others have.",
        "At one fixed rate each, what is compared is the rates.",
        "SGD alone has momentum here, 0.9 as published and searched where the rates are; no SGD without it is run.",
    ),
)
# One optimizer that switches, and one that does not.
SMALLEST = ("optimizer=adam,adam_then_sgd",)
_SWITCHES = ("swats", "adam_then_sgd", "adam_then_given_sgd")
_ALONE = ("adam", "momentum")


def show(material: Material) -> PageContents:
    """Return the curves, the rankings side by side, and the verdict on the claim that the switch is better.

    Args:
        material: The data of the page.
    """
    metric = material.experiment.metric
    settings = by_setting(material)
    rankings = [ranking(setting, entries, metric) for setting, entries in settings.items()]
    pictures = [
        step_losses(material, entries, name=f"loss-{setting}", told=setting, window=5)
        for setting, entries in settings.items()
    ]
    pictures += [_validation(material, setting, entries, metric) for setting, entries in settings.items()]
    pictures.append(
        Picture(
            name="rankings",
            caption=f"Mean test {metric.spoken} over the seeds with 95 % t intervals; numbers are places.",
            data=rankings_picture(tuple(rankings), metric),
            suffix="svg",
        )
    )
    findings = [sentence for each in rankings for sentence in _claims(each, metric)]
    if len(rankings) > 1:
        findings += changes(rankings[0], rankings[-1], metric)
    table = rankings_table(rankings, settings, metric)
    return PageContents(pictures=tuple(pictures), tables=(table,), findings=tuple(findings))


def _validation(material: Material, setting: str, entries: Mapping[str, Entry], metric: ObjectiveMetric) -> Picture:
    curves = [
        Curve(label=name, values=stacked([material.history(run, metric.name) for run in entry.tuned]))
        for name, entry in entries.items()
    ]
    return Picture(
        name=f"validation-{setting}",
        caption=f"{metric.name} after each epoch, {setting}: the median over seeds with the quartiles as a band.",
        data=loss_curves(curves, y=metric.name, log=not metric.is_share),
        suffix="svg",
    )


def _claims(ranked: Ranking, metric: ObjectiveMetric) -> list[str]:
    """Return for each form of the switch the verdict on the claim, with the significant differences."""
    sentences = []
    for switch in _SWITCHES:
        others = [name for name in _ALONE if name in ranked.names]
        if switch not in ranked.names or not others:
            continue
        half = ", and as well as SGD alone," if "momentum" in others else ""
        seen = [_seen(ranked, switch, other) for other in others]
        sentences.append(
            f"{ranked.setting}, {switch} ({interval_text(ranked.intervals[switch], metric)}): that it generalizes "
            f"better than Adam alone{half} {_verdict(ranked, switch, others)} here; it {' and '.join(seen)}."
        )
    return sentences


def _verdict(ranked: Ranking, switch: str, others: Sequence[str]) -> str:
    if any((other, switch) in ranked.told_apart for other in others):
        return "does not hold"
    return "holds" if (switch, "adam") in ranked.told_apart else "is not shown"


def _seen(ranked: Ranking, switch: str, other: str) -> str:
    if (switch, other) in ranked.told_apart:
        return f"is better than {other}"
    if (other, switch) in ranked.told_apart:
        return f"is worse than {other}"
    return f"shows no significant difference from {other}"
