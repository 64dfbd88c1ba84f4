"""Workers of one study with a stub trainer, in processes that may be killed while others go on.

The program reads one JSON object a line. For an order it forks a worker and answers with the process id.
For `{"join": true}` it waits for all workers and answers with their exit statuses. Forking saves the seconds of the
imports.
"""

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import psutil
import sqlalchemy

from study.core.interrupt import Stopped, clean_stop

ROOT = Path(__file__).parents[2]


class Program:
    """This program in a process."""

    def __init__(self):
        command = [sys.executable, "-m", "tests.faults.crew"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, order):
        """Give an order and return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Crew:
    """Starts, kills and waits for the workers of a study in a folder."""

    def __init__(self, program, folder):
        self.folder, self.killed = folder, set[int]()
        self._program, self._pids = program, set[int]()

    def start(self, n=1, **options):
        """Start workers; trial i takes the i-th of `seconds_of`, cyclically; trial `hangs` once runs until `go_on`."""
        started = [self._program.ask({"folder": str(self.folder), **options}) for _ in range(n)]
        self._pids |= set(started)
        return started

    def running(self):
        """Return the ids of the workers that no `join` has awaited yet."""
        return set(self._pids)

    def kill(self, pid):
        """Kill a worker at once."""
        self.send(pid, signal.SIGKILL)

    def send(self, pid, number):
        """Send a worker a signal."""
        os.kill(pid, number)
        if number not in (signal.SIGSTOP, signal.SIGCONT):
            self.killed.add(pid)

    def pause(self, pid, *, optuna_url=None):
        """Pause the only worker, whose trial hangs, where it has recorded the begin and holds no lock of a store."""
        until(lambda: self.busy() and self.recorded(), "the worker has recorded that its trial begins")
        until(lambda: self._is_paused(pid, optuna_url), "it holds no lock")

    def go_on(self):
        """Let the trial that hangs end."""
        (self.folder / "go-on").touch()

    def recorded(self):
        """Return the numbers of the trials in MLflow's store."""
        from study.tracking.read_studies import read_studies

        studies = read_studies(f"sqlite:///{self.folder}/mlruns/mlflow.db", "tiny-mlp")
        return [run.number for study in studies for run in study.trials]

    def _is_paused(self, pid, optuna_url):
        self.send(pid, signal.SIGSTOP)
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it is paused")
        if is_unlocked(self.folder / "mlruns", optuna_url):
            return True
        self.send(pid, signal.SIGCONT)
        return False

    def join(self):
        """Return the exit statuses of all workers when the last has ended, by process id."""
        ended = {int(pid): status for pid, status in self._program.ask({"join": True}).items()}
        self._pids -= set(ended)
        return ended

    def end(self):
        """Kill all workers."""
        for pid in self._pids:
            self.kill(pid)
        self.join()

    def told(self):
        """Return the trainers' notes: time, `began` or `ended`, name of the training, and process id."""
        lines = (
            (self.folder / "trained.txt").read_text().splitlines() if (self.folder / "trained.txt").exists() else []
        )
        return [(float(t), what, name, int(pid)) for t, what, name, pid in (line.split("\t") for line in lines)]

    def wait_for(self, n_ended):
        """Return when so many trainings have ended."""
        deadline = time.monotonic() + 120
        while (n := sum(what == "ended" for _, what, _, _ in self.told())) < n_ended:
            assert time.monotonic() < deadline, f"{n} of {n_ended} have ended"
            time.sleep(0.02)

    def busy(self):
        """Return the running trainings, each with the id of its process."""
        last = {name: (what, pid) for _, what, name, pid in self.told()}
        return {name: pid for name, (what, pid) in last.items() if what == "began"}

    def trained_again(self):
        """Return the trainings that began twice although the first worker was not killed."""
        began = {}
        for _, what, name, pid in self.told():
            if what == "began":
                began.setdefault(name, []).append(pid)
        return [name for name, pids in began.items() if not set(pids[:-1]) <= self.killed]


