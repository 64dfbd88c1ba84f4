"""`trainer=auto`: choose a study's trainer and backend from known costs, before Keras is imported.

A study's trainer is part of its identity. So the choice is made on the resolved config, before the digest is taken. A
study that has begun keeps its trainer, even if a new study would get another one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from study.config.reader import Reader
from study.config.schema import BACKENDS, digest_of
from study.core.errors import ConfigError, Fault
from study.core.machine import cards
from study.training.auto_costs import Cost, Facts, check_facts, find_facts
from study.training.trainer_check import SHARED_ARGUMENTS

# A smaller gain is not worth a change of numbers: each trainer and backend has its own last digits.
_WORTH = 1.5

Option = tuple[str, str]  # trainer and backend


def advise(raw: Mapping[str, Any], *, experiment_name: str, known: Callable[[], Collection[str]]) -> dict[str, Any]:
    """Return a resolved config with `trainer=auto` replaced by a trainer, and the reason under `advice`.

    Args:
        raw: The resolved config.
        experiment_name: Name of the study's experiment.
        known: Returns the digests of the experiment's studies.

    Raises:
        ConfigError: The config's facts or candidates cannot be read.
    """
    trainers = _trainers(raw)
    check_facts(raw["trainer"].get("facts"))  # also those that this study does not use
    usable = {name: section for name, section in trainers.items() if set(_wanted(raw)) <= set(section)}
    # If no trainer takes all arguments that were set, the checks name those that the first one does not take.
    usable = usable or dict([*trainers.items()][:1])
    option, reason = _choose(raw, usable, n_others=len(trainers) - len(usable))
    digests = known()

    def has_begun(option: Option) -> bool:
        return digest_of(_with(raw, usable, option), experiment_name=experiment_name) in digests

    options: list[Option] = [option, *((trainer, backend) for trainer in usable for backend in _backends(raw))]
    begun = next(filter(has_begun, options), option)
    if begun != option:
        reason = f"this study began with it (a new one: {_told(option)}, {reason})"
    return {**_with(raw, usable, begun), "advice": f"{_told(begun)}: {reason}"}


def is_auto(raw: Mapping[str, Any]) -> bool:
    """Return whether a resolved config leaves the trainer open.

    Args:
        raw: The resolved config.
    """
    return bool(Reader(raw).value("trainer.name", default=None) == "auto")


def ranked(costs: Sequence[Cost], *, n: int) -> list[Cost]:
    """Return costs, the lowest for `n` trainings first.

    Args:
        costs: The costs.
        n: Number of trainings.
    """
    return sorted(costs, key=lambda cost: cost.seconds(n))


def n_trainings(raw: Mapping[str, Any]) -> int:
    """Return the number of trainings of a study that searches: its trials and the confirmations of two settings.

    The number is the same if nothing is searched, so that fixed and searched settings get the same trainer.

    Args:
        raw: The resolved config.
    """
    read = Reader(raw)
    counts = [read.value(key, default=0) for key in ("budget.n_trials", "budget.n_confirmations")]
    n_trials, n_confirmations = (count if isinstance(count, int) else 0 for count in counts)
    return n_trials + 2 * n_confirmations


def _choose(raw: Mapping[str, Any], usable: Mapping[str, Mapping[str, Any]], *, n_others: int) -> tuple[Option, str]:
    """Return the option for a new study, and the reason; `n_others` trainers do not take all the set arguments."""
    read = Reader(raw)
    kind, limit = (read.value(key, default=None) for key in ("model.kind", "budget.time_limit_s"))
    backends = _backends(raw)
    first, section = next(iter(usable.items()))
    own = section.get("backend")
    usual: Option = (first, own if own in backends else backends[0])
    if n_others and len(usable) == 1:
        wanted = ", ".join(
            f"trainer.{key}={value}" for key, value in _wanted(raw).items() if key not in SHARED_ARGUMENTS
        )
        return usual, f"it alone takes {wanted}"
    if kind is None:
        return usual, "model.kind is not set, and it trains any model"
    if limit is not None:
        return usual, "budget.time_limit_s is checked between trials, so they are trained one by one"
    facts = find_facts(raw["trainer"].get("facts"), kind=str(kind))
    costs = [cost for cost in facts.costs if cost.trainer in usable and cost.backend in backends and _here(cost)]
    return _cheapest(costs, facts, usual=usual, kind=str(kind), n=n_trainings(raw))


def _cheapest(costs: Sequence[Cost], facts: Facts, *, usual: Option, kind: str, n: int) -> tuple[Option, str]:
    """Return the option of lowest cost, or the usual one if the gain is small."""
    device = "GPU" if cards() else "CPU"
    known = {(cost.trainer, cost.backend): cost.seconds(n) for cost in ranked(costs, n=n)}
    if usual not in known:
        advice = "`study doctor --measure` measures it"
        return usual, f"the cost of training {kind} nets on this {device} is not known; {advice}"
    best = next(iter(known))
    ratio = known[usual] / max(known[best], 1e-9)
    of = f"for {n} trainings of a small {kind} net on a {device}, by {facts.source}"
    if best == usual:
        others = [f", {_told(other)} {seconds:.0f} s" for other, seconds in known.items() if other != usual]
        return usual, f"the quickest, about {known[usual]:.0f} s{''.join(others[:1])} {of}"
    compared = f"about {known[best]:.0f} s beside {known[usual]:.0f} s of {_told(usual)} ({ratio:.1f} times) {of}"
    if ratio < _WORTH:
        return usual, f"{_told(best)} gains too little, {compared}"
    return best, compared


def _trainers(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the candidates by name."""
    found = Reader(raw).value("trainer.candidates", default=None)
    if isinstance(found, Mapping) and found and all(isinstance(section, Mapping) for section in found.values()):
        return {str(name): section for name, section in found.items()}
    advice = "Choose trainer=fit, or restore the original conf/trainer/auto.yaml."
    raise ConfigError([Fault(key="trainer.candidates", value=found, allowed="sections of trainers", advice=advice)])


