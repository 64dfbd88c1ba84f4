"""The search behind ask, report and tell; Optuna is imported in this folder only."""

from __future__ import annotations

import contextlib
import heapq
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import optuna
from optuna.trial import TrialState

from study.config.instantiate import instantiate
from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.records import SearchedTrial, SearchRecord
from study.core.search_space import Value, to_arguments, to_coordinates
from study.core.seeds import trial_run_seed
from study.core.trainer_interface import BestTrial, Trial, TrialResult
from study.search.claims import Claims
from study.search.failed_trials import last_line
from study.search.optuna_internals import add_trial, draw, fixed_params, trial_id
from study.search.plots import draw_plots, import_in_background
from study.search.pruners import to_stop
from study.search.recorded_trials import as_template, recorded_trial
from study.search.samplers import build_sampler, distribution, is_blind, quiet
from study.search.storage.interface import SearchStorage, open_storage
from study.search.study_names import (
    choose_name,
    describe_study,
    known_studies,
    mend_name,
    new_optuna_name,
    recorded_contents,
)
from study.search.trial_index import ERROR, NUMBER, RUN_SEED, STATE, TAKEN_OVER, WORKER, TrialIndex


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
        with storage.creating():
            known = known_studies(storage.optuna, config.experiment_name)
            name = chosen = choose_name(config, known)
            if name in known:
                begun = mend_name(storage.optuna, known[name], known)
                name, optuna_name = begun.name, begun.optuna_name
            else:
                optuna_name = new_optuna_name(storage.optuna, config, name)
            optuna_study = _create(config, storage.optuna, name=name, optuna_name=optuna_name)
            claims = Claims(storage, optuna_study.study_name)
        same = {study.name for study in known.values() if study.digest == config.digest}
        yield Search(config, optuna_study, storage, name=name, claims=claims, namesakes=same - {name, chosen})


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
        self._study, self._store = optuna_study, storage
        self._distributions = {
            searched.coordinate: distribution(searched) for searched in config.optimizer.ranges.values()
        }
        self._prunes = not isinstance(optuna_study.pruner, optuna.pruners.NopPruner)
        self._asked: dict[int, optuna.Trial] = {}
        self._index = TrialIndex(optuna_study)
        self._to_retry = {trial_id(t) for t in self._known().failed.values()} if config.retry_failed else set()

    def ask(self, n: int) -> list[Trial]:
        """Propose trials that are still due, those of dead workers and failed ones to retry included.

        A sampler that learns proposes fewer at once, `StudyConfig.n_at_once`.

        Args:
            n: The largest number of trials to propose.
        """
        with self._store.alone(), quiet():
            self._take_over(self._known())
            known = self._known()
            retried = {n: t.params for n, t in known.failed.items() if trial_id(t) in self._to_retry}
            # A trial that was cut off in the middle of its draw is drawn again, to the same point.
            points = {
                n: point for n, point in (known.left | retried).items() if point.keys() == self._distributions.keys()
            }
            first = to_coordinates(self._config.optimizer.ranges, self._config.enqueue)
            due = heapq.merge(sorted(retried), known.free(self._config.n_trials))
            return [
                self._ask(number, points.get(number, {} if number else first))
                for number in list(itertools.islice(due, min(n, self._config.n_at_once)))
            ]

    def alone(self) -> AbstractContextManager[None]:
        """Keep the study's other workers from asking and telling during the block."""
        return self._store.alone()

    def were_begun(self, trials: Sequence[Trial]) -> bool:
        """Return whether dead workers had begun some of the trials.

        Args:
            trials: The trials.
        """
        return any(trial.number in self._index.left for trial in trials)

    def others_train(self) -> bool:
        """Return whether other living workers train trials of this study."""
        with self._store.alone():
            running = self._running(self._known())
            return len(running) > len(self._store.abandoned(running))

    def judge(self, reports: Sequence[tuple[Trial, int, float]]) -> set[int]:
        """Report the objective of trials at an epoch to the pruner; return the numbers of the trials to stop.

        All are reported before the first is judged, so that their order does not matter.

        Args:
            reports: For each trial: the trial, the epoch (from 0) and the objective at this epoch.
        """
        with self._own_trials():
            if not self._prunes or not reports:
                return set()
            with self._store.together():
                for trial, epoch, value in reports:
                    self._asked[trial.number].report(value, step=epoch)
                return to_stop(self._study, {t.number: trial_id(self._asked[t.number]) for t, _, _ in reports})

    def tell_all(self, ended: Sequence[tuple[TrialResult, float]]) -> None:
        """Record how the trials of a batch ended.

        Args:
            ended: The result and the objective of each trial.
        """
        with self._own_trials(), self._store.alone():
            for result, objective in ended:
                self.tell(result, objective=objective)

    def tell(self, result: TrialResult, *, objective: float) -> None:
        """Record how a trial ended; a diverged one counts as complete with the worst objective.

        Args:
            result: The trial's result.
            objective: The trial's objective; NaN for a failed trial.
        """
        optuna_trial = self._asked[result.trial.number]
        optuna_trial.set_user_attr(STATE, result.state)
        if result.state == "failed":
            optuna_trial.set_user_attr(ERROR, last_line(result.error))
        # Each proposal has its own sampler. The work of a sampler after a trial, such as the grid's stop, is unwanted.
        self._study.sampler = optuna.samplers.RandomSampler()
        states = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        state = states.get(result.state, TrialState.COMPLETE)
        self._study.tell(optuna_trial, objective if state == TrialState.COMPLETE else None, state=state)
        self._store.unwatch(trial_id(optuna_trial))
        del self._asked[result.trial.number]

    @property
    def ended(self) -> dict[int, str]:
        """States of the trials that ended, by number."""
        numbered = self._known().numbered
        return {number: str(t.user_attrs.get(STATE)) for number, t in numbered.items() if t.state.is_finished()}

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
    def errors(self) -> list[str]:
        """Last line of the error of each failed trial."""
        return [str(trial.user_attrs.get(ERROR, "(unknown)")) for trial in self._known().failed.values()]

    def best(self) -> BestTrial | None:
        """Return the best completed trial, the earlier of equals; None if every trial diverged or failed."""
        found = self._known().best
        if found is None:
            return None
        with self._store.reading():
            point = to_arguments(self._config.optimizer.ranges, found.params)
        return BestTrial(number=found.user_attrs[NUMBER], point=point, objective=float(found.value or 0.0))

    def expect_plots(self) -> None:
        """Prepare for `plots` in the background."""
        import_in_background()

    def plots(self) -> str | None:
        """Return Optuna's own plots as one HTML page that works offline; None if there is nothing to plot."""
        return draw_plots(self._study, n_searched=len(self._distributions), prunes=self._prunes)

    def _ask(self, number: int, coordinates: Mapping[str, Value]) -> Trial:
        """Draw a trial. Given coordinates are kept: those that a dead worker left, or the study's first point."""
        run_seed = trial_run_seed(self._config.study_seed, number)
        self._study.sampler = build_sampler(self._config, trial_number=number)
        params = self._draw_alone(coordinates)
        asked = optuna.create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=self._distributions if params else {},
            user_attrs={NUMBER: number, RUN_SEED: run_seed, WORKER: self._store.worker},
            system_attrs=fixed_params(coordinates),
        )
        added = add_trial(self._study, asked)
        self._store.watch(added)
        drawn = self._asked[number] = optuna.Trial(self._study, added)
        for name, drawn_from in self._distributions.items():
            if name not in params:
                draw(drawn, name, drawn_from)
        point = to_arguments(self._config.optimizer.ranges, drawn.params)
        return Trial(
            number=number,
            hyperparameters=self._config.optimizer.arguments(point),
            run_seed=run_seed,
            order_seed=self._config.order_seed,
        )

    def _draw_alone(self, coordinates: Mapping[str, Value]) -> dict[str, Value]:
        """Draw all coordinates if the sampler does not read the store: one write is then enough; otherwise none."""
        if type(self._study.sampler) is not optuna.samplers.RandomSampler:
            return {}
        alone = optuna.create_study(sampler=self._study.sampler)
        if coordinates:
            alone.enqueue_trial(dict(coordinates))
        return alone.ask(self._distributions).params

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
            self._store.optuna.set_trial_user_attr(abandoned, TAKEN_OVER, True)
            self._store.optuna.set_trial_state_values(abandoned, TrialState.FAIL)

    @contextlib.contextmanager
    def _own_trials(self) -> Iterator[None]:
        """Stop this worker if others took its trials over, since it sent no heartbeat for too long.

        A heartbeat finds this out early. Before the next heartbeat, a write to an ended trial fails.
        """
        if lost := self._store.lost():
            raise self._taken_over(len(lost))
        try:
            yield
        except optuna.exceptions.UpdateFinishedTrialError as error:
            own = [self._store.optuna.get_trial(trial_id(trial)) for trial in self._asked.values()]
            raise self._taken_over(sum(TAKEN_OVER in trial.user_attrs for trial in own)) from error

    def _taken_over(self, n: int) -> StudyError:
        return StudyError(
            f"{n} of this worker's trials were taken over by others, which got no heartbeat from it for "
            f"storage.stale_after_s={self._config.stores.stale_after_s:g} seconds: it was paused, or disconnected "
            "from the server. Start it again, and it takes part again."
        )


def _create(config: StudyConfig, storage: optuna.storages.BaseStorage, *, name: str, optuna_name: str) -> optuna.Study:
    pruner = instantiate(config.pruner.section)
    optuna_study = optuna.create_study(
        storage=storage,
        study_name=optuna_name,
        direction=config.objective.direction,
        pruner=pruner,
        load_if_exists=True,
    )
    began = optuna_study.direction.name.lower()
    if began != config.objective.direction:
        now, metric = config.objective.direction, config.objective.metric
        raise StudyError(
            f"{config.experiment_name}/{name}: this study began with {metric} {began}d, and now it is {now}d. An "
            "earlier version guessed the direction by the metric's name, so the best trial is the worst. Set another "
            "study_name: a new study begins beside it."
        )
    describe_study(optuna_study, config, name=name)
    return optuna_study
