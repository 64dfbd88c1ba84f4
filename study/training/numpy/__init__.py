"""Dense networks trained in NumPy, with every equation written out."""

from study.training.numpy.trainer import NumpyTrainer as NumpyTrainer
