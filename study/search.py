"""The search: Optuna, and nothing but Optuna, behind ask, report and tell."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from study.components import instantiate
from study.config import StudyConfig
from study.errors import StoreError, StudyError
from study.results import Trial, TrialResult
from study.search_journal import Journal
from study.search_samplers import build_sampler, distribution, quiet
from study.seeds import trial_run_seed
from study.space import Value, to_arguments, to_coordinates

# Attributes of an Optuna trial that are ours.
NUMBER, RUN_SEED, STATE, WORKER, TAKEN_OVER = "trial_number", "run_seed", "state", "worker", "taken_over"
DIGEST = "digest"


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best completed trial of a search.

    Attributes:
        number: Its trial number.
        point: The values of the arguments that were searched.
        objective: Its objective.
    """

    number: int
    point: Mapping[str, Value]
    objective: float


@contextlib.contextmanager
def open_search(config: StudyConfig) -> Iterator[Search]:
    """Open the study's search, new or as it was left, and hold its worker's lock while it is open.

    Raises:
        StoreError: The journal cannot be read or written.
        StudyError: `study_name` belongs to another study.
    """
    locks = config.stores.optuna_journal.parent / "locks"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{config.stores.optuna_journal}.create"):
            journal = Journal(config.stores.optuna_journal)
            storage = _open_storage(config.stores.optuna_journal, journal)
            name = choose_name(config, _known_studies(storage, config.experiment_name))
            optuna_study = _create(config, storage, name)
    except OSError as error:
        raise _unusable(config.stores.optuna_journal, error) from error
    for index in itertools.count():
        lock = FileLock(locks / f"{config.digest}-{index}")
        with contextlib.suppress(Timeout):
            lock.acquire(blocking=False)
            break
    try:
        yield Search(config, optuna_study, journal, name=name, worker=Path(lock.lock_file))
    finally:
        lock.release()


def check_name(config: StudyConfig) -> None:
    """Check, without writing anything, that the journal opens and `study_name` is not another study's.

    Raises:
        StoreError: The journal cannot be read.
        StudyError: `study_name` belongs to another study.
    """
    if config.stores.optuna_journal.exists():
        choose_name(config, _known_studies(_open_storage(config.stores.optuna_journal), config.experiment_name))


def choose_name(config: StudyConfig, known: Mapping[str, str]) -> str:
    """Name a study in its experiment: the explicit name, or that of the same digest, or a telling new one.

    Args:
        config: The study.
        known: Digests of the experiment's studies by their names.
    """
    if config.study_name is not None:
        if known.get(config.study_name, config.digest) != config.digest:
            raise StudyError(
                f"study_name={config.study_name}: this name belongs to another study of {config.experiment_name} "
                f"(digest {known[config.study_name]}, this one is {config.digest}). Choose another study_name, or "
                "leave it out to have one made from what sets the study apart."
            )
        return config.study_name
    for name, digest in known.items():
        if digest == config.digest:
            return name
    free = (label for label in config.labels if label not in known)
    return next(free, f"{config.labels[-1]}-{config.digest[:6]}")


def count_studies(journal: Path) -> int:
    """Return how many studies a journal holds.

    Raises:
        StoreError: The journal cannot be read.
    """
    return len(_open_storage(journal).get_all_studies())


