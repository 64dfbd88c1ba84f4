"""Names and digests, which identify the studies in the store of searches."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import optuna
from optuna.trial import TrialState

from study.config.effective_settings import settings_digest
from study.config.instantiate import instantiate
from study.config.reader import Reader
from study.config.schema import Stores, StudyConfig
from study.core.contents import Contents
from study.core.errors import StudyError
from study.core.names import in_label, mended, shortened
from study.search.samplers import quiet
from study.search.storage.interface import read_storage
from study.search.stored_claims import is_of_claims

# Attributes of an Optuna study: digests of its identity, of its settings as typed and of its settings by their effect;
# its contents as JSON, the first ones and those accepted later; its experiment; its name, since Optuna
# renames no study.
DIGEST, _TYPED, _SETTINGS, _CONTENTS = "digest", "typed_digest", "settings_digest", "contents"
EXPERIMENT, NAME = "experiment", "name"
# Its experiment's first name, which is part of its digests; only of a study whose experiment was renamed.
BEGAN_IN = "began_in"
# And the settings by which a name distinguishes a study from its namesake, by the word for them in the name.
_CONDITIONS = "conditions"
_WORDS = {
    "n_epochs": "budget.n_epochs",
    "n_steps": "budget.n_steps",
    "batch_size": "trainer.batch_size",
    "trainer": "trainer.name",
    "backend": "trainer.backend",
    "precision": "trainer.precision",
    "schedule": "schedule.name",
    "sampler": "sampler.name",
    "pruner": "pruner.name",
    "study_seed": "study_seed",
    "order_seed": "order_seed",
    "split_seed": "split_seed",
}


@dataclass(frozen=True, kw_only=True)
class KnownStudy:
    """A study in the store of searches.

    Attributes:
        name: Name of the study in its experiment.
        optuna_name: Name of the Optuna study.
        digest: Digest that identifies the study.
        typed_digest: Digest of the settings as typed.
        settings_digest: Digest of the settings by their effect. Default: empty, an earlier version recorded the study.
        contents: Data, code and architecture, the first ones and those accepted later. Default: empty, not recorded.
        conditions: Length of the training, batch size, trainer and seeds, by their words in names. Default: empty, not
            recorded.
        began_in: First name of the study's experiment, which is part of the digests. Default: empty, the present name.
    """

    name: str
    optuna_name: str
    digest: str
    typed_digest: str
    settings_digest: str = ""
    contents: tuple[Contents, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    began_in: str = ""

    def began(self, config: StudyConfig) -> StudyConfig:
        """Return a config under the experiment's first name, so that its digests can be compared with the study's.

        Args:
            config: A config of the study's experiment.
        """
        return replace(config, experiment_name=self.began_in) if self.began_in else config


def check_name(config: StudyConfig) -> None:
    """Check, without writing anything, that the store opens and that `study_name` is not another study's.

    Args:
        config: The study's config.

    Raises:
        StoreError: The store cannot be read.
        StudyError: `study_name` belongs to another study.
    """
    if (storage := read_storage(config.stores)) is not None:
        known = known_studies(storage, config.experiment_name).get(config.study_name or "")
        if known is None:
            return
        # Of a study that an earlier version recorded, only the settings as typed are known.
        acting, began = known.settings_digest, known.began(config)
        if (acting or known.typed_digest) != (settings_digest(began) if acting else began.typed_digest):
            raise _name_is_taken(config, known)


def choose_name(config: StudyConfig, known: Mapping[str, KnownStudy]) -> str:
    """Name a study in its experiment: the explicit name, or the name of the study with the same digest, or a new one.

    A new name is the first free label. If none is free, the conditions that differ from those of the namesake follow,
    such as `adam-batch_size=64`; and where no condition differs, digits of the digest.

    Args:
        config: The study's config.
        known: The experiment's studies, by name.

    Raises:
        StudyError: `study_name` belongs to another study.
    """
    if config.study_name is not None:
        namesake = known.get(config.study_name)
        if namesake is not None and namesake.digest != config.digest:
            raise _name_is_taken(config, namesake)
        return config.study_name
    for name, study in known.items():
        if study.digest == config.digest:
            return name
    free = next((label for label in config.labels if label not in known), None)
    if free is not None:
        return free
    told = _differing(conditions_of(config), known[config.labels[-1]].conditions)
    named = shortened("-".join([config.labels[-1], *map(in_label, told)]))
    return named if told and named not in known else shortened(f"{config.labels[-1]}-{config.digest[:6]}")


def conditions_of(config: StudyConfig) -> dict[str, str]:
    """Return the conditions of a study that names can tell: its length, batch size, trainer and seeds.

    Args:
        config: The study's config.
    """
    read = Reader(config.raw)
    values = {word: read.value(key, default=None) for word, key in _WORDS.items()}
    if values["n_steps"] is not None:
        values["n_epochs"] = None
    return {word: str(value) for word, value in values.items() if value is not None}


def _differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return `word=value` for each condition that differs; none if the other study's are not recorded."""
    return [f"{word}={value}" for word, value in ours.items() if theirs and theirs.get(word) != value]


