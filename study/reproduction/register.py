"""Register the best model of a study: choose it, describe it, and put it into MLflow's registry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from study.core.errors import StoreError, StudyError
from study.core.names import typed_command
from study.core.number_text import short_number
from study.core.readable_output import in_one_line
from study.core.records import RunRecord, StudyRecord
from study.report.confirmed import ConfirmedScores, confirmed_metrics, divergence_text
from study.report.objective_metric import SPACE, ObjectiveMetric, metric_confirmed, metric_of
from study.report.pairing import decide_outcome
from study.report.searched_ranges import searched_ranges
from study.report.studies import gather, point_of
from study.report.summary_rows import summarize
from study.report.verdict_text import answer
from study.reproduction.recorded_run import RecordedRun, is_confirmed_best
from study.search.claims import confirmation_key
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections, store_errors
from study.tracking.keras_models import KeptModel, find_model, has_file_of_model
from study.tracking.read_studies import read_contents, read_studies
from study.tracking.registry import (
    DescribedModel,
    RegisteredVersion,
    check_alias,
    check_name,
    default_name,
    register_version,
)


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A registered model.

    Attributes:
        target: The confirmation that trained it.
        version: Its version in the registry.
        model: The model as MLflow has it.
        alias: The alias that the version has got; None: none.
    """

    target: RecordedRun
    version: RegisteredVersion
    model: KeptModel
    alias: str | None

    @property
    def address(self) -> str:
        """The address by which MLflow loads the model."""
        if self.alias is not None:
            return f"models:/{self.version.name}@{self.alias}"
        return f"models:/{self.version.name}/{self.version.version}"


class UnfinishedStudyError(StudyError):
    """A study that will keep its model at its end; the same command can work then."""

    exit_status = 1


def register(target: RecordedRun, *, typed: str, name: str | None = None, alias: str | None = None) -> Registration:
    """Register the model of a study's best confirmation. If anything is refused, nothing is written.

    Args:
        target: A confirmation of the study.
        typed: The word by which the user named it: a study, or the id of this very run.
        name: Name of the registered model. None (the default): the name of the experiment.
        alias: Alias of the version. None (the default): no alias.

    Raises:
        StoreError: The store cannot be read or written.
        StudyError: The name or the alias is invalid, or the target's model was not kept, or was lost.
    """
    chosen = name if name is not None else default_name(target.study.experiment)
    check_name(chosen)
    if alias is not None:
        check_alias(alias)
    connections = Connections()
    target, model = find_best_model(target, typed=typed, connections=connections)
    study = target.study
    described = DescribedModel(
        model_id=model.model_id,
        run_id=study.run_id,
        description=_description(target, connections),
        tags=_tags(target),
        collection=in_one_line(
            f"The best confirmed models of the experiment {study.experiment} (data set {study.dataset}, model "
            f"{study.model}), one version for each that `study register` registered."
        ),
    )
    version = register_version(target.tracking_uri, described, name=chosen, alias=alias, connections=connections)
    return Registration(target=target, version=version, model=model, alias=alias)


def find_best_model(target: RecordedRun, *, typed: str, connections: Connections) -> tuple[RecordedRun, KeptModel]:
    """Return the confirmation whose model a study keeps, its best one, and the model.

    Args:
        target: A confirmation of the study.
        typed: The word by which the user named it: a study, or the id of this very run.
        connections: The caller's connections.

    Raises:
        StoreError: The store cannot be read.
        StudyError: The model was not kept, or was lost.
    """
    best = _of_best(target, typed)
    return best, _find_model(best, typed, connections)


def _of_best(target: RecordedRun, typed: str) -> RecordedRun:
    """Return the best confirmation of the study of a target, whose model is the one that a study keeps.

    Raises:
        StudyError: The target is a single run, and not this one.
    """
    study = target.study
    best = _best(study)
    is_run = typed == target.run.run_id or (bool(target.exported) and not is_confirmed_best(target.run))
    if is_run and target.run != best:
        named = f"{study.experiment}/{study.name}"
        raise StudyError(
            f"TARGET={typed}: expected a study, or the run of its best confirmation, since a study keeps no other "
            f"model, and this is the {target.run.words} of {named}. {_next(best, named)}"
        )
    if best is None:
        raise StudyError(
            f"TARGET={typed}: expected a study with a complete confirmation of its best or its fixed setting, and "
            "this one has none. Continue it with budget.n_confirmations=5."
        )
    if best.contents == target.run.contents:
        return replace(target, run=best)
    contents = read_contents(target.tracking_uri, study, best)  # the study went on after a change that was accepted
    digests = target.data_digests if contents is None else (contents.data,)
    return replace(target, run=best, contents=contents, data_digests=digests)


def _next(best: RunRecord | None, named: str) -> str:
    if best is None:
        return "Confirm the study first, with budget.n_confirmations=5."
    return f"Register the best one: {typed_command('register', named)}"


def _best(study: StudyRecord) -> RunRecord | None:
    """Return the confirmation with the best objective, the first of equals, as a study chooses the model it keeps."""
    confirmed = [run for run in study.confirmations if is_confirmed_best(run) and "objective" in run.metrics]
    sign = metric_of(study.params, study.tags).sign if confirmed else 1.0
    return max(confirmed, key=lambda run: (sign * run.metrics["objective"], -run.number), default=None)


