"""Make pages of experiments and keep them, for `study gallery` and at the end of `study run experiment=NAME`."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from study.cli.launch.compose import compose_jobs, prepare
from study.cli.launch.overrides import read_overrides
from study.cli.stores import find_stores, keeps_pages
from study.cli.working_directory import packaged_conf
from study.config.digests import digest_of
from study.config.named_settings import resolve_setting
from study.config.schema import StudyConfig
from study.core.errors import StudyError
from study.core.records import latest_of_settings
from study.gallery import Material, PageContents
from study.gallery.badges import ALL, badge_svg
from study.gallery.material import known, load_experiment, make_contents, read_material
from study.gallery.page import render, render_index
from study.gallery.readme import render_index_readme, render_readme
from study.gallery.run_facts import RunOrigin
from study.gallery.summary import FILE as SUMMARY_FILE
from study.gallery.summary import PageSummary, cover_height, left_out_told, read_summary, summary_of, to_json
from study.tracking.comparison_runs import log_comparison
from study.tracking.connection import Connections
from study.tracking.read_studies import read_experiments, read_studies

# Budgets that a run of an experiment may have used, the largest first.
_BUDGETS = ("published/{}", "gallery/{}", "smoke")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of an experiment.

    Attributes:
        name: Name of the experiment.
        experiment: Name of the experiment in MLflow.
        digests: Digests of the settings of the run's studies; None: all studies of the experiment in the store.
        overrides: The words typed after `study run -m`. None (the default): they are unknown.
    """

    name: str
    experiment: str
    digests: frozenset[str] | None
    overrides: tuple[str, ...] | None = None

    def command(self, material: Material) -> str:
        """Return the command that starts the run: as it was typed, otherwise with the budget of its studies.

        Args:
            material: The data of the run.
        """
        words = self.overrides
        if words is None:
            budgets = {config["budget"].get("name") for config in material.configs.values()}
            own = [f"budget={name}" for name in budgets if len(budgets) == 1 and name != f"published/{self.name}"]
            words = (f"experiment={self.name}", *own)
        return shlex.join(["study", "run", "-m", *words])


def make_gallery(options: argparse.Namespace) -> int:
    """Make the pages of some experiments, without names of all that were run, and the index of the folder.

    Args:
        options: The parsed options of `study gallery`.

    Returns:
        The exit status.

    Raises:
        StudyError: A requested experiment was not run, or not to its end, or cannot be shown. A page that fails does
            not stop the other pages.
    """
    uri = find_stores(options).tracking_uri
    output = options.output or options.folder / "mlruns" / "gallery"
    names = list(dict.fromkeys(options.experiments)) or list(known())
    for name in names:
        load_experiment(name)  # refuses a name without a page before anything is made
    connections = Connections()
    in_store = set(read_experiments(uri, connections=connections))
    runs = {name: _find_run(uri, name, connections) if name in in_store else None for name in names}
    missing = [name for name, run in runs.items() if run is None]
    if missing and options.experiments:
        raise _not_run(missing)
    log = not options.no_log and keeps_pages(uri, "study gallery")
    made, faults = [], []
    for run in filter(None, runs.values()):
        try:
            made.append(make_page(uri, run, output, log=log))
        except StudyError as error:
            faults.append(f"{run.name}: {error}")
    if made:
        index, of_index = write_index(output)
        faults += of_index
        sys.stdout.write(f"\nOpen the gallery:  {index}\n")
    if missing:
        faults.append(str(_not_run(missing)))
    if faults:
        raise StudyError("\n".join(faults))
    return 0


