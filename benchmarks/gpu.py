"""Measure what matters on a GPU within nine minutes, the most telling rows first.

Each row is a line of JSON, printed as soon as it is measured. So a run that is cut still tells, and the table in
docs/benchmarks.md is made of whatever was measured. Nothing needs TensorFlow, a network or a data set.

    python benchmarks/gpu.py --out benchmarks/results/gpu.jsonl     # then: python benchmarks/publish.py
    python benchmarks/gpu.py --list
    python benchmarks/gpu.py --rows product,fashion_mnist-mlp/256
    python benchmarks/gpu.py --cpu                                  # all of it in miniature, to try the program

Only the first visible card is used. A row has one of the states `measured`, `error`, `cut` (its time was over; it has
the values known until then) and `left out` (too little time was left for it). Each training row has:

- `start_s`: from the start of the process until the trainer exists; `first_s`: the first batch, with `compile_s` of
  tracing and compiling in it; `trial_s`: a trial of the same batch when all is compiled; `fixed_s`: the time of a
  study that does not depend on its number of trials. With `again_`: in a second process, with the programs that JAX
  has cached.
- `size` and `compiling_s`, the time of the first batch beyond that of the same batch later: together with `start_s`,
  `trial_s`, `keras_s` of the row `machine` and `auto_gflops` of `product`, they are what `trainer=auto` computes with.
- `gflops`: multiplications and additions in the products of training and validation, for each second of the epochs;
  `share_of_product`: divided by the rate of the card's own product at JAX's default precision.
- `n_at_once`: the trials that fitted; `predicted_bytes`: the memory that the compiler predicts for the largest
  program; `allowed_bytes`: the memory that `capacity: auto` allows it; `peak_bytes`: the peak of JAX's allocator.
- `joules_a_trial`: by the card's energy counter, or its power sampled and integrated (`joules_by`).
- `same_bits`: each repetition of the batch gave the same losses and metrics, bit by bit;
  `same_bits_in_two_processes`: so did the second process.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # find the packages of this checkout, not the neighbors of this file
    sys.path[:1] = [str(Path(__file__).resolve().parents[1])]

from benchmarks.gpu_rows.command import main

if __name__ == "__main__":
    sys.exit(main(description=__doc__))
