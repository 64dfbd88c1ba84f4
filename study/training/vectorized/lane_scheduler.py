"""Train lanes in a series of batches: refill places that become free, and shrink a batch that is half empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from study.core.trainer_interface import OnEpoch, Together, TrialResult
from study.training.vectorized.lane import Carried, Lane
from study.training.vectorized.lane_batch import LaneBatch

# Makes a batch. Arguments: its lanes; the number of its places; the variables of the first lanes if they come from
# another batch; true if the batch stops as soon as its lanes should move to another batch.
MakeBatch = Callable[[Sequence[Lane], int, Carried | None, bool], LaneBatch]
# Takes the number of free places and the results so far, and returns at most as many new lanes.
MoreLanes = Callable[[int, Sequence[TrialResult]], Sequence[Lane]]


class LaneScheduler:
    """Scheduler that trains lanes in one batch, or in a series of batches.

    A batch has a fixed number of places, and a lane takes one place. When a trial ends, its place becomes free. A
    batch stops when at least half of its places are free, or when a lane has trained its last epoch. (With neither
    `more_lanes` nor `shrinks`, the batch trains all its lanes to the end.) The lanes that still train then move to a
    new
    batch, as follows:

    1. New lanes take the free places, as long as there are any.
    2. If `shrinks`, the number of places is halved as often as the lanes still fit.

    Each number of places needs its own compiled program. Halving keeps the programs few: at most
    log2(n_lanes) + 2 are compiled. The second extra program is for lanes at different epochs, since each of them
    needs its own order of the examples.

    Args:
        due: The lanes that wait; the scheduler removes those that it starts.
        n_lanes: Number of places of the first batch.
        make_batch: Makes a batch.
        more_lanes: Returns new lanes when no lane waits; None: free places stay free.
        shrinks: Halve the number of places. This saves time only if a free place costs time.

    Attributes:
        lanes: The lanes that still train.
        results: Results of the trials that ended, without those that `more_lanes` has taken.
    """

    def __init__(
        self, due: list[Lane], *, n_lanes: int, make_batch: MakeBatch, more_lanes: MoreLanes | None, shrinks: bool
    ) -> None:
        self.lanes, self.results = _take_first(due, n_lanes), list[TrialResult]()
        self._due, self._shrinks = due, shrinks
        self._n_lanes, self._make_batch, self._more_lanes = n_lanes, make_batch, more_lanes

    def train(self, on_epoch: OnEpoch, together: Together) -> None:
        """Train until every lane has ended.

        Args:
            on_epoch: Called after every epoch of every trial. Returning False stops the trial, which becomes `pruned`.
            together: The calls for a batch as a whole.
        """
        batch = self._make_batch(self.lanes, self._n_lanes, None, self._may_change)
        while True:
            self.results += batch.train(on_epoch, together)
            training = [index for index, lane in enumerate(batch.lanes) if lane.state is None]
            self.lanes = [batch.lanes[index] for index in training]
            if not training:
                return
            self.lanes += self._new_lanes()
            while self._shrinks and self._n_lanes // 2 >= len(self.lanes):
                self._n_lanes //= 2
            carried = Carried(places=[batch.places[index] for index in training], state=batch.state, kept=batch.kept)
            batch = self._make_batch(self.lanes, self._n_lanes, carried, self._may_change)

    @property
    def _may_change(self) -> bool:
        return self._shrinks or self._more_lanes is not None

    def _new_lanes(self) -> Sequence[Lane]:
        """Return lanes for the free places: lanes that wait, otherwise lanes that `more_lanes` returns."""
        n_free = self._n_lanes - len(self.lanes)
        if self._more_lanes is None or not n_free:
            return ()
        if not self._due:
            results, self.results = self.results, []
            self._due += self._more_lanes(n_free, results)
        if not self._due:
            self._more_lanes = None
        return _take_first(self._due, n_free)


def same_order(lanes: Sequence[Lane]) -> bool:
    """Return whether all lanes have the same batches: a trial's order depends on its order seed and epoch only.

    Args:
        lanes: The lanes, at least one.
    """
    return len({(lane.trial.order_seed, lane.epoch) for lane in lanes}) == 1


def _take_first(due: list[Lane], n: int) -> list[Lane]:
    """Remove and return the first n lanes; each starts at epoch 0, also if memory ran out in its first attempt."""
    first, due[:n] = due[:n], []
    for lane in first:
        lane.epoch = 0
        lane.rules = lane.rules and lane.rules.fresh()
    return first
