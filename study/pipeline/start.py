"""The start of a study: its data, its trainer and its stores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from study.config.schema import StudyConfig
from study.core.packages import COMPUTING
from study.datasets import Dataset
from study.optimizers import stability
from study.optimizers.keras_cautions import UsedOptimizer, keras_cautions
from study.pipeline.confirmation_phase import confirmations_due, seeds_of_looks
from study.pipeline.context import StudyContext
from study.pipeline.data_cautions import data_cautions
from study.pipeline.identity import identify
from study.pipeline.kept_model import kept_model_cautions
from study.pipeline.kept_parts import KeptParts
from study.pipeline.live_view import LookPlace, View
from study.pipeline.reconcile import reconcile
from study.pipeline.stream_use import settle_streams
from study.pipeline.workload import build_model, check_task
from study.search.ask_tell import Search, open_search
from study.search.storage.interface import wait_for_storage
from study.statistics.search_size import advised_trials
from study.tracking.event_files import event_files
from study.tracking.study_tracker import StudyTracker, open_study
from study.training.devices import computes_in_numpy, device_message
from study.training.environment import environment

_BATCH_SIZE = "trainer.batch_size"


@contextlib.contextmanager
def start_study(
    config: StudyConfig, view: View, *, dataset: Dataset | None = None, kept: KeptParts | None = None
) -> Iterator[StudyContext]:
    """Load the data, build the trainer, open the stores, and show the study that is about to run.

    Args:
        config: The study's config.
        view: Shows progress on the terminal.
        dataset: The study's data set. None (the default): it is loaded.
        kept: Parts of the command's earlier studies. None (the default): all parts are made anew.

    Raises:
        DataError: The data set cannot be loaded.
        StoreError: A store cannot be used.
        StudyError: The model cannot be built, or `study_name` belongs to another study.
    """
    kept = kept or KeptParts()
    loaded = dataset or kept.dataset(config)
    model = build_model(config, loaded)
    identified = wait_for_storage(config.stores, lambda: identify(config, loaded, model))
    check_task(config, loaded)
    config, dataset = settle_streams(identified.config, loaded)
    trainer = kept.trainer(config, dataset)
    with contextlib.ExitStack() as stores:
        stores.callback(kept.rest)
        search = stores.enter_context(open_search(config))
        versions = environment(on_cpu=computes_in_numpy(config))

        def open_record() -> tuple[StudyTracker, list[str]]:
            # One worker at a time: the first creates the run that all others use.
            with search.alone(), contextlib.ExitStack() as undo:
                known = search.record()
                opened = open_study(
                    config, study_name=search.name, dataset=dataset, environment=versions, search=known
                )
                tracker = undo.enter_context(opened)
                repairs = reconcile(config, search, tracker, known=known)
                stores.push(undo.pop_all())
                return tracker, repairs

        tracker, repairs = search.repeat(open_record)
        announce(config, search, tracker, view)
        if config.confirm_up_to is None:  # else the command has shown them before
            _show_once(_cautions(config, dataset, model), kept, view)
            announce_cautions(config, view)
        for message in (*identified.messages, *repairs):
            view.message(message)
        if search.n_spent and (told := other_versions(config.backend, before=tracker.tags_before, now=versions)):
            view.message(told)
        events = event_files(config, study_name=search.name, tell=view.message)
        yield StudyContext(
            config=config, dataset=dataset, search=search, tracker=tracker, trainer=trainer, view=view, events=events
        )


def _show_once(cautions: Iterable[str], kept: KeptParts, view: View) -> None:
    """Show cautions that no earlier study of the command has shown; its studies share data and most settings."""
    for told in cautions:
        if told not in kept.told:
            kept.told.add(told)
            view.message(told)


def _cautions(config: StudyConfig, dataset: Dataset, model: Any) -> list[str]:
    """Return cautions about the study's settings, data and model."""
    advice = config.raw.get("advice")
    found = (
        f"trainer=auto: {advice}" if advice else "",
        _few_trials(config),
        _unequal_examples(config),
        device_message(config),
        _wide_batch(config, len(dataset.train)),
        _small_grid(config),
        *dataset.remarks,
        *data_cautions(config, dataset),
        *kept_model_cautions(config, model),
    )
    return [text for text in found if text]


