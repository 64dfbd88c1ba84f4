"""Claims of a study's workers on work other than trials, such as confirmations."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from study.core.errors import StudyError
from study.core.search_space import Value, text_of
from study.search.storage.interface import SearchStorage
from study.search.stored_claims import StoredClaim, read_claims, take_over_earlier
from study.search.waiting import Wait


class LostTrialsError(StudyError):
    """Trials of this worker were taken over by others; the same command lets the worker take part again.

    Args:
        numbers: Numbers of the trials.
        stale_after_s: Time without a heartbeat after which a worker counts as dead, in seconds.

    Attributes:
        numbers: Numbers of the trials.
    """

    exit_status = 1

    def __init__(self, numbers: Collection[int], *, stale_after_s: float) -> None:
        self.numbers = frozenset(numbers)
        super().__init__(
            f"{len(numbers)} of this worker's trials were taken over by others, which got no heartbeat from it for "
            f"storage.stale_after_s={stale_after_s:g} seconds: it was paused, or disconnected from the server. Start "
            "it again, and it takes part again."
        )


class Claims:
    """Claims on keys; a claim ends when its worker dies.

    Claims of earlier versions are taken over as this is made, while no other worker opens the study.

    Args:
        storage: The store of the search.
        study_name: Name of the Optuna study that the claims belong to.

    Raises:
        StudyError: A living worker of an earlier version holds claims.
    """

    def __init__(self, storage: SearchStorage, study_name: str) -> None:
        self._storage = storage
        self._study_id = storage.optuna.get_study_id_from_name(study_name)
        take_over_earlier(storage, study_name)
        self._n_before = self._next_number(self._claims())
        self._mine: dict[str, StoredClaim] = {}

    def take(self, keys: Sequence[str], n: int) -> list[str]:
        """Claim the first keys that no living worker holds; a key can be claimed again later.

        Args:
            keys: The keys, in order of preference.
            n: The largest number of keys to claim.

        Returns:
            The keys that this worker now holds.
        """
        before, attempts = frozenset(self._mine), itertools.count()

        def take() -> list[str]:
            with self._storage.alone():
                held = self._held(again=next(attempts) > 0)
                new = self._mine.keys() - before  # claimed by an attempt that lost its connection
                taken = [key for key in keys if key in new or key not in held][:n]
                for key in taken:
                    if key not in new:
                        self._claim(key)
            return taken

        return self._storage.repeat(take)

    def finish(self, *, but: str | None = None) -> None:
        """Give back this worker's claims.

        Args:
            but: The key of a claim to keep. None (the default): give back all claims.
        """
        ended = [key for key in self._mine if key != but]

        def finish() -> None:
            with self._storage.alone():
                current = {claim.number: claim for claim in self._claims()} if ended else {}
                while ended:
                    claim = current[self._mine[ended[0]].number]
                    # A claim that has ended: the answer of an earlier attempt was lost, or others took it over.
                    if claim.state == "held":
                        replace(claim, state="done").write(self._storage.optuna, self._study_id)
                    del self._mine[ended.pop(0)]

        if ended:
            self._storage.repeat(finish)

    def once(self, key: str, *, ever: bool = False) -> bool:
        """Claim a key unless its work is done; wait while another worker holds it.

        Args:
            key: Name of the work. `finish` gives it back.
            ever: True for work that is done only once; False for work that is done once by workers who run at the same
                time. Default False.

        Returns:
            True if this worker has to do the work; False if another worker has done it.
        """
        attempts, wait = itertools.count(), Wait(self.others_text)

        def is_to_do() -> bool | None:
            with self._storage.alone():
                held = self._held(again=next(attempts) > 0)
                if key in self._mine:
                    return True
                if key in held:
                    return None
                if any(self._is_done(claim, key, ever=ever) for claim in self._claims()):
                    return False
                self._claim(key)
                return True

        while (found := self._storage.repeat(is_to_do)) is None:
            attempts = itertools.count()
            wait.pause()
        return found

    def others_text(self) -> str:
        """Return the processes of the other living workers that hold claims, in words; empty without any."""

        def look() -> set[str]:
            with self._storage.alone():
                held = self._held(again=False)
                return {claim.worker for claim in self._others() if claim.key in held}

        workers = sorted(self._storage.repeat(look))
        texts = ", ".join(self._storage.worker_text(worker) for worker in workers)
        return f"the confirmations of {texts}" if texts else ""

    def _claim(self, key: str) -> None:
        self._storage.appear(self._study_id)
        number = self._next_number(self._claims())
        claim = StoredClaim(number=number, key=key, worker=self._storage.worker)
        claim.write(self._storage.optuna, self._study_id)
        self._mine[key] = claim

    def _held(self, *, again: bool) -> set[str]:
        """Return the keys of living workers, and end the claims of dead ones.

        `again`: an earlier attempt may have claimed a key without getting the answer. Such a claim is this worker's.
        Otherwise a dead worker of the same name left it.
        """
        others = self._others()
        own = [claim for claim in others if claim.worker == self._storage.worker]
        if again:
            self._mine |= {claim.key: claim for claim in own}
        names = {claim.worker for claim in others} - {self._storage.worker}
        dead = self._storage.dead(names, self._study_id) if names else set()
        left = [claim for claim in others if claim.worker in dead] + ([] if again else own)
        for claim in left:
            replace(claim, state="left").write(self._storage.optuna, self._study_id)
        ended = {claim.number for claim in left}
        return {*self._mine, *(claim.key for claim in others if claim.number not in ended)}

    def _others(self) -> list[StoredClaim]:
        """Return the claims that are held, without those of which this worker knows."""
        mine = {claim.number for claim in self._mine.values()}
        return [claim for claim in self._claims() if claim.state == "held" and claim.number not in mine]

    def _is_done(self, claim: StoredClaim, key: str, *, ever: bool) -> bool:
        return (ever or claim.number >= self._n_before) and claim.state == "done" and claim.key == key

    def _claims(self) -> list[StoredClaim]:
        return read_claims(self._storage.optuna, self._study_id)

    @staticmethod
    def _next_number(claims: Sequence[StoredClaim]) -> int:
        return claims[-1].number + 1 if claims else 0


def confirmation_key(kind: str, number: int, point: Mapping[str, Value]) -> str:
    """Return the key under which workers claim a confirmation of a point.

    Args:
        kind: The setting that is confirmed.
        number: The confirmation's repetition, from 0.
        point: Values of the optimizer's arguments, by name; an optimizer may have none.
    """
    return f"{kind} {number} " + " ".join(f"{key}={text_of(point[key])}" for key in sorted(point))
