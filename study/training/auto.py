"""`trainer=auto`: the trainers and backends that a study can take, and the cheapest of them by known costs.

A study's trainer is part of its identity. So the choice is made on the resolved config, before the digest is taken.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from study.config.epoch_rules import without_idle_rules
from study.config.reader import Reader
from study.config.schema import BACKENDS
from study.core.errors import ConfigError, Fault, StudyError
from study.training.auto_costs import Cost, Device, Facts, StudySize
from study.training.trainer_check import ARGUMENTS, ONE_OPTIMIZER, SHARED_ARGUMENTS, read_by_the_config

# In place of durations that are not known.
NOT_MEASURED = "not measured"


class Option(NamedTuple):
    """A trainer and a backend that a study can take."""

    trainer: str
    backend: str

    def __str__(self) -> str:
        return f"{self.trainer} on {self.backend}"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The trainer that a study gets, and the reason in words."""

    option: Option
    reason: str


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The trainers and backends that one study can take.

    Attributes:
        sections: The sections of the trainers that take all arguments of the config, by name.
        options: The options, the usual one first.
        for_begun: The options of a study that has begun, which a limit of time does not change.
        only_because: The reason why other trainers or backends are left out. Default: empty, none is.
    """

    sections: Mapping[str, Mapping[str, Any]]
    options: tuple[Option, ...]
    for_begun: tuple[Option, ...]
    only_because: str = ""

    def trains_side_by_side(self, option: Option) -> bool:
        """Return whether an option trains many trials at once: its trainer has a capacity.

        Args:
            option: One of the options.
        """
        return "capacity" in self.sections[option.trainer]


def is_auto(raw: Mapping[str, Any]) -> bool:
    """Return whether a resolved config leaves the trainer open.

    Args:
        raw: The resolved config.
    """
    return bool(Reader(raw).value("trainer.name", default=None) == "auto")


def find_candidates(raw: Mapping[str, Any]) -> Candidates:
    """Return the options of a study.

    Args:
        raw: The resolved config.

    Raises:
        ConfigError: The config's candidates cannot be read.
    """
    trainers, wanted = _trainers(raw), _wanted(raw)
    usable = {name: section for name, section in trainers.items() if _takes(section, wanted)}
    reasons = []
    if len(usable) < len(trainers):
        set_here = {key: value for key, value in wanted.items() if key not in SHARED_ARGUMENTS}
        own = (
            f"trainer.{key}" if isinstance(value, list) else f"trainer.{key}={value}"
            for key, value in set_here.items()
        )
        reasons.append(f"it alone takes {', '.join(own)}")
    if Reader(raw).value("optimizer.exclude", default=None) is not None:
        usable = {name: each for name, each in usable.items() if each.get("_target_") not in ONE_OPTIMIZER}
        reasons.append("optimizer.exclude needs a trainer of several optimizers")
    # If no trainer takes all arguments that were set, the checks name those that the first one does not take.
    usable = usable or dict([*trainers.items()][:1])
    asked = str(raw["trainer"].get("backend", "auto"))
    for_begun = _options(usable, asked)
    one_by_one = {name: section for name, section in usable.items() if "capacity" not in section}
    if Reader(raw).value("budget.time_limit_s", default=None) is not None and one_by_one:
        if len(one_by_one) < len(usable):
            reasons.append("budget.time_limit_s is checked between trials, so they are trained one by one")
        usable = one_by_one
    if asked != "auto":
        reasons.append(f"trainer.backend={asked}")
    options = _options(usable, asked)
    # A backend that no trainer takes is refused later, with all other faults.
    options = options or (Option(next(iter(usable)), asked),)
    return Candidates(sections=usable, options=options, for_begun=for_begun, only_because=" and ".join(reasons))


def first_choice(raw: Mapping[str, Any]) -> Choice:
    """Return the first option of a study, for a config that is only checked.

    Args:
        raw: The resolved config.

    Raises:
        ConfigError: The config's candidates cannot be read.
    """
    return Choice(option=find_candidates(raw).options[0], reason="")


def with_choice(raw: Mapping[str, Any], choice: Choice) -> dict[str, Any]:
    """Return a config with a trainer, as if the config had named it, and the reason under `advice`.

    Args:
        raw: The resolved config, which leaves the trainer open.
        choice: The choice.
    """
    option = choice.option
    trainer = {**_trainers(raw)[option.trainer], **_wanted(raw), "backend": option.backend}
    return {**raw, "trainer": trainer, "advice": f"{option}: {choice.reason}"}


def cheapest(
    options: Sequence[Option],
    sizes: Sequence[StudySize],
    facts: Facts,
    *,
    side_by_side: Collection[Option],
    device: Device,
    loaded: str | None,
) -> Choice | None:
    """Return the option that trains all studies of a command in the least time by known costs; None without a cost.

    Args:
        options: The options.
        sizes: The sizes of the studies.
        facts: The known costs on the device.
        side_by_side: The options that train many trials at once.
        device: The device that trains.
        loaded: The backend that this process has loaded; each study on another one starts a process.
    """
    seconds: dict[Option, float] = {}
    for option in options:
        costs = [_cost(facts, size.kind, option) for size in sizes]
        if option.backend not in facts.starts or not all(costs):
            continue
        n_starts = len(sizes) if loaded not in (None, option.backend) else 0
        seconds[option] = n_starts * facts.starts[option.backend] * facts.speed.start_s + sum(
            cost.seconds(size, facts.speed, side_by_side=option in side_by_side, device=device)
            for cost, size in zip(costs, sizes, strict=True)
            if cost is not None
        )
    if not seconds:
        return None
    best, *others = sorted(seconds, key=seconds.__getitem__)
    # Every option has the start of this process, which the costs leave out.
    # One line of a terminal: `study doctor` says by which costs.
    beside = f", {_rounded(seconds[others[0]])} s with {others[0]}" if others else ""
    return Choice(option=best, reason=f"about {_rounded(seconds[best])} s of training{beside}")


def _rounded(seconds: float) -> str:
    """Return two digits of a number of seconds, without an exponent."""
    return f"{float(f'{seconds:.2g}'):,.10g}"


def show(
    facts: Facts, sizes: Sequence[StudySize], *, device: Device, backends: Collection[str] = BACKENDS
) -> Iterator[tuple[str, str]]:
    """Yield the duration of studies with each trainer that was measured, the lowest first, with ratios to the lowest.

    Args:
        facts: The known costs.
        sizes: The sizes of the studies, each of another kind.
        device: The device that trains.
        backends: The backends to show. Default: all.

    Yields:
        The kind, and its durations in words; `NOT_MEASURED` if none is known.
    """
    for size in sizes:
        known = {
            Option(cost.trainer, cost.backend): facts.starts[cost.backend] * facts.speed.start_s
            + cost.seconds(size, facts.speed, side_by_side=cost.trainer == "vectorized", device=device)
            for cost in facts.costs.get(size.kind, ())
            if cost.backend in backends
        }
        ranked = sorted(known, key=known.__getitem__)
        parts = [f"{option} {known[option] / known[ranked[0]]:.1f}x ({known[option]:.1f} s)" for option in ranked]
        yield size.kind, f"{', '.join(parts)}, by {facts.source}" if parts else NOT_MEASURED


def _cost(facts: Facts, kind: str, option: Option) -> Cost | None:
    found = (cost for cost in facts.costs.get(kind, ()) if (cost.trainer, cost.backend) == option)
    return next(found, None)


def _trainers(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the candidates by name."""
    found = Reader(raw).value("trainer.candidates", default=None)
    if isinstance(found, Mapping) and found and all(isinstance(section, Mapping) for section in found.values()):
        return {str(name): section for name, section in found.items()}
    advice = "Choose trainer=fit, or restore the original conf/trainer/auto.yaml."
    raise ConfigError([Fault(key="trainer.candidates", value=found, allowed="sections of trainers", advice=advice)])