def announce(config: StudyConfig, search: Search, tracker: StudyTracker, view: View) -> None:
    """Show the study that is about to run: what is done and left.

    Args:
        config: The study's config.
        search: The study's search.
        tracker: The study's record.
        view: The view that shows them.
    """
    n_done, due = search.n_spent, confirmations_due(config, tracker)
    view.study_started(
        search.name,
        experiment=config.experiment_name,
        metric=config.objective.metric,
        direction=config.objective.direction,
        n_trials=max(config.n_trials, n_done),
        n_done=n_done,
        n_confirmations=sum(due.values()),
        n_default=due.get("default", 0),
        look=place_of_look(seeds_of_looks(config, tracker), up_to=config.confirm_up_to),
        is_round=config.confirm_up_to is not None,
        place=config.place,
        best=search.best() if n_done else None,
        compiles=config.backend != "torch" and not computes_in_numpy(config),
    )
    if n_done > config.n_trials and config.confirm_up_to is None:
        view.message(
            f"budget.n_trials={config.n_trials} is lower than the {n_done} trials that are done; all of them count. "
            "For a study of fewer trials, set another study_name."
        )


def place_of_look(n_seeds: Sequence[int], *, up_to: int | None) -> LookPlace | None:
    """Return the look for which a run trains confirmations; None if no looks are planned.

    Args:
        n_seeds: Numbers of seeds at the planned looks, in their order.
        up_to: Number of confirmations that the run trains. None: those of the first look.
    """
    if not n_seeds:
        return None
    number = 1 if up_to is None else next((i for i, n in enumerate(n_seeds, 1) if n >= up_to), len(n_seeds))
    return LookPlace(number, len(n_seeds), first=n_seeds[number - 2] if number > 1 else 0, last=n_seeds[number - 1])


def _few_trials(config: StudyConfig) -> str:
    """Say that more trials are advised for what is searched besides the optimizer's arguments; empty otherwise."""
    advised = advised_trials(len(config.ranges))
    if not config.searched or config.n_trials >= advised:
        return ""
    return (
        f"{len(config.ranges)} values are searched at once ({', '.join(config.ranges)}), in {config.n_trials} trials: "
        f"at least {advised} are advised (budget.n_trials={advised}), or a search of fewer values."
    )


def _unequal_examples(config: StudyConfig) -> str:
    """Say that trials of other batch sizes see other numbers of examples; empty otherwise."""
    if config.budget.n_steps is None or _BATCH_SIZE not in config.searched:
        return ""
    return (
        f"search.{_BATCH_SIZE} with budget.n_steps={config.budget.n_steps}: trials of a larger batch see more "
        "examples. With budget.n_epochs all see the same number."
    )


def _wide_batch(config: StudyConfig, n_examples: int) -> str:
    """Say that a step takes all training examples since there are not more; empty otherwise."""
    batch_size = config.trainer.section["batch_size"]
    if batch_size <= n_examples:
        return ""
    return (
        f"trainer.batch_size={batch_size} is more than the {n_examples} training examples: each step takes all of "
        "them."
    )


def _small_grid(config: StudyConfig) -> str:
    """Say that a grid has fewer points than there are trials; empty otherwise."""
    n = config.n_points
    if n is None or n >= config.budget.n_trials or not config.ranges:
        return ""
    return (
        f"sampler={config.sampler.name} has {n} points, fewer than budget.n_trials={config.budget.n_trials}: each is "
        "trained once."
    )


def other_versions(backend: str, *, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Say that a study goes on with other versions of the packages that compute it; empty if they are the same.

    Args:
        backend: The backend that trains.
        before: Recorded versions by package.
        now: The versions now.
    """
    changed = [
        f"{package} {before[package]} before, {now.get(package, 'none')} now"
        for package in COMPUTING.get(backend, ())
        if package in before and before[package] != now.get(package)
    ]
    if not changed:
        return ""
    return (
        f"this study goes on with other versions: {'; '.join(changed)}. Numbers may differ between its trials. "
        "Install the versions of before, or begin a new study with another study_name."
    )


def announce_cautions(config: StudyConfig, view: View) -> None:
    """Show cautions about settings with which the optimizer cannot converge, or computes another rule than its paper.

    Args:
        config: The study's config.
        view: The view that shows them.
    """
    if warning := stability.warning(config):
        view.message(warning)
    used = UsedOptimizer(
        target=config.optimizer.target,
        fixed=config.optimizer.fixed,
        searched=config.optimizer.ranges,
        backend=config.trainer.section.get("backend"),
    )
    for caution in keras_cautions(used):
        view.message(caution.text)
