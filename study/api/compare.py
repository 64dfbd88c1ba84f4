"""`compare`: search, confirm and compare optimizers for a model and data, as `study run` does, from Python."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from study.api.arguments import Arguments, ArgumentsError, read_arguments
from study.api.experiment import ExperimentView
from study.api.parts import metric_sections
from study.api.searched import told_in_python
from study.api.task import GUESS, GUESS_OF_CLASSES, infer_task, task_section
from study.cli.launch.child_process import run_anywhere
from study.cli.launch.compose import Job
from study.cli.launch.confirm_rounds import confirm_in_rounds
from study.cli.launch.from_python import EntryError, compose_for_python, hidden_files
from study.cli.launch.one_trial import typed_words
from study.cli.launch.setting_names import setting_faults
from study.cli.working_directory import check_home, working_directory
from study.config.instantiate import takes
from study.core.errors import ConfigError, DataError, Fault, limit_errors
from study.core.interactive import tell
from study.core.interrupt import Stopped, clean_stop
from study.core.log_capture import captured_unseen
from study.core.session_objects import all_objects, is_of_session, kept_objects, uncopied_reason
from study.core.subprocess_call import UnpackableError
from study.pipeline.preflight import CheckedStudy, check, check_stores
from study.pipeline.workload import load_dataset
from study.pipeline.workload_facts import WorkloadFacts, workload_facts
from study.search.storage.interface import wait_for_storage
from study.search.study_names import read_known_studies
from study.training.backend import loaded_backend

# Keys of a config in the words of `compare`.
_IN_PYTHON = {"dataset": "data", "experiment_name": "experiment"}
# Words on a function that loads data, and on data that was given.
_OF_LOADING = {
    "dataset=data: ": "data: ",
    " in what python_session.data returns": " in the data",
    ", in load()": "",
    "let load() return": "give",
    "Let load() return": "Give",
    "Let load() put": "Put",
    "=Split(x=..., y=...)": "=(x, y)",
}
_ARGUMENT = re.compile(r"dataset\.(task\.(?=loss|metrics))?(?P<name>loss|metrics|validation|test)\b")


def compare(
    model: str | Callable[..., Any],
    data: Any,
    *,
    optimizers: str | Sequence[str | Mapping[str, Mapping[str, Any]]],
    validation: Any = None,
    test: Any = None,
    loss: Any = None,
    metrics: Sequence[Any] | None = None,
    budget: str | Mapping[str, Any] | None = None,
    trainer: str | Mapping[str, Any] | None = None,
    sampler: str | Mapping[str, Any] | None = None,
    schedule: str | Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    overrides: Sequence[str] = (),
) -> ExperimentView:
    """Search each optimizer's settings, confirm the best on fresh seeds, record everything, and compare.

    It does what `study run` does, with the stores in `mlruns/` of the working directory. The same call again goes on
    where it stopped, and a larger budget continues the studies. A call with another function or other data makes new
    studies beside the old ones, and a line says so.

    Args:
        model: A function that builds a fresh `keras.Model` for each training, with or without the arguments
            `input_shape` and `n_outputs`; or a name of conf/model. A model that it compiles gives loss and metrics.
        data: `(x, y)` or `(x, y, sample_weight)`, of anything that NumPy can view; a `study.datasets.Dataset`; a
            stream of batches, such as a `tf.data.Dataset`; a function that returns a `Dataset`; or a name of
            conf/dataset.
        optimizers: Names of conf/optimizer, or `{name: {argument: value}}` with values that are not searched.
        validation: Examples for the selection of trials, as `data`, or a rule such as 0.1 that holds them out.
            None (the default): a random tenth.
        test: Examples for the confirmations alone, or such a rule; `"none"`: there are none. None (the default): a
            fifth.
        loss: A name of Keras, a loss of `keras.losses`, or a function; for several outputs a mapping of them. None
            (the default): that of the compiled model, else the one that fits targets and model. A line says which.
        metrics: Names or metrics of Keras; the first one selects. None (the default): those of the compiled model,
            else the accuracy for classes.
        budget: A name of conf/budget, `{key: value}`, or `{name: {key: value}}`. None (the default): `small`.
        trainer: The trainer, in the same form. None (the default): the quickest.
        sampler: The sampler of the search, in the same form. None (the default): independent random search.
        schedule: The schedule of the learning rate, in the same form. None (the default): constant.
        search: Ranges of any keys of the config, searched together with the optimizers' arguments, such as
            `{"model.dropout": (0.0, 0.5), "model.l2": (1e-6, 1e-2, "log"), "trainer.batch_size": [32, 64]}`.
            A tuple has two ends and maybe a scale (`linear`, `log`, `one_minus_log`), a list has choices, a mapping
            has `low`, `high`, `scale`, `integer` and `step`, or `choices`. None (the default): none.
        experiment: Name of the experiment. None (the default): names of data and model.
        overrides: Further values of the config, as on the command line. Default: none.

    Returns:
        The view of the experiment. It has all studies of the experiment, those of earlier calls too.

    Raises:
        ArgumentsError: Arguments have faults; the error names all of them, and nothing was started.
        StudyError: Something else is wrong, such as data that cannot be read, or a store that cannot be written.
        KeyboardInterrupt: The call was interrupted. Results are kept; the same call goes on.

    Example:
        >>> result = compare(build, (x, y), optimizers=["sgd", "adam"], experiment="my-net")  # doctest: +SKIP
        >>> print(result.answer)  # doctest: +SKIP
    """
    groups = {"budget": budget, "trainer": trainer, "sampler": sampler, "schedule": schedule}
    of_data: dict[str, Any] = {"validation": validation, "test": test, "loss": loss, "metrics": metrics}
    check_home()
    folder = working_directory()
    read = partial(
        read_arguments,
        model=model,
        data=data,
        optimizers=optimizers,
        **of_data,
        groups=groups,
        experiment=experiment,
        overrides=overrides,
        search=search,
    )
    try:
        with clean_stop(), limit_errors("this comparison"), kept_objects({}, stay=True):
            return _compared(read(), metrics, folder)
    except DataError as error:
        raise DataError(_data_words(str(error))) from None
    except Stopped as stopped:
        stopped.args = ("stopped; the results are kept, and the same call goes on",)
        raise


def _compared(arguments: Arguments, metrics: Sequence[Any] | None, folder: Path) -> ExperimentView:
    """Check and run the studies, and return the view of their experiment."""
    jobs, arguments = _composed(arguments, metrics, folder)
    for line in hidden_files(jobs):
        tell(line)
    studies = _checked(jobs, arguments, folder)
    _refuse_other_data(studies)
    _tell_other_processes(studies)
    for number, study in enumerate(studies, start=1):
        check_stores(study.config)  # studies before this one have written to them
        placed = replace(study.config, place=(number, len(studies)))
        run_anywhere(placed, dataset=study.dataset, kept=study.kept)
    confirm_in_rounds(studies, tell=tell)
    config = studies[0].config
    return ExperimentView(
        config.experiment_name,
        stores=config.stores,
        folder=folder,
        command=_command(arguments),
        objects=all_objects(),
        allow=arguments.allow,
    )


def _composed(arguments: Arguments, metrics: Sequence[Any] | None, folder: Path) -> tuple[list[Job], Arguments]:
    """Compose the jobs; an open task is first found from data and model."""
    jobs = _compose(arguments)
    if not arguments.data.loss_is_open:
        return jobs, arguments
    try:
        with captured_unseen():
            found = infer_task(_facts(jobs[0].raw, folder), metrics=metric_sections(metrics, []))
    except UnpackableError as error:
        raise ArgumentsError([_stays_here(jobs[0].raw["trainer"]["backend"], error.reason)]) from None
    except ConfigError as error:
        _checked(jobs, arguments, folder)  # which names the faults of all jobs
        raise ArgumentsError(_told(_with_entries(error.faults, arguments), arguments)) from None
    if isinstance(found, Fault):
        raise ArgumentsError([found])
    tell(f"loss: {found.told}")
    section = {**arguments.data.section, "task": found.section}
    arguments = replace(arguments, data=replace(arguments.data, section=section, loss_is_open=False))
    return _compose(arguments), arguments


def _facts(raw: Mapping[str, Any], folder: Path) -> WorkloadFacts:
    """Return facts of data and model; whole numbers that are no classes are numbers for a model of one output."""
    try:
        return workload_facts(raw, folder=folder)
    except DataError:
        if raw["dataset"]["task"]["loss"] != GUESS_OF_CLASSES or takes(raw["model"]["_target_"], "n_outputs"):
            raise
        task = task_section(GUESS, None)
        guessed = {**raw, "dataset": {**raw["dataset"], "task": task}, "objective": task["objective"]}
        found = workload_facts(guessed, folder=folder)
        if found.model.width != 1 or found.model.gives_probabilities:
            raise
        return found


def _compose(arguments: Arguments) -> list[Job]:
    try:
        composed = compose_for_python(arguments.lines())
    except EntryError as error:
        raise ArgumentsError(_told(error.faults, arguments)) from None
    return [job for jobs in composed for job in jobs]


def _checked(jobs: Sequence[Job], arguments: Arguments, folder: Path) -> list[CheckedStudy]:
    """Check all jobs before the first one starts."""
    faults = setting_faults(jobs)
    helpers = frozenset().union(*(job.helpers for job in jobs))
    uncopied = uncopied_reason()
    try:
        with captured_unseen():
            studies = check(
                [(job.raw, job.labels) for job in jobs],
                folder=folder,
                helpers=helpers,
                in_this_process=bool(uncopied),
            )
    except ConfigError as error:
        raise ArgumentsError(_told(_with_entries([*error.faults, *faults], arguments), arguments)) from None
    if faults:
        raise ArgumentsError(faults)
    backends = {study.config.backend for study in studies} - {str(loaded_backend())}
    if backends and uncopied:
        raise ArgumentsError([_stays_here(min(backends), uncopied)])
    has_command = arguments.model.choice and arguments.data.choice
    return [
        replace(study, config=replace(study.config, typed_words=typed_words(job) if has_command else None))
        for study, job in zip(studies, jobs, strict=True)
    ]


def _stays_here(backend: str, reason: str) -> Fault:
    """Return the fault of a backend that needs another process, to which an object of this session cannot go."""
    loaded = loaded_backend()
    allowed = f"{loaded}, which this process has loaded: a function or data cannot be copied to another ({reason})"
    here = f"trainer={{'fit': {{'backend': '{loaded}'}}}}"
    advice = f"Choose {here}, or start Python anew with KERAS_BACKEND={backend}."
    return Fault(key="trainer", value=backend, allowed=allowed, advice=advice)


def _tell_other_processes(studies: Sequence[CheckedStudy]) -> None:
    """Say that studies train in processes of their own, since this one has loaded Keras on another backend."""
    if backends := sorted({study.config.backend for study in studies} - {str(loaded_backend())}):
        tell(
            f"trainings on {', '.join(backends)} run in processes of their own, with copies of functions and data: "
            f"this process has loaded Keras on {loaded_backend()}"
        )


def _refuse_other_data(studies: Sequence[CheckedStudy]) -> None:
    """Refuse an experiment with studies on other data that this call does not replace: nothing would compare them."""
    config = studies[0].config
    stores, experiment = config.stores, config.experiment_name
    ours = {study.config.typed_digest for study in studies}
    known = wait_for_storage(stores, lambda: read_known_studies(stores, experiment))
    others = [each for each in known.values() if each.contents and each.typed_digest not in ours]
    if not any(is_of_session(study.config.dataset.section["_target_"]) for study in studies) or not others:
        return
    digest = (studies[0].dataset or load_dataset(config)).digest
    foreign = [each.name for each in others if each.contents[-1].data != digest]
    if foreign:
        allowed = f"an experiment with the same data, and {', '.join(foreign)} of it have other data"
        advice = f"Name another experiment, or delete these: open_experiment({experiment!r}).delete({foreign[0]!r})."
        raise ArgumentsError([Fault(key="experiment", value=experiment, allowed=allowed, advice=advice)])


def _with_entries(faults: Sequence[Fault], arguments: Arguments) -> Iterator[tuple[int, Fault]]:
    """Yield each fault with the index of the optimizer whose words it is about; the first one for other faults."""
    for fault in faults:
        given = [
            index for index, (_, words) in enumerate(arguments.entries) if any(w.startswith(fault.key) for w in words)
        ]
        yield next(iter(given), 0), fault


def _told(faults: Sequence[tuple[int, Fault]] | Iterator[tuple[int, Fault]], arguments: Arguments) -> list[Fault]:
    """Return faults under the names of `compare`'s arguments, each once."""
    found: dict[str, Fault] = {}
    for index, given in faults:
        fault = _ranges_told(given, arguments.searched)
        group, dot, rest = fault.key.partition(".")
        if group == "optimizer":
            is_of_entry = not dot or any(word.startswith(f"{fault.key}") for word in arguments.entries[index][1])
            key = f"optimizers[{index}]{dot}{rest}" if is_of_entry else fault.key
        elif argument := _ARGUMENT.match(fault.key):
            key = f"{argument['name']}{fault.key[argument.end() :]}"
        else:
            key = f"{_IN_PYTHON.get(group, group)}{dot}{rest}"
        # Not the key in search["model.dropout"], nor the end of a longer one.
        advice = key.join(re.split(rf'(?<!["\w.]){re.escape(fault.key)}', fault.advice))
        told = replace(fault, key=key, advice=advice.replace("dataset.task.", ""))
        if group == "optimizer":
            told = replace(told, advice=re.sub(r'(?<!["\w.])optimizer\.', f"optimizers[{index}].", told.advice))
        found[str(told)] = told
    return list(found.values())


def _ranges_told(fault: Fault, searched: frozenset[str]) -> Fault:
    """Return a fault with the places of ranges in the argument `search`."""
    texts = {name: told_in_python(getattr(fault, name), searched) for name in ("key", "allowed", "advice")}
    return replace(fault, **texts)


def _data_words(text: str) -> str:
    """Return a message on data in the words of `compare`, which loads nothing."""
    for config, python in _OF_LOADING.items():
        text = text.replace(config, python)
    return text


def _command(arguments: Arguments) -> str | None:
    """Return the command line that makes the same studies; None if a function or data has no file."""
    if not (arguments.model.choice and arguments.data.choice):
        return None
    if not any(words for _, words in arguments.entries):
        names = ",".join(name for name, _ in arguments.entries)
        flags = ["-m"] if len(arguments.entries) > 1 else []
        rest = arguments.lines()[0][1:]
        return shlex.join(["study", "run", *flags, f"optimizer={names}", *rest])
    return "\n".join(shlex.join(["study", "run", *line]) for line in arguments.lines())
