"""The search behind ask, report and tell; Optuna is imported in this folder only."""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import optuna
from optuna.trial import TrialState

from study.config.schema import StudyConfig
from study.core.outages import Result
from study.core.records import SearchedTrial, SearchRecord
from study.core.search_space import Value, to_arguments, to_coordinates
from study.core.seeds import trial_run_seed
from study.core.trainer_interface import BestTrial, Trial, TrialResult
from study.search.argument_names import by_coordinates
from study.search.claims import Claims, LostTrialsError
from study.search.failed_trials import last_line
from study.search.optuna_internals import add_trial, draw, fixed_params, trial_id
from study.search.pruners import to_stop
from study.search.recorded_trials import as_template, recorded_trial
from study.search.samplers import build_sampler, distribution, drawn_alone, is_blind, quiet
from study.search.storage.interface import SearchStorage, open_storage, repeated
from study.search.study_names import find_or_create, recorded_contents
from study.search.trial_index import ERROR, NUMBER, RUN_SEED, STATE, TAKEN_OVER, WORKER, TrialIndex
from study.search.waiting import trials_text


@contextlib.contextmanager
def open_search(config: StudyConfig) -> Iterator[Search]:
    """Open the study's search as one of its workers: a new search, or one to continue.

    Args:
        config: The study's config.

    Raises:
        StoreError: The store cannot be read or written.
        StudyError: `study_name` belongs to another study.
    """
    with open_storage(config) as storage:
        yield storage.repeat(lambda: _open(config, storage))


def _open(config: StudyConfig, storage: SearchStorage) -> Search:
    with storage.creating():
        name, optuna_study, namesakes = find_or_create(config, storage.optuna)
        claims = Claims(storage, optuna_study.study_name)
    return Search(config, optuna_study, storage, name=name, claims=claims, namesakes=namesakes)


