"""The mean of the words' vectors, mapped to the classes; only word numbers are accepted."""

import keras
import numpy as np
import pytest

from study.models import word_embedding


def test_logits_are_a_linear_map_of_the_mean_vector():
    keras.utils.set_random_seed(0)
    model = word_embedding.build((5,), 3, vocabulary=20, dimensions=4)
    vectors, kernel, bias = model.get_weights()
    assert vectors.shape == (20, 4)
    words = np.random.default_rng(0).integers(0, 20, (7, 5), dtype=np.int32)
    expected = vectors[words].mean(axis=1) @ kernel + bias
    np.testing.assert_allclose(model.predict(words, verbose=0), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(20, 1), (28, 28, 1)])
def test_series_and_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"model=word_embedding, input_shape=.*: expected documents \(n_words,\)"):
        word_embedding.build(shape, 3)


@pytest.mark.parametrize("argument", ["vocabulary", "dimensions"])
@pytest.mark.parametrize("value", [0, 2.5, True, "9"])
def test_sizes_are_whole_numbers(argument, value):
    with pytest.raises(ValueError, match=rf"model\.{argument}={value}: expected a whole number of at least 1"):
        word_embedding.build((5,), 3, **{argument: value})
