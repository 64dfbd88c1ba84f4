from dataclasses import replace

import pytest

from study.core.trainer_interface import Trial, TrialResult
from study.search.ask_tell import open_search
from study.search.failed_trials import (
    FailedTrialsError,
    Failures,
    all_failed,
    explained,
    failure_messages,
    last_line,
    point_text,
)
from tests.nvidia_fakes import forget_driver, write_smi

TRACEBACK = """Traceback (most recent call last):
  File "model.py", line 3, in call
    raise RuntimeError("it broke")
RuntimeError: it broke
  of course: indented
"""


def result(number, *, error=None):
    trial = Trial(number=number, hyperparameters={}, run_seed=0, order_seed=0)
    return TrialResult(trial=trial, state="failed" if error else "complete", history={}, summary={}, error=error)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TRACEBACK, "RuntimeError: it broke"),
        ("ValueError", "ValueError"),
        (f"{TRACEBACK}\nDuring handling:\n\n{TRACEBACK.replace('broke', 'sank')}", "RuntimeError: it sank"),
        (
            "Traceback (most recent call last):\n  F\nE: in call().\n\n\x1b[1mbroke\x1b[0m\n\nArguments: x",
            "E: in call(). broke",
        ),
        (f"{TRACEBACK}\nIn short: RuntimeError: it broke; in layer a (A)\n", "RuntimeError: it broke; in layer a (A)"),
        ("", "(no message)"),
        (None, "(no message)"),
    ],
)
def test_the_line_that_names_the_error(error, line):
    assert last_line(error) == line


def test_the_study_stops_when_so_many_fail_one_after_the_other(compose):
    failures = Failures(compose("max_failed_trials=3"))
    failures.note([result(0, error="A: 1"), result(1, error="A: 1"), result(2)])
    failures.note([result(3, error="A: 1"), result(4, error="B: 2")])
    with pytest.raises(FailedTrialsError) as caught:
        failures.note([result(5, error="A: 1")])
    told = str(caught.value)
    assert "the last 3 trials that ended have all failed, with 2 different errors; the most frequent, 2 times:" in told
    assert "\n  A: 1\n" in told
    assert "--retry-failed" in told
    assert "max_failed_trials=null" in told
    assert "set only_trial=3 in this config" in told  # the first of the row
    assert caught.value.exit_status == 1


def test_equal_errors_are_reported_once(compose):
    config = replace(compose(), typed_words=("optimizer=sgd", "model.hidden=[8,8]"))
    told = str(all_failed({1: "A: 1", 2: "A: 1"}, config))
    assert "all 2 trials have failed, with the same error:\n  A: 1\n" in told
    assert ": study run optimizer=sgd 'model.hidden=[8,8]' only_trial=1\n" in told
    assert "its only trial has failed, with this error:\n  A: 1\n" in str(all_failed({0: "A: 1"}, config))


def test_failed_trials_are_told_once_for_each_error_with_point_seeds_and_command(compose):
    trials = [
        Trial(
            number=n, hyperparameters={"learning_rate": 0.123456789, "nesterov": True}, run_seed=70 + n, order_seed=5
        )
        for n in range(3)
    ]
    short = "KeyError: gain; in layer widening (Widening)"
    failed = [
        TrialResult(trial=trial, state="failed", history={}, summary={}, error=error)
        for trial, error in zip(trials, [f"{TRACEBACK}\nIn short: {short}\n", TRACEBACK, TRACEBACK], strict=True)
    ]
    config = replace(compose(), typed_words=("optimizer=sgd",))
    first, second = failure_messages(failed, config, title="trial")
    assert first.splitlines() == [
        f"trial 0: {short}",
        "  learning_rate=0.123457, nesterov=true, run_seed=70, order_seed=5",
        "  To train it alone, with all stores left as they are: study run optimizer=sgd only_trial=0",
    ]
    assert second.startswith("trial 1, and 1 more with the same error: RuntimeError: it broke\n")
    assert "run_seed=71" in second
    (confirmed,) = failure_messages(failed[:1], config, title="confirmation (tuned)")
    assert confirmed.startswith("confirmation (tuned) 0: KeyError")
    assert "only_trial" not in confirmed


def test_no_limit_stops_nothing(compose):
    Failures(compose("max_failed_trials=null")).note([result(n, error="A: 1") for n in range(100)])


