"""Two inputs, numbers and a category, as pandas columns; examples that matter less have lower weights."""

import keras
import numpy as np
import pandas as pd

from study.datasets import Dataset, Split


def load(*, n=800):
    """Draw houses with their size, age and district; the price is a float64 column."""
    rng = np.random.default_rng(0)
    houses = pd.DataFrame({"size": rng.normal(size=n), "age": rng.normal(size=n), "district": rng.integers(5, size=n)})
    houses["price"] = 2 * houses["size"] - houses["age"] + houses["district"] + 0.1 * rng.normal(size=n)
    weight = np.where(houses["age"] > 1, 0.25, 1.0)
    numbers, district = houses[["size", "age"]].astype("float32"), houses["district"].astype("int32")
    split = Split(x={"numbers": numbers, "district": district}, y=houses["price"], sample_weight=weight)
    return Dataset(train=split, validation=0.2, test=0.2)


def build(input_shape, n_outputs, *, width=16):
    """Return a net of two inputs: `input_shape` has a shape for each of them, by name."""
    inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
    district = keras.layers.Flatten()(keras.layers.Embedding(5, 3)(inputs["district"]))
    x = keras.layers.Concatenate()([inputs["numbers"], district])
    x = keras.layers.Dense(width, "relu")(x)
    return keras.Model(inputs, keras.layers.Dense(n_outputs)(x))