def _find_model(target: RecordedRun, typed: str, connections: Connections) -> KeptModel:
    """Return the model of the target.

    Raises:
        StoreError: The store cannot be read.
        StudyError: The model was not kept, or was lost.
        UnfinishedStudyError: The study still runs.
    """
    study, run = target.study, target.run
    client = connections.client(target.tracking_uri)
    with store_errors(target.tracking_uri, f"the model of run {study.run_id} cannot be read"):
        found = find_model(client, study.run_id, of=confirmation_key(run.kind, run.number, point_of(run)))
        is_file = found is None and has_file_of_model(client, study.run_id)
    trains = "it trains this confirmation again, to the same weights, and keeps it."
    again = f"Run the study's command again: {trains}"
    if found is not None and not found.lost:
        return found
    named = f"TARGET={typed}: expected a study whose model was kept"
    if found is not None:
        raise StudyError(f"{named}, and a file of it was lost or damaged: {found.lost}. {again}")
    if study.status == "RUNNING":
        raise UnfinishedStudyError(
            f"{named}, and {study.experiment}/{study.name} is not at its end, where it keeps it. Wait until it ends, "
            "or run its command again if it was stopped; then try again."
        )
    if is_file:
        raise StudyError(
            f"{named} as a logged model, and this one is only a file, since its server was away when the study ended. "
            f"Fetch it: mlflow artifacts download --run-id {study.run_id} --artifact-path model.keras"
        )
    if study.tags.get("tracking.log_model") == "false":
        advice = f"Run the study's command again with tracking.log_model=true: {trains}"
        raise StudyError(f"{named}, and this one has tracking.log_model=false. {advice}")
    raise StudyError(
        f"{named}, and that of its {run.words} was not: the study was stopped before its "
        f"end, the model was deleted in MLflow, or Keras could not save it, which the study said. {again}"
    )


def _tags(target: RecordedRun) -> dict[str, str]:
    """Return the tags of a version: its origin, and the searched values by the keys that a user types."""
    study, run = target.study, target.run
    point = point_of(run)
    names = {key: key if "." in key else f"optimizer.{key}" for key in searched_ranges(study)}
    searched = {names[key]: point[key] for key in names if key in point}
    tags = {
        "experiment": study.experiment,
        "study": study.name,
        "optimizer": study.optimizer,
        **searched,
        "dataset": study.dataset,
        "model": study.model,
        "confirmation": run.words,
        "run_id": run.run_id,
        "data_digest": ", ".join(target.data_digests),
        "git_commit": study.tags.get("git_commit", ""),
    }
    return {key: in_one_line(value) for key, value in tags.items() if value}


def _description(target: RecordedRun, connections: Connections) -> str:
    """Return a paragraph on a model: its origin, the metrics of its configuration, and the experiment's verdict."""
    study, run = target.study, target.run
    values = ", ".join(f"{key}={short_number(text)}" for key, text in point_of(run).items() if text != "null")
    setting = "the fixed setting" if run.kind == "fixed" else "the best setting found"
    logits = " and returns logits" if study.params.get("dataset.task.loss.from_logits") == "true" else ""
    text = (
        f"The model {study.model} for the data set {study.dataset}, trained with {study.optimizer}"
        f"{f' ({values})' if values else ''}, {setting} by the study {study.experiment}/{study.name}. "
        f"{_scores_text(target)} The model is that of confirmation {run.number}, the best on validation. It takes "
        f"inputs as the data set's load() gives them{logits}. "
        f"Comparison of the experiment {study.experiment}: {_verdict(target, connections)}"
    )
    return in_one_line(text.replace(SPACE, " "))


def _scores_text(target: RecordedRun) -> str:
    """Return a sentence with each metric over the confirmations, the objective first."""
    study, run = target.study, target.run
    same = [other for other in study.confirmations if other.kind == run.kind and not other.superseded]
    found = confirmed_metrics([(other.state, other.metrics) for other in same], study.params, study.tags)
    first = metric_of(study.params, study.tags)
    names = sorted(found, key=lambda name: (name != first.confirmed, name))
    n = max((each.n for each in found.values()), default=0)
    of = "1 confirmation" if n == 1 else f"{n} confirmations on fresh seeds"
    has_interval = any(each.others is not None and math.isfinite(each.others.low) for each in found.values())
    what = "Mean and 95 % interval" if has_interval else "Mean"
    told = ", ".join(_score(found[name], metric_confirmed(name, study.params, study.tags)) for name in names)
    apart = divergence_text(found[names[0]]) if names else ""
    return f"{what} over {of}: {told}{f'; {apart}' if apart else ''}."


def _score(found: ConfirmedScores, metric: ObjectiveMetric) -> str:
    others = found.others
    if others is None:
        return f"{metric.confirmed_spoken} none"
    span = metric.span(others.low, others.high) if math.isfinite(others.low) else ""
    return f"{metric.confirmed_spoken} {metric.text(others.estimate)}{f' ({span})' if span else ''}"


def _verdict(target: RecordedRun, connections: Connections) -> str:
    """Return the first sentence of the comparison of the target's experiment, as `study compare` writes it."""
    uri, experiment = target.tracking_uri, target.study.experiment
    context = read_context(uri, experiment, connections=connections)
    records = read_studies(uri, experiment, connections=connections)
    try:
        # Histories are for figures alone.
        gathered = gather(experiment, records, digests=context.digests, read_histories=lambda *_: {})
    except StoreError:
        raise
    except StudyError:
        return f"none, since its studies are not comparable (see {typed_command('compare', experiment)})."
    return answer(gathered, decide_outcome(gathered), summarize(gathered)).sentences[0]