@pytest.mark.parametrize(
    "error",
    [
        "tensorflow...ResourceExhaustedError: Graph execution error",
        "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes",
        "MemoryError",
        "jax.errors.JaxRuntimeError: INTERNAL: CpuCallback error: Out of memory allocating 8 bytes.",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with shape (1000000000,)",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried",
        "jaxlib.XlaRuntimeError: INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "RuntimeError: std::bad_alloc",
        "Failed to allocate 1073741824 bytes for new constant",
        "torch.OutOfMemoryError: CUDA out of memory",
    ],
)
def test_a_lack_of_memory_advises_smaller_sizes(compose, error):
    told = explained(result(0, error=error), compose()).error
    assert told is not None
    assert last_line(told).startswith("Out of memory: lower trainer.batch_size=32, trainer.eval_batch_size=")


@pytest.mark.parametrize(
    "error",
    [
        "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 8589934592 bytes.",
        "jax.errors.JaxRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 1.0GiB on device ordinal 0",
        "jaxlib.XlaRuntimeError: INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "ResourceExhaustedError: OOM when allocating tensor on /job:localhost/device:GPU:0 by allocator GPU_0_bfc",
        "tensorflow...InternalError: Dst tensor is not initialized.",
        "torch.OutOfMemoryError: CUDA out of memory",
    ],
)
def test_a_lack_of_a_cards_memory_names_the_process_that_holds_it(compose, error, tmp_path, monkeypatch):
    forget_driver(monkeypatch, tmp_path)
    write_smi(tmp_path, ("H100", 80000, 200), held=["GPU-0, 4000000000, 79000, /bin/train"])
    told = last_line(explained(result(0, error=error), compose()).error)
    assert told.startswith("Out of memory: lower trainer.batch_size=32")
    assert "Card 0: H100, 0.2 GiB of 78.1 GiB free; process 4000000000 (train) holds 77.1 GiB. Wait for" in told
    assert "Card 0" not in last_line(explained(result(0, error="MemoryError"), compose()).error)


def test_another_error_is_reported_unchanged_except_for_passwords(compose):
    assert explained(result(0, error=TRACEBACK), compose()).error == TRACEBACK
    assert explained(result(0), compose()).error is None
    assert explained(result(0, error="E: http://a:b@c"), compose()).error == "E: http://a:***@c"


def _end(search, *, failing):
    asked = []
    while trials := search.ask(1):
        for trial in trials:
            asked.append((trial.number, dict(trial.hyperparameters)))
            ended = result(trial.number, error="A: 1" if trial.number in failing else None)
            search.tell(ended, objective=0.5)
    return asked


def test_failed_trials_alone_are_trained_again_under_their_numbers_and_at_their_points(compose):
    with open_search(compose("budget.n_trials=6", "sampler=tpe")) as search:
        first = _end(search, failing={1, 4})
        assert search.errors == {1: "A: 1", 4: "A: 1"}
    with open_search(compose("budget.n_trials=6", "sampler=tpe")) as search:
        assert search.ask(6) == []
    with open_search(compose("budget.n_trials=6", "sampler=tpe", "retry_failed=true")) as search:
        # One fails again; it is not tried a third time.
        assert _end(search, failing={4}) == [first[1], first[4]]
        assert search.n_spent == 6
        assert search.errors == {4: "A: 1"}


def test_a_retry_that_was_cut_off_goes_on_without_the_flag(compose):
    with open_search(compose("budget.n_trials=3")) as search:
        first = _end(search, failing={1})
    with open_search(compose("budget.n_trials=3", "retry_failed=true")) as search:
        assert [trial.number for trial in search.ask(1)] == [1]
    with open_search(compose("budget.n_trials=3")) as search:
        assert _end(search, failing=set()) == [first[1]]
        assert (search.n_spent, search.errors) == (3, {})


def test_retrying_does_not_make_a_study_another_one(compose):
    digests = {compose(*words).digest for words in ((), ("retry_failed=true",), ("max_failed_trials=null",))}
    assert len(digests) == 1


def test_a_point_has_lists_as_they_are_typed():
    point = {"model.hidden": (64, 64), "model.batch_norm": True, "model.dropout": 0.123456789}
    trial = Trial(number=0, hyperparameters=point, run_seed=1, order_seed=2)
    assert point_text(trial) == (
        "model.hidden=[64, 64], model.batch_norm=true, model.dropout=0.123457, run_seed=1, order_seed=2"
    )


def test_advice_on_memory_names_the_trials_own_batch_size(compose):
    config = compose("search.trainer.batch_size.choices=[32,512]")
    trial = Trial(number=0, hyperparameters={"trainer.batch_size": 512}, run_seed=1, order_seed=2)
    failed = TrialResult(trial=trial, state="failed", history={}, summary={}, error="MemoryError: no room")
    assert "trainer.batch_size=512" in explained(failed, config).error
