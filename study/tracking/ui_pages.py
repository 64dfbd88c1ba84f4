"""MLflow's pages as `study ui` serves them: a first visit shows experiments of training, with the columns of studies.

MLflow 3.17 shows pages for language models first, opens an assistant beside them, and gives a table of runs no column
of results. Its pages keep a person's choices in the browser's storage. A first visit gets these choices from here, and
what a person changes there stays. Another version of MLflow gets its own first page, unchanged.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from flask import Response, request
from mlflow.server import app as _pages
from mlflow.server.fastapi_app import app
from mlflow.tracking import MlflowClient

from study.tracking.experiment_note import mark_stale
from study.tracking.experiment_views import TAG

__all__ = ["app"]

# Keys of the browser's storage, in MLflow 3.17's pages: the kind of pages; an assistant that has opened by itself; a
# notice of telemetry, which `study ui` turns off.
_CHOICES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
    "mlflow.telemetry.info.alert.dismissed_v1": "true",
}
_OF_EXPERIMENT = 'MLflowLocalStorage-1.1-ExperimentPage-["{}"]-ReactComponentState'
# The view whose columns the plain table of an experiment gets.
_VIEW = "studies"
# The ends of the addresses at which a person deletes and restores runs.
_CHANGES = ("/mlflow/runs/delete", "/mlflow/runs/restore")
# A browser knows a store by its port and an experiment by its number. So what it kept of another store is replaced.
_SCRIPT = """<script>try{{
const store="study-ui-store",isNew=localStorage.getItem(store)!=={store};
for(const[key,value]of Object.entries({choices}))if(localStorage.getItem(key)===null)localStorage.setItem(key,value);
for(const[key,value]of Object.entries({columns}))
if(isNew||localStorage.getItem(key)===null)localStorage.setItem(key,value);
localStorage.setItem(store,{store});
if(!location.hash)location.hash="#/experiments"
}}catch{{}}</script>"""


def _add_choices(response: Response) -> Response:
    """Add the choices of a first visit to the page that holds all others."""
    if request.path != "/" or response.status_code != 200 or response.mimetype != "text/html":
        return response
    store = hashlib.sha256(os.environ.get("MLFLOW_BACKEND_STORE_URI", "").encode()).hexdigest()[:12]
    script = _SCRIPT.format(choices=_in_script(_CHOICES), columns=_in_script(_columns()), store=_in_script(store))
    response.direct_passthrough = False
    response.set_data(response.get_data(as_text=True).replace("<head>", f"<head>{script}", 1))
    # The experiments change while a browser has the page.
    response.headers["Cache-Control"] = "no-store"
    for name in ("ETag", "Last-Modified"):
        response.headers.pop(name, None)
    return response


_pages.after_request(_add_choices)


def _tell_of_changes(response: Response) -> Response:
    """Mark the description of an experiment whose runs a person deletes or restores: its answer counts others."""
    if request.path.endswith(_CHANGES) and response.status_code == 200:
        with contextlib.suppress(Exception):  # whatever a store does, the run is deleted
            client = MlflowClient(os.environ["MLFLOW_BACKEND_STORE_URI"])
            mark_stale(client, str(request.get_json(force=True)["run_id"]))
    return response


_pages.after_request(_tell_of_changes)


def _in_script(value: object) -> str:
    """Return a value as JSON that cannot end a script."""
    return json.dumps(value).replace("<", "\\u003c")


def _columns() -> dict[str, str]:
    """Return the columns of each experiment's table, by the key of the browser's storage; none without a store."""
    found: dict[str, str] = {}
    with contextlib.suppress(Exception):  # whatever a store does, the page comes
        client = MlflowClient(os.environ["MLFLOW_BACKEND_STORE_URI"])
        for experiment in client.search_experiments():
            if view := experiment.tags.get(f"{TAG}{_VIEW}"):
                found[_OF_EXPERIMENT.format(experiment.experiment_id)] = view
    return found
