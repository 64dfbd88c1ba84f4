"""Files of an experiment, written as the commands write them: the page, a configuration, a script."""

from __future__ import annotations

import datetime
from pathlib import Path

from study.cli.actions.export_script import check_script_name, write_script
from study.cli.actions.read_comparison import ReadComparison, check_output, make_page, write_page
from study.cli.export import write_text
from study.cli.stores import DEFAULT_UI
from study.core.names import typed_command
from study.reproduction.export import export
from study.reproduction.recorded_run import RecordedRun


def page_file(read: ReadComparison, path: str | Path) -> Path:
    """Write the page of a comparison and return its path; nothing is kept in MLflow.

    Args:
        read: The comparison.
        path: Path of the page; a file that exists is replaced.

    Raises:
        StudyError: The file cannot be written.
    """
    output = Path(path).expanduser()
    check_output(output)
    command = typed_command("compare", read.comparison.experiment.name)
    write_page(output, make_page([read], command=command, ui=DEFAULT_UI), pictures={})
    return output


def config_file(target: RecordedRun, path: str | Path, *, overwrite: bool) -> Path:
    """Write the configuration of a run as YAML and return the path.

    Args:
        target: The run.
        path: Path of the file.
        overwrite: Replace a file that exists.

    Raises:
        StudyError: The file exists or cannot be written.
    """
    output = Path(path).expanduser()
    write_text(output, config_text(target), overwrite=overwrite)
    return output


def config_text(target: RecordedRun) -> str:
    """Return the configuration of a run as YAML, with today's date in its header.

    Args:
        target: The run.
    """
    return export(target, exported_on=_today())


def script_file(target: RecordedRun, path: str | Path, *, folder: Path, overwrite: bool) -> Path:
    """Write a plain Keras script that trains a run again, with its data beside it, and return the script's path.

    Args:
        target: The run.
        path: Path of the script, with the ending `.py`.
        folder: The folder where relative paths of the config start.
        overwrite: Replace files that exist.

    Raises:
        StudyError: A file exists or cannot be written, or a script cannot train the run.
    """
    output = Path(path).expanduser()
    check_script_name(output)
    write_script(target, output, folder=folder, exported_on=_today(), overwrite=overwrite, apart=True)
    return output


def _today() -> datetime.date:
    return datetime.datetime.now(tz=datetime.UTC).date()
