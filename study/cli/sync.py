"""`study sync`: deliver what waits for a tracking server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from study.core.errors import StudyError


def main(arguments: list[str]) -> int:
    """Deliver the records of all studies of a folder that ended or were killed while their server was away."""
    parser = argparse.ArgumentParser(
        prog="study sync",
        description="Deliver records that wait in mlruns/spool for a tracking server that was away.",
        epilog="Nothing is written twice, however often a delivery is cut off. A running study delivers its own.",
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="where mlruns/ is (default: here)")
    parser.add_argument(
        "--tracking-uri", help="the server, where it has moved or needs a password (default: the one recorded)"
    )
    options = parser.parse_args(arguments)
    # Imported late: MLflow takes seconds, which --help is not to wait for.
    from study.tracking.outbox.spool import waiting
    from study.tracking.outbox.sync import deliver_spool

    spools = waiting(options.folder.resolve() / "mlruns" / "spool")
    n_failed = 0
    for path in spools:
        try:
            delivered = deliver_spool(path, tracking_uri=options.tracking_uri)
        except StudyError as error:  # another study's server may be there
            sys.stderr.write(f"study sync: {error}\n")
            n_failed += 1
            continue
        if delivered is None:
            sys.stdout.write(f"{path.name}: its study is running and delivers it.\n")
        else:
            sys.stdout.write(
                f"{delivered.study}: {delivered.n_records} records delivered to {delivered.tracking_uri}.\n"
            )
    if not spools:
        sys.stdout.write("Nothing waits to be delivered.\n")
    return 1 if n_failed else 0