def _wanted(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the config sets."""
    own = ("name", "backend", "candidates", "facts")
    return {key: value for key, value in raw["trainer"].items() if key not in own and value != "auto"}


def _backends(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the backends that may be chosen; an unknown one is kept, and refused later with all other faults."""
    asked = raw["trainer"].get("backend", "auto")
    return BACKENDS if asked == "auto" else (str(asked),)


def _with(raw: Mapping[str, Any], trainers: Mapping[str, Mapping[str, Any]], option: Option) -> dict[str, Any]:
    """Return the config with a trainer, as if the config had named it."""
    trainer, backend = option
    return {**raw, "trainer": {**trainers[trainer], **_wanted(raw), "backend": backend}}


def _here(cost: Cost) -> bool:
    return importlib.util.find_spec(cost.backend) is not None


def _told(option: Option) -> str:
    return f"{option[0]} on {option[1]}"


def show(facts: Mapping[str, Facts], *, n: int) -> Iterator[tuple[str, str]]:
    """Yield for each kind of network its known costs, the lowest for `n` trainings first, with ratios to the lowest.

    Args:
        facts: The known costs, by kind of network.
        n: Number of trainings.

    Yields:
        The kind, and its costs in words.
    """
    for kind, known in facts.items():
        costs = ranked(known.costs, n=n)
        least = max(costs[0].seconds(n), 1e-9) if costs else 0.0
        parts = [
            f"{_told((cost.trainer, cost.backend))} {cost.seconds(n) / least:.1f}x"
            f" ({cost.fixed_s:.1f} + {cost.trial_s:.3f} n s)"
            for cost in costs
        ]
        yield kind, f"{', '.join(parts)}; n={n}, by {known.source}" if parts else "not measured"
