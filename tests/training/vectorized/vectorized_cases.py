"""Train the same trials with `vectorized` and with `fit` on JAX, and answer with both results; a process, for JAX.

The program reads one JSON list a line: a function of this module and its arguments, such as ["optimizers", "adam"]. It
answers with what the function returns, or with the text of its error. So all cases share what the process compiles.
"""

# ruff: noqa: E402 - the backend is chosen before Keras is imported
import contextlib
import dataclasses
import gc
import sys
from functools import cache, partial
from pathlib import Path

from study.core.garbage import collect_rarely
from study.training.backend import select_backend

collect_rarely()
select_backend("jax")
sys.path.append(str(Path(__file__).parents[1]))

import keras
from serving import record, serve
from training_workload import LOSS, digits, make_config, make_trainer, make_trial, midpoint, read_yamls

from study.core.trainer_interface import Together, TrialResult
from study.training.vectorized.trainer import VectorizedTrainer

DROPOUT = {"_target_": "study.models.mlp.build", "hidden": [16], "dropout": 0.3, "batch_norm": True, "l2": 0.01}
MASKED = {"_target_": "training_workload.tiny", "dropout": 0.3}
RECURRENT = {"_target_": "training_workload.recurrent"}
ADAM = "keras.optimizers.Adam"
# All steps and evaluations have the same number of examples, so half as much is compiled.
WHOLE = {"batch_size": 25, "eval_batch_size": 50}


def vectorized(
    *,
    n_trials=2,
    capacity="auto",
    precision="float32",
    batch_size=32,
    eval_batch_size=64,
    ahead=False,
    dataset=None,
    augment=(),
    **config,
):
    """Make a trainer; by default, no program of confirmations is compiled beside the search's."""
    made = dataclasses.replace(make_config(**config), augment=augment)
    budget = dataclasses.replace(made.budget, n_trials=n_trials, n_confirmations=n_trials)
    optimizer = dataclasses.replace(made.optimizer, ranges={"any": None})  # type: ignore[dict-item]
    trainer = VectorizedTrainer(
        dataclasses.replace(made, budget=budget, optimizer=optimizer),
        dataset or digits(),
        backend="jax",
        batch_size=batch_size,
        eval_batch_size=eval_batch_size,
        precision=precision,
        capacity=capacity,
    )
    if not ahead:
        trainer._batches.compile_confirmations = lambda *_: None  # type: ignore[method-assign]
    return trainer


def trial(number, *, order_seed=5678, test=False, keep=True, **hyperparameters):
    made = make_trial(number, test=test, keep_weights=keep, **hyperparameters)
    return dataclasses.replace(made, run_seed=1234 + number, order_seed=order_seed)


def run(trainer, trials, stop=None):
    """Train; `stop` has the epoch after which each trial is stopped."""
    reports = {t.number: [] for t in trials}

    def on_epoch(reported, report):
        reports[reported.number].append(report)
        return stop is None or report.epoch != stop.get(reported.number)

    return [record(result, reports[result.trial.number]) for result in trainer.train(trials, on_epoch)]


def both(trials, stop=None, **config):
    return {
        "vectorized": run(vectorized(n_trials=len(trials), **config), trials, stop),
        "fit": run(make_trainer(**config), trials, stop),
    }


def optimizers(name):
    """One YAML of conf/optimizer at two points of its own ranges."""
    section = read_yamls("optimizer")[name]
    apart = ("name", "_target_", "search", "search_only", "untuned")
    fixed = {key: value for key, value in section.items() if key not in apart and value is not None}
    middle = {key: midpoint(entry) for key, entry in section["search"].items()}
    other = {key: entry.get("choices", [entry.get("low")])[0] for key, entry in section["search"].items()}
    other["learning_rate"] = middle["learning_rate"] / 3
    points = [fixed | section["untuned"] | middle, fixed | section["untuned"] | other]
    trials = [trial(i, **point) for i, point in enumerate(points)]
    return both(trials, optimizer=section["_target_"], **WHOLE)


def settings(name):
    """One other setting that changes a training: a schedule, clipping, averages, a model, a budget, a precision."""
    return all_settings()[name]()


