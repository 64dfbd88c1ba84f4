"""`study sync`: deliver the records that wait for a tracking server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from study.core.errors import StudyError


def main(arguments: list[str]) -> int:
    """Deliver the records of a folder's studies that ended, or were killed, while their server was unreachable.

    Args:
        arguments: The words after `study sync`.

    Returns:
        The exit status: 0 if all records are delivered, otherwise 1.
    """
    parser = argparse.ArgumentParser(
        prog="study sync",
        description="Deliver records that wait in mlruns/spool for an unreachable tracking server.",
        epilog="Nothing is written twice, even if deliveries are cut off. A running study delivers its own records.",
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="the folder that holds mlruns/ (default: here)")
    parser.add_argument(
        "--tracking-uri", help="the server, if it has moved or needs a password (default: the recorded one)"
    )
    options = parser.parse_args(arguments)
    # Imported late: MLflow takes seconds, and --help does not need it.
    from study.tracking.outbox.spool import waiting
    from study.tracking.outbox.sync import deliver_spool

    spools = waiting(options.folder.resolve() / "mlruns" / "spool")
    n_failed = 0
    for path in spools:
        try:
            delivered = deliver_spool(path, tracking_uri=options.tracking_uri)
        except StudyError as error:  # another study's server may be reachable
            sys.stderr.write(f"study sync: {error}\n")
            n_failed += 1
            continue
        if delivered is None:
            sys.stdout.write(f"{path.name}: its study is running and delivers its own records.\n")
        else:
            sys.stdout.write(
                f"{delivered.study}: {delivered.n_records} records delivered to {delivered.tracking_uri}.\n"
            )
    if not spools:
        sys.stdout.write("No records wait for delivery.\n")
    return 1 if n_failed else 0
