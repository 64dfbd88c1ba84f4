"""Keras's own fit, one trial at a time."""

from study.training.fit.trainer import FitTrainer as FitTrainer
