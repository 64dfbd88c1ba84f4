"""Wait for MLflow's server when a study opens, as at its end."""

from __future__ import annotations

from collections.abc import Callable

from study.core.errors import StoreAwayError, StoreError
from study.core.outages import Outage, Result
from study.tracking.connection import is_database
from study.tracking.outbox import writer_thread
from study.tracking.outbox.mlflow_writer import is_passing


def wait_for_server(tracking_uri: str, operation: Callable[[], Result]) -> Result:
    """Call an operation on a store; while its server is away, call it again, for up to `PATIENCE_S` seconds.

    Args:
        tracking_uri: Address of the store.
        operation: The operation, which may be called again after it failed anywhere.

    Raises:
        StoreAwayError: The server is still away.
    """

    def call() -> Result:
        try:
            return operation()
        except StoreAwayError:
            raise
        except StoreError as error:
            if is_database(tracking_uri) or error.__cause__ is None or not is_passing(error.__cause__):
                raise
            raise StoreAwayError(str(error)) from error.__cause__

    if tracking_uri.startswith("sqlite"):
        return operation()
    server = "MLflow's database" if is_database(tracking_uri) else "MLflow's server"
    return Outage(server, patience_s=writer_thread.PATIENCE_S).bridge(call)
