"""Run eight stub workers as tasks of a Ray cluster on this machine; the argument is their order as JSON."""

import json
import os
import sys

import ray

from tests.faults.crew import ROOT, work


def main():
    """Wait for all workers; Ray starts a killed one anew."""
    order = json.loads(sys.argv[1])
    path = os.pathsep.join([str(ROOT), *sys.path])
    ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": path}})
    task = ray.remote(work).options(num_cpus=1, max_retries=3)
    ray.get([task.remote(order) for _ in range(8)])
    ray.shutdown()


if __name__ == "__main__":
    main()
