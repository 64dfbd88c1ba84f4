"""Every number of the page as one JSON object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from typing import Any

import numpy as np

from study.report.across_workloads import AcrossWorkloads, sentence
from study.report.comparison import Comparison
from study.report.pair_prices import PairPrice


def numbers(comparisons: Sequence[Comparison], workloads: AcrossWorkloads | None = None) -> dict[str, Any]:
    """Return all results, ready for JSON; NaN and infinite numbers are null.

    Args:
        comparisons: The comparison of each experiment.
        workloads: The comparison across experiments. None (the default): a single experiment.

    Returns:
        An object with these keys.
        experiments: a list, one object for each experiment:
            experiment, metric (name, direction, target, confirmed: that of the confirmations, confirmed_on: `test` or
                `validation`, test: null without a test split), n_trials (the common budget);
            answer: kind (`winner`, `equal`, `none`, `open`), winner, candidate, sentences;
            looks: plan (n_seeds and level of each), n_made, error (the largest probability of any false claim);
            margin: the difference that matters, or null;
            due: by study, the confirmations that it should have for the next look;
            pairs: a list, one for each pair: first, second, claim (the label of the better one, `equal` or `open`),
                within_margin, mean, low, high (first against second, positive in favor of the first; the interval
                holds for all pairs and looks together), p (of no difference, corrected likewise; null: not tested,
                since neither was the one that leads at any look), n_seeds, n_units, equality, price;
            price: null where nothing is open; else until all pairs are decided that have matters: n_pairs, low,
                typical, high (seeds in all; null: more than horizon), horizon, chance_beyond, n_seen, seconds (until
                typical, or the horizon), together (false: of the dearest pair by itself). The price of a pair:
                low, typical, high, horizon, chance_beyond, seconds, ruled_out, matters;
            summary: a list in the order of the table, the best mean validation first: label, name (of the study),
                optimizer, tuned and untuned (estimate, low, high, level, n; of confirmations that did not diverge),
                over_studies, mean (diverged ones count as the worst), confirmed and untuned_confirmed (others, n,
                n_diverged, divergence_limit), gain (tuned against untuned over the seeds that both have, positive
                where tuning helped: mean, low, high, p, standard_error, level, n; null without such seeds),
                validation, search_best, configuration, n_trials, n_planned, states, seconds_per_trial (of training),
                state_bytes, edges, running, run_ids;
            comparison: unit, units, labels, scores (by label, one for each unit of the last look; null for an entry
                without its seeds), left_out;
            differences: the candidate against each other: other, mean, low_holm, high_holm (positive where the
                candidate is better), p_holm (null: not tested), p_superior, told_apart;
            untuned_leads: the entries whose untuned defaults are better than their tuned configuration over the seeds
                that both have: label, mean (untuned), lead (above 0), shared (the gain with the other sign: mean, low,
                high, p, standard_error, level, n), has_diverged, of_studies (a difference is of a whole study);
            luck: by label, of several study seeds: luck (parts: source, variance, low, high, freedom; within,
                n_study_seeds, n_studies, n_runs, level), next (best, standard_error, with_study_seed,
                with_confirmation, seconds_of_study_seed, seconds_of_confirmation, gain_of_trials);
            tuning_curves, training_curves, learning_rate, time_to_target, importance: by label;
            importance_intervals: by label and argument: share, low, high (90 %);
            sensitivity: by searched value and label: width (of numbers: width, low, high, threshold, envelope_values,
                envelope_scores, open_low, open_high), error (standard error of the width), share (of the range, on
                its scale), choices (text, n, best, is_near);
            no_tuning_curves: the reason for missing tuning curves;
            warnings: topic, text, serious;
            studies: name, run_id, status, study_seed, digest, git_commit.
        across: null, or sentence, experiments, labels, ranks, friedman, critical_difference, profile_scores.
    """
    found = {"experiments": [_experiment(comparison) for comparison in comparisons], "across": _across(workloads)}
    cleaned: dict[str, Any] = _plain(found)
    return cleaned


def pair_price(cost: PairPrice) -> dict[str, Any]:
    """Return the price of a pair, ready for JSON.

    Args:
        cost: The price.
    """
    seconds = cost.seconds(cost.seeds.typical)
    return asdict(cost.seeds) | {"seconds": seconds, "ruled_out": _plain(cost.ruled_out), "matters": cost.matters}


def _experiment(comparison: Comparison) -> dict[str, Any]:
    experiment, outcome, metric = comparison.experiment, comparison.outcome, comparison.experiment.metric
    return {
        "experiment": experiment.name,
        "metric": {
            "name": metric.name,
            "direction": metric.direction,
            "target": metric.target,
            "confirmed": metric.confirmed,
            "confirmed_on": metric.confirmed_on,
            "test": metric.confirmed if metric.confirmed_on == "test" else None,
        },
        "n_trials": experiment.n_trials,
        "answer": {
            "kind": comparison.answer.kind,
            "winner": comparison.answer.winner,
            "candidate": outcome.candidate,
            "sentences": comparison.answer.sentences,
        },
        **_decisions(comparison),
        "summary": comparison.rows,
        "comparison": {
            "unit": outcome.unit,
            "units": outcome.units,
            "labels": outcome.labels,
            "scores": dict(zip(outcome.labels, outcome.scores, strict=True)),
            "left_out": outcome.left_out,
        },
        "differences": _differences(comparison),
        "untuned_leads": comparison.answer.leads,
        "no_tuning_curves": comparison.no_tuning,
        "training_curves": comparison.training,
        "learning_rate": {label: each.sensitivity for label, each in comparison.rates.items()},
        "time_to_target": comparison.targets,
        "luck": comparison.luck,
        **_of_search(comparison),
        "warnings": comparison.cautions,
        "studies": _studies(comparison),
    }


def _decisions(comparison: Comparison) -> dict[str, Any]:
    """Return looks, margin, due studies, pairs and price."""
    outcome, decided = comparison.outcome, comparison.outcome.decisions
    priced = {(each.first, each.second): each for each in comparison.prices}
    pairs = []
    for pair in decided.pairs if decided is not None and decided.n_looks_made else ():
        first, second = outcome.labels[pair.first], outcome.labels[pair.second]
        claim = {"first": first, "second": second}.get(pair.claim, pair.claim)
        cost = priced.get((first, second))
        pairs.append(
            asdict(pair) | {"first": first, "second": second, "claim": claim, "price": cost and pair_price(cost)}
        )
    of_all = comparison.price_of_all
    whole = None
    if of_all is not None:
        told = {name: getattr(of_all, name) for name in ("n_pairs", "n_seen", "seconds", "together")}
        whole = asdict(of_all.seeds) | told
    made = 0 if decided is None else decided.n_looks_made
    return {
        "looks": {"plan": outcome.looks, "n_made": made, "error": outcome.error},
        "margin": outcome.margin,
        "due": outcome.due,
        "pairs": pairs,
        "price": whole,
    }


def _of_search(comparison: Comparison) -> dict[str, Any]:
    """Return the results of the search itself."""
    return {
        "tuning_curves": _tuning_curves(comparison),
        "importance": comparison.experiment.importances,
        "importance_intervals": comparison.importances,
        "sensitivity": _sensitivity(comparison),
    }


def _sensitivity(comparison: Comparison) -> dict[str, Any]:
    return {
        name: {
            label: {"width": e.width, "error": e.error, "share": e.share, "choices": e.choices}
            for label, e in found.items()
        }
        for name, found in comparison.values.items()
    }


def _tuning_curves(comparison: Comparison) -> dict[str, Any]:
    return {
        label: {"median": each.median.value, "low": each.median.low, "high": each.median.high, "mean": each.mean}
        for label, each in comparison.tuning.items()
    }


def _studies(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "name": record.name,
            "run_id": record.run_id,
            "status": record.status,
            "study_seed": record.params.get("study_seed"),
            "digest": comparison.experiment.digests.get(record.run_id),
            "git_commit": record.tags.get("git_commit"),
        }
        for record in comparison.experiment.records
    ]


def _differences(comparison: Comparison) -> list[dict[str, Any]]:
    verdict, labels = comparison.outcome.verdict, comparison.outcome.labels
    if verdict is None:
        return []
    return [
        {**asdict(each), "other": labels[each.other], "told_apart": each.other not in verdict.tied}
        for each in verdict.differences
    ]


def _across(workloads: AcrossWorkloads | None) -> dict[str, Any] | None:
    if workloads is None:
        return None
    return {
        "sentence": sentence(workloads),
        "experiments": workloads.experiments,
        "labels": workloads.labels,
        "ranks": workloads.ranks,
        "friedman": workloads.friedman,
        "critical_difference": workloads.critical_difference,
        "profile_scores": workloads.profile_scores,
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON's types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