@cache
def all_settings():
    """Functions that train with the settings, by name."""
    adam = {"learning_rate": 0.003, "beta_2": 0.99999}
    sgd = {"learning_rate": 0.1}
    pair = [trial(0, **adam), trial(1, learning_rate=0.001, beta_2=0.9)]
    found = {}
    for name, section in read_yamls("schedule").items():
        if name != "constant":
            trials = [trial(0, **adam), trial(1, learning_rate=0.001)]
            schedule = {key: value for key, value in section.items() if key != "name"}
            found[f"schedule {name}"] = partial(both, trials, optimizer=ADAM, schedule=schedule, **WHOLE)
    extras = {
        "clipnorm": {"clipnorm": 0.1},
        "global_clipnorm": {"global_clipnorm": 0.1},
        "clipvalue": {"clipvalue": 0.01},
        "weight_decay": {"weight_decay": 0.01},
        "ema": {"use_ema": True, "ema_momentum": 0.9},
        "ema overwritten": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
        "accumulation": {"gradient_accumulation_steps": 2},
        "loss_scale_factor": {"loss_scale_factor": 4.0},
    }
    for name, extra in extras.items():
        points = [sgd | extra, {"learning_rate": 0.03, "momentum": 0.9} | extra]
        found[name] = partial(both, [trial(i, test=True, **point) for i, point in enumerate(points)], **WHOLE)
    drawn = {"_target_": "training_workload.drawn_by_numpy"}
    top = {"_target_": "keras.metrics.SparseTopKCategoricalAccuracy", "k": 3, "name": "top_3"}
    with_adam = partial(both, pair, optimizer=ADAM)
    found |= {
        "label smoothing": partial(with_adam, loss={**LOSS, "label_smoothing": 0.1}, **WHOLE),
        "dropout, batch norm, l2": partial(with_adam, model=DROPOUT),
        "recurrent": partial(with_adam, model=RECURRENT),
        "unknown initializer": partial(with_adam, model=drawn, **WHOLE),
        "bfloat16": partial(with_adam, precision="bfloat16", **WHOLE),
        "metrics and steps": partial(with_adam, metrics=("accuracy", top), every_n_steps=3),
        "n_steps": partial(with_adam, n_epochs=None, n_steps=10),
        "few steps": partial(with_adam, n_epochs=None, n_steps=2),
        "whole batches": partial(with_adam, batch_size=50),
        "too few examples": partial(with_adam, batch_size=1000, eval_batch_size=1000),
        "orders": partial(both, [trial(i, order_seed=i, test=True, **adam) for i in range(2)], optimizer=ADAM),
        "pruned": partial(both, [trial(i, **sgd) for i in range(2)], {0: 0}, n_epochs=3, **WHOLE),
        "wreck": partial(both, [trial(0, test=True, **sgd), trial(1, test=True, learning_rate=1e6)]),
        "only call": partial(with_adam, model={"_target_": "task_cases.only_call"}, **WHOLE),
        "in order": partial(with_adam, shuffle=False, **WHOLE),
    }
    evaluated = {"train_metrics": "evaluated", "optimizer": ADAM}
    averaged = [trial(i, **adam, use_ema=True, ema_momentum=0.9 - i / 2) for i in range(2)]
    found["evaluated"] = partial(both, pair, n_epochs=None, n_steps=10, **evaluated)
    found["evaluated, averages, recurrent"] = partial(both, averaged, model=RECURRENT, **evaluated)
    exploding = {"model": {"_target_": "training_workload.one_weight"}, "metrics": (), "n_epochs": 20}
    loss = {"_target_": "training_workload.ExplodingLoss"}
    rates = [trial(0, learning_rate=1.0), trial(1, learning_rate=1e-6)]
    found["exploding"] = partial(both, rates, loss=loss, **exploding)
    return found


