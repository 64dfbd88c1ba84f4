"""Run checked jobs through Hydra, or let Hydra answer questions about the config."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import get_original_cwd
from omegaconf import DictConfig

from study.cli.launch.compose import CompositionError, Job, MisreadError, compose_jobs, differing_keys, read_job
from study.cli.launch.confirm_rounds import UpTo, confirm_jobs_in_rounds
from study.cli.launch.hydra_messages import plugin_faults
from study.cli.launch.one_trial import refuse_sweep, typed_words
from study.cli.launch.own_conf import texts_of, with_files
from study.cli.launch.own_defaults import keys_of_defaults, used_defaults
from study.cli.launch.progress_of_command import PlannedJob, checking_text, in_its_place, tell_studies
from study.cli.launch.setting_names import setting_faults
from study.cli.launch.words import flag_parser
from study.cli.paragraphs import write_paragraphs
from study.config.known_keys import unknown_keys
from study.core.errors import ConfigError, Fault, StudyError, limit_errors
from study.core.interrupt import Stopped, job_of_launcher, passed_to_children
from study.core.redaction import redact
from study.core.status_line import status_line
from study.reproduction.config_changes import leaves

if TYPE_CHECKING:
    from study.pipeline.preflight import CheckedStudy
    from study.run import StudyOutcome

Checked: TypeAlias = "Sequence[tuple[Job, CheckedStudy]]"
PlannedJobs: TypeAlias = Mapping[tuple[str, ...], PlannedJob]  # by their overrides

_BASIC_LAUNCHER = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"
_JOBLIB_LAUNCHER = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
_FULL_ERROR = "HYDRA_FULL_ERROR"


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """A command line, as Hydra reads it.

    Attributes:
        arguments: All words.
        overrides: The `KEY=VALUE` words.
        multirun: True with `-m`.
        is_question: True if it asks for information, not for a run.
        is_composed: True if the answer needs a composed config.
    """

    arguments: tuple[str, ...]
    overrides: tuple[str, ...]
    multirun: bool
    is_question: bool
    is_composed: bool


class JobError(StudyError):
    """A job ended with an unexpected error, whose traceback is the message, or with any in another process."""

    exit_status = 1


def read_arguments(arguments: Sequence[str]) -> CommandLine:
    """Split a command line into flags and overrides; an unknown flag ends the process with status 2.

    Args:
        arguments: The words after `study run`.
    """
    options = flag_parser().parse_args(list(arguments))
    is_composed = bool(options.cfg or options.info is not None)
    return CommandLine(
        arguments=tuple(arguments),
        overrides=tuple(options.overrides),
        multirun=options.multirun,
        is_question=is_composed or options.hydra_help or options.shell_completion,
        is_composed=is_composed,
    )


def answer(command_line: CommandLine, *, faults: Sequence[Fault] = ()) -> int:
    """Let Hydra answer `--cfg`, `--info`, `--hydra-help` or the shell.

    Args:
        command_line: The command line.
        faults: Faults of the command line that were found before. Default: none.

    Returns:
        The exit status: 2 if Hydra cannot compose the config.

    Raises:
        ConfigError: There are `faults`, or a key that was typed does not exist.
    """
    if faults:
        raise ConfigError(faults)
    if command_line.is_composed:
        try:
            jobs = compose_jobs(command_line.overrides, multirun=False)
        except (CompositionError, ConfigError) as error:
            sys.stderr.write(f"study run: {error}\n")
            return 2
        tell_own_files(jobs)
        _refuse_unknown(jobs)
    shown = io.StringIO()
    with _argv(command_line.arguments), contextlib.redirect_stdout(shown):
        _application()()
    sys.stdout.write(redact(shown.getvalue()))
    return 0


def launch(command_line: CommandLine, jobs: Sequence[Job]) -> int:
    """Check all jobs, run them through Hydra, and show the studies side by side.

    Args:
        command_line: The command line.
        jobs: The jobs of the command line.

    Returns:
        The exit status: 1 if no trial of a study completed.

    Raises:
        ConfigError: A job has a fault. The error holds the faults of all jobs, and no job has started.
    """
    tell_own_files(jobs)
    places = [*sys.path]
    sweeps = command_line.multirun or HydraConfig.get().mode == RunMode.MULTIRUN  # a file can make a sweep too
    if sweeps and (faults := plugin_faults(HydraConfig.get())):
        raise ConfigError(faults)
    refuse_sweep(jobs, sweeps=sweeps)
    with status_line(checking_text(jobs)):
        studies = _check(jobs)
    telling = differing_keys(jobs)
    if sweeps:
        tell_studies(jobs, [study.config for study in studies], telling=telling)
    # Other launchers copy their arguments to each of their processes, and those have checked no job.
    checked = tuple(zip(jobs, studies, strict=True)) if jobs and _runs_here() else ()
    if not checked:  # each process of a launcher finds the user's modules once it has checked its job
        sys.path[:] = places
    planned = {
        job.overrides: PlannedJob(choice=study.choice, command_studies=study.config.command_studies)
        for job, study in zip(jobs, studies, strict=True)
    }
    runs_here = _runs_here()

    def run(up_to: UpTo | None = None) -> None:
        with _argv(command_line.arguments), contextlib.nullcontext() if runs_here else _of_launcher():
            _application(telling, checked, planned, up_to)()

    run()
    if any(study.config.only_trial is not None for study in studies):
        return 0  # it has stored nothing that could be shown
    confirm_jobs_in_rounds(jobs, studies, launch=None if runs_here else run)
    from study.cli.actions.end_of_run import show_end
    from study.cli.actions.gallery import page_after_run

    configs = [study.config for study in studies]
    without_result = show_end(configs)
    page_after_run(command_line.overrides, configs)
    return 1 if without_result else 0


def _check(jobs: Sequence[Job]) -> list[CheckedStudy]:
    """Check all jobs of a command; raise one error with the faults of all."""
    from study.core.log_capture import captured

    with tempfile.NamedTemporaryFile() as log, captured(Path(log.name)):
        from study.pipeline.preflight import check

        faults = setting_faults(jobs)
        try:
            helpers = frozenset().union(*(job.helpers for job in jobs))
            # A launcher of a cluster trains on machines that may have a GPU where this one has none.
            trained = [(job.raw, job.labels) for job in jobs]
            studies = check(trained, folder=Path.cwd(), helpers=helpers, trains_here=_runs_here())
        except ConfigError as error:
            raise ConfigError(_told([*error.faults, *faults], jobs)) from None
    if faults:
        raise ConfigError(faults)
    return studies


def with_further_faults(error: MisreadError) -> ConfigError:
    """Return an error with the faults of the rest of a command line too.

    Args:
        error: The error about words that cannot be read.
    """
    # Arguments of a section depend on its choice, other keys do not.
    certain = {fault.key for job in error.jobs for fault in unknown_keys(job.raw, helpers=job.helpers)}
    found = _faults(error.jobs)
    further = [fault for fault in found if fault.key in certain or fault.key.partition(".")[0] not in error.left_out]
    return ConfigError([*error.faults, *further])


def _refuse_unknown(jobs: Sequence[Job]) -> None:
    """Refuse typed keys that do not exist; Keras, which knows arguments, is imported only for keys that no file has.

    A question loads no module of the user's. So the arguments of the user's own functions are checked when the study
    runs.

    Args:
        jobs: The jobs of the command line.

    Raises:
        ConfigError: A typed key does not exist.
    """
    typed = {value.key for job in jobs for value in job.values if not value.deletes}
    groups = [word for job in jobs for word in job.overrides if not word.startswith("++")]
    listed = {key for job in compose_jobs(groups, multirun=False) for key, _ in leaves(job.raw)}
    new = {key for key in typed if not any(f"{name}.".startswith(f"{key}.") for name in listed)}
    unknown = [fault for fault in _faults(jobs, load_own=False) if fault.key in new] if new else []
    if unknown:
        raise ConfigError(unknown)


def _faults(jobs: Sequence[Job], *, load_own: bool = True) -> list[Fault]:
    """Return the faults of composed jobs, each once; errors that are no faults of the config are left for later."""
    from study.core.log_capture import captured

    faults = {str(fault): fault for fault in setting_faults(jobs)}
    with tempfile.NamedTemporaryFile() as log, captured(Path(log.name)):
        from study.pipeline.preflight import load_config
        from study.training.auto import first_choice, is_auto

        for job in jobs:
            try:  # any trainer will do, since nothing is trained
                choice = first_choice(job.raw) if is_auto(job.raw) else None
                load_config(job.raw, labels=job.labels, helpers=job.helpers, load_own=load_own, choice=choice)
            except ConfigError as error:
                faults |= {str(fault): fault for fault in error.faults}
            except StudyError:
                continue
    return _told(list(faults.values()), jobs)


def _told(faults: Sequence[Fault], jobs: Sequence[Job]) -> list[Fault]:
    """Name the user's own files that faults come from."""
    files = list(dict.fromkeys(file for job in jobs for file in job.files))
    typed = {value.key for job in jobs for value in job.values}
    return with_files(faults, files, typed=typed, defaults=_defaults(jobs))


