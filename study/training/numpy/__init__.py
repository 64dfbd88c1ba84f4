"""Dense nets trained in NumPy, with everything written out."""

from study.training.numpy.trainer import NumpyTrainer as NumpyTrainer