def neighbors():
    """One trial among others, alone, in another lane, and beside others that diverge."""
    config = {"optimizer": "keras.optimizers.SGD", "model": DROPOUT, "n_trials": 6}
    mine = [trial(i, learning_rate=0.05 * (i + 1), momentum=0.9) for i in range(3)]
    wild = [trial(i, learning_rate=1e30 if i % 2 else 1e4, momentum=0.5) for i in range(3, 6)]
    tame = [trial(i, learning_rate=0.01, momentum=0.8) for i in range(3, 6)]
    trainer = vectorized(**config)
    return {
        "together": run(trainer, mine + tame)[:3],
        "wild": run(trainer, mine + wild)[:3],
        "states of the wild": [r["state"] for r in run(trainer, mine + wild)[3:]],
        "moved": run(trainer, tame + mine[::-1])[:2:-1],
        "alone": [run(trainer, [one])[0] for one in mine],
        "anew": run(vectorized(**config), mine + tame)[:3],
        "n_programs": len(trainer._batches._programs),
    }


def structures():
    """Trials that one program cannot serve, a broken one among them."""
    points = [
        {"learning_rate": 0.1, "momentum": 0.0},
        {"learning_rate": 0.1, "momentum": 0.9},
        {"learning_rate": 0.2, "momentum": 0.5, "nesterov": True},
        {"speed": 3},
        {"learning_rate": 0.3, "momentum": 0.7},
        {"learning_rate": 0.3, "momentum": 0.7, "clipnorm": 1.0},
    ]
    trials = [trial(i, **point) for i, point in enumerate(points)]
    trainer = vectorized(n_trials=6, capacity=2, n_epochs=1, **WHOLE)
    found = {"vectorized": run(trainer, trials), "fit": run(make_trainer(n_epochs=1, **WHOLE), trials)}
    many = [trial(i, learning_rate=0.1, clipvalue=0.01 * (i + 1)) for i in range(9)]
    try:
        run(vectorized(n_trials=9, **WHOLE), many)
    except Exception as error:
        found["refusal"] = f"{type(error).__name__}: {error}"  # type: ignore[assignment]
    return found | {"n_structures": len(trainer._structures), "capacity": trainer.capacity}


def initial_weights(name):
    """Initial weights of a model, bit by bit: a rate of zero leaves them as they were."""
    trials = [trial(i, learning_rate=0.0) for i in range(3)]
    return both(trials, model=models()[name], n_epochs=None, n_steps=1, **WHOLE)


@cache
def models():
    """Models, each with other initial weights."""
    published = read_yamls("model")
    found = {
        name: {key: value for key, value in published[name].items() if key not in ("name", "kind")}
        for name in ("mlp", "linear")
    }
    found |= {"regularized": DROPOUT, "recurrent": RECURRENT}
    found |= {"many initializers": {"_target_": "training_workload.many_initializers"}}
    found |= {"shared": {"_target_": "training_workload.with_fixed_seed"}}
    return found


def names():
    """Names of all settings and of all models."""
    return {"settings": list(all_settings()), "initial_weights": list(models())}


def memory():
    """A device that can hold two trials at once, and a memory limit that the program's own analysis respects."""
    from study.training.vectorized.compiler import Compiler

    trials = [trial(i, learning_rate=0.1 * (i + 1)) for i in range(5)]
    found = {"roomy": run(vectorized(n_trials=8, **WHOLE), trials), "sizes": []}
    bounded = vectorized(n_trials=8, **WHOLE)
    run(bounded, trials)
    needed = max(program.compiler.bytes_at_once for program in bounded._batches._programs.values())
    bounded = vectorized(n_trials=8, **WHOLE)
    bounded._batches._max_bytes = 0.6 * needed
    run(bounded, trials)
    found["bounded"] = bounded._most
    check = Compiler._check_room

    def refuse(compiler, bytes_needed):
        if not found["sizes"] or found["sizes"][-1] != compiler.n_lanes:
            found["sizes"].append(compiler.n_lanes)
        if compiler.n_lanes > 2:
            import jax

            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        check(compiler, bytes_needed)

    Compiler._check_room = refuse  # type: ignore[method-assign]
    try:
        found["tight"] = run(vectorized(n_trials=8, **WHOLE), trials)
    finally:
        Compiler._check_room = check  # type: ignore[method-assign]
    return found


