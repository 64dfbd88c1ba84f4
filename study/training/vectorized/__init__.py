"""Training of many trials in one compiled program of JAX."""

from study.training.vectorized.trainer import VectorizedTrainer as VectorizedTrainer
