"""Studies as both stores hold them, to list, delete or rename in both."""

from __future__ import annotations

import contextlib
import difflib
import shlex
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from study.cli.text_table import render_table
from study.config.schema import Stores
from study.core.database_address import sqlite_file
from study.core.errors import StoreAwayError, StoreError, StudyError
from study.core.names import mended, typed_command
from study.core.records import StudyRecord
from study.core.redaction import redact
from study.report.labelled_studies import studies_of_label
from study.search.storage.interface import hold_storage
from study.search.stored_searches import StoredSearch, list_searches
from study.tracking.connection import Connections, store_errors
from study.tracking.read_studies import deleted_experiments, read_experiments, read_studies
from study.tracking.run_changes import RecordedStudies


@dataclass(frozen=True, kw_only=True)
class StudyInStores:
    """A study in the store of searches, in MLflow, or in both.

    Attributes:
        experiment: Name of the experiment.
        name: Name of the study in its experiment.
        search: The study in the store of searches; None: it is not there.
        record: The study in MLflow; None: it is not there.
    """

    experiment: str
    name: str
    search: StoredSearch | None
    record: StudyRecord | None

    @property
    def title(self) -> str:
        """The study's name with that of its experiment."""
        return f"{self.experiment}/{self.name}"

    @property
    def contents(self) -> str:
        """The parts of the study in both stores, in words."""
        searched = f"{self.search.n_ended} trials" if self.search else "nothing"
        recorded = "nothing"
        if (record := self.record) is not None:
            recorded = f"a run with {len(record.trials)} trials and {len(record.confirmations)} confirmations"
        return f"{searched} in the search, {recorded} in MLflow"


@dataclass(frozen=True, kw_only=True)
class BothStores:
    """The two stores that a command changes.

    Attributes:
        stores: Their places.
        recorded: MLflow's store, to change.
        studies: The studies of both, the oldest search first.
    """

    stores: Stores
    recorded: RecordedStudies
    studies: tuple[StudyInStores, ...]

    def find(self, target: str) -> list[StudyInStores]:
        """Return the study that a target names, or all studies of the experiment that it names.

        Args:
            target: `EXPERIMENT/STUDY` or `EXPERIMENT`. The label of a comparison is taken as a study's name too.

        Raises:
            StudyError: No store has such a study or experiment, or several studies have this name.
        """
        named = [study for study in self.studies if study.title == target]
        if not named:
            named = [study for study in self.studies if f"{study.experiment}/{mended(study.name)}" == target]
        found = named or [study for study in self.studies if study.experiment == target]
        if not found:
            found = named = self._labelled(target)
        if len(named) > 1:
            titles = [study.title for study in named]
            if len({*titles}) == len(titles):
                told = f"{len(named)} have this label: {', '.join(titles)}. Choose one."
            else:
                ids = ", ".join(study.record.run_id for study in named if study.record)
                told = f"{len(named)} have this name (runs {ids})."
            raise StudyError(f"TARGET={target}: expected one study, and {told}")
        if not found:
            known = sorted({word for study in self.studies for word in (study.experiment, study.title)})
            near = difflib.get_close_matches(target, known, n=3, cutoff=0.4)
            advice = f"Did you mean {' or '.join(near)}?" if near else "See study list --all."
            raise StudyError(f"TARGET={target}: expected EXPERIMENT or EXPERIMENT/STUDY of either store. {advice}")
        return found

    def _labelled(self, target: str) -> list[StudyInStores]:
        """Return the studies that a label of a comparison means, as in `digits-mlp/adam (weight_decay 0.01)`."""
        found: list[StudyInStores] = []
        for experiment in sorted({study.experiment for study in self.studies}):
            if target.startswith(f"{experiment}/"):
                of = [study for study in self.studies if study.experiment == experiment]
                records = [study.record for study in of if study.record is not None]
                runs = {record.run_id for record in studies_of_label(target.removeprefix(f"{experiment}/"), records)}
                found += [study for study in of if study.record is not None and study.record.run_id in runs]
        return found


def read_both(stores: Stores) -> BothStores:
    """Read the studies of both stores; one of them may be missing.

    Args:
        stores: The places of results.

    Raises:
        StoreError: Neither store exists, or one cannot be read.
    """
    database, connections = sqlite_file(stores.tracking_uri), Connections()
    is_missing = database is not None and not database.exists()
    searches, records = list_searches(stores), []
    if not is_missing:
        for experiment in read_experiments(stores.tracking_uri, connections=connections):
            records += read_studies(stores.tracking_uri, experiment, connections=connections)
    elif not searches:
        raise StoreError(
            f"{stores.tracking_uri}: expected the stores of a study, and neither is there. Run a study first, or name "
            "another folder with --folder."
        )
    recorded = RecordedStudies(None if is_missing else stores.tracking_uri, connections)
    return BothStores(stores=stores, recorded=recorded, studies=tuple(joined(searches, records)))


