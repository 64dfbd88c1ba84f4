"""Write docs/configs/, the reference of all config keys, from the YAML files and the docstrings of what they name.

    python -m benchmarks.configs_page [FOLDER]

A key's meaning is its comment in the YAML file, else what the docstring of the file's `_target_` says of the argument.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import griffe
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "configs"
# Groups, in the order of the pages, with the sentence at their top.
GROUPS = {
    "dataset": "The data and its task: loss, metrics, objective and batch size.",
    "model": "The architecture. Its arguments can be searched like any other key.",
    "optimizer": "The optimizer that a study is about, with the ranges of its search.",
    "schedule": "A factor on the learning rate over the training.",
    "trainer": "The program that trains: Keras's `fit`, many trials in one JAX program, or NumPy.",
    "sampler": "The rule that proposes the trials of a search.",
    "pruner": "The rule that stops trials early.",
    "budget": "Numbers of trials, epochs and confirmations.",
    "storage": "The places of searches, runs and artifacts.",
    "experiment": "A published comparison: it chooses all other groups, and sweeps.",
    "hydra/launcher": "The place where the jobs of a command with `-m` run.",
}
_HEAD = """# Config keys

A study is one choice of each group, and the keys of that choice:

```
study run model=mlp optimizer=adam                                  # a choice of each group
study run model=mlp optimizer=adam optimizer.beta_1=0.8             # a key
study run model=mlp optimizer=adam model.dropout='interval(0,0.5)'  # a key to search
```

Any key can be set so, and [searched](../search_anything.md). An unknown key is refused. `study run --cfg job` prints
the whole config of a command, and `study run --info config` the files that it comes from. A file
`conf/GROUP/NAME.yaml` in your own folder [adds a choice](../extending.md). `make reference` writes these pages from
`conf/` and from docstrings.

## Groups

| group | default | choices |
|---|---|---|
{groups}

## Keys of a study

