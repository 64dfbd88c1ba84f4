"""Material as studies on landscapes leave it, without a training: the ways are those of the reference rules."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from study.core.records import RunRecord, StudyRecord
from study.gallery import Material
from study.optimizers.landscape import read_landscape
from study.optimizers.reference import of_keras
from study.report.studies import gather

CONF = Path(__file__).parents[2] / "conf"
_H = 1e-30
_PARAMS = {"study_seed": "0", "objective.metric": "val_loss", "objective.direction": "minimize"}


def conf(group, name):
    return yaml.safe_load((CONF / group / f"{name}.yaml").read_text())


def slope(landscape, at):
    """The gradient to the last bit but one: a step along the imaginary axis takes no difference."""
    return np.array([landscape.height(*(at + 1j * _H * axis)).imag / _H for axis in np.eye(len(at))])


def way(landscape, optimizer, *, n_steps):
    """Positions after each step by Keras's rule, up to where they are numbers."""
    arguments = {
        k: v for k, v in optimizer.items() if k not in ("name", "_target_", "search", "search_only", "untuned")
    }
    rule = of_keras(optimizer["_target_"], arguments)
    weights = [landscape.start]
    state, positions = rule.init(weights), []
    with np.errstate(all="ignore"):
        for _ in range(n_steps):
            weights, state = rule.step(weights, [slope(landscape, weights[0])], state)
            if not np.isfinite(landscape.heights(weights[0])):
                break
            positions.append(weights[0])
    return np.array(positions).reshape(-1, landscape.n_dimensions)


class Walks:
    """Collects studies and makes material of them."""

    def __init__(self, name, *, n_steps):
        self.name, self.n_steps = name, n_steps
        self.records = []
        self.configs = {}
        self.positions = {}
        self.landscapes = {}

    def add(
        self,
        optimizer,
        model,
        points,
        *,
        setting=None,
        **fixed,
    ):
        """Add a study with a trial for each point; `fixed` are the arguments that its config fixes."""
        name = "-".join(filter(None, (optimizer, model, setting)))
        section, landscape = {**conf("optimizer", optimizer), **fixed}, read_landscape(conf("model", model))
        trials = [self._trial(name, number, section, landscape, point) for number, point in enumerate(points)]
        searched = {f"optimizer.search.{argument}.choices": "[0.1, 1.0]" for argument in points[0]}
        record = StudyRecord(
            run_id=f"{name}-study", experiment=self.name, name=name, optimizer=optimizer, dataset="landscape",
            model=model, study_id=name, status="FINISHED", n_trials=len(trials), tags={"n_confirmations": "0"},
            params={**_PARAMS, "optimizer": optimizer, "model.name": model, "setting": str(setting), **searched},
            metrics={}, trials=tuple(trials), confirmations=(), started=1e9, ended=1e9 + 60,
        )  # fmt: skip
        self.records.append(record)
        self.configs[name] = {"setting": setting, "optimizer": section, "model": conf("model", model)}

    def _trial(self, study, number, section, landscape, point):
        run_id = f"{study}-{number}"
        self.positions[run_id] = way(landscape, {**section, **point}, n_steps=self.n_steps)
        self.landscapes[run_id] = landscape
        heights = landscape.heights(np.concatenate([[landscape.start], self.positions[run_id]]))
        diverged = len(heights) <= self.n_steps or heights[-1] > heights[0]
        return RunRecord(
            run_id=run_id, role="trial", config=None, number=number, state="diverged" if diverged else "complete",
            status="FINISHED", superseded=False, params={key: str(value) for key, value in point.items()},
            metrics={"objective": 1e9 if diverged else float(heights[-1]), "n_steps": float(self.n_steps)},
            started=1e9, ended=1e9 + 1,
        )  # fmt: skip

    def material(self):
        """Return the material of all studies so far."""

        def history(run, metric):
            positions = self.positions[run.run_id]
            if metric == "loss":
                return self.landscapes[run.run_id].heights(positions)
            index = int(metric.removeprefix("x")) - 1
            return positions[:, index] if index < positions.shape[1] else np.zeros(len(positions))

        experiment = gather(self.name, self.records, digests={}, read_histories=lambda *_: {}, force=True)
        return Material(name=self.name, experiment=experiment, configs=self.configs, history=history)

    def shift(self, study, by):
        """Move the last recorded position of a study's first trial, as another rule would."""
        positions = self.positions[f"{study}-0"].copy()
        positions[-1] += by
        self.positions[f"{study}-0"] = positions

    def without(self, study):
        """Forget a study."""
        self.records = [record for record in self.records if record.name != study]

    def called(self, study, state):
        """Say of a study's trials that they ended otherwise."""
        self.records = [
            replace(record, trials=tuple(replace(run, state=state) for run in record.trials))
            if record.name == study
            else record
            for record in self.records
        ]


def experiment(name, *, points=None):
    """Return the studies of an experiment's file; `points` are those that a searched setting tried, by optimizer."""
    read = conf("experiment", name)
    walks = Walks(name, n_steps=conf("budget", f"published/{name}")["n_epochs"])
    swept = read["hydra"]["sweeper"]["params"]
    models = swept.get("model", next(iter(d["override /model"] for d in read["defaults"] if "override /model" in d)))
    for model in models.split(","):
        for optimizer in swept["optimizer"].split(","):
            for setting in swept.get("setting", read["setting"]).split(","):
                given = read["settings"][setting]
                searched = [{}] if given else (points or {})[optimizer]
                walks.add(optimizer, model, searched, setting=setting, **given.get(optimizer, {}))
    return walks