def _defaults(jobs: Sequence[Job]) -> list[str]:
    """Return the keys that jobs have from conf/study.yaml."""
    return list(keys_of_defaults(used_defaults([word for job in jobs for word in job.overrides])))


def tell_own_files(jobs: Sequence[Job]) -> None:
    """Write a line for each file of the user's own that was taken instead of a built-in one, and for own defaults.

    Args:
        jobs: The jobs of a command line.
    """
    for line in texts_of([file for job in jobs for file in job.files]):
        sys.stderr.write(f"study run: {line}\n")
    if keys := _defaults(jobs):
        sys.stderr.write(f"study run: conf/study.yaml gives {', '.join(keys)}\n")


def run_job(
    own: DictConfig,
    *,
    telling: Collection[str] = (),
    checked: Checked = (),
    planned: PlannedJobs | None = None,
    up_to: UpTo | None = None,
) -> float:
    """Run one job's study and return its best objective; NaN if no trial completed.

    An outer Hydra sweep over anything else can optimize the returned value.

    Args:
        own: The job's composed config.
        telling: The keys in which the jobs of the command line differ. Default: none.
        checked: Jobs that this process has checked, with their configs. Default: none.
        planned: What the command found out of its jobs. None (the default): nothing, so each chooses its own trainer.
        up_to: Numbers of confirmations that jobs train in this round, by their overrides; a job without one has
            nothing to do. None (the default): jobs run their whole studies.

    Raises:
        SystemExit: The study ended with an error for the user; the status is the error's.
        JobError: Any other exception, or an error for the user in a process of another launcher.
    """
    try:
        with contextlib.nullcontext() if _runs_here() else job_of_launcher(), limit_errors("this study"):
            outcome = _run(own, telling, checked, planned or {}, up_to)
    except Stopped as stopped:
        if _runs_here():
            raise
        raise JobError(f"stopped by {stopped}. Run the same command again to continue the study.") from None
    except StudyError as error:  # Hydra would print a traceback, and end with another status
        write_paragraphs([f"study run: {error}"], stream=sys.stderr, hanging="  ")
        if not _runs_here():
            raise JobError(str(error)) from None  # to a launcher, a process that exits is a lost machine
        raise SystemExit(error.exit_status) from error
    except Exception:  # Hydra runs the other jobs, then prints this one's traceback
        raise JobError(redact(traceback.format_exc())) from None
    return math.nan if outcome is None or outcome.best is None else outcome.best.objective