class Search:
    """An open search: it proposes trials and records their ends.

    Args:
        config: The study's config.
        optuna_study: Optuna's study.
        storage: The store of the search, opened as this worker.
        name: The study's name in its experiment.
        claims: Claims on work other than trials, shared with the study's other workers.
        namesakes: Names of the other studies with this digest. Default: none.

    Attributes:
        name: The study's name in its experiment.
        namesakes: Names of the other studies with this digest.
        claims: Claims on work other than trials, shared with the study's other workers.
        is_blind: True if the proposals do not depend on the results of other trials.
    """

    def __init__(
        self,
        config: StudyConfig,
        optuna_study: optuna.Study,
        storage: SearchStorage,
        *,
        name: str,
        claims: Claims,
        namesakes: Collection[str] = (),
    ) -> None:
        self.name, self.claims, self.namesakes = name, claims, frozenset(namesakes)
        self.is_blind = is_blind(config)
        self._config = config
        self._study, self._store = by_coordinates(optuna_study, config.ranges), storage
        self._distributions = {searched.coordinate: distribution(searched) for searched in config.ranges.values()}
        self._prunes = not isinstance(optuna_study.pruner, optuna.pruners.NopPruner)
        self._asked: dict[int, optuna.Trial] = {}
        self._index = TrialIndex(self._study)
        self._to_retry = {trial_id(t) for t in self._known().failed.values()} if config.retry_failed else set()

    def ask(self, n: int) -> list[Trial]:
        """Propose trials that are still due, those of dead workers and failed ones to retry included.

        A sampler that learns proposes fewer at once, `StudyConfig.n_at_once`.

        Args:
            n: The largest number of trials to propose.
        """
        before, attempts = frozenset(self._asked), itertools.count()
        return self.repeat(lambda: self._ask_alone(n, before, again=next(attempts) > 0))

    def _ask_alone(self, n: int, before: Collection[int], *, again: bool) -> list[Trial]:
        with self._store.alone(), quiet():
            resumed = self._resume(before) if again else []
            self._take_over(self._known())
            known = self._known()
            retried = {n: t.params for n, t in known.failed.items() if trial_id(t) in self._to_retry}
            # A trial that was cut off in the middle of its draw is drawn again, to the same point.
            points = {
                n: point for n, point in (known.left | retried).items() if point.keys() == self._distributions.keys()
            }
            first = to_coordinates(self._config.ranges, self._config.enqueue)
            due = heapq.merge(sorted(retried), known.free(self._config.n_trials))
            n_due = min(n, self._config.n_at_once) - len(resumed)
            asked = [
                self._ask(number, points.get(number, {} if number else first))
                for number in list(itertools.islice(due, n_due))
            ]
            return [*resumed, *asked]

    def repeat(self, operation: Callable[[], Result]) -> Result:
        """Call an operation on the search; while its server is away, call it again.

        Args:
            operation: The operation, which may be called again after it failed anywhere.

        Raises:
            StoreAwayError: The server was away for longer than `storage.server_patience_s`.
        """
        return self._store.repeat(operation)

    def alone(self) -> AbstractContextManager[None]:
        """Keep the study's other workers from asking and telling during the block."""
        return self._store.alone()

    def were_begun(self, trials: Sequence[Trial]) -> bool:
        """Return whether dead workers had begun some of the trials.

        Args:
            trials: The trials.
        """
        return any(trial.number in self._index.left for trial in trials)

    @repeated
    def others_train(self) -> bool:
        """Return whether other living workers train trials of this study."""
        with self._store.alone():
            running = self._running(self._known())
            return len(running) > len(self._store.abandoned(running))

    @repeated
    def others_text(self) -> str:
        """Return the trials that other living workers train, with their processes, in words; empty without any."""
        with self._store.alone():
            running = self._running(self._known())
            abandoned = self._store.abandoned(running) if running else set()
            left = [t for t in self._index.unended if trial_id(t) in running.keys() - abandoned]
        of_worker: dict[str | None, list[int]] = {}
        for trial in left:
            of_worker.setdefault(trial.user_attrs.get(WORKER), []).append(trial.user_attrs[NUMBER])
        return trials_text({self._store.worker_text(worker): numbers for worker, numbers in of_worker.items()})

    def judge(self, reports: Sequence[tuple[Trial, int, float]]) -> set[int]:
        """Report the objective of trials at an epoch to the pruner; return the numbers of the trials to stop.

        All are reported before the first is judged, so that their order does not matter.

        Args:
            reports: For each trial: the trial, the epoch (from 0) and the objective at this epoch.
        """
        left = list(reports)

        def report() -> set[int]:
            with self._own_trials(), self._store.together() if self._prunes else contextlib.nullcontext():
                while self._prunes and left:
                    trial, epoch, value = left[0]
                    self._asked[trial.number].report(value, step=epoch)
                    del left[0]
                ids = {t.number: trial_id(self._asked[t.number]) for t, _, _ in reports}
                return to_stop(self._study, ids) if self._prunes and reports else set()

        return self.repeat(report)

    def tell_all(self, ended: Sequence[tuple[TrialResult, float]]) -> None:
        """Record how the trials of a batch ended.

        Args:
            ended: The result and the objective of each trial.
        """
        left = list(ended)

        def tell() -> None:
            with self._own_trials(), self._store.alone():
                while left:
                    result, objective = left[0]
                    self.tell(result, objective=objective)
                    del left[0]

        self.repeat(tell)

    def tell(self, result: TrialResult, *, objective: float) -> None:
        """Record how a trial ended; a diverged one counts as complete with the worst objective.

        Args:
            result: The trial's result.
            objective: The trial's objective; NaN for a failed trial.
        """
        optuna_trial = self._asked[result.trial.number]
        try:
            self._end(optuna_trial, result, objective=objective)
        except optuna.exceptions.UpdateFinishedTrialError:
            # An earlier attempt has told it, and the answer was lost; or another worker has taken it over.
            if TAKEN_OVER in self._store.optuna.get_trial(trial_id(optuna_trial)).user_attrs:
                raise
        self._store.unwatch(trial_id(optuna_trial))
        del self._asked[result.trial.number]

    def _end(self, optuna_trial: optuna.Trial, result: TrialResult, *, objective: float) -> None:
        optuna_trial.set_user_attr(STATE, result.state)
        if result.state == "failed":
            optuna_trial.set_user_attr(ERROR, last_line(result.error))
        # Each proposal has its own sampler. The work of a sampler after a trial, such as the grid's stop, is unwanted.
        self._study.sampler = optuna.samplers.RandomSampler()
        states = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        state = states.get(result.state, TrialState.COMPLETE)
        self._study.tell(optuna_trial, objective if state == TrialState.COMPLETE else None, state=state)

    @property
    @repeated
    def ended(self) -> dict[int, str]:
        """States of the trials that ended, by number."""
        numbered = self._known().numbered
        return {number: str(t.user_attrs.get(STATE)) for number, t in numbered.items() if t.state.is_finished()}

    @repeated
    def record(self) -> SearchRecord:
        """Return the trials that ended, and the other studies with this digest, for the comparison with MLflow."""
        with self._store.reading():
            trials = [
                recorded_trial(self._config, frozen)
                for _, frozen in sorted(self._known().numbered.items())
                if frozen.state.is_finished() and frozen.params.keys() == self._distributions.keys()
            ]
        return SearchRecord(namesakes=self.namesakes, ended=tuple(trials), contents=recorded_contents(self._study))

    def adopt(self, trials: Sequence[SearchedTrial]) -> list[int]:
        """Add ended trials that this search does not know, since its store was lost; call this inside `alone`.

        A trial that failed in this search is replaced by one that did not: its retry was lost.

        Args:
            trials: Trials of this study, read from another store. Those whose point or seed is not of this study are
                left out.

        Returns:
            Numbers of the added trials.
        """
        known = self._known()
        taken = known.numbered.keys() | known.left.keys()
        free = [t for t in trials if t.number not in taken or (t.number in known.failed and t.state != "failed")]
        templates = {trial.number: as_template(self._config, trial, self._distributions) for trial in free}
        added = {number: template for number, template in templates.items() if template is not None}
        for template in added.values():
            add_trial(self._study, template)
        return sorted(added)

    @property
    def n_spent(self) -> int:
        """Number of trials that ended, in any state."""
        return len(self.ended)

    @property
    @repeated
    def errors(self) -> dict[int, str]:
        """Last line of the error of each failed trial, by number."""
        return {n: str(trial.user_attrs.get(ERROR, "(unknown)")) for n, trial in self._known().failed.items()}

    @repeated
    def best(self) -> BestTrial | None:
        """Return the best completed trial, the earlier of equals; None if every trial diverged or failed."""
        found = self._known().best
        if found is None:
            return None
        with self._store.reading():
            point = to_arguments(self._config.ranges, found.params)
        return BestTrial(number=found.user_attrs[NUMBER], point=point, objective=float(found.value or 0.0))

    def _ask(self, number: int, coordinates: Mapping[str, Value]) -> Trial:
        """Draw a trial. Given coordinates are kept: those that a dead worker left, or the study's first point."""
        run_seed = trial_run_seed(self._config.study_seed, number)
        self._study.sampler = build_sampler(self._config, trial_number=number)
        params = drawn_alone(self._study.sampler, self._distributions, coordinates)
        asked = optuna.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=self._distributions if params else {},
            user_attrs={NUMBER: number, RUN_SEED: run_seed, WORKER: self._store.worker},
            system_attrs=fixed_params(coordinates),
        )
        added = add_trial(self._study, asked)
        return self._begin(number, added, run_seed=run_seed)

    def _begin(self, number: int, added: int, *, run_seed: int) -> Trial:
        """Return a trial of the storage for training, after drawing the coordinates that it lacks."""
        self._store.watch(added)
        try:
            drawn = optuna.Trial(self._study, added)
            for name, drawn_from in self._distributions.items():
                if name not in drawn.params:
                    draw(drawn, name, drawn_from)
        except BaseException:
            self._store.unwatch(added)
            raise
        self._asked[number] = drawn
        point = to_arguments(self._config.ranges, drawn.params)
        return Trial(
            number=number,
            hyperparameters=self._config.hyperparameters(point),
            run_seed=run_seed,
            order_seed=self._config.order_seed,
        )

    def _resume(self, before: Collection[int]) -> list[Trial]:
        """Return the trials that an attempt to ask has added before it lost its connection.

        A trial that was cut off in the middle of its draw is ended, so that it is drawn again, to the same point.

        Args:
            before: Numbers of the trials that this worker had before the attempt.
        """
        for number in self._asked.keys() - before:
            self._store.unwatch(trial_id(self._asked.pop(number)))
        self._study.sampler = optuna.samplers.RandomSampler()  # nothing is drawn
        own, resumed = {trial_id(trial) for trial in self._asked.values()}, []
        for frozen in self._known().unended:
            added, number = trial_id(frozen), frozen.user_attrs.get(NUMBER, -1)
            if frozen.user_attrs.get(WORKER) != self._store.worker or added in own:
                continue
            if frozen.params.keys() == self._distributions.keys():
                run_seed = trial_run_seed(self._config.study_seed, number)
                resumed.append(self._begin(number, added, run_seed=run_seed))
            else:
                self._give_up(added)
        return resumed

    def _known(self) -> TrialIndex:
        """Return the trials that the store holds now."""
        with self._store.reading():
            self._index.refresh()
        return self._index

    def _running(self, known: TrialIndex) -> dict[int, str | None]:
        """Return the workers of the trials that others train, by the trials' ids in the store."""
        own = {trial_id(trial) for trial in self._asked.values()}
        return {
            trial_id(t): t.user_attrs.get(WORKER)
            for t in known.unended
            if t.state == TrialState.RUNNING and trial_id(t) not in own
        }

    def _take_over(self, known: TrialIndex) -> None:
        """End the running trials of dead workers, so that they are proposed again."""
        running = self._running(known)
        for abandoned in self._store.abandoned(running) if running else ():
            self._give_up(abandoned)

    def _give_up(self, added: int) -> None:
        """End a running trial, so that it is proposed again."""
        self._store.optuna.set_trial_user_attr(added, TAKEN_OVER, True)
        self._store.optuna.set_trial_state_values(added, TrialState.FAIL)

    @contextlib.contextmanager
    def _own_trials(self) -> Iterator[None]:
        """Stop this worker if others took its trials over; before a heartbeat finds it out, a write to them fails."""
        if self._store.lost():  # or ended by this worker, to which the answer was lost
            self._check_own()
        try:
            yield
        except optuna.exceptions.UpdateFinishedTrialError:
            self._check_own()
            raise

    def _check_own(self) -> None:
        own = {number: self._store.optuna.get_trial(trial_id(trial)) for number, trial in self._asked.items()}
        if lost := [number for number, trial in own.items() if TAKEN_OVER in trial.user_attrs]:
            raise LostTrialsError(lost, stale_after_s=self._config.stores.stale_after_s)
