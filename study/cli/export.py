"""`study export`: the best configuration as Hydra YAML with its origin in the header, or as a plain Keras script."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from study.cli.stores import add_store_options, find_stores
from study.core.errors import StudyError
from study.core.names import in_file_name, typed_override


def main(arguments: list[str]) -> int:
    """Write the configuration of a target to a file.

    Args:
        arguments: The words after `study export`.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="study export",
        description="Write the best configuration of a study as Hydra YAML: study run best=FILE trains it, "
        "study run enqueue=FILE optimizer=NAME begins a search with it. Or, with --script, as a program without this "
        "project.",
    )
    parser.add_argument("target", metavar="TARGET", help="EXPERIMENT/OPTIMIZER, EXPERIMENT/STUDY, or a run id")
    default = "EXPERIMENT-STUDY.yaml, or .py with --script"
    parser.add_argument("-o", "--output", help=f"the file, - for standard output (default: {default})")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    script = "write a plain Keras script that trains the run again, and its data as .npz beside it: python FILE"
    parser.add_argument("--script", action="store_true", help=script)
    allow = "with --script: a further package that the recorded config may call, as in study reproduce"
    parser.add_argument("--allow", action="append", default=[], metavar="PACKAGE", help=allow)
    add_store_options(parser)
    options = parser.parse_args(arguments)
    from study.reproduction.recorded_run import find_recorded_run

    target = find_recorded_run(find_stores(options).tracking_uri, options.target, folder=Path.cwd())
    target = target.translated(folder=options.folder.resolve())
    sys.stderr.write(target.moved_text)
    today = datetime.datetime.now(tz=datetime.UTC).date()
    name = in_file_name(f"{target.study.experiment}-{target.study.name}")
    if options.script:
        from study.cli.actions.export_script import export_script

        return export_script(target, options, default=f"{name}.py", exported_on=today)
    from study.reproduction.export import export

    text = export(target, exported_on=today)
    if options.output == "-":
        sys.stdout.write(text)
        return 0
    path = Path(options.output or f"{name}.yaml")
    write_text(path, text, overwrite=options.overwrite)
    sys.stdout.write(f"{path}: {target.title}\nTrain it:  study run {typed_override('best', str(path))}\n")
    return 0


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write the text of a configuration.

    Args:
        path: Path of the file.
        text: The text.
        overwrite: Replace a file that exists.

    Raises:
        StudyError: The file exists, or cannot be written.
    """
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        advice = "Add --overwrite to replace it, or name another file."
        raise StudyError(f"--output={path}: expected a new file, and this one exists. {advice}") from error
    except OSError as error:
        advice = "Name a file in a folder that can be written to."
        raise StudyError(
            f"--output={path}: expected a file that can be written ({error.strerror}). {advice}"
        ) from error
