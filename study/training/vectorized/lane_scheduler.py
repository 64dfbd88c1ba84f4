"""Let a batch shrink when most of its trials were stopped, or give their places to others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study.core.trainer_interface import OnEpoch, Together, TrialResult
from study.training.vectorized.batch import Batch
from study.training.vectorized.lane import Carried, Lane

# Makes a batch of lanes: how many it has room for, where the first of them go on, whether it is left for another.
MakeBatch = Callable[[Sequence[Lane], int, Carried | None, bool], Batch]
# Gives so many new lanes at most, and takes results.
MoreLanes = Callable[[int, Sequence[TrialResult]], Sequence[Lane]]


class Lanes:
    """Trains lanes in one batch, or in one after the other with fewer lanes or with new ones.

    A batch that may change does when at most half of its lanes train or some came to their end. As long as there are
    new trials they take the free places, in a program in which every lane has an order of its own, for they are at
    other epochs. Then, where a free place costs as much as another, the size is halved as long as all that train have
    room: so no more programs are compiled than the size can be halved, and two.

    Args:
        due: The trials; those that are begun are taken out.
        n_lanes: Lanes of the first batch.
        make_batch: Makes a batch.
        more_lanes: Gives new lanes once none is due; None: free places are not filled.
        shrinks: Whether the size is halved.

    Attributes:
        lanes: Those that still train.
        results: Of those that ended, but for what was handed over.
    """

    def __init__(
        self, due: list[Lane], *, n_lanes: int, make_batch: MakeBatch, more_lanes: MoreLanes | None, shrinks: bool
    ) -> None:
        self.lanes, self.results = _first(due, n_lanes), list[TrialResult]()
        self._due, self._shrinks = due, shrinks
        self._n_lanes, self._make_batch, self._more_lanes = n_lanes, make_batch, more_lanes

    def train(self, on_epoch: OnEpoch, together: Together) -> None:
        """Train until all have ended."""
        batch = self._make_batch(self.lanes, self._n_lanes, None, self._may_change)
        while True:
            self.results += batch.train(on_epoch, together)
            kept = [index for index, lane in enumerate(batch.lanes) if lane.state is None]
            self.lanes = [batch.lanes[index] for index in kept]
            if not kept:
                return
            self.lanes += self._fresh()
            while self._shrinks and self._n_lanes // 2 >= len(self.lanes):
                self._n_lanes //= 2
            carried = Carried(places=[batch.places[index] for index in kept], state=batch.state)
            batch = self._make_batch(self.lanes, self._n_lanes, carried, self._may_change)

    @property
    def _may_change(self) -> bool:
        return self._shrinks or self._more_lanes is not None

    def _fresh(self) -> Sequence[Lane]:
        """Hand over the results, and ask for trials in the free places until there are none."""
        n_free = self._n_lanes - len(self.lanes)
        if self._more_lanes is None or not n_free:
            return ()
        if not self._due:
            results, self.results = self.results, []
            self._due += self._more_lanes(n_free, results)
        if not self._due:
            self._more_lanes = None
        return _first(self._due, n_free)


def same_order(lanes: Sequence[Lane]) -> bool:
    """Tell whether lanes see the same batches: the order of a trial is that of its seed and epoch."""
    return len({(lane.trial.order_seed, lane.epoch) for lane in lanes}) == 1


def _first(due: list[Lane], n: int) -> list[Lane]:
    """Take the first n out; one that memory ran out for begins anew."""
    first, due[:n] = due[:n], []
    for lane in first:
        lane.epoch = 0
    return first
