"""Answer the questions of a test in a process of its own: see `case_process.CaseProcess`."""

import json
import sys
import traceback


def record(result, reports):
    return {
        "state": result.state,
        "error": result.error,
        "history": dict(result.history),
        "summary": dict(result.summary),
        "weights": None if result.weights is None else [w.tolist() for w in result.weights],
        "reports": [[r.epoch, r.step] for r in reports],
        "steps": [{name: list(values) for name, values in r.steps.items()} for r in reports],
    }


def serve(functions):
    """Answer each line with what the function that it names returns, or with the text of its error."""
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"found": functions[name](*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)  # noqa: T201
