"""The cost of searching numbers of the model, the loss and the schedule beside the optimizer's arguments.

Three studies of digits with an mlp of two hidden layers of 64 units, trainer=vectorized, each a whole command, take
turns:

- alone: the optimizer's arguments are searched; the model has no dropout and no penalty, and the loss no smoothing.
- fixed: the same search; dropout, penalty, smoothing and warm-up have fixed values. The same operations as in joint.
- joint: dropout, penalty, smoothing, warm-up and weight decay are searched too.

    python benchmarks/joint_search.py --trials 256 --rounds 3

It prints the seconds of each study, from its start to its last record, and the ratios of the medians. The ratio of
joint to fixed is the cost of searching. The ratio of joint to alone has the cost of dropout and penalties too.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMON = (
    *("optimizer=adam", "dataset=digits", "model=mlp", "model.hidden=[64,64]", "trainer=vectorized"),
    *("schedule=warmup_cosine", "budget.n_confirmations=2", "tracking.system_metrics=false", "live=false"),
)
DECAY = "optimizer.search.weight_decay={low: 1e-6, high: 1e-1, scale: log}"
WORDS = {
    "alone": (),
    "fixed": ("model.dropout=0.25", "model.l2=1e-4", "dataset.task.loss.label_smoothing=0.1", DECAY),
    "joint": (
        *("model.dropout=interval(0,0.5)", "model.l2=tag(log,interval(1e-6,1e-2))"),
        *("dataset.task.loss.label_smoothing=interval(0,0.2)", "schedule.warmup_fraction=interval(0,0.2)", DECAY),
    ),
}
_SECONDS = re.compile(r"after (?:(\d+) min )?([\d.]+) s")


def measure(words: tuple[str, ...], *, n_trials: int) -> float:
    """Run a study in a folder of its own, and return the seconds that it took by its own account."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["from study.cli import command_line; command_line()", "run", *COMMON, *words]
        kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
        done = subprocess.run(
            [sys.executable, "-c", *command, f"budget.n_trials={n_trials}"],
            cwd=folder,
            env=kept | {"PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        )
    minutes, seconds = _SECONDS.findall(done.stdout + done.stderr)[-1]
    return 60.0 * float(minutes or 0) + float(seconds)


def main() -> None:
    """Measure in turns, and print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in WORDS}
    for _ in range(arguments.rounds):
        for name, words in WORDS.items():
            seconds[name].append(measure(words, n_trials=arguments.trials))
            print(f"{time.strftime('%H:%M:%S')} {name}: {seconds[name][-1]:.1f} s", flush=True)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print("  ".join(f"{name} {value:.1f} s" for name, value in medians.items()))
    print(f"joint / fixed {medians['joint'] / medians['fixed']:.2f}")
    print(f"joint / alone {medians['joint'] / medians['alone']:.2f}")


if __name__ == "__main__":
    main()
