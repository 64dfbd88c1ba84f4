"""The action of `study export --script`: a plain Keras script, and its data beside it."""

from __future__ import annotations

import argparse
import datetime
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from study.config.allowlist import own_modules
from study.core.errors import StudyError
from study.core.log_capture import captured_unseen
from study.core.trainer_interface import nothing
from study.reproduction.recorded_run import RecordedRun
from study.reproduction.script import Script, make_script

_ENDING, _DATA = ".py", ".npz"


def export_script(
    target: RecordedRun, options: argparse.Namespace, *, default: str, exported_on: datetime.date
) -> int:
    """Write the script of a target and its data, and print their places.

    Args:
        target: The run.
        options: The parsed options of `study export`.
        default: Name of the file if the options name none.
        exported_on: The date, for the header.

    Returns:
        The exit status.

    Raises:
        StudyError: A file exists or cannot be written, or a script cannot train the run.
    """
    path = _output(options.output or default)

    def tell(modules: Sequence[Path]) -> None:
        sys.stderr.write(f"runs code that its config names: {', '.join(map(str, modules))}\n")

    script = write_script(
        target,
        path,
        folder=options.folder.resolve(),
        exported_on=exported_on,
        allow=options.allow,
        overwrite=options.overwrite,
        on_own_modules=tell,
    )
    sys.stderr.writelines(f"{remark}\n" for remark in script.remarks)
    sys.stdout.write(f"{path}: {target.title}\n{path.with_suffix(_DATA)}: its data\n")
    sys.stdout.write(f"Train it:  python {shlex.quote(str(path))}\n")
    return 0


def write_script(
    target: RecordedRun,
    path: Path,
    *,
    folder: Path,
    exported_on: datetime.date,
    allow: Sequence[str] = (),
    overwrite: bool = False,
    apart: bool = False,
    on_own_modules: Callable[[Sequence[Path]], None] = nothing,
) -> Script:
    """Write the script of a target, and its data beside it with the ending `.npz`.

    Args:
        target: The run.
        path: Path of the script, with the ending `.py`.
        folder: The folder where relative paths of the config start.
        exported_on: The date, for the header.
        allow: Packages that the recorded config may call, besides those of `study.config.allowlist`. Default: none.
        overwrite: Replace files that exist. Default False.
        apart: Load the data and the model in a fresh process in any case. Default False.
        on_own_modules: Called with the user's own modules before their code runs, if there are any. Default: ignore.

    Raises:
        StudyError: A file exists or cannot be written, or a script cannot train the run.
    """
    files = [path, path.with_suffix(_DATA)]
    for file in () if overwrite else files:
        if file.exists():
            raise _exists(file)
    if modules := own_modules(target.raw, folder=folder, allow=allow):
        on_own_modules(modules)
    with captured_unseen():
        script = make_script(
            target, folder=folder, file_name=path.name, exported_on=exported_on, allow=allow, apart=apart
        )
    _write(files, script, overwrite=overwrite)
    return script


def _output(name: str) -> Path:
    if name == "-":
        raise StudyError("--output=-: expected a file, since a script has its data beside it. Name one, such as x.py.")
    check_script_name(Path(name))
    return Path(name)


def check_script_name(path: Path) -> None:
    """Check the ending of a script's name.

    Args:
        path: Path of the script.

    Raises:
        StudyError: It has another ending than `.py`.
    """
    if path.suffix != _ENDING:
        raise StudyError(f"--output={path}: expected a name with the ending {_ENDING}. Name one, such as x.py.")


def _write(files: list[Path], script: Script, *, overwrite: bool) -> None:
    """Write both files, or none."""
    made: list[Path] = []
    try:
        for path in reversed(files):  # a script without its data would be of no use
            with path.open("wb" if overwrite else "xb") as file:
                made.append(path)
                _fill(file, path, script)
    except BaseException as error:
        for path in made if not overwrite else []:
            path.unlink(missing_ok=True)
        if isinstance(error, FileExistsError):
            raise _exists(path) from error
        if not isinstance(error, OSError):
            raise
        advice = "Name a file in a folder that can be written to, on a disk with room."
        raise StudyError(
            f"--output={path}: expected a file that can be written ({error.strerror}). {advice}"
        ) from error


def _fill(file: IO[bytes], path: Path, script: Script) -> None:
    if path.suffix == _DATA:
        np.savez_compressed(file, allow_pickle=False, **script.arrays)
    else:
        file.write(script.text.encode())


def _exists(path: Path) -> StudyError:
    advice = "Add --overwrite to replace it, or name another file."
    return StudyError(f"--output={path}: expected a new file, and this one exists. {advice}")
