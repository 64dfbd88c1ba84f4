"""S13: Adam that becomes SGD, compared with Adam and SGD alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from study.gallery import About, Material, PageContents, Picture
from study.gallery.analysis.differences import CorrectedDifference, simultaneous
from study.gallery.analysis.grid import gap_text
from study.gallery.analysis.rankings import by_setting, changes, ranking, rankings_table
from study.gallery.analysis.run_scores import confirmed_text, scores_of
from study.gallery.analysis.verdicts import ClaimVerdict, all_of, as_well, greater, verdicts_in
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
        "No significant difference is not the same as equal: as well as SGD means an interval within half a point.",
        "SGD alone has momentum here, 0.9 as published and searched where the rates are; no SGD without it is run.",
    ),
)
# One optimizer that switches, and one that does not.
SMALLEST = ("optimizer=adam,adam_then_sgd",)
_SWITCHES = ("swats", "adam_then_sgd", "adam_then_given_sgd")
_ALONE = ("adam", "momentum")
_CLAIMED = {"adam": "Better than Adam alone", "momentum": "as well as SGD alone, or better"}
_WORDS = {
    ClaimVerdict.HELD: "is shown",
    ClaimVerdict.CONTRADICTED: "is contradicted",
    ClaimVerdict.NOT_SHOWN: "is not shown",
    ClaimVerdict.INCONCLUSIVE: "is open",
}
# The largest difference that counts as equal: half a point of a share, or as much of a loss.
_MARGIN = 0.005


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
    claims = [sentence for setting, own in settings.items() for sentence in _claims(setting, own, metric)]
    findings = list(claims)
    if len(rankings) > 1:
        findings += changes(rankings[0], rankings[-1], metric)
    table = rankings_table(rankings, settings, metric)
    return PageContents(
        pictures=tuple(pictures), tables=(table,), findings=tuple(findings), headline=_headline(claims)
    )


def _headline(claims: Sequence[str]) -> str:
    """Count the ways to switch that do what is claimed."""
    judged = [verdict for claim in claims for verdict in verdicts_in(claim)[:1]]
    return (
        f"Of {len(judged)} ways to switch to SGD, {judged.count(ClaimVerdict.HELD)} are shown to be better than Adam "
        "alone and as good as SGD alone."
    )


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


def _claims(setting: str, entries: Mapping[str, Entry], metric: ObjectiveMetric) -> list[str]:
    """Judge for each form of the switch that it is better than Adam alone, and as good as SGD alone."""
    scores = {name: scores_of(entry.tuned, metric) for name, entry in entries.items()}
    switches, others = ([name for name in names if name in scores] for names in (_SWITCHES, _ALONE))
    pairs = [(switch, other) for switch in switches for other in others]
    # A margin needs limits that say how far; those of Holm's procedure may say the direction alone.
    found = simultaneous([(scores[a], scores[b]) for a, b in pairs], n_comparisons=len(pairs), metric=metric)
    apart = dict(zip(pairs, found, strict=True))
    return [_claim(setting, entries[switch], switch, others, apart, metric) for switch in switches if others]


def _claim(
    setting: str,
    entry: Entry,
    switch: str,
    others: Sequence[str],
    apart: Mapping[tuple[str, str], CorrectedDifference | None],
    metric: ObjectiveMetric,
) -> str:
    judged, parts = [], []
    for other in others:
        difference = apart[switch, other]
        verdict = (
            greater(difference, sign=metric.sign)
            if other == "adam"
            else as_well(difference, _MARGIN, sign=metric.sign)
        )
        judged.append(verdict)
        against = "too few seeds" if difference is None else gap_text(difference, metric)
        parts.append(f"{_CLAIMED[other]} {_WORDS[verdict]}: {against}")
    within = f"equal within {metric.change(_MARGIN, signed=False)}; " if "momentum" in others else ""
    return (
        f"{all_of(judged)} for {switch}, {setting} ({confirmed_text(entry.tuned, metric)}). "
        f"{'; '.join(parts)} ({within}paired t intervals, corrected for all {len(apart)} comparisons of this setting)."
    )