class Search:
    """An open search: proposes trials and learns how they ended."""

    def __init__(
        self, config: StudyConfig, optuna_study: optuna.Study, journal: Journal, *, name: str, worker: Path
    ) -> None:
        self.name = name
        self._journal = journal
        self._config = config
        self._study = optuna_study
        self._storage = optuna_study._storage
        self._worker, self._locks = worker, worker.parent
        self._distributions = {
            searched.coordinate: distribution(searched) for searched in config.optimizer.ranges.values()
        }
        self._prunes = config.pruner.name != "none"
        self._asked: dict[int, optuna.Trial] = {}

    def ask(self, n: int) -> list[Trial]:
        """Propose up to `n` trials: those of dead workers first, then new ones, as many as are still due.

        A sampler that learns is asked for fewer at once, `StudyConfig.n_at_once`.
        """
        with FileLock(f"{self._config.stores.optuna_journal}.ask"), self._journal.together():
            abandoned = self._take_over()
            numbered = self._numbered()
            first = to_coordinates(self._config.optimizer.ranges, self._config.enqueue)
            due = [number for number in range(self._config.n_trials) if number not in numbered]
            return [
                self._ask(number, abandoned.get(number, {} if number else first))
                for number in due[: min(n, self._config.n_at_once)]
            ]

    def report(self, trial: Trial, *, epoch: int, value: float) -> bool:
        """Pass an epoch's objective to the pruner; tell whether the trial is to go on."""
        if not self._prunes:
            return True
        optuna_trial = self._asked[trial.number]
        optuna_trial.report(value, step=epoch)
        return not optuna_trial.should_prune()

    def tell_all(self, ended: Sequence[tuple[TrialResult, float]]) -> None:
        """Record how the trials of a batch ended, each with its objective."""
        with self._journal.together():
            for result, objective in ended:
                self.tell(result, objective=objective)

    def tell(self, result: TrialResult, *, objective: float) -> None:
        """Record how a trial ended; a diverged one counts as complete with the worst objective."""
        optuna_trial = self._asked.pop(result.trial.number)
        optuna_trial.set_user_attr(STATE, result.state)
        # A sampler lives for one proposal; what it does after a trial (the grid stops `optimize`) is not for us.
        self._study.sampler = optuna.samplers.RandomSampler()
        states = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        state = states.get(result.state, TrialState.COMPLETE)
        self._study.tell(optuna_trial, objective if state == TrialState.COMPLETE else None, state=state)

    @property
    def n_spent(self) -> int:
        """Trials that ended, in whatever state."""
        return sum(trial.state.is_finished() for trial in self._numbered().values())

    def best(self) -> Best | None:
        """Return the best completed trial, the earlier of equals; None when every trial diverged or failed."""
        completed = [t for t in self._numbered().values() if t.user_attrs.get(STATE) == "complete"]
        if not completed:
            return None
        sign = 1.0 if self._config.objective.direction == "maximize" else -1.0
        found = max(completed, key=lambda t: (sign * (t.value or 0.0), -t.user_attrs[NUMBER]))
        point = to_arguments(self._config.optimizer.ranges, found.params)
        return Best(number=found.user_attrs[NUMBER], point=point, objective=float(found.value or 0.0))

    def plots(self) -> str | None:
        """Return Optuna's own plots as one HTML page that works offline; None when there is nothing to plot."""
        completed = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(completed) < 2 or not self._distributions:
            return None
        draw = optuna.visualization
        kinds: list[Any] = [draw.plot_optimization_history, draw.plot_slice, draw.plot_edf, draw.plot_timeline]
        if self._prunes:
            kinds.append(draw.plot_intermediate_values)
        if len(self._distributions) > 1:
            kinds += [draw.plot_parallel_coordinate, draw.plot_rank]
            if len({trial.value for trial in completed}) > 1:
                kinds.append(draw.plot_param_importances)
        with quiet():
            figures = [kind(self._study) for kind in kinds]
        parts = [figure.to_html(full_html=False, include_plotlyjs=i == 0) for i, figure in enumerate(figures)]
        head = '<!doctype html><meta charset="utf-8"><title>Optuna: search</title>'
        return head + "\n".join(parts)

    def _ask(self, number: int, coordinates: Mapping[str, Value]) -> Trial:
        """Draw a trial but for the coordinates given: those that a dead worker left, or the study's first point."""
        if coordinates:
            self._study.enqueue_trial(dict(coordinates))
        self._study.sampler = build_sampler(self._config, trial_number=number)
        with quiet():
            optuna_trial = self._study.ask(self._distributions)
        run_seed = trial_run_seed(self._config.study_seed, number)
        for key, value in ((RUN_SEED, run_seed), (WORKER, self._worker.name), (NUMBER, number)):
            optuna_trial.set_user_attr(key, value)
        self._asked[number] = optuna_trial
        point = to_arguments(self._config.optimizer.ranges, optuna_trial.params)
        return Trial(
            number=number,
            hyperparameters=self._config.optimizer.arguments(point),
            run_seed=run_seed,
            order_seed=self._config.order_seed,
        )

    def _numbered(self) -> dict[int, FrozenTrial]:
        """Return the trials that hold a trial number, running or ended, by that number."""
        trials = self._study.get_trials(deepcopy=False)
        return {t.user_attrs[NUMBER]: t for t in trials if NUMBER in t.user_attrs and TAKEN_OVER not in t.user_attrs}

    def _take_over(self) -> dict[int, Mapping[str, Value]]:
        """End the running trials of dead workers and return what they were to train, by trial number."""
        abandoned: dict[int, Mapping[str, Value]] = {}
        for running in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            number, worker = running.user_attrs.get(NUMBER), running.user_attrs.get(WORKER)
            if number in self._asked or (worker not in (None, self._worker.name) and _is_held(self._locks / worker)):
                continue
            self._storage.set_trial_user_attr(running._trial_id, TAKEN_OVER, True)
            self._study.tell(running.number, state=TrialState.FAIL)
            if number is not None:
                abandoned[number] = running.params
        return abandoned


def _open_storage(path: Path, journal: Journal | None = None) -> optuna.storages.JournalStorage:
    try:
        return optuna.storages.JournalStorage(journal or Journal(path))  # type: ignore[arg-type]
    except Exception as error:  # Optuna raises whatever the broken line leads it to.
        raise _unusable(path, error) from error


def _unusable(journal: Path, error: Exception) -> StoreError:
    return StoreError(
        f"storage.optuna_journal={journal}: the Optuna journal cannot be used "
        f"({type(error).__name__}: {error}). Give a journal that Optuna wrote, in a folder that can be written to, "
        "or move the file away to begin anew."
    )


def _known_studies(storage: optuna.storages.JournalStorage, experiment: str) -> dict[str, str]:
    """Return the digests of an experiment's studies by their names."""
    prefix = f"{experiment}/"
    return {
        frozen.study_name.removeprefix(prefix): str(frozen.user_attrs[DIGEST])
        for frozen in storage.get_all_studies()
        # Whoever was killed before it wrote the digest left an empty study, whose name is free.
        if frozen.study_name.startswith(prefix) and DIGEST in frozen.user_attrs
    }


def _create(config: StudyConfig, storage: optuna.storages.JournalStorage, name: str) -> optuna.Study:
    pruner = instantiate(config.pruner.section)
    optuna_study = optuna.create_study(
        storage=storage,
        study_name=f"{config.experiment_name}/{name}",
        direction=config.objective.direction,
        pruner=pruner,
        load_if_exists=True,
    )
    if optuna_study.user_attrs.get(DIGEST) != config.digest:
        optuna_study.set_user_attr(DIGEST, config.digest)
    return optuna_study


def _is_held(lock_file: Path) -> bool:
    """Tell whether a living worker holds its lock."""
    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False
