"""Walk on landscapes with Keras and print the positions; run as a process, for its backend and precision.

python tests/landscapes/landscape_cases.py FOLDER TRAINER BACKEND
"""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import gc
import itertools
import json
import sys
from pathlib import Path

from study.core.garbage import collect_rarely
from study.training.backend import select_backend

collect_rarely()
FOLDER, TRAINER, BACKEND = Path(sys.argv[1]), *sys.argv[2:4]
select_backend(BACKEND)

from study.cli.launch.compose import compose_jobs, prepare
from study.core.trainer_interface import Trial
from study.datasets.landscape import load
from study.pipeline.preflight import load_config
from study.pipeline.workload import build_trainer
from study.run import run_study
from study.tracking.read_studies import read_histories, read_studies

gc.freeze()  # Keras collects garbage for every model, also among the libraries' objects
CONF = Path(__file__).parents[2] / "conf"
QUIET = ("tracking.system_metrics=false", "tracking.log_model=false", "live=false")
HOW = (f"trainer={TRAINER}", f"trainer.backend={BACKEND}", "trainer.precision=float64")
LANDSCAPES = ("ellipse", "rotated", "beale", "saddle", "bowl", "double_well")
# Keras cannot train with rules that exist in NumPy only.
OPTIMIZERS = sorted(
    path.stem for path in (CONF / "optimizer").glob("*.yaml") if "study.optimizers.reference." not in path.read_text()
)


def configs(*overrides):
    jobs = compose_jobs(prepare([*overrides, *QUIET]), multirun=False)
    return [load_config(job.raw, folder=FOLDER, labels=job.labels) for job in jobs]


def studied(*overrides):
    """Run an experiment; return, for each trial, its state, and the loss and position from MLflow."""
    found = {}
    for config in configs(*overrides, *HOW):
        outcome = run_study(config)
        (record,) = [
            record
            for record in read_studies(config.stores.tracking_uri, outcome.experiment)
            if record.run_id == outcome.run_id
        ]
        ids = [run.run_id for run in record.trials]
        read = read_histories(config.stores.tracking_uri, ids, ["loss", "x1", "x2", "val_loss"])
        found[f"{config.optimizer.name} {config.raw['setting']}"] = {
            "best": None if outcome.best is None else outcome.best.objective,
            "confirmed": [run.state for run in record.confirmations if run.config in ("best", "fixed")],
            "trials": [
                {
                    "state": run.state,
                    **{
                        name: {int(s): float(v) for s, v in zip(*read[run.run_id][name], strict=True)}
                        for name in read[run.run_id]
                    },
                }
                for run in record.trials
            ],
        }
    return found


def walked(*overrides, **point):
    """Train one trial of a study without any store, and return its state and positions."""
    (config,) = configs("dataset=landscape", "budget.n_epochs=3", *overrides, *HOW)
    positions = []

    def on_epoch(_, report):
        positions.append([report.metrics[name] for name in ("loss", "x1", "x2")])
        return True

    trial = Trial(number=0, hyperparameters=config.optimizer.arguments(point), run_seed=1, order_seed=1)
    (result,) = build_trainer(config, load()).train([trial], on_epoch)
    return {"state": result.state, "error": result.error, "positions": positions}


found = {
    "two_dimensions": studied("experiment=two_dimensions"),
    "rotated": studied("experiment=rotated", "optimizer=sgd", "setting=published,tuned", "budget.n_trials=8"),
    "decay 1": walked("model=ellipse", "optimizer=rmsprop", rho=1.0, learning_rate=0.1),
    "every optimizer": {
        optimizer: walked(f"model={landscape}", f"optimizer={optimizer}", learning_rate=0.01)
        for optimizer, landscape in zip(OPTIMIZERS, itertools.cycle(LANDSCAPES), strict=False)
    },
    "every landscape": {
        landscape: walked(f"model={landscape}", "optimizer=sgd", learning_rate=0.01) for landscape in LANDSCAPES
    },
}
print(json.dumps(found))  # noqa: T201