def devices():
    """The same trials divided among four devices, and on one device, since seven lanes have no equal shares."""
    trials = [trial(i, learning_rate=0.05 * (i + 1), momentum=0.9) for i in range(6)]
    found = {}
    for name, n in (("four", 8), ("one", 7)):
        trainer = vectorized(n_trials=n, capacity=n, model=DROPOUT, **WHOLE)
        found[name] = run(trainer, trials)
        found[f"{name}: devices"] = sorted({shape.n_devices for _, shape in trainer._batches._programs})
    trainer = vectorized(n_trials=6, model=DROPOUT, ahead=True, **WHOLE)
    run(trainer, trials)
    found["ahead"] = sorted(shape.one_order for _, shape in trainer._batches._programs)
    found["confirmed"] = run(trainer, [dataclasses.replace(trials[0], test=True)])
    found["programs"] = len(trainer._batches._programs)
    with abreast_as_on_a_gpu():
        trainer = vectorized(n_trials=6, model=DROPOUT, ahead=True, **WHOLE)
        found["on a gpu"] = run(trainer, trials)
        found["on a gpu: ahead"] = sorted(shape.one_order for _, shape in trainer._batches._programs)
        found["on a gpu: confirmed"] = run(trainer, [dataclasses.replace(trials[0], test=True)])
        found["on a gpu: programs"] = len(trainer._batches._programs)
    recurrent = vectorized(n_trials=8, n_epochs=1, model=RECURRENT, **WHOLE)
    found["recurrent"] = run(recurrent, [trial(i, learning_rate=0.1, keep=False) for i in range(8)])
    return found


def abreast():
    """The same trials one after the other, and all stepping together, also each with its own order."""
    config = {"n_trials": 8, "model": DROPOUT, **WHOLE}
    trials = [trial(i, learning_rate=0.05 * (i + 1), momentum=0.9) for i in range(8)]
    reordered = [dataclasses.replace(one, order_seed=one.number) for one in trials]
    found = {}
    for name, as_told in (("one by one", contextlib.nullcontext), ("all together", abreast_as_on_a_gpu)):
        with as_told():
            trainer = vectorized(**config)
            found[name] = run(trainer, trials) + run(trainer, reordered)
            found[f"{name}: orders"] = sorted(shape.one_order for _, shape in trainer._batches._programs)
    return found


@contextlib.contextmanager
def abreast_as_on_a_gpu():
    """Let all lanes step together, in a program for the search and another one for confirmations."""
    from study.training.vectorized import capacity as vectorized_capacity

    platform, vectorized_capacity._platform = vectorized_capacity._platform, lambda: "gpu"
    try:
        yield
    finally:
        vectorized_capacity._platform = platform


def lanes():
    """Batches that shrink or are refilled, compared with the same trials in batches of constant size."""
    with abreast_as_on_a_gpu():
        return changing()


def places():
    """Batches whose free places are skipped or refilled; the number of lanes trained in each epoch."""
    from study.training.vectorized.program import VectorizedProgram

    epoch, trained = VectorizedProgram.epoch, list[int]()

    def count(program, *arguments):
        if not program.compiler._is_ahead:
            trained.append(int(arguments[-1][1].sum()))
        return epoch(program, *arguments)

    VectorizedProgram.epoch = count  # type: ignore[method-assign]
    try:
        trials, stop, config = to_be_stopped()
        found = {}
        for name, rest in (("still", None), ("emptied", []), ("filled", trials[8:])):
            trained.clear()
            trainer = vectorized(**config)
            found[name] = in_batches(trainer, trials[:8], stop, rest or [], changes=rest is not None)
            found[name] |= {"programs": sizes(trainer), "trained": list(trained)}
        return found
    finally:
        VectorizedProgram.epoch = epoch  # type: ignore[method-assign]


def to_be_stopped():
    """Return trials, the epoch after which each is stopped, and the study."""
    trials = [trial(i, keep=False, learning_rate=0.05 * (i + 1), momentum=0.9) for i in range(14)]
    stop = {i: i % 2 for i in range(14) if i not in (2, 7)}  # the even ones at their first epoch
    return trials, stop, {"n_trials": 8, "n_epochs": 4, "model": MASKED, **WHOLE}


