"""The update rules as their papers print them, in NumPy: what Keras's optimizers are held against.

A rule is made of numbers alone and is pure: `init` gives what it remembers before the first update, `step` maps
weights, gradients and that to new ones. Where Keras computes another rule than the paper, an argument of the rule
says so, the paper's form being the default; `of_keras` gives the rule that Keras computes.
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