def _wanted(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that the config sets."""
    own = ("name", "backend", "candidates")
    given = without_idle_rules(raw["trainer"])
    return {key: value for key, value in given.items() if key not in own and value != "auto"}


def _takes(section: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a trainer has all arguments that the config sets, and no callbacks if it calls none."""
    if not set(wanted) <= set(section):
        return False
    check = ARGUMENTS.get(str(section.get("_target_")), {}).get("callbacks", read_by_the_config)
    return _is_taken(check, wanted.get("callbacks"))


def _options(trainers: Mapping[str, Mapping[str, Any]], asked: str) -> tuple[Option, ...]:
    """Return the trainers with each backend that they can take."""
    return tuple(Option(name, backend) for name, section in trainers.items() for backend in _backends(section, asked))


def _backends(section: Mapping[str, Any], asked: str) -> list[str]:
    """Return the installed backends that a trainer can take, its usual one first; one's own trainer has that alone.

    A backend that the config asks for is kept if it is not installed, and refused later.
    """
    check, usual = ARGUMENTS.get(str(section.get("_target_")), {}).get("backend"), str(section.get("backend"))
    if check is None:
        return [usual] if asked in ("auto", usual) else []
    named = [usual, *(name for name in BACKENDS if name != usual)]
    installed = [name for name in named if importlib.util.find_spec(name) is not None]
    return [name for name in (installed if asked == "auto" else [asked]) if _is_taken(check, name)]


def _is_taken(check: Callable[[object], None], value: object) -> bool:
    try:
        check(value)
    except StudyError:
        return False
    return True
