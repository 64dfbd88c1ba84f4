"""`study list`: experiments and studies, their progress and best so far."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from study.cli.overview import show_studies
from study.cli.stores import add_store_options, find_stores
from study.errors import StudyError
from study.tracking.reader import read_experiments, read_studies


def main(arguments: list[str]) -> int:
    """Print the studies of all experiments, or of those named."""
    parser = argparse.ArgumentParser(prog="study list", description="Show experiments and their studies.")
    parser.add_argument("experiments", nargs="*", metavar="EXPERIMENT", help="only these")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object, runs included")
    add_store_options(parser)
    options = parser.parse_args(arguments)
    uri = find_stores(options).tracking_uri
    known = read_experiments(uri)
    for name in options.experiments:
        if name not in known:
            raise StudyError(f"EXPERIMENT={name}: expected one of {', '.join(known) or '(none yet)'}. See study list.")
    chosen = options.experiments or list(known)
    if options.json:
        found = {name: [asdict(study) for study in read_studies(uri, name)] for name in chosen}
        json.dump(found, sys.stdout, indent=2, default=dict)
        sys.stdout.write("\n")
    else:
        show_studies({(uri, name) for name in chosen})
    return 0