@contextlib.contextmanager
def held(stores: Stores) -> Iterator[BothStores]:
    """Read both stores, and let no study open during the block.

    Args:
        stores: The places of results.

    Raises:
        StoreError: Neither store exists, or one cannot be read or written.
    """
    with hold_storage(stores), store_errors(stores.tracking_uri, "the studies cannot be changed"):
        yield read_both(stores)


def refuse_open(studies: Sequence[StudyInStores]) -> None:
    """Refuse to change studies that are running.

    Args:
        studies: The studies.

    Raises:
        StoreAwayError: A living worker has one of them open.
    """
    if running := [study.title for study in studies if study.search is not None and study.search.is_open]:
        raise StoreAwayError(
            f"TARGET={', '.join(running)}: expected a study that is not running, and a process works on it. Stop it "
            "with Ctrl-C, or wait until it ends."
        )


def confirmed(question: str) -> bool:
    """Ask the user; anything but yes means no.

    Args:
        question: The question.
    """
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if line.strip().lower() in ("y", "yes"):
        return True
    # Without a terminal there is no answer.
    sys.stdout.write("Nothing was changed.\n" if line else "\nNothing was changed. Add --yes to answer yes.\n")
    return False


def show_both(stores: Stores, experiments: Sequence[str]) -> None:
    """Print the studies of both stores, with what each store has of them.

    Args:
        stores: The places of results.
        experiments: Names of the experiments; empty: all.

    Raises:
        StoreError: Neither store exists, or one cannot be read.
        StudyError: No store has one of the experiments.
    """
    both = read_both(stores)
    studies = [study for name in experiments for study in both.find(name)] if experiments else list(both.studies)
    if not studies:
        sys.stdout.write("Both stores are empty.\n")
        return
    headers = ("study", "search", "trials in the search", "trials in MLflow", "confirmations", "stores")
    render_table(headers, [_row(study) for study in studies], stream=sys.stdout)
    if any(study.search is None or study.record is None for study in studies):
        sys.stdout.write("\nThe command that began a study writes into one store what only the other has.\n")
    sys.stdout.write("Delete or rename a study in both:  study delete STUDY, study rename STUDY NAME\n")


def told_of_search_alone(stores: Stores, known: Collection[str], *, connections: Connections) -> list[str]:
    """Return a line for each experiment that only the store of searches has, with the next step.

    Args:
        stores: The places of results.
        known: Names of the experiments with studies in MLflow.
        connections: The command's connections.

    Raises:
        StoreError: A store cannot be read.
    """
    found: dict[str, list[StoredSearch]] = {}
    for search in list_searches(stores):
        if search.experiment not in known:
            found.setdefault(search.experiment, []).append(search)
    deleted = deleted_experiments(stores.tracking_uri, connections=connections) if found else {}
    lines = []
    for name, searches in found.items():
        n_trials = sum(search.n_ended for search in searches)
        advice = "The command that began a study writes its trials into MLflow again."
        if (number := deleted.get(name)) is not None:
            shown = shlex.quote(redact(stores.tracking_uri))
            advice = (
                "The experiment was deleted in MLflow. To restore it: "
                f"MLFLOW_TRACKING_URI={shown} mlflow experiments restore --experiment-id {number}."
            )
        lines.append(
            f"{name}: only the search has it, with {len(searches)} {_plural('study', 'studies', searches)} and "
            f"{n_trials} trials. {advice} To delete it there too: {typed_command('delete', name)}"
        )
    return lines


def _plural(one: str, several: str, found: Sequence[object]) -> str:
    return one if len(found) == 1 else several


def _row(study: StudyInStores) -> tuple[str, ...]:
    search, record = study.search, study.record
    return (
        study.title,
        "" if search is None else "running" if search.is_open else "ended",
        "" if search is None else str(search.n_ended),
        "" if record is None else str(len({run.number for run in record.trials if run.finished})),
        "" if record is None else str(sum(not run.superseded for run in record.confirmations)),
        "both" if search and record else "search only" if search else "MLflow only",
    )


def joined(searches: Sequence[StoredSearch], records: Sequence[StudyRecord]) -> Iterator[StudyInStores]:
    """Pair the studies of both stores by experiment, identity and name.

    Args:
        searches: The studies in the store of searches.
        records: The studies in MLflow.
    """
    left = list(records)
    for search in searches:
        same = [r for r in left if (r.experiment, r.study_id) == (search.experiment, search.digest)]
        record = next((record for record in same if record.name == search.name), same[0] if len(same) == 1 else None)
        if record is not None:
            left.remove(record)
        yield StudyInStores(experiment=search.experiment, name=search.name, search=search, record=record)
    for record in left:
        yield StudyInStores(experiment=record.experiment, name=record.name, search=None, record=record)
