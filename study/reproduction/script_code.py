"""The code that a script takes over: the source of models, optimizers, losses and metrics, or an import of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from study.reproduction.inlined_source import NotInlinableError, inline_source, is_library
from study.reproduction.script_limits import refuse_part

_PROJECT = "study"
# Libraries that the header of a script names with their versions.
_COMPUTING = ("keras", "numpy", "tensorflow", "jax", "torch")
_SCRIPT = "the script"
# Names of the script: those that it imports, with their lines, and its own.
_IMPORTED = {
    "os": "import os",
    "sys": "import sys",
    "keras": "import keras",
    "np": "import numpy as np",
    "Path": "from pathlib import Path",
    "version": "from importlib.metadata import version",
}
_OWN = (
    *("RUN_SEED", "ORDER_SEED", "N_EPOCHS", "STEPS_PER_EPOCH", "N_STEPS", "BATCH_SIZE", "EVAL_BATCH_SIZE"),
    *("TOLERANCE", "VERSIONS", "DATA", "TRAIN", "VALIDATION", "TEST", "RECORDED"),
    *("make_model", "batches", "evaluate", "Report", "train", "relative_differences", "compare"),
)


@dataclass(frozen=True, kw_only=True)
class ScriptCode:
    """Code for a script.

    Attributes:
        text: Copied definitions; empty if all parts are of libraries.
        imports: Lines of imports that they need.
        names: The Python text that names each dotted path.
        copied: Dotted paths whose source was copied.
        libraries: Names of imported libraries besides Keras, NumPy and the backends.
        own_modules: Modules of the user that the script imports.
    """

    text: str
    imports: tuple[str, ...]
    names: Mapping[str, str]
    copied: tuple[str, ...]
    libraries: tuple[str, ...]
    own_modules: tuple[str, ...]


def collect_code(targets: Mapping[str, str]) -> ScriptCode:
    """Return the code of some parts: of libraries their names, of this project and of the user their source.

    A module of the user whose source does not stand alone is imported.

    Args:
        targets: Keys in the config, by dotted path.

    Raises:
        StudyError: Code of this project does not stand alone, or two parts have the same name.
    """
    names: dict[str, str] = {}
    imports: set[str] = set()
    taken = {**_IMPORTED, **dict.fromkeys(_OWN, _SCRIPT)}
    copied, own_modules, libraries = [], [], set()
    for target, key in targets.items():
        if not all(part.isidentifier() for part in target.split(".")):
            raise refuse_part(key, target, "this is no name of Python")
        module, _, name = target.rpartition(".")
        names[target] = name
        if is_library(target):
            root = target.partition(".")[0]
            names[target] = target
            imports |= {"import keras"} if root == "keras" else {f"import {module}"}
            libraries.add(root)
            continue
        try:
            inline_source([target], taken=taken)
            copied.append(target)
        except NotInlinableError as error:
            if module.partition(".")[0] == _PROJECT:
                raise refuse_part(key, target, str(error)) from error
            imports.add(f"from {module} import {name}")
            taken[name] = module
            own_modules.append(module)
    try:
        inlined = inline_source(copied, taken=taken)
    except NotInlinableError as error:
        target, key = next((target, key) for target, key in targets.items() if target in copied)
        raise refuse_part(key, target, str(error)) from error
    return ScriptCode(
        text=inlined.code,
        imports=tuple(sorted({*imports, *inlined.imports})),
        names=names,
        copied=tuple(copied),
        libraries=tuple(sorted({*libraries, *inlined.libraries} - {*_COMPUTING, *sys.stdlib_module_names})),
        own_modules=tuple(dict.fromkeys(own_modules)),
    )