def is_unlocked(mlruns, optuna_url=None):
    """Return whether no process holds a lock of a study's stores, for which others would wait."""
    if os.path.lexists(mlruns / "optuna.journal.lock"):
        return False
    database = sqlite3.connect(mlruns / "mlflow.db", timeout=0, isolation_level=None)
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()
    if optuna_url is None:
        return True
    engine = sqlalchemy.create_engine(optuna_url, poolclass=sqlalchemy.NullPool)
    at_work = "datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
    with engine.connect() as connection:
        return connection.scalar(sqlalchemy.text(f"SELECT count(*) FROM pg_stat_activity WHERE {at_work}")) == 0


def until(is_so, what, *, seconds=240):
    """Wait until a function returns something true."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"timed out waiting until {what}"
        time.sleep(0.02)


def work(order):
    """Take part in a study until it ends."""
    from study.search import waiting
    from study.search.storage import lock_holders
    from tests.faults.victims import StubTrainer, build_config

    lock_holders.PATIENCE_S = waiting.PATIENCE_S = order.get("patience_s", 10.0)
    folder = Path(order["folder"])
    seconds_of = order.get("seconds_of", [0.0])

    class Trainer(StubTrainer):
        def train(self, trials, on_epoch, together=None):
            names = [_name(trial) for trial in trials]
            _write(folder, "began", names)
            if order.get("hangs") in [trial.number for trial in trials] and _is_first(folder / "hung"):
                until((folder / "go-on").exists, "the test lets the trial end", seconds=600)
            time.sleep(sum(seconds_of[trial.number % len(seconds_of)] for trial in trials))
            results = super().train(trials, on_epoch, together)
            _write(folder, "ended", names)
            return results

    config = build_config(folder, uri=order.get("uri"), n_trials=order["n_trials"])
    changed = {key: order[key] for key in ("optuna_url", "stale_after_s", "server_patience_s") if order.get(key)}
    config = dataclasses.replace(
        config,
        stores=dataclasses.replace(config.stores, **changed),
        budget=dataclasses.replace(config.budget, n_confirmations=order.get("n_confirmations", 2)),
    )
    _take_part(config, Trainer())


def _take_part(config, trainer):
    """Run a study as `study.run` does, without the parts that need Keras."""
    from study.pipeline.confirmation_phase import confirm, confirm_untuned, leaves_to_others
    from study.pipeline.context import StudyContext
    from study.pipeline.finalize import record
    from study.pipeline.search_phase import search as run_search
    from study.search.ask_tell import open_search
    from study.tracking.study_tracker import open_study
    from tests.faults.victims import tiny_dataset

    view = SimpleNamespace(
        **dict.fromkeys(("epoch", "message", "stopped", "trial_started", "trials_ended"), lambda *_, **__: None)
    )
    dataset = tiny_dataset()
    with open_search(config) as search:

        def open_record():
            with search.alone():
                return open_study(config, study_name=search.name, dataset=dataset, environment={})

        with search.repeat(open_record) as tracker:
            context = StudyContext(
                config=config, dataset=dataset, search=search, tracker=tracker, trainer=trainer, view=view
            )
            run_search(context, meanwhile=lambda: confirm_untuned(context))
            if not leaves_to_others(context):
                confirm(context)
                search.claims.finish()
                record(context)


def _name(trial):
    if not trial.test:
        return f"trial {trial.number}"
    return f"confirmation {trial.number} of {trial.hyperparameters.get('learning_rate', 'the untuned')}"


def _is_first(marker):
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _write(folder, what, names):
    lines = "".join(f"{time.time()}\t{what}\t{name}\t{os.getpid()}\n" for name in names)
    with (folder / "trained.txt").open("a") as file:
        file.write(lines)  # one write, which the system appends in one piece


def _fork(order):
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        log = os.open(f"{order['folder']}/stderr-{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 2)
        with clean_stop():
            work(order)
        status = 0
    except Stopped as stopped:
        status = stopped.exit_status
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main():
    """Follow the orders."""
    # A shell that runs the tests in the background lets its programs ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Imported once, for all forked processes.
    import study.pipeline.finalize  # noqa: F401
    import tests.faults.victims  # noqa: F401

    children = []
    for line in sys.stdin:
        order = json.loads(line)
        if "join" in order:
            ended = {child: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
            children, answer = [], json.dumps(ended)
        else:
            children.append(_fork(order))
            answer = str(children[-1])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
