"""The progress of a running study, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from study.config.schema import Direction
from study.core.number_text import score_text
from study.core.trainer_interface import SETTING_WORDS, BestTrial, Kind, run_words
from study.pipeline.live_pace import Pace
from study.pipeline.live_parts import Bar, Ended, LookPlace, Running, bar_of, epochs_text

# Up to this many parallel trials are listed one by one; more are summed up.
MOST_SHOWN = 4


@dataclass(kw_only=True)
class Progress:
    """The progress of a study.

    Attributes:
        name: Name of the experiment and of the study.
        metric: The metric of all values and objectives.
        direction: `maximize` if a large value is good.
        n_trials: Number of trials of the study.
        started: Time of the start, in seconds of the monotonic clock.
        n_done: Number of trials that had ended before `started`. Default 0.
        opened: Time at which the study began to open its data and stores, in seconds of the monotonic clock. None (the
            default): `started`.
        n_confirmations: Number of confirmations of all settings to run from `started` on. Default 0.
        n_default: Number of these that are of the untuned optimizer. Default 0.
        look: The look at the confirmations for which they are trained. None (the default): no looks are planned.
        place: The number of the study in its command, from 1, and the number of studies. Default: the only one.
        compiles: True if the trainer compiles programs. Default True.
        is_round: The study only goes on with further confirmations. Default False.
        n_ended: Number of trials that have ended since `started`. Default 0.
        n_others: Number of trials that other workers have ended since `started`. Default 0.
        n_confirmed: Number of confirmations that have ended since `started`. Default 0.
        n_default_confirmed: Number of these that are of the untuned optimizer. Default 0.
        best: The best trial so far. None (the default): no trial has completed.
        running: The trials and confirmations that run now, by kind and number. Default: empty.
        built: Kinds of trainings whose programs have been built. Default: none.
        first: The trials and confirmations that began while a program was being built. Default: none.
        pace: The measured speed.
    """

    name: str
    metric: str
    direction: Direction
    n_trials: int
    started: float
    opened: float | None = None
    n_done: int = 0
    n_confirmations: int = 0
    n_default: int = 0
    look: LookPlace | None = None
    place: tuple[int, int] = (1, 1)
    compiles: bool = True
    is_round: bool = False
    n_ended: int = 0
    n_others: int = 0
    n_confirmed: int = 0
    n_default_confirmed: int = 0
    best: BestTrial | None = None
    running: dict[tuple[Kind, int], Running] = field(default_factory=dict)
    built: set[Kind] = field(default_factory=set)
    first: set[tuple[Kind, int]] = field(default_factory=set)
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self.pace = Pace(self.started)

    @property
    def n_left(self) -> int:
        """Number of trials and confirmations to run here from `started` on."""
        n_trials = 0 if self.is_round else max(self.n_trials - self.n_done - self.n_others, self.n_ended)
        return n_trials + max(self.n_confirmations, self.n_confirmed)

    @property
    def done(self) -> float:
        """Number of trials and confirmations done since `started`, with shares of running ones."""
        return self.n_ended + self.n_confirmed + sum(trial.share for trial in self.running.values())

    def begin(self, kind: Kind, number: int, *, now: float) -> None:
        """Begin a trial or a confirmation.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
            now: The time, in seconds of the monotonic clock.
        """
        if kind not in self.built:
            self.built.add(kind)
            self.pace.build(now)
        if self.pace.building_s(now) is not None:
            self.first.add((kind, number))
        self.running[kind, number] = Running()

    def end(self, kind: Kind, numbers: Sequence[int], *, now: float) -> None:
        """End trials or confirmations.

        Args:
            kind: `trial`, or the setting that is confirmed.
            numbers: Indices of the trials, from 0; of confirmations, their repetitions.
            now: The time, in seconds of the monotonic clock.
        """
        ended = {(kind, number): self.running.pop((kind, number), Running()) for number in numbers}
        if kind == "trial":
            self.n_ended += len(numbers)
        else:
            self.n_confirmed += len(numbers)
            self.n_default_confirmed += len(numbers) if kind == "default" else 0
        # Without a number of epochs all of the work counts here, also that of the time of compiling.
        is_whole = all(key in self.first and trial.n_epochs is None for key, trial in ended.items())
        note = self.pace.skips if is_whole else self.pace.trains
        note(now, work=self.done)

    def bars(self) -> list[Bar]:
        """Return the parts of the study that are or will be trained, with what is done of each."""
        trials, tuned, default = (self._running_of(kind) for kind in ("trial", "tuned", "default"))
        n_before = min(self.n_done + self.n_others, self.n_trials)
        search = bar_of("search", n_before + self.n_ended, n=max(self.n_trials, 1), running=trials, of="trials")
        n_tuned, n_default = self.n_confirmed - self.n_default_confirmed, self.n_default_confirmed
        has_default = bool(self.n_default or n_default or default)
        title = "further confirmations" if self.is_round else "confirm tuned" if has_default else "confirmations"
        first = bar_of(title, n_tuned, n=self.n_confirmations - self.n_default, running=tuned)
        second = bar_of("confirm untuned", n_default, n=self.n_default, running=default)
        return [bar for bar in (*([] if self.is_round else [search]), first, second) if bar.n]

    def _running_of(self, part: str) -> list[Running]:
        """Return what runs of `trial`, `tuned` or `default`, where `tuned` is a setting's other confirmations."""
        named = {"trial": "trial", "default": "default"}
        return [trial for (kind, _), trial in self.running.items() if named.get(kind, "tuned") == part]

    def title(self, kind: Kind, number: int) -> str:
        """Return the title of a trial or a confirmation.

        Args:
            kind: `trial`, or the setting that is confirmed.
            number: Index of the trial, from 0; of a confirmation, its repetition.
        """
        if kind == "trial":
            return f"trial {number} ({number + 1} of {self.n_trials})"
        return run_words(kind, number)

    @property
    def named(self) -> str:
        """The study's name, with its place if the command has several studies."""
        place = self.place_text()
        return f"{self.name} ({place})" if place else self.name

    def place_text(self) -> str:
        """Return `study 2 of 3`, and for a round its look first; empty for the only study of a command."""
        number, n = self.place
        look = self.look.text() if self.is_round and self.look else ""
        return ", ".join(part for part in (look, f"study {number} of {n}" if n > 1 else "") if part)

    def time_text(self, now: float) -> str:
        """Return the time so far and the time left in words. Nothing is extrapolated from a compilation.

        Args:
            now: The time, in seconds of the monotonic clock.
        """
        so_far = f"{rough_text(now - self._opened)} so far"
        left, building = self.left_s(now), self.pace.building_s(now)
        if self.done >= self.n_left and not self.running:
            return f"{so_far}, recording the results"
        if building is not None:
            what = "building and compiling" if self.compiles else "building the model"
            after = "time left not known yet" if left is None else f"then {self._about} {rough_text(left)} left"
            return f"{so_far}; {what}: {rough_text(building)}; {after}"
        if left is None:
            return f"{so_far}, time left not known yet"
        return f"{so_far}, {self._about} {rough_text(left)} left{self._after_text(now, left)}"

    @property
    def _opened(self) -> float:
        return self.started if self.opened is None else self.opened

    @property
    def _about(self) -> str:
        """`at least` while programs are ahead, and no compilation has been seen that tells how long one takes.

        `up to` where only the first work of a study that runs elsewhere has been seen, with its compilation.
        """
        if not self.compiles:
            return "about"
        if self.pace.has_compiling:
            return "up to"
        return "at least" if self.pace.built_s is None and self._builds_more else "about"

    @property
    def _builds_more(self) -> bool:
        """True if a kind of confirmations is still ahead, which may compile a program of its own."""
        n_default = self.n_default - self.n_default_confirmed
        n_tuned = self.n_confirmations - self.n_default - (self.n_confirmed - self.n_default_confirmed)
        built_tuned = bool(self.built - {"trial", "default"})
        return (n_tuned > 0 and not built_tuned) or (n_default > 0 and "default" not in self.built)

    def left_s(self, now: float) -> float | None:
        """Return the time that is left in the study, in seconds; None while no speed is measured.

        The programs that are still to be compiled are taken to need together what the last one needed: the parts of
        the model that they share are there.

        Args:
            now: The time, in seconds of the monotonic clock.
        """
        left = self.pace.left_s(now, work=max(self.n_left - self.done, 0.0))
        if left is None or not self.compiles or not self._builds_more:
            return left
        return left + (self.pace.built_s or 0.0)

    def _after_text(self, now: float, left: float) -> str:
        """Return what comes after the study: others of the command, if this one ran from its start here, and looks.

        Each other study is taken to need what this one needs: to open its data, to build its programs, and to train.
        """
        number, n = self.place
        has_looks = self.look is not None and self.look.number < self.look.n
        if number == n:
            return "; looks at more seeds may follow" if has_looks else ""
        if self.n_done and not self.is_round:
            return ""
        in_all = left + (n - number) * (now - self._opened + left)
        others = "1 more study" if n - number == 1 else f"{n - number} more studies"
        about = "at least" if has_looks else self._about
        return f"; {about} {rough_text(in_all)} with {others} like it"

    def told_text(self) -> list[str]:
        """Return the lines about values: the best one, and what runs. No best one is said only if nothing has any."""
        has_value = any(trial.value is not None for trial in self.running.values())
        return [*([] if self.best is None and has_value else [self.best_text()]), *self.running_text()]

    def best_text(self, *, has_ended: bool = False) -> str:
        """Return the best value and its trial in words.

        Args:
            has_ended: The study has ended, so no further value comes. Default False.
        """
        if self.best is None:
            return f"no {self.metric} from any trial" if has_ended else f"no {self.metric} yet"
        return f"best {self.metric} {score_text(self.best.objective)} (trial {self.best.number})"

    def running_text(self) -> list[str]:
        """Return a line for each running trial, or two lines for a batch: its states, and its values."""
        begun = [trial for trial in self.running.values() if trial.epoch or trial.state]
        if len(self.running) <= MOST_SHOWN and (begun or len(self.running) < 2):
            return [f"{self.title(*key)}: {trial.text(self.metric)}" for key, trial in self.running.items()]
        kinds = {kind for kind, _ in self.running}
        settings = ", ".join(sorted(SETTING_WORDS[kind] for kind in kinds if kind != "trial"))
        what = "trials" if kinds == {"trial"} else f"confirmations ({settings})"
        if not begun:
            return [f"{len(self.running)} {what} begin together"]
        batch = list(self.running.values())
        counts: Counter[str] = Counter(trial.state or "training" for trial in batch)
        told = ["training", *(state for state in counts if state != "training")]
        states = ", ".join(f"{counts[state]} {state}" for state in told)
        values = [trial.value for trial in batch if trial.value is not None]
        spread = self._spread(values)
        return [
            f"batch of {len(batch)} {what}, {epochs_text(batch)}: {states}",
            *([f"now: {spread}"] if spread else []),
        ]

    def batch_text(self, kind: Kind, ended: Sequence[Ended]) -> str:
        """Return a line that sums up the ends of a batch's trials or confirmations.

        Args:
            kind: `trial`, or the setting that is confirmed.
            ended: The ends, at least one.
        """
        numbers = [one.number for one in ended]
        of = "trials" if kind == "trial" else f"confirmations ({SETTING_WORDS[kind]})"
        counts = Counter(one.state for one in ended)
        states = ", ".join(f"{counts[state]} {state}" for state in sorted(counts))
        # A pruned trial's value is from an earlier epoch; a diverged trial's is only the worst possible one.
        values = [one.objective for one in ended if one.state == "complete" and one.objective is not None]
        spread = self._spread(values)
        return f"{len(ended)} {of} ({min(numbers)} to {max(numbers)}): {states}{f'; {spread}' if spread else ''}"

    def _spread(self, values: Sequence[float]) -> str:
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return ""
        best = max(finite) if self.direction == "maximize" else min(finite)
        return f"{self.metric} best {score_text(best)}, median {score_text(median(finite))}"


def duration_text(seconds: float) -> str:
    """Return a time with its unit: 8.3 s, 2 min 5 s, 1 h 4 min.

    Args:
        seconds: The time, in seconds.
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def rough_text(seconds: float) -> str:
    """Return a time in whole seconds, as one that passes is shown: 8 s, 2 min 5 s, 1 h 4 min; at least 1 s.

    Args:
        seconds: The time, in seconds.
    """
    whole = max(round(seconds), 1)
    return f"{whole} s" if whole < 60 else duration_text(whole)
