"""Composes some jobs of a sweep; all jobs of all experiments take a minute."""

import contextlib

from hydra.core.plugins import Plugins


@contextlib.contextmanager
def only_jobs(part):
    """Let a sweep have only the jobs that a function picks from the list of all."""
    Plugins.instance()  # loads Hydra's plugins again, so the sweeper is another class from then on
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    split = BasicSweeper.split_arguments

    def parts(overrides, max_batch_size):
        (batch,) = split(overrides, max_batch_size)
        return [part(batch)]

    BasicSweeper.split_arguments = staticmethod(parts)
    try:
        yield
    finally:
        BasicSweeper.split_arguments = staticmethod(split)