def _run(
    own: DictConfig, telling: Collection[str], checked: Checked, planned: PlannedJobs, up_to: UpTo | None
) -> StudyOutcome | None:
    with status_line("study run: loading MLflow and Optuna") if _runs_here() else contextlib.nullcontext():
        from study.cli.launch.child_process import run_anywhere
    from study.core.log_capture import captured

    job = read_job(own, HydraConfig.get().overrides.task, telling=telling)
    if up_to is not None and job.overrides not in up_to:
        return None
    with tempfile.NamedTemporaryFile() as log, captured(Path(log.name)):  # another process loads Keras here
        study = _checked(job, checked, planned)
    config = in_its_place(study.config, list(up_to or planned), job.overrides, shares_screen=not _runs_here())
    config = config if up_to is None else dataclasses.replace(config, confirm_up_to=up_to[job.overrides])
    return run_anywhere(config, dataset=study.dataset, kept=study.kept)


def _checked(job: Job, checked: Checked, planned: PlannedJobs) -> CheckedStudy:
    """Return the checked study of a job, or check its config.

    Hydra has composed the job once more. If the overrides and all resolved values are equal, the config is the checked
    one; a value such as the time makes it another one. The stores are checked again, because earlier jobs wrote to
    them.
    """
    from study.pipeline.choose_trainers import choose_trainers
    from study.pipeline.preflight import CheckedStudy, check_stores, load_config

    for known, study in checked:
        if (known.overrides, known.raw) == (job.overrides, job.raw):
            check_stores(study.config)
            config = dataclasses.replace(study.config, labels=job.labels, typed_words=typed_words(job))
            return dataclasses.replace(study, config=config)
    folder, helpers = Path(get_original_cwd()), job.helpers
    plan = planned.get(job.overrides, PlannedJob(choice=None))
    choice = plan.choice or choose_trainers([job.raw], folder=folder, helpers=helpers).choices[0]
    config = load_config(job.raw, folder=folder, labels=job.labels, helpers=helpers, choice=choice)
    return CheckedStudy(config=dataclasses.replace(plan.in_command(config), typed_words=typed_words(job)))


def _runs_here() -> bool:
    """Return whether Hydra runs jobs in this process, one after the other."""
    return bool(HydraConfig.get().launcher._target_ == _BASIC_LAUNCHER)


@contextlib.contextmanager
def _of_launcher() -> Iterator[None]:
    """Let errors of jobs in other processes pass through Hydra, and signals reach jobs in processes of joblib.

    Hydra would print a traceback and exit; joblib kills its processes when this one gets an exception.
    """
    is_joblib = HydraConfig.get().launcher._target_ == _JOBLIB_LAUNCHER
    before = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = "1"
    try:
        with passed_to_children() if is_joblib else contextlib.nullcontext():
            yield
    finally:
        os.environ.pop(_FULL_ERROR)
        if before is not None:
            os.environ[_FULL_ERROR] = before


def _application(
    telling: Collection[str] = (),
    checked: Checked = (),
    planned: PlannedJobs | None = None,
    up_to: UpTo | None = None,
) -> Callable[[], object]:
    def job(own: DictConfig) -> float:
        return run_job(own, telling=telling, checked=checked, planned=planned, up_to=up_to)

    application: Callable[[], object] = hydra.main(
        version_base=None, config_path="pkg://study.conf", config_name="config"
    )(job)
    return application


@contextlib.contextmanager
def _argv(arguments: Sequence[str]) -> Iterator[None]:
    """Hand Hydra its command line, which it reads from the process."""
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before
