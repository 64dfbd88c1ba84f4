"""The measured speed of a study's trainings, apart from the time in which its programs are built and compiled."""

from __future__ import annotations


class Pace:
    """Seconds of training for each unit of work, where a unit is a whole trial or confirmation.

    A compilation can take longer than all trainings after it. So nothing is extrapolated from it: the clock of the
    speed stands still from the start of a batch whose program is new to its first sign of training.

    Args:
        now: The time, in seconds of the monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._built_s: float | None = None
        self._first: tuple[float, float] | None = None  # seconds and units, with a compilation of unknown length
        self._since: float | None = None
        self._at, self._work = now, 0.0
        self._seconds, self._done = 0.0, 0.0

    @property
    def built_s(self) -> float | None:
        """Time in which the last program was built and compiled, in seconds; None if it is not known."""
        if self._built_s is not None or self._first is None or self._done <= 0:
            return self._built_s
        seconds, done = self._first
        return max(seconds - done * self._seconds / self._done, 0.0)

    @property
    def has_compiling(self) -> bool:
        """True if the only speed that is known is of a time with a compilation in it."""
        return self._first is not None and self._done <= 0

    def building_s(self, now: float) -> float | None:
        """Return the seconds since a batch began whose program is being built; None if none is.

        Args:
            now: The time, in seconds of the monotonic clock.
        """
        return None if self._since is None else now - self._since

    def build(self, now: float) -> None:
        """Note that a batch begins whose program is new.

        Args:
            now: The time, in seconds of the monotonic clock.
        """
        self._since = self._since or now

    def trains(self, now: float, *, work: float) -> None:
        """Note a sign of training: an epoch or a training has ended, or the device begins with an epoch.

        Args:
            now: The time, in seconds of the monotonic clock.
            work: Units of work done since the start of the study.
        """
        if self._since is None:
            self._seconds += now - self._at
            self._done += max(work - self._work, 0.0)
        self.skips(now, work=work)

    def skips(self, now: float, *, work: float) -> None:
        """Note work whose time is not known, such as that of other workers.

        Args:
            now: The time, in seconds of the monotonic clock.
            work: Units of work done since the start of the study.
        """
        if self._since is not None:
            self._built_s, self._since = now - self._since, None
        self._at, self._work = now, work

    def begins(self, now: float, *, work: float) -> None:
        """Note the first work since the start, whose time has a compilation in it that was not seen.

        Args:
            now: The time, in seconds of the monotonic clock.
            work: Units of work done since the start of the study, above 0.
        """
        self._first = now - self._at, work
        self.skips(now, work=work)

    def left_s(self, now: float, *, work: float) -> float | None:
        """Return the time that work still takes, in seconds; None while no speed is measured.

        Args:
            now: The time, in seconds of the monotonic clock.
            work: Units of work that are left.
        """
        seconds, done = self._first if self._first is not None and self._done <= 0 else (self._seconds, self._done)
        if done <= 0 or seconds <= 0:
            return None
        idle = 0.0 if self._since is not None else now - self._at
        return max(work * seconds / done - idle, 0.0)
