"""A bag of words: a vector for each word, their mean, and a linear map to the logits.

Source: A. Joulin, E. Grave, P. Bojanowski and T. Mikolov, "Bag of Tricks for Efficient Text Classification", EACL
2017, section 2, without n-grams and with an ordinary softmax.
"""

from __future__ import annotations

import keras

from study.models._layers import check_count, output_layer, refusal


def build(
    input_shape: tuple[int, ...], n_outputs: int, *, vocabulary: int = 1000, dimensions: int = 16
) -> keras.Model:
    """Build the model.

    Args:
        input_shape: Shape of one example, (n_words,): the number of words of a document.
        n_outputs: Width of the output.
        vocabulary: Number of different words. A document holds word numbers from 0 to `vocabulary` - 1. Default 1000.
        dimensions: Length of a word's vector. Default 16.

    Returns:
        A model that maps (n, n_words), integers, to logits, (n, n_outputs).

    Raises:
        ValueError: The input is no sequence of words, or an argument is invalid.
    """
    shape = tuple(input_shape)
    if len(shape) != 1:
        allowed = "documents (n_words,) of word numbers"
        advice = "Choose dataset=zipf_words, or another model: model=mlp and model=linear take any shape."
        raise refusal("model=word_embedding, input_shape", shape, allowed=allowed, advice=advice)
    n_words = check_count(vocabulary, key="model.vocabulary", example=1000)
    width = check_count(dimensions, key="model.dimensions", example=16)
    inputs = keras.Input(shape, dtype="int32")
    x = keras.layers.Embedding(n_words, width)(inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, output_layer(n_outputs)(x), name="word_embedding")
