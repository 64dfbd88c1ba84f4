"""A text of one's own: windows, splits without a token in common, the vocabulary, and texts of no use."""

import numpy as np
import pytest

from study.core.errors import ConfigError, DataError
from study.datasets import text_file


def load(folder, text, **arguments):
    file = folder / "mine.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return text_file.load(**{"path": str(file), "split_seed": 0, **arguments})


def spans(dataset):
    """The examples of each split as they stand in the text, the window and the token after it."""
    return {
        name: np.concatenate([split.x, split.y[:, np.newaxis]], axis=1)
        for name, split in (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
    }


def test_each_window_is_followed_by_its_target_and_each_split_by_the_next(tmp_path):
    dataset = load(tmp_path, bytes(range(100)), window=4, vocabulary=200)
    train, validation, test = spans(dataset).values()
    assert (dataset.train.x.dtype, dataset.train.y.dtype) == (np.int32, np.int32)
    assert train.ravel().tolist() == list(range(1, 81))  # all as frequent, so in their order from 1 on
    assert (validation.shape, test.shape) == ((2, 5), (2, 5))
    assert not validation.any()  # no training example has these bytes
    assert dataset.n_outputs == 81


def test_a_vocabulary_has_the_most_frequent_words_of_training(tmp_path):
    text = "the cat, the dog. " * 8 + "zebra " * 40 + "the cat, the dog. " * 2
    dataset = load(tmp_path, text, tokens="words", window=2, vocabulary=4, validation=0.33, test=0.15)
    seen = spans(dataset)
    # zebra, the most frequent word, stands in validation alone.
    assert seen["train"][:2].tolist() == [[1, 0, 2], [1, 0, 3]]
    assert set(np.unique(seen["validation"])) <= {0, 1, 2, 3}
    assert dataset.n_outputs == 4


def test_words_and_the_marks_between_them(tmp_path):
    dataset = load(tmp_path, "Größe, größe 42!\n" * 20, tokens="words", window=4)
    assert dataset.n_outputs == 6  # two spellings, the number, two marks, and the unknown one
    assert len(np.unique(spans(dataset)["train"])) == 5


@pytest.mark.parametrize("stride", [None, 1, 3, 7, 12])
@pytest.mark.parametrize("by", ["first", "last", "random"])
def test_no_token_is_in_two_splits(tmp_path, stride, by):
    text = np.arange(3000) % 251
    text[::251] = np.arange(12)
    positions = load(tmp_path, text.astype(np.uint8).tobytes(), window=6, stride=stride, validation=0.1, test=0.1)
    assert [len(split) > 0 for split in (positions.train, positions.validation, positions.test)] == [True] * 3
    starts = np.arange(0, 3000 - 6, 7 if stride is None else stride)
    generator = np.random.default_rng(1)
    parts = {"first": starts, "last": starts[::-1], "random": generator.permutation(starts)}[by]
    held = {"test": parts[:20], "validation": parts[20:40], "train": parts[40:]}
    kept = text_file._without_shared_tokens(held, 3000, window=6)
    tokens = {name: set((kept[name][:, None] + np.arange(7)).ravel().tolist()) for name in kept}
    assert not tokens["test"] & tokens["validation"]
    assert not (tokens["test"] | tokens["validation"]) & tokens["train"]
    assert kept["test"].tolist() == held["test"].tolist()
    if stride in (None, 7, 12):
        assert {name: len(left) for name, left in kept.items()} == {name: len(left) for name, left in held.items()}


def test_rules_of_the_splits(tmp_path):
    text = bytes(range(250)) * 4
    whole = load(tmp_path, text, window=4)
    assert [len(split) for split in (whole.train, whole.validation, whole.test)] == [160, 20, 20]
    first = load(tmp_path, text, window=4, validation=5, test={"n": 3, "by": "first"})
    assert first.test.x[0].tolist() < first.validation.x[0].tolist()
    assert [len(split) for split in (first.train, first.validation, first.test)] == [192, 5, 3]
    assert load(tmp_path, text, window=4, test="none").test == "none"
    drawn = [load(tmp_path, text, window=4, test={"share": 0.1, "by": "random"}, split_seed=seed) for seed in (0, 1)]
    assert drawn[0].digest == drawn[1].digest  # the seed of validation does not change the test split
    assert len(drawn[0].test) == 20


def test_windows_that_are_cut_when_they_are_read_are_the_same(tmp_path, monkeypatch):
    text = bytes(range(200)) * 5
    whole = load(tmp_path, text, window=9, stride=2)
    monkeypatch.setattr(text_file, "MOST_IN_MEMORY", 0)
    lazy = load(tmp_path, text, window=9, stride=2)
    assert whole.train.is_in_memory
    assert not lazy.train.is_in_memory
    assert (lazy.train.x.shape, lazy.train.x.dtype, len(lazy.train.x)) == (
        whole.train.x.shape,
        np.int32,
        len(whole.train),
    )
    for chosen in (slice(2, 5), np.array([3, 3, 0]), slice(None), np.array([], int)):
        np.testing.assert_array_equal(lazy.train.x[chosen], whole.train.x[chosen])
    assert lazy.train.x.digest == load(tmp_path, text, window=9, stride=2).train.x.digest
    assert lazy.train.x.digest != lazy.validation.x.digest
    assert lazy.train.x.digest != load(tmp_path, text[::-1], window=9, stride=2).train.x.digest


def test_texts_that_are_of_no_use(tmp_path):
    with pytest.raises(
        DataError, match=r"found 98 bytes, expected at least 99, for an example of each split.*Lower da"
    ):
        load(tmp_path, bytes(98))
    assert len(load(tmp_path, bytes(99)).train) == 1
    with pytest.raises(
        DataError, match=r"no text in UTF-8, at position 2, expected a text file.*dataset\.tokens=bytes"
    ):
        load(tmp_path, b"a \xff", tokens="words")
    with pytest.raises(
        DataError, match=r"found no example for validation and train, expected .*by: last.*dataset\.stride"
    ):
        load(tmp_path, bytes(300), stride=1, test={"share": 0.4, "by": "random"})


def test_arguments(tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.path=null: expected the path of a text file"):
        text_file.load(split_seed=0)
    told = (
        r"(?s)5 faults.*dataset\.tokens=letters.*\.window=0.*\.stride=0.*\.vocabulary=1.*validation\.by=group.*of fir"
    )
    with pytest.raises(ConfigError, match=told):
        load(
            tmp_path,
            "",
            tokens="letters",
            window=0,
            stride=0,
            vocabulary=1,
            validation={"share": 0.1, "by": "group"},
        )
    assert "dataset.path=FILE" in text_file.whereabouts().place