def make_page(uri: str, run: Run, output: Path, *, log: bool) -> PageSummary:
    """Make an experiment's page, write it as HTML and as Markdown with its pictures, and keep it in MLflow.

    Args:
        uri: Address of the MLflow store.
        run: The run of the experiment.
        output: Path of the gallery's folder. The page is `NAME.html` in it; its pictures and the Markdown are in the
            folder `NAME`.
        log: Keep the page in MLflow too.

    Returns:
        The page in short.

    Raises:
        StudyError: The store lacks data that the page needs, or the page cannot be written.
    """
    found = load_experiment(run.name)
    material = read_material(uri, run.name, experiment=run.experiment, digests=run.digests)
    shown = make_contents(found, material)
    origin = RunOrigin(
        command=run.command(material),
        published=_budget_of(f"published/{run.name}"),
        swept=_swept(run.name),
        made=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    page = render(found.about, shown, material, origin=origin)
    summary = summary_of(found.about, shown, material, origin=origin)
    pictures = {picture.file: picture.data for picture in shown.pictures}
    files = {**pictures, "README.md": render_readme(found.about, shown, material, origin=origin).encode()}
    _write_page(output, summary, page=page, files=files)
    if log:
        studies = [record.run_id for record in material.experiment.records]
        _log(uri, run, page=page, pictures=pictures, shown=shown, studies=studies)
    badges = ", ".join(badge.label.lower() for badge in summary.badges)
    sys.stdout.write(f"{run.name}: {output / f'{run.name}.html'}" + (f" ({badges})\n" if badges else "\n"))
    return summary


def write_index(output: Path) -> tuple[Path, list[str]]:
    """Write the index of all pages in the gallery's folder, as HTML and as Markdown, with the badges' pictures.

    Pages that were made earlier are in it too.

    Args:
        output: Path of the gallery's folder.

    Returns:
        Path of the index, and a text for each page whose summary cannot be read.

    Raises:
        StudyError: The index cannot be written.
    """
    shown, left_out, faults = [], [], []
    for name in known():
        try:
            if page := read_summary(output / name):
                shown.append(page)
            elif (output / f"{name}.html").is_file() or (output / name / "README.md").is_file():
                left_out.append(name)
        except StudyError as error:
            faults.append(str(error))
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    _write(output / "gallery.html", render_index(shown, made=now, left_out=left_out))
    heights = {page.name: cover_height(output / page.name, page) for page in shown}
    rules = "../gallery_rules.md" if (output.parent / "gallery_rules.md").is_file() else ""
    _write(output / "README.md", render_index_readme(shown, heights=heights, left_out=left_out, rules=rules))
    if left_out:
        sys.stdout.write(f"{left_out_told(left_out)}\n")
    for badge in ALL:
        _write(output / badge.file, badge_svg(badge))
    return output / "gallery.html", faults


def page_after_run(overrides: Sequence[str], configs: Sequence[StudyConfig]) -> None:
    """Make the page of the experiment that a command line ran, if there is such a page.

    If the run cannot be shown, for example because it is a part of the experiment, a message says so; this is not a
    failure.

    Args:
        overrides: The words typed after `study run`, without flags.
        configs: Configs of the studies that were run.
    """
    typed = {override.key: override.value for override in read_overrides(overrides)}
    name = str(typed.get("experiment", ""))
    if name not in known() or not configs:
        return
    digests = frozenset(config.typed_digest for config in configs)
    run = Run(name=name, experiment=configs[0].experiment_name, digests=digests, overrides=tuple(overrides))
    output = configs[0].stores.artifacts.parent / "gallery"
    try:
        make_page(configs[0].stores.tracking_uri, run, output, log=True)
        write_index(output)
    except StudyError as error:
        sys.stderr.write(f"study run: no page was made for this run. {error}\n")


def studies_of(name: str, budget: str) -> set[str]:
    """Return the digests of the studies of an experiment under a budget.

    Args:
        name: Name of the experiment.
        budget: Name of the budget, an option of the group.
    """
    jobs = compose_jobs(prepare([f"experiment={name}", f"budget={budget}"]), multirun=False)
    return {_digest(job.raw) for job in jobs}


def _find_run(uri: str, name: str, connections: Connections) -> Run | None:
    """Return the largest complete run of an experiment in the store; None without one.

    Studies with none of our budgets, such as those with a user's own overrides, are shown together.
    """
    records = read_studies(uri, name, trials=False, connections=connections)
    present = {record.settings_id: record.status for record in latest_of_settings(records)}
    begun = False
    for pattern in _BUDGETS:
        budget = pattern.format(name)
        if pattern != "smoke" and _budget_of(budget) is None:
            continue
        expected = studies_of(name, budget)
        begun |= any(digest in present for digest in expected)
        if all(present.get(digest) == "FINISHED" for digest in expected):
            return Run(name=name, experiment=name, digests=frozenset(expected))
    if begun or not any(status == "FINISHED" for status in present.values()):
        return None
    return Run(name=name, experiment=name, digests=None)


def _digest(raw: Mapping[str, Any]) -> str:
    named = f"{raw['dataset']['name']}-{raw['model']['name']}"
    return digest_of(resolve_setting(raw).raw, experiment_name=raw.get("experiment_name") or named)


def _budget_of(option: str) -> dict[str, Any] | None:
    """Return the content of an option of the group budget; None without that option."""
    path = packaged_conf().joinpath("budget", *f"{option}.yaml".split("/"))
    return yaml.safe_load(path.read_text("utf-8")) if path.is_file() else None


def _swept(name: str) -> dict[str, tuple[str, ...]]:
    """Return the values of each key that an experiment varies, of those that its file simply lists."""
    content = yaml.safe_load(packaged_conf().joinpath("experiment", f"{name}.yaml").read_text("utf-8"))
    params = content.get("hydra", {}).get("sweeper", {}).get("params", {})
    lists = {key: str(value).split(",") for key, value in params.items() if not set(str(value)) & set("()[]{}")}
    return {key: tuple(value.strip() for value in values) for key, values in lists.items()}


def _not_run(missing: Iterable[str]) -> StudyError:
    listed = "".join(f"\n  study run -m experiment={name}" for name in missing)
    return StudyError(f"These experiments were not run here to their end, so they have no page. Run them:{listed}")


def _log(
    uri: str, run: Run, *, page: str, pictures: Mapping[str, bytes], shown: PageContents, studies: Sequence[str]
) -> None:
    """Keep the page and its pictures on a new run of role `comparison`."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, data in {"gallery.html": page.encode(), **pictures}.items():
            paths.append(Path(folder) / name)
            paths[-1].write_bytes(data)
        note = "  \n".join(shown.findings)
        tags = {"mlflow.source.name": "study gallery", "gallery": run.name, "mlflow.note.content": note}
        if shown.findings:
            tags["answer"] = shown.findings[0]
        log_comparison(uri, run.experiment, files=paths, tags=tags, study_run_ids=studies)


def _write_page(output: Path, summary: PageSummary, *, page: str, files: Mapping[str, bytes]) -> None:
    """Write a page and the files beside it, and remove those that an earlier page of this name had written."""
    folder = output / summary.name
    try:
        earlier = read_summary(folder)
    except StudyError:
        earlier = None  # it is written anew
    _write(output / f"{summary.name}.html", page)
    for name, data in files.items():
        _write(folder / name, data)
    _write(folder / SUMMARY_FILE, to_json(summary))
    for name in set(earlier.files if earlier else ()) - set(summary.files):
        (folder / name).unlink(missing_ok=True)


def _write(path: Path, content: str | bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    except OSError as error:
        raise StudyError(f"--output={path.parent}: cannot be written ({error}). Name another folder.") from error
