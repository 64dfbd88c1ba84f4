"""The update rules of papers in NumPy: the reference for Keras's optimizers.

A rule has only numbers as fields, and is pure: `init` returns its state before the first update, `step` maps weights,
gradients and state to new weights and a new state. If Keras computes another rule than the paper, an argument of the
rule selects the form; the paper's form is the default. `of_keras` returns the rule that Keras computes.
"""

from study.optimizers.reference.adam import Adam, AdaMax, AdamW, AMSGrad, Nadam
from study.optimizers.reference.adaptive import Adadelta, Adagrad, RMSprop
from study.optimizers.reference.keras_equivalents import of_keras
from study.optimizers.reference.momentum import SGD, AveragedMomentum, Lion, Momentum, Nesterov
from study.optimizers.reference.state import Array, Arrays, Rule, State

__all__ = [
    "SGD",
    "AMSGrad",
    "AdaMax",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Array",
    "Arrays",
    "AveragedMomentum",
    "Lion",
    "Momentum",
    "Nadam",
    "Nesterov",
    "RMSprop",
    "Rule",
    "State",
    "of_keras",
]