{keys}
"""
_NOTE = """`make reference` writes this page from `conf/{group}/*.yaml` and from docstrings."""
# A key that this share of a group's files has with one meaning is described once.
_COMMON = 0.6
_INTERNAL = ("defaults", "hydra", "candidates")
# Groups whose files are shown as they are: their values belong together.
_AS_FILES = ("experiment", "hydra/launcher")
# The classes of parsed configs that describe the keys of a group.
_CLASSES = {"budget": "study.config.schema.Budget", "storage": "study.config.schema.Stores"}
# An optimizer whose docstring describes the arguments that all optimizers of Keras have.
_OURS = "study.optimizers.adabelief.AdaBelief"
# The openings of Keras's descriptions that only say a type, and a default that the table does not need.
_TYPES = (
    r"^(?:a )?(?:floating point value|float|int|boolean|bool)(?: or `?none`?)?"
    r"(?:, (?:optional|defaults to [^ ]*[^ .]))?\.?(?: |$)"
)
# Meanings of keys that many files have.
MEANINGS = {
    "untuned": "arguments of the untuned tier that differ from the defaults",
    "search": "ranges of arguments: low, high and scale, or choices",
    "split_seed": "seed of the choice of the validation examples",
    "kind": "the kind of most computations, by which trainer=auto chooses",
    "batch_size": "examples of a training step",
    "n_startup_trials": "random trials before the sampler learns",
    "warn_independent_sampling": "warn where a parameter is sampled on its own",
    "eval_batch_size": "examples of a step of evaluation",
    "objective.metric": "the metric that selects, at the last epoch",
    "requires": "packages that are checked for before anything starts",
    "host": "the machine of both servers",
    "optuna_journal": "the file of the searches",
    "mlflow_database": "the file of MLflow's runs",
    "momentum": "share of the velocity that a step keeps",
    "rho": "decay rate of the average of squared gradients",
    "centered": "subtract the squared average of the gradients",
    "verbose": "null or a number: how much it writes",
    "task.loss._target_": "the loss",
    "task.loss.from_logits": "the model's outputs are logits",
    "task.loss": "the loss, as a section with its `_target_`",
    "task.metrics": "metrics by Keras's names, or sections with a `_target_`",
    "task.objective": "the metric that selects, its direction, and a target value",
    "task.batch_size": "examples of a training step, unless trainer.batch_size says otherwise",
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of a config file: its dotted name, its value as the file writes it, and its meaning."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """A file of a group: its name, the comment at its top, its target, its keys, its text."""

    name: str
    about: str
    target: str | None
    keys: Sequence[Key]
    text: str
    defaults: Mapping[str, str] = field(default_factory=dict)


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, metavar="FOLDER")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


def pages(conf: Path = ROOT / "conf") -> dict[str, str]:
    """Return the pages by file name.

    Args:
        conf: The folder of the configs. Default: that of this checkout.
    """
    top = read_file(conf / "config.yaml")
    groups = {group: [read_file(path) for path in _files(conf, group)] for group in GROUPS}
    rows = []
    for group, files in groups.items():
        choices = ", ".join(f"`{file.name}`" for file in files)
        default = f"`{top.defaults[group]}`" if group in top.defaults else "none"
        rows.append(f"| [{group}]({_page_name(group)}) | {default} | {choices} |")
    written = {"README.md": _HEAD.format(groups="\n".join(rows), keys=_table(top.keys, default="default"))}
    return written | {_page_name(group): _group_page(group, files) for group, files in groups.items()}


def _files(conf: Path, group: str) -> list[Path]:
    """Return the files of a group, those of its subfolders last."""
    return sorted((conf / group).rglob("*.yaml"), key=lambda path: (len(path.parts), path))


def _page_name(group: str) -> str:
    return f"{group.replace('/', '_')}.md"


def _group_page(group: str, files: Sequence[ConfigFile]) -> str:
    blocks = [f"# {group}", f"{GROUPS[group]} {_NOTE.format(group=group)}"]
    blocks.append(_choices(group, files))
    last: list[str] = []
    if group == "budget":  # those of the comparisons are alike
        last = ["## Budgets of the published comparisons", _matrix([file for file in files if "/" in file.name])]
        files = [file for file in files if "/" not in file.name]
        blocks[2] = _choices(group, files)
    if group in _AS_FILES:
        parts = [(f"## {group}={file.name}", file.about, f"```yaml\n{_body(file.text)}\n```") for file in files]
        return "\n\n".join([*blocks, *(block for part in parts for block in part if block)]) + "\n"
    common = _common_keys(files)
    if common:
        blocks += ["## Keys of most choices", _table(common, default="value")]
    for file in files:
        own = [key for key in file.keys if key not in common]
        named = {key.name for key in file.keys}
        lacking = [key.name for key in common if key.name not in named]
        blocks += [f"## {group}={file.name}", file.about]
        blocks += [f"Builds `{file.target}`."] if file.target else []
        ranges = [key for key in own if key.name.startswith("search.")]
        own = [key for key in own if key not in ranges]
        blocks += [_table(own, default="value")] if own else []
        blocks += [_ranges(ranges)] if ranges else []
        if common and len(lacking) < len(common):
            without = f", without {', '.join(f'`{name}`' for name in lacking)}" if lacking else ""
            blocks.append(
                f"{'Besides' if own else 'It has'} the [keys of most choices](#keys-of-most-choices){without}."
            )
    return "\n\n".join(block for block in [*blocks, *last] if block) + "\n"


def _choices(group: str, files: Sequence[ConfigFile]) -> str:
    """Return a list of the choices of a group, with links."""
    return "\n".join(f"- [`{group}={file.name}`](#{_anchor(group, file)}): {_first(file.about)}" for file in files)


def _matrix(files: Sequence[ConfigFile]) -> str:
    """Return a table of the values of files with similar keys: a row for each file."""
    names = list(dict.fromkeys(key.name for file in files for key in file.keys))
    rows = []
    for file in files:
        values = {key.name: key.value for key in file.keys}
        rows.append(f"| `{file.name}` | {' | '.join(_code(values.get(name, '')) for name in names)} |")
    return "\n".join(
        [f"| budget | {' | '.join(f'`{name}`' for name in names)} |", "|---" * (len(names) + 1) + "|", *rows]
    )


def _anchor(group: str, file: ConfigFile) -> str:
    return re.sub(r"[^\w-]", "", f"{group}={file.name}".lower())


def _body(text: str) -> str:
    """Return a file without the comment at its top."""
    return re.sub(r"\A(?:#.*\n)+", "", text).strip("\n")


def _common_keys(files: Sequence[ConfigFile]) -> list[Key]:
    """Return the keys that most files have with the same value and meaning, in their order."""
    counts = Counter(key for file in files for key in dict.fromkeys(file.keys))
    found = [key for key, n in counts.items() if n >= _COMMON * len(files)]
    return found if len(files) > 3 and len(found) > 2 else []


def _table(keys: Sequence[Key], *, default: str) -> str:
    rows = [f"| `{key.name}` | {_code(key.value)} | {_cell(key.meaning)} |" for key in keys]
    return "\n".join([f"| key | {default} | meaning |", "|---|---|---|", *rows])


def _ranges(keys: Sequence[Key]) -> str:
    """Return a table of the ranges of a search."""
    rows = []
    for key in keys:
        found = yaml.safe_load(key.value)
        values = ", ".join(map(str, found["choices"])) if "choices" in found else f"{found['low']} to {found['high']}"
        notes = [str(found.get("scale", "choices")), *(["only if named"] if found.get("optional") else [])]
        notes += [_cell(key.meaning)] if key.meaning else []
        rows.append(f"| `{key.name.removeprefix('search.')}` | {values} | {', '.join(notes)} |")
    return "\n".join(["| searched | range | scale |", "|---|---|---|", *rows])


def _code(value: str) -> str:
    return f"`{_cell(value)}`" if value else ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _first(text: str) -> str:
    """Return the first sentence of a text."""
    found = re.match(r"(.+?(?<!\bal)(?<!\bProc)[.!?])(?=\s+[a-z]*[A-Z_=]|\s*$)", " ".join(text.split()))
    return found[1] if found else " ".join(text.split())


def read_file(path: Path) -> ConfigFile:
    """Read a config file with its comments.

    Args:
        path: The file.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    about = " ".join(line.lstrip("# ").strip() for line in re.match(r"(?:#.*\n)*", text)[0].splitlines())  # type: ignore[index]
    about = re.sub(r"^@package _\w+_\s*", "", about)
    values = yaml.safe_load(text) or {}
    target = values.get("_target_")
    node = yaml.compose(text)
    group = _group_folder(path)
    described = _CLASSES.get(group.name, target)
    keys = [key for key in _keys(node, lines, described) if key.name.partition(".")[0] not in _INTERNAL]
    name = str(path.with_suffix("").relative_to(group))
    return ConfigFile(name=name, about=about, target=target, keys=keys, text=text, defaults=_defaults(values))


