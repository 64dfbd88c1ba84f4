"""Find the point of one trial without writing to a store: as it is recorded, or as the sampler will propose it."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from study.config.schema import StudyConfig
from study.core.errors import ConfigError, Fault
from study.core.search_space import to_arguments
from study.core.trainer_interface import Trial
from study.search.argument_names import by_coordinates
from study.search.ask_tell import Search
from study.search.claims import Claims
from study.search.samplers import is_blind, quiet
from study.search.storage.interface import read_storage
from study.search.storage.scratch import ScratchStorage
from study.search.study_names import choose_name, find_or_create, known_studies
from study.search.trial_index import RUN_SEED, STATE, TrialIndex


@dataclass(frozen=True, kw_only=True)
class OneTrial:
    """One trial of a study, which may not have begun.

    Attributes:
        study: Name of the study in its experiment.
        trial: The trial.
        state: The recorded state of the trial, such as `failed`, or `running`; None: it is not recorded, and the
            sampler proposed its point.
    """

    study: str
    trial: Trial
    state: str | None


def find_one_trial(config: StudyConfig, number: int) -> OneTrial:
    """Return a trial of the study with its recorded point, else with the point that the sampler will propose.

    Nothing is written. A server of the search may be away: call this inside `wait_for_storage`.

    Args:
        config: The study's config, with its identity.
        number: The trial's number, from 0.

    Raises:
        ConfigError: The study has no trial of this number, or its point depends on results that do not exist.
        StoreError: The store cannot be read.
    """
    recorded = _recorded(config, number)
    if recorded is not None:
        return recorded
    if number >= config.n_trials:
        last = config.n_trials - 1
        allowed = f"a number from 0 to {last}, or of a recorded trial" if last else "0, the only trial of this study"
        advice = f"Set only_trial to {last} or less, or raise budget.n_trials."
        raise ConfigError([Fault(key="only_trial", value=number, allowed=allowed, advice=advice)])
    if number >= config.n_startup and not is_blind(config):
        raise ConfigError([_depends_on_results(config, number)])
    return _proposed(config, number)


def _recorded(config: StudyConfig, number: int) -> OneTrial | None:
    """Return the trial as the store of the search has it; None if it has no such trial with all its coordinates."""
    storage = read_storage(config.stores)
    if storage is None:
        return None
    known = known_studies(storage, config.experiment_name)
    name = choose_name(config, known)
    if name not in known or known[name].digest != config.digest:
        return None
    ranges = config.ranges
    found = optuna.load_study(study_name=known[name].optuna_name, storage=storage)
    index = TrialIndex(by_coordinates(found, ranges))
    index.refresh()
    frozen = index.numbered.get(number)
    if frozen is None or frozen.params.keys() != {searched.coordinate for searched in ranges.values()}:
        return None
    point = to_arguments(ranges, frozen.params)
    trial = Trial(
        number=number,
        hyperparameters=config.hyperparameters(point),
        run_seed=int(frozen.user_attrs[RUN_SEED]),
        order_seed=config.order_seed,
    )
    return OneTrial(study=name, trial=trial, state=str(frozen.user_attrs.get(STATE, "running")))


def _proposed(config: StudyConfig, number: int) -> OneTrial:
    """Return the trial as a new study proposes it; all trials before it are asked for too, in order.

    Samplers that go through a sequence or a grid need the order. No sampler gets a result.
    """
    storage = ScratchStorage()
    with quiet():
        _, optuna_study, _ = find_or_create(config, storage.optuna)
        claims = Claims(storage, optuna_study.study_name)
    name = _free_name(config)
    asked = Search(config, optuna_study, storage, name=name, claims=claims).ask(number + 1)
    return OneTrial(study=name, trial=asked[-1], state=None)


def _free_name(config: StudyConfig) -> str:
    storage = read_storage(config.stores)
    return choose_name(config, {} if storage is None else known_studies(storage, config.experiment_name))


def _depends_on_results(config: StudyConfig, number: int) -> Fault:
    sampler, start = config.sampler.name, config.n_startup
    first = f", or one of the first {start}, which are drawn at random" if start else ""
    return Fault(
        key="only_trial",
        value=number,
        allowed=f"a recorded trial{first}: sampler={sampler} chooses the others by the results of earlier trials",
        advice=f"Run the study up to this trial, try another number, or try sampler=random only_trial={number}.",
    )
