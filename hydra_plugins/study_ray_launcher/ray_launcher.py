"""Launch the jobs of a multirun on Ray.

Hydra's own launcher for Ray pins an older cloudpickle than MLflow needs, and also starts clusters on AWS.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict


class StudyRayLauncher(Launcher):
    """Runs each job as a task of a Ray cluster, and waits for all of them.

    Args:
        init: Arguments of `ray.init`.
        remote: The resources of a job, as arguments of `ray.remote`.
        env: Environment variables of the jobs.
    """

    def __init__(self, init: DictConfig, remote: DictConfig, env: DictConfig) -> None:
        self._init, self._remote, self._env = (
            OmegaConf.to_container(section, resolve=True) for section in (init, remote, env)
        )
        self._config: DictConfig | None = None
        self._context: HydraContext | None = None
        self._function: TaskFunction | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the arguments that Hydra gives to a launcher."""
        self._context, self._function, self._config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs and return how they ended, in their order."""
        import ray  # Hydra imports all plugins at every start

        assert self._config is not None
        assert isinstance(self._init, dict)
        setup_globals()
        configure_log(self._config.hydra.hydra_logging, self._config.hydra.verbose)
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **(self._env or {})}
        # Ray's processes search the folder where it starts before all others, and this one may be from someone else.
        with tempfile.TemporaryDirectory() as empty:
            with contextlib.chdir(empty):
                ray.init(**self._init, runtime_env={"env_vars": environment})
            try:
                task = ray.remote(_run)
                jobs = [
                    task.options(**(self._remote or {})).remote(
                        number, list(overrides), self._context, self._config, self._function, Singleton.get_state()
                    )
                    for number, overrides in enumerate(job_overrides, start=initial_job_idx)
                ]
                return list(ray.get(jobs))
            finally:
                ray.shutdown()


def _run(
    number: int, overrides: list[str], context: HydraContext, config: DictConfig, function: TaskFunction, state: Any
) -> JobReturn:
    """Run one job in a process of Ray, which starts in another folder than the command."""
    with contextlib.suppress(FileNotFoundError):  # a machine without the folder: stores and data are elsewhere
        os.chdir(config.hydra.runtime.cwd)
    setup_globals()
    Singleton.set_state(state)
    sweep_config = context.config_loader.load_sweep_config(config, overrides)
    with open_dict(sweep_config):
        sweep_config.hydra.job.id = f"{sweep_config.hydra.job.name}_{number}"
        sweep_config.hydra.job.num = number
    HydraConfig.instance().set_config(sweep_config)
    return run_job(
        hydra_context=context,
        config=sweep_config,
        task_function=function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )
