"""Check the names of optimizers in named settings: a mistyped one would silently leave its optimizer to `any`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from study.cli.launch.compose import Job
from study.cli.working_directory import own_conf, packaged_conf
from study.config.named_settings import ANY
from study.config.reader import did_you_mean
from study.core.errors import Fault


def setting_faults(jobs: Sequence[Job]) -> list[Fault]:
    """Return a fault for every name in `settings` that is no optimizer's, and for typed settings that no job takes.

    Args:
        jobs: The jobs of a command line.
    """
    folders = [folder / "optimizer" for folder in (packaged_conf(), own_conf()) if folder is not None]
    known = {ANY, *(file.stem for folder in folders for file in folder.glob("*.yaml")), *_chosen(jobs)}
    faults = {}
    for job in jobs:
        settings = job.raw.get("settings")
        for setting, given in settings.items() if isinstance(settings, Mapping) else ():
            for name in given if isinstance(given, Mapping) else ():
                if name not in known:
                    key = f"settings.{setting}.{name}"
                    advice = did_you_mean(str(name), sorted(known))
                    allowed = f"the name of an optimizer, or {ANY}"
                    faults[key] = Fault(key=key, value=given[name], allowed=allowed, advice=advice)
    return [*faults.values(), *_unused_settings(jobs)]


def _unused_settings(jobs: Sequence[Job]) -> list[Fault]:
    """Return a fault for every typed value of a setting that no job takes: it would change nothing."""
    taken = {str(job.raw.get("setting")) for job in jobs}
    typed = {value.key: value.text for job in jobs for value in job.values if not value.deletes}
    faults = []
    for key, text in typed.items():
        section, _, rest = key.partition(".")
        name = rest.partition(".")[0]
        if section == "settings" and name and name not in taken:
            allowed = "values of a setting that is taken, and this one would change nothing"
            faults.append(Fault(key=key, value=text, allowed=allowed, advice=f"Add setting={name}, or remove {key}."))
    return faults


def _chosen(jobs: Sequence[Job]) -> Iterable[str]:
    for job in jobs:
        optimizer = job.raw.get("optimizer")
        if isinstance(optimizer, Mapping):
            yield str(optimizer.get("name"))