def mend_name(storage: optuna.storages.BaseStorage, study: KnownStudy, known: Mapping[str, KnownStudy]) -> KnownStudy:
    """Give a study a safe name in place of one that an earlier version accepted; other studies stay as they are.

    Args:
        storage: Optuna's storage.
        study: The study.
        known: The experiment's studies, by name.
    """
    name = mended(study.name)
    if name == study.name:
        return study
    name = name if name not in known else shortened(f"{name}-{study.digest[:6]}")
    return rename_study(storage, study, name)


def rename_study(storage: optuna.storages.BaseStorage, study: KnownStudy, name: str) -> KnownStudy:
    """Give a study another name in its experiment.

    Args:
        storage: Optuna's storage.
        study: The study.
        name: The name, which no other study of the experiment has.
    """
    study_id = storage.get_study_id_from_name(study.optuna_name)
    storage.set_study_user_attr(study_id, NAME, name)
    return replace(study, name=name)


def new_optuna_name(storage: optuna.storages.BaseStorage, config: StudyConfig, name: str) -> str:
    """Return a name for the Optuna study of a new study.

    Args:
        storage: Optuna's storage.
        config: The study's config.
        name: Name of the study in its experiment, which no other study has now; a renamed one may have begun with it.
    """
    plain = f"{config.experiment_name}/{name}"
    begun = {frozen.study_name for frozen in storage.get_all_studies() if DIGEST in frozen.user_attrs}
    others = (f"{plain} {config.digest}-{attempt}" for attempt in itertools.count())
    return next(free for free in itertools.chain([plain], others) if free not in begun)


def _name_is_taken(config: StudyConfig, known: KnownStudy) -> StudyError:
    return StudyError(
        f"study_name={config.study_name}: this name belongs to another study of {config.experiment_name} "
        f"(digest {known.digest}, this one is {config.digest}). Choose another study_name, or "
        "leave it out: the study is then named by the settings in which it differs."
    )


def known_digests(stores: Stores, experiment: str) -> frozenset[str]:
    """Return the digests of an experiment's settings as typed; none if there is no store yet.

    Args:
        stores: The places of results.
        experiment: Name of the experiment.

    Raises:
        StoreError: The store cannot be read.
    """
    return frozenset(study.typed_digest for study in read_known_studies(stores, experiment).values())


def read_known_studies(stores: Stores, experiment: str) -> dict[str, KnownStudy]:
    """Return the studies of an experiment by name, the oldest first; none if there is no store yet.

    Args:
        stores: The places of results.
        experiment: Name of the experiment.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    return {} if storage is None else known_studies(storage, experiment)


def has_results(stores: Stores, experiment: str, name: str) -> bool:
    """Return True if a trial of a study completed or was pruned, so that numbers of the study are recorded.

    Args:
        stores: The places of results.
        experiment: Name of the experiment.
        name: Name of the study.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    if storage is None:
        return False
    study_id = storage.get_study_id_from_name(known_studies(storage, experiment)[name].optuna_name)
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    return bool(storage.get_all_trials(study_id, deepcopy=False, states=states))


def count_studies(stores: Stores) -> int:
    """Return the number of studies in the store of searches.

    Args:
        stores: The places of results.

    Raises:
        StoreError: The store cannot be read.
    """
    storage = read_storage(stores)
    studies = [] if storage is None else storage.get_all_studies()
    return sum(not is_of_claims(study.study_name) for study in studies)


