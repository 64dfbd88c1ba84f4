"""An experiment from Python: the answer, data frames, figures, the best models, and the actions of the commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from study.api.best_run import BestRun
from study.api.figure_names import MAIN_FIGURES, figure_names, find_figure
from study.api.files import config_file, page_file, script_file
from study.api.frames import confirmation_frame, curve_frame, summary_frame, trial_frame
from study.api.parts import define_again
from study.api.python_words import python_call
from study.api.snapshot import NOTHING_YET, ExperimentSnapshot
from study.cli.actions.change_stores import delete_studies, rename_studies
from study.config.schema import Stores
from study.core.errors import StudyError
from study.core.session_objects import SessionObject, kept_objects
from study.report.figures.interactive import PlotlyFigure, to_plotly
from study.report.html.notebook import notebook_html, notebook_text
from study.reproduction.recorded_run import RecordedRun
from study.reproduction.register import Registration, register
from study.reproduction.reproduce import Reproduction, reproduce

if TYPE_CHECKING:
    import pandas as pd


class ExperimentView:
    """An experiment: its studies, their comparison, and what can be done with them.

    It shows the numbers and sentences of `study compare`. The stores are read when a part is first needed, and
    `refresh` reads them again, for instance while another process runs a study. A study is named as `study compare`
    shows it, or by its optimizer if only one study has it. After a change of data or code, the studies of before are
    left out of the comparison, and an optimizer's name means its study of now; `open_experiment(..., force=True)` has
    all of them. A notebook shows the answer, the summary and some figures.

    Example:
        >>> from study import open_experiment
        >>> result = open_experiment("digits-mlp")  # doctest: +SKIP
        >>> print(result.answer)  # doctest: +SKIP
        >>> result.table()[["study", "mean", "ci_low", "ci_high"]]  # doctest: +SKIP
        >>> result.trials("adam").plot.scatter("learning_rate", "objective", logx=True)  # doctest: +SKIP
        >>> result.figure("tuning_curves").show()  # doctest: +SKIP
        >>> result.best("adam").model().predict(x_test)  # doctest: +SKIP

    Args:
        name: Name of the experiment.
        stores: The places of results.
        folder: The folder of the stores, where the user's own modules may be.
        command: The command that made the studies. None (the default): unknown.
        force: Compare studies that are not comparable. Default False.
        objects: Functions and data of this session that the studies were made with, by name. None (the default): those
            of the last call of `compare`.
        allow: Packages of the user's own that configs of the experiment may name. Default: none.

    The attributes `name`, `folder` and `command` are those that it was made with.
    """

    def __init__(
        self,
        name: str,
        *,
        stores: Stores,
        folder: Path,
        command: str | None = None,
        force: bool = False,
        objects: Mapping[str, SessionObject] | None = None,
        allow: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.command = command
        self.folder = folder
        self._stores = stores
        self._force = force
        self._objects = objects
        self._allow = tuple(allow)
        self.refresh()

    def __repr__(self) -> str:
        """Return the number of studies and the first sentence of the answer."""
        try:
            with python_call("show"):
                n, told = len(self._snapshot.records), self._snapshot.sentences[0]
        except StudyError as error:
            return f"<experiment {self.name}: {error}>"
        return f"<experiment {self.name}, {n} {'study' if n == 1 else 'studies'}: {told}>"

    def _repr_html_(self) -> str:
        """Return the answer, the serious cautions, the summary and some figures, for a notebook."""
        try:
            with python_call("show"):
                comparison = self._snapshot.comparison
                nothing = notebook_text(self.name, NOTHING_YET)
                return nothing if comparison is None else notebook_html(comparison, figures=MAIN_FIGURES)
        except StudyError as error:
            return notebook_text(self.name, str(error))

    @property
    def answer(self) -> str:
        """The sentences of the comparison: which optimizer is better, by how much, and what limits this.

        Studies that are not comparable raise a StudyError; `open_experiment(..., force=True)` compares them anyway.
        """
        with python_call("answer"):
            return " ".join(self._snapshot.sentences)

    @property
    def cautions(self) -> list[str]:
        """The serious warnings, such as `Unequal budgets: ...`: each can make the comparison wrong."""
        with python_call("cautions"):
            found = self._snapshot.comparison
            cautions = found.cautions if found else ()
            return [f"{caution.topic}: {caution.text}" for caution in cautions if caution.serious]

    @property
    def studies(self) -> list[str]:
        """Names of the experiment's studies, the oldest first."""
        with python_call("studies"):
            return [record.name for record in self._snapshot.records]

    @property
    def figures(self) -> list[str]:
        """Names of the figures that have data; `study.api.figure_names` lists all."""
        with python_call("figures"):
            comparison = self._snapshot.comparison
            return [] if comparison is None else list(figure_names(comparison))

    def table(self) -> pd.DataFrame:
        """Return the summary of the comparison page as numbers, an optimizer a row, the best first.

        Studies that differ only in their seeds share a row, as on the page.

        Returns:
            A frame with these columns.

            - study, optimizer, state: `string`. Name in the comparison; the optimizer; `ended` or `not ended`.
            - n_trials, n_planned, n_complete, n_pruned, n_diverged, n_failed: `int64`. Trials that ended, that were
              planned, and that ended in each state.
            - search_best, validation: `float64`. Best validation objective of the search, which its luck biases, and
              the mean one of the confirmations, which orders the rows.
            - metric: `string`. The metric of the columns up to gain_ci_high, such as `test_accuracy`.
            - mean, ci_low, ci_high: `float64`. Mean over the confirmations that did not diverge, 95 % interval.
            - mean_with_diverged: `float64`. With the worst value for each diverged one.
            - untuned, untuned_ci_low, untuned_ci_high: `float64`. The mean of the untuned optimizer with its interval.
            - gain, gain_ci_low, gain_ci_high: `float64`. The mean paired difference of tuned and untuned over the
              seeds that both have, positive where tuning helped, with the 95 % interval of this pair alone.
            - n_confirmations, n_confirmations_diverged: `int64`.
            - seconds_per_trial, optimizer_state_bytes: `float64`. Medians; the seconds are those of training alone.
            - n_studies: `int64`; over_studies, over_studies_ci_low, over_studies_ci_high: `float64`. Mean over
              studies, with the interval that includes the luck of the search; NaN with fewer than three study seeds.
            - the searched hyperparameters of the best configuration, or the fixed learning rate, each under its name;
              missing in a row of several studies.

        Raises:
            StudyError: The studies are not comparable.
        """
        with python_call("table()"):
            return summary_frame(self._snapshot.comparison)

    def trials(self, study: str | None = None) -> pd.DataFrame:
        """Return the trials of the searches, a trial a row.

        Args:
            study: Name of a study or an optimizer. None (the default): all studies.

        Returns:
            A frame with these columns.

            - study, optimizer: `string`.
            - number: `int64`. The trial's number, from 0.
            - state: `string`. `complete`, `pruned`, `diverged`, `failed`, `running` or `cut off`.
            - objective: `float64`. The validation objective; NaN without one.
            - one for each hyperparameter, under its name: `float64`, `Int64`, `boolean` or `string` by its values.
            - run_seed, order_seed, n_epochs: `Int64`. Seeds of initial weights and batch order; epochs trained.
            - seconds: `float64`. Training, compilation and evaluation.
            - one for each metric at the end, such as `loss` and `val_accuracy`: `float64`.
            - run_id: `string`. The run in MLflow.
            - started, ended: `datetime64[ms, UTC]`; ended is NaT while it runs.

        Raises:
            StudyError: There is no such study.
        """
        with python_call("trials()"):
            return trial_frame(self._snapshot, self._snapshot.select(study, call="trials"))

    def confirmations(self, study: str | None = None) -> pd.DataFrame:
        """Return the confirmations: trainings of the best and the untuned setting on fresh seeds, one a row.

        Args:
            study: Name of a study or an optimizer. None (the default): all studies.

        Returns:
            A frame with the columns of `trials`, and these in place of number: config (`string`: `best`, `default` for
            the untuned optimizer, or `fixed`), repetition (`int64`, from 0) and superseded (`bool`: of an earlier best
            point). Metrics of the test split, such as `test_accuracy`, are among the last columns, if there is one.

        Raises:
            StudyError: There is no such study.
        """
        with python_call("confirmations()"):
            return confirmation_frame(self._snapshot, self._snapshot.select(study, call="confirmations"))

    def curves(self, study: str | None = None) -> pd.DataFrame:
        """Return every metric after every epoch of trials and confirmations, in long form.

        Args:
            study: Name of a study or an optimizer. None (the default): all studies.

        Returns:
            A frame with the columns study, kind (`string`: `trial`, `best`, `default` or `fixed`), number (`int64`: of
            the trial or the repetition), run_seed (`Int64`), epoch (`int64`, from 1), metric (`string`), value
            (`float64`) and run_id (`string`).

        Raises:
            StudyError: There is no such study.

        Example:
            >>> curves = result.curves("adam").query("kind == 'best' and metric == 'val_loss'")  # doctest: +SKIP
            >>> curves.pivot(index="epoch", columns="number", values="value").plot()  # doctest: +SKIP
        """
        with python_call("curves()"):
            return curve_frame(self._snapshot, self._snapshot.select(study, call="curves"))

    def best(self, study: str) -> BestRun:
        """Return the best configuration of a study; while it has no confirmation, that of the best trial so far.

        Args:
            study: Name of the study or its optimizer.

        Raises:
            StoreError: The study's config cannot be read.
            StudyError: There is no such study, or no trial has completed.
        """
        call = f"best({study!r})"
        with python_call(call):
            return BestRun(self._target(study, call="best"), called=call)

    def figure(self, name: str) -> PlotlyFigure:
        """Return a figure of the comparison page as a `plotly.graph_objects.Figure`.

        Args:
            name: One of `figures`, such as `scores`, `tuning_curves`, `training_curves` or `differences`.

        Raises:
            StudyError: There is no such figure, or it has no data.
        """
        with python_call(f"figure({name!r})"):
            return to_plotly(find_figure(self._snapshot.comparison, name))

    def page(self, path: str | Path) -> Path:
        """Write the comparison page, one HTML file, as `study compare --output` does, and return its path.

        Args:
            path: Path of the page; a file that exists is replaced.

        Raises:
            StudyError: The file cannot be written, no trial has begun, or the studies are not comparable.
        """
        with python_call(f"page({str(path)!r})"):
            return page_file(self._snapshot.compared, path)

    def reproduce(
        self,
        study: str,
        *,
        model: Callable[..., Any] | None = None,
        data: Any = None,
        validation: Any = None,
        test: Any = None,
        changes: Mapping[str, Any] | None = None,
        force: bool = False,
        allow: Sequence[str] = (),
    ) -> Reproduction:
        """Train the best configuration of a study again and compare it epoch by epoch, as `study reproduce` does.

        A process of its own trains, so this one keeps its seeds and its memory. Nothing is stored. Functions and data
        of an earlier session are given again, as `compare` got them. Others than the recorded ones are refused.

        Args:
            study: Name of the study or its optimizer.
            model: The function that built the model. None (the default): that of this session, or an importable one.
            data: The data. None (the default): that of this session, or what an importable function loads.
            validation: The validation split or its rule, with `data`. None (the default): none was given.
            test: The test split or its rule, with `data`. None (the default): none was given.
            changes: New values by dotted key, such as `{"trainer.batch_size": 64}`. None (the default): none.
            force: Train even if the data or the versions of computing packages differ. Default False.
            allow: Packages of your own, outside of the working directory, that the recorded config may name. Default:
                those of the functions that `compare` got.

        Returns:
            The result: `reproduced` says if all numbers are equal, `comparisons` and `differences` say more.

        Raises:
            DataError: The data cannot be loaded.
            StudyError: There is no such study, or training does not depend on a changed key.
        """
        with python_call(f"reproduce({study!r})"):
            target = self._target(study, call="reproduce")
            with kept_objects(self._objects):
                define_again(target.raw, model=model, data=data, validation=validation, test=test)
                allowed = [*self._allow, *allow]
                return reproduce(target, folder=self.folder, changes=changes, force=force, allow=allowed, apart=True)

    def export(self, study: str, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the best configuration of a study as YAML, as `study export` does, and return the path.

        `study run best=FILE` trains it, and `study run enqueue=FILE optimizer=NAME` begins a search with it.

        Args:
            study: Name of the study or its optimizer.
            path: Path of the file.
            overwrite: Replace a file that exists. Default False.

        Raises:
            StudyError: There is no such study, or the file exists or cannot be written.
        """
        with python_call(f"export({study!r}, {str(path)!r})"):
            return config_file(self._target(study, call="export"), path, overwrite=overwrite)

    def script(self, study: str, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a plain Keras script that trains the best configuration again, and return its path.

        Args:
            study: Name of the study or its optimizer.
            path: Path of the script, with the ending `.py`. Its data is written beside it, with the ending `.npz`.
            overwrite: Replace files that exist. Default False.

        Raises:
            StudyError: There is no such study, a file exists or cannot be written, or a script cannot train it.
        """
        with python_call(f"script({study!r}, {str(path)!r})"):
            target = self._target(study, call="script")
            return script_file(target, path, folder=self.folder, overwrite=overwrite)

    def register(self, study: str, *, name: str | None = None, alias: str | None = None) -> Registration:
        """Put the best model of a study into MLflow's registry, as `study register` does.

        Args:
            study: Name of the study or its optimizer.
            name: Name of the registered model. None (the default): the name of the experiment.
            alias: Alias of the version, such as `champion`. None (the default): no alias.

        Returns:
            The registered version; `address` is the address by which MLflow loads it.

        Raises:
            StudyError: There is no such study, its model was not kept, or a name is not allowed.
        """
        with python_call(f"register({study!r})"):
            typed = self._snapshot.title(study, call="register")
            return register(self._target(study, call="register"), typed=typed, name=name, alias=alias)

    def delete(self, study: str | None = None) -> list[str]:
        """Delete a study in both stores without a question, and return the names of what was deleted.

        Args:
            study: Name of the study or its optimizer. None (the default): all studies of the experiment.

        Raises:
            StoreError: A process works on one of the studies, or a store cannot be written.
            StudyError: There is no such study.
        """
        call = "delete()" if study is None else f"delete({study!r})"
        with python_call(call):
            target = self.name if study is None else self._snapshot.title(study, call="delete")
            deleted = [each.name for each in delete_studies(self._stores, [target])]
        self.refresh()
        return deleted

    def rename(self, study: str, new_name: str) -> None:
        """Rename a study in both stores, as `study rename` does; the command that began it still continues it.

        Args:
            study: Name of the study or its optimizer.
            new_name: The new name.

        Raises:
            StoreError: A process works on the study, or a store cannot be written.
            StudyError: There is no such study, or the name is taken or not allowed.
        """
        with python_call(f"rename({study!r}, {new_name!r})"):
            rename_studies(self._stores, self._snapshot.title(study, call="rename"), new_name)
        self.refresh()

    def refresh(self) -> ExperimentView:
        """Forget what was read, so that the stores are read again, and return the view."""
        self._snapshot = ExperimentSnapshot(self.name, tracking_uri=self._stores.tracking_uri, force=self._force)
        return self

    def _target(self, study: str, *, call: str) -> RecordedRun:
        """Return the run that a command names by the experiment and the study."""
        return self._snapshot.best_run(study, call=call).translated(folder=self.folder)