def _group_folder(path: Path) -> Path:
    """Return the folder of the group of a file, which may be in a subfolder of it."""
    conf = next(parent for parent in path.parents if parent.name == "conf")
    inside = path.relative_to(conf).parts
    groups = [conf.joinpath(*inside[:n]) for n in (2, 1) if "/".join(inside[:n]) in GROUPS]
    return groups[0] if groups else conf


def _defaults(values: Mapping[str, Any]) -> dict[str, str]:
    entries = [entry for entry in values.get("defaults", ()) if isinstance(entry, Mapping)]
    return {str(group): str(name) for entry in entries for group, name in entry.items() if name is not None}


def _keys(node: yaml.Node | None, lines: Sequence[str], target: str | None, prefix: str = "") -> Iterator[Key]:
    """Yield the keys of a mapping, those of mappings inside by dotted names."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        name = f"{prefix}{key.value}"
        line = lines[key.start_mark.line]
        is_block = isinstance(value, yaml.MappingNode) and not value.flow_style and value.value
        comment = _comment(line[key.end_mark.column :] if is_block else _after(value, lines))
        meaning = comment or _above(lines, key.start_mark.line) or _of_argument(target, name)
        if name == "_target_" or (name == "name" and not prefix):
            continue
        if not is_block:
            yield Key(name=name, value=_source(value, lines), meaning=meaning)
        else:
            if comment:
                yield Key(name=name, value="", meaning=comment)
            yield from _keys(value, lines, target, f"{name}.")


def _after(value: yaml.Node, lines: Sequence[str]) -> str:
    return lines[value.end_mark.line][value.end_mark.column :] if value.end_mark.line < len(lines) else ""


def _source(value: yaml.Node, lines: Sequence[str]) -> str:
    """Return a value as the file writes it, on one line."""
    start, end = value.start_mark, value.end_mark
    if start.line == end.line:
        return lines[start.line][start.column : end.column]
    parts = [
        lines[start.line][start.column :],
        *lines[start.line + 1 : end.line],
        lines[end.line][: end.column] if end.line < len(lines) else "",
    ]
    return " ".join(re.sub(r"\s+#.*", "", part).strip() for part in parts if part.strip())


def _comment(rest: str) -> str:
    found = re.search(r"(?:^|\s)#\s*(.*)", rest)
    return found[1].strip() if found else ""


def _above(lines: Sequence[str], line: int) -> str:
    """Return the comment on the lines above a key, without the one at the top of the file."""
    first = line
    while first > 0 and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(each.lstrip("# ").strip() for each in lines[first:line]) if first > 0 else ""


def _of_argument(target: str | None, name: str) -> str:
    """Return the first sentence of the docstring of a target about an argument; empty if it says nothing."""
    if name in MEANINGS or not target or "." in name:
        return MEANINGS.get(name, "")
    texts = _arguments(target)
    if target.startswith("keras.optimizers.") and name in (ours := _arguments(_OURS)):
        texts = ours  # of an argument that every optimizer has, in plain words
    text = re.sub(_TYPES, "", " ".join(texts.get(name, "").split()), flags=re.IGNORECASE)
    return _first(text[:1].upper() + text[1:]).replace("None:", "null:")


@cache
def _arguments(target: str) -> Mapping[str, str]:
    """Return the descriptions of the arguments of a class or a function by name."""
    if target.startswith("hydra_plugins."):  # of packages that may not be installed
        return {}
    texts = _own_docstrings(target) if target.startswith("study.") else _imported_docstrings(target)
    descriptions: dict[str, str] = {}
    for text in filter(None, texts):
        for section in griffe.Docstring(text, parser="google").parse("google", warnings=False):
            if section.kind.value in ("parameters", "attributes"):
                descriptions |= {each.name: each.description for each in section.value}
    return descriptions


def _own_docstrings(target: str) -> list[str]:
    """Return the docstrings of an object of this project, which is not imported."""
    found = _project()[target.removeprefix("study.")]
    found = found.final_target if isinstance(found, griffe.Alias) else found
    objects = [found, *([found.members["__init__"]] if "__init__" in found.members else [])]
    return [each.docstring.value for each in objects if each.docstring]


@cache
def _project() -> griffe.Object:
    return griffe.GriffeLoader(search_paths=[ROOT]).load("study", try_relative_path=False)


def _imported_docstrings(target: str) -> list[str | None]:
    """Return the docstrings of an object of a library."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    module, _, name = target.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    return [found.__doc__, getattr(getattr(found, "__init__", None), "__doc__", None)]


if __name__ == "__main__":
    sys.exit(main())