def changing():
    trials, stop, config = to_be_stopped()
    found = {}
    for name, more in (("still", None), ("smaller", lambda _n, _ended: []), ("filled", "rest")):
        trainer, rest = vectorized(**config), trials[8:]
        found[name] = in_batches(trainer, trials[:8], stop, rest if more == "rest" else [], changes=more is not None)
        found[name]["programs"] = sizes(trainer)
    found["rest"] = run(vectorized(**config), trials[8:], stop)
    # If an epoch is cut short, its lanes cannot be at different epochs: places stay free.
    trainer = vectorized(n_trials=8, n_epochs=None, n_steps=10, model=MASKED)
    found["cut short"] = in_batches(trainer, trials[:8], stop, trials[8:])
    # Other structures are trained afterwards; a broken one fails alone.
    odd = [trial(20, keep=False, speed=3), trial(21, keep=False, learning_rate=0.1, clipnorm=1.0)]
    found["odd"] = in_batches(vectorized(**config), trials[:8], stop, [odd[0], trials[8], odd[1]])
    found["odd alone"] = run(vectorized(**config), odd[1:])
    found["small"] = in_batches(vectorized(capacity=4, **config), trials[:10], stop, [])
    return found | {"refusal": refusal(trials), "tight": tight(trials, stop), "told": told(trials[:2])}


def in_batches(trainer, trials, stop, rest, *, changes=True):
    """Train; new trials come from `rest`, and each trial that ended is reported once."""
    due, ended, asked, diverged = list(rest), list[TrialResult](), list[int](), list[int]()
    reported = []

    def on_epoch(one, report):
        reported.append((one.number, report.epoch))
        return True

    def epoch_ended(lost):
        diverged.extend(one.number for one in lost)
        return [number for number, epoch in reported if stop.get(number) == epoch]

    def more(n, results):
        asked.append(n)
        ended.extend(results)
        taken, due[:n] = due[:n], []
        return taken

    together = Together(epoch_ended=epoch_ended, more=more if changes else None)
    ended += trainer.train(trials, on_epoch, together)
    assert len(reported) == len(set(reported))
    assert all(result.history or result.state in ("diverged", "failed") for result in ended)
    results = {result.trial.number: record(result, []) for result in ended}
    assert len(results) == len(ended)
    return {"results": [results[key] for key in sorted(results)], "asked": asked, "diverged": diverged}


def sizes(trainer):
    return sorted([shape.n_lanes, shape.one_order] for _, shape in trainer._batches._programs)


def told(trials):
    """Return the calls that a batch makes to its caller, in their order."""
    order = []
    together = Together(
        epoch_ended=lambda _: (),
        begun=lambda: order.append("begun"),
        ending=lambda n_left: order.append(["ending", n_left]),
    )
    vectorized(n_trials=2, n_epochs=3, **WHOLE).train(
        trials, lambda one, report: order.append([one.number, report.epoch]) or True, together
    )
    return order


def refusal(trials):
    """Return the caller's own error from a request for more trials; it must pass through."""

    def more(_n, _results):
        raise KeyError("the caller's own")

    together = Together(epoch_ended=lambda _: range(1, 8), more=more)
    try:
        vectorized(n_trials=8, n_epochs=3, **WHOLE).train(trials[:8], lambda *_: True, together)
    except KeyError as error:
        return str(error)
    return "nothing was raised"


def tight(trials, stop):
    """Memory runs out while places are filled: all trials begin anew, fewer at once; nothing is reported twice."""
    from study.training.vectorized.compiler import NoRoomError
    from study.training.vectorized.program import VectorizedProgram

    epoch = VectorizedProgram.epoch

    def refuse(program, *arguments):
        if program.shape.n_lanes > 4 and not program.shape.one_order:
            raise NoRoomError(4)
        return epoch(program, *arguments)

    VectorizedProgram.epoch = refuse  # type: ignore[method-assign]
    try:
        return in_batches(vectorized(n_trials=8, n_epochs=4, model=MASKED, **WHOLE), trials[:8], stop, trials[8:])
    finally:
        VectorizedProgram.epoch = epoch  # type: ignore[method-assign]


if __name__ == "__main__":
    assert LOSS, keras
    gc.freeze()  # Keras collects garbage for every model, also among the libraries' objects
    serve(globals())