def known_studies(storage: optuna.storages.BaseStorage, experiment: str) -> dict[str, KnownStudy]:
    """Return an experiment's studies by name, the oldest first.

    Args:
        storage: Optuna's storage.
        experiment: Name of the experiment.
    """
    prefix = f"{experiment}/"
    return {
        name: _known_study(name, frozen.study_name, frozen.user_attrs)
        for frozen in storage.get_all_studies()
        # A process that was killed before it wrote the digest has left an empty study. The name of this study is free.
        if DIGEST in frozen.user_attrs
        if frozen.user_attrs.get(EXPERIMENT, experiment if frozen.study_name.startswith(prefix) else "") == experiment
        for name in [str(frozen.user_attrs.get(NAME, frozen.study_name.removeprefix(prefix)))]
    }


def find_or_create(
    config: StudyConfig, storage: optuna.storages.BaseStorage
) -> tuple[str, optuna.Study, frozenset[str]]:
    """Return a study's name, its Optuna study, which is created when it is missing, and the names of its namesakes.

    The namesakes are the other studies with this digest.

    Args:
        config: The study's config.
        storage: Optuna's storage, which no other worker changes meanwhile.

    Raises:
        StudyError: `study_name` belongs to another study, or the study began with the other direction.
    """
    known = known_studies(storage, config.experiment_name)
    name = chosen = choose_name(config, known)
    if name in known:
        begun = mend_name(storage, known[name], known)
        name, optuna_name = begun.name, begun.optuna_name
    else:
        optuna_name = new_optuna_name(storage, config, name)
    same = {study.name for study in known.values() if study.digest == config.digest}
    optuna_study = _create(config, storage, name=name, optuna_name=optuna_name)
    return name, optuna_study, frozenset(same - {name, chosen})


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
    with quiet():
        if optuna_study.metric_names is None:  # optuna-dashboard calls the objective by this name
            optuna_study.set_metric_names([config.objective.metric])
    return optuna_study


def describe_study(optuna_study: optuna.Study, config: StudyConfig, *, name: str) -> None:
    """Write a study's identity and contents to the attributes of the Optuna study.

    Accepted contents are added after the earlier ones.

    Args:
        optuna_study: The Optuna study.
        config: The study's config.
        name: Name of the study in its experiment.
    """
    attrs = optuna_study.user_attrs
    written: dict[str, object] = {
        EXPERIMENT: config.experiment_name,
        NAME: name,
        DIGEST: config.digest,
        _TYPED: config.typed_digest,
        _CONDITIONS: conditions_of(config),
    }
    if config.contents is not None:
        written[_SETTINGS] = settings_digest(config)
        known, latest = _readable(attrs), config.contents.to_json()
        written[_CONTENTS] = known if latest in known[-1:] else [*known, latest]
    for key, value in written.items():
        if attrs.get(key) != value and (key not in attrs or key == _CONTENTS):
            optuna_study.set_user_attr(key, value)


def recorded_contents(optuna_study: optuna.Study) -> tuple[str, ...]:
    """Return a study's contents as JSON: the first ones and those accepted later.

    Args:
        optuna_study: The Optuna study.
    """
    return tuple(_readable(optuna_study.user_attrs))


def _readable(attrs: Mapping[str, object]) -> list[str]:
    """Return the recorded contents without damaged ones."""
    recorded, found = attrs.get(_CONTENTS), []
    for text in map(str, recorded if isinstance(recorded, list) else ()):
        with contextlib.suppress(ValueError):
            Contents.from_json(text)
            found.append(text)
    return found


def _known_study(name: str, optuna_name: str, attrs: Mapping[str, object]) -> KnownStudy:
    conditions = attrs.get(_CONDITIONS)
    return KnownStudy(
        name=name,
        optuna_name=optuna_name,
        digest=str(attrs[DIGEST]),
        typed_digest=str(attrs.get(_TYPED, attrs[DIGEST])),
        settings_digest=str(attrs.get(_SETTINGS, "")),
        contents=tuple(map(Contents.from_json, _readable(attrs))),
        conditions={str(key): str(value) for key, value in conditions.items()} if isinstance(conditions, dict) else {},
        began_in=str(attrs.get(BEGAN_IN, "")),
    )
