"""Confirm in rounds: after each look at the seeds, train the confirmations that still decide something."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.names import typed_command
from study.core.records import latest_of_settings
from study.report.look_text import look_text, names_text
from study.report.pairing import decide_outcome
from study.report.studies import ComparedExperiment, gather
from study.tracking.comparison_runs import read_context
from study.tracking.connection import Connections
from study.tracking.read_studies import read_studies

# Trains studies up to their `confirm_up_to`.
Train = Callable[[Sequence[StudyConfig]], None]


def confirm_until_decided(configs: Sequence[StudyConfig], *, train: Train, tell: Callable[[str], None]) -> None:
    """Train further confirmations of a command's studies, look by look, until their comparisons are decided.

    The studies that are due are a pure function of what the stores hold. So a command that was ended anywhere goes on
    to the same decisions from the same seeds, and several workers of one command train each confirmation once.

    Args:
        configs: The configs of a command's studies, which have run. Those under `budget.confirm=fixed` are left out.
        train: Trains the confirmations of studies up to the number `confirm_up_to` of each.
        tell: Shows a line.

    Raises:
        StudyError: A store cannot be read, or a study failed.
    """
    ours = [each for each in configs if each.budget.confirm == "sequential" and each.budget.n_confirmations]
    for uri, name in sorted({(each.stores.tracking_uri, each.experiment_name) for each in ours}):
        of_experiment = [each for each in ours if (each.stores.tracking_uri, each.experiment_name) == (uri, name)]
        _confirm_experiment(of_experiment, train, tell)


def _confirm_experiment(configs: Sequence[StudyConfig], train: Train, tell: Callable[[str], None]) -> None:
    """Train the studies of one experiment, round by round."""
    name, told = configs[0].experiment_name, ""
    before: Mapping[str, int] = {}
    while (experiment := _compared(configs[0], tell)) is not None:
        outcome = decide_outcome(experiment)
        if (line := look_text(outcome)) and line != told:
            tell(f"{name}: {line}")
            told = line
        studies, lacking = _of_command(experiment, configs), _lacking(experiment, outcome.due)
        wanted = {name: n for name, n in lacking.items() if name in studies}
        if not wanted or wanted == before:
            _tell_left(experiment, lacking, studies, tell)
            return
        train([replace(studies[name], confirm_up_to=n) for name, n in wanted.items()])
        before = wanted


def _compared(config: StudyConfig, tell: Callable[[str], None]) -> ComparedExperiment | None:
    """Read an experiment; None if its studies cannot be compared, and a line that says why."""
    uri, name, connections = config.stores.tracking_uri, config.experiment_name, Connections()
    records = read_studies(uri, name, connections=connections)
    digests = read_context(uri, name, connections=connections).digests
    try:
        return gather(name, records, digests=digests, read_histories=lambda *_: {})
    except StudyError as error:
        tell(f"{name}: no further confirmations, since the studies cannot be compared: {error}")
        return None


def _of_command(experiment: ComparedExperiment, configs: Sequence[StudyConfig]) -> dict[str, StudyConfig]:
    """Return the configs of a command by the names of their studies."""
    by_settings = {config.typed_digest: config for config in configs}
    latest = latest_of_settings(experiment.records)
    return {record.name: by_settings[record.settings_id] for record in latest if record.settings_id in by_settings}


def _lacking(experiment: ComparedExperiment, due: Mapping[str, int]) -> dict[str, int]:
    """Return those of the due studies that lack confirmations, with the number that each should have."""
    n_has = {study.record.name: len(study.tuned) for study in experiment.studies}
    return {name: n for name, n in due.items() if n > n_has.get(name, 0)}


def _tell_left(
    experiment: ComparedExperiment,
    lacking: Mapping[str, int],
    studies: Mapping[str, StudyConfig],
    tell: Callable[[str], None],
) -> None:
    """Say which studies lack confirmations that this command does not train, and why the next look waits for them."""
    if foreign := [name for name in lacking if name not in studies]:
        commands = [record.tags.get("command") for record in experiment.records if record.name in foreign]
        plan = f"{typed_command('plan', experiment.name)} shows the command"
        known = commands[0] if len(commands) == 1 else None
        tell(
            f"{experiment.name}: the next look also needs more seeds of {names_text(foreign)}, which this command "
            f"does not run: {known or plan}"
        )
    if stuck := [name for name in lacking if name in studies]:
        tell(
            f"{experiment.name}: the next look needs confirmations of {names_text(stuck)} that failed, or that "
            "another worker has yet to train. Run the same command again once they can be trained."
        )
