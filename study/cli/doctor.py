"""`study doctor`: GPUs, backends, data sets and stores of this machine, and the next step for missing ones."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import yaml

from study.cli.stores import add_store_options, local_stores
from study.cli.working_directory import own_conf, packaged_conf
from study.core.errors import StudyError


def main(arguments: list[str]) -> int:
    """Print the findings.

    Args:
        arguments: The words after `study doctor`.

    Returns:
        The exit status: 0 if a study can run, otherwise 1.
    """
    parser = argparse.ArgumentParser(
        prog="study doctor",
        description="Show backends, GPUs, data sets and stores. Status 0: a study can run; 1: not.",
    )
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for a backend to start (default: 120)")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="first measure the times of trainers here, for trainer=auto (takes minutes)",
    )
    parser.add_argument("--measure-timeout", type=float, default=300.0, help="seconds for each trainer (default: 300)")
    add_store_options(parser)
    options = parser.parse_args(arguments)
    # Imported late: the libraries of the stores take seconds.
    from study.cli.actions.diagnostics import can_run, examine
    from study.cli.text_table import render_table

    if options.measure:
        from study.cli.actions.measure_trainers import measure_all

        measure_all(timeout_s=options.measure_timeout, stream=sys.stderr if options.json else sys.stdout)
    findings = examine(_targets(), local_stores(options), timeout_s=options.timeout)
    runs = can_run(findings)
    if options.json:
        answer = {"can_run": runs, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return 0 if runs else 1
    rows = [(finding.kind, finding.name, finding.state, finding.detail) for finding in findings]
    render_table(("kind", "name", "state", "what was found"), rows, stream=sys.stdout)
    for finding in findings:
        if finding.advice:
            sys.stdout.write(f"\n{finding.name} is {finding.state}. {finding.advice}\n")
    sys.stdout.write(f"\nA study can{'' if runs else 'not'} run here.\n")
    return 0 if runs else 1


def _targets() -> dict[str, str | StudyError]:
    """Return the `_target_` of every data set in conf/, the working directory's own conf/ included.

    A file without one gives the error to show.
    """
    folders = filter(None, (packaged_conf(), own_conf()))
    files = {file.stem: file for folder in folders for file in sorted((folder / "dataset").glob("*.yaml"))}
    return {name: _target(file) for name, file in files.items()}


def _target(file: Path) -> str | StudyError:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        return StudyError(f"{file}: expected a file that can be read as YAML. {' '.join(str(error).split())}")
    target = content.get("_target_") if isinstance(content, dict) else None
    if isinstance(target, str) and "." in target:
        return target
    return StudyError(f"{file}: expected the key _target_ with a dotted path, for example _target_: mydata.load")
