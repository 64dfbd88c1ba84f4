"""Streams of every kind, their order and identity, and each way in which a stream can be wrong."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from study.core.errors import DataError
from study.core.seeds import stream_seed
from study.datasets import LargeStream
from study.datasets.preparation import stream_reading
from study.datasets.preparation.streams import is_stream, open_stream

N, SIZE = 70, 20
X = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
Y = np.arange(N) % 3


def cut(order=None):
    order = np.arange(N) if order is None else order
    return [(X[chosen], Y[chosen]) for chosen in np.split(order, range(SIZE, N, SIZE))]


def shuffled(seed):
    return iter(cut(np.random.default_rng(seed).permutation(N)))


def pipeline(*, shuffle=False, n=N):
    data = tf.data.Dataset.from_tensor_slices((X[:n], Y[:n]))
    return (data.shuffle(n) if shuffle else data).batch(SIZE)


class Sequence(keras.utils.PyDataset):
    def __init__(self, *, n_batches=4):
        super().__init__()
        self.n_batches, self.ended = n_batches, 0

    def __len__(self):
        return self.n_batches

    def __getitem__(self, index):
        return cut()[index]


class Shuffling(Sequence):
    def on_epoch_end(self):
        self.ended += 1


class Endless(keras.utils.PyDataset):
    def __getitem__(self, index):
        return cut()[index % 4]


class Callable:
    def __call__(self):
        return cut()


def opened(given, *, name="train", deterministic=True):
    return open_stream(given, name=name, deterministic=deterministic)


def examples(stream, order_seed=0, epoch=0):
    return np.concatenate([np.asarray(y) for _, y, *_ in stream.batches(order_seed, epoch)])


@pytest.mark.parametrize(
    "given",
    [
        lambda: cut(),
        lambda: iter(cut()),
        shuffled,
        pipeline(),
        pipeline(shuffle=True),
        Sequence(),
        Shuffling(),
        Callable(),
    ],
)
def test_a_stream_has_a_length_first_examples_and_batches(given):
    assert is_stream(given)
    stream = opened(given)
    assert (len(stream), stream.n_batches) == (N, 4)
    assert stream.first(5).x.shape == (5, 3)
    assert sorted(examples(stream)) == sorted(Y)
    assert stream.highest("y") == 2
    whole = stream.as_split()
    np.testing.assert_array_equal(np.sort(whole.x, axis=0), np.sort(X, axis=0))


@pytest.mark.parametrize("value", [X, [1, 2], {"a": X}, "text", None, 0.1, Sequence, (X, Y)])
def test_other_values_are_no_streams(value):
    assert not is_stream(value)


def test_the_digest_is_that_of_the_examples_in_any_order():
    digests = {opened(given).digest for given in (lambda: cut(), shuffled, pipeline(shuffle=True), Sequence())}
    assert len(digests) == 1
    other = opened(lambda: [(x + 1, y) for x, y in cut()])
    assert {other.digest} != digests


def test_the_order_of_a_function_of_a_seed_is_ours():
    seeds = []

    def batches(seed):
        seeds.append(seed)
        return shuffled(seed)

    stream = opened(batches)
    assert not stream.has_own_order
    seeds.clear()
    first, again, next_one = (examples(stream, 7, epoch) for epoch in (0, 0, 1))
    assert seeds == [stream_seed(7, 0), stream_seed(7, 0), stream_seed(7, 1)]
    assert first.tolist() == again.tolist()
    assert first.tolist() != next_one.tolist()


@pytest.mark.parametrize(
    "function",
    [lambda *, seed: shuffled(seed), lambda order_seed=3: shuffled(order_seed), functools.partial(shuffled)],
)
def test_a_seed_is_passed_by_name_too(function):
    stream = opened(function)
    assert not stream.has_own_order
    assert examples(stream, 1).tolist() != examples(stream, 2).tolist()


def test_the_batches_of_a_dataset_of_keras_are_permuted_in_training_alone():
    orders = {tuple(examples(opened(Sequence()), seed)) for seed in range(6)}
    assert len(orders) > 1
    stored = opened(Sequence(), name="validation")
    assert examples(stored, 3).tolist() == np.concatenate([y for _, y in cut()]).tolist()


def test_a_dataset_of_keras_is_told_of_the_end_of_each_epoch():
    source = Shuffling()
    stream = opened(source)
    before = source.ended
    for number in (1, 2):
        given = stream.batches(0, number)
        for _ in range(stream.n_batches):
            next(given)  # no caller asks for more than the batches of an epoch
        assert source.ended == before + number


def test_an_order_of_its_own_is_known_from_the_second_pass():
    assert opened(pipeline(shuffle=True)).has_own_order
    assert not opened(pipeline()).has_own_order
    assert opened(pipeline(), deterministic=False).has_own_order  # there is no second pass


def test_examples_of_an_own_order_are_kept_in_the_order_of_their_digests():
    one, other = (opened(pipeline(shuffle=True)).as_split() for _ in range(2))
    np.testing.assert_array_equal(one.x, other.x)


def test_factors_on_weights_are_those_of_the_targets():
    stream = opened(lambda: cut()).weighted(lambda y: np.where(y == 2, 3.0, 1.0).astype(np.float32))
    for _, y, weight in stream.batches(0, 0):
        np.testing.assert_array_equal(weight, np.where(y == 2, 3, 1))
    assert stream.first(3).sample_weight.tolist() == [1, 1, 3]


def test_lists_of_a_loader_are_several_inputs():
    stream = opened(lambda: [[[x, 2 * x], y] for x, y in cut()])
    assert [array.shape for array in stream.first(2).x] == [(2, 3), (2, 3)]


def test_grain_is_read():
    grain = pytest.importorskip("grain")
    source = grain.MapDataset.range(N).map(lambda index: (X[index], Y[index]))
    assert (len(opened(source.batch(SIZE))), opened(source.batch(SIZE)).n_batches) == (N, 4)
    ours = opened(lambda seed: source.seed(seed).shuffle().batch(SIZE))
    assert not ours.has_own_order
    with pytest.raises(DataError, match="the stream has no end"):
        opened(source.repeat().batch(SIZE))


def fails(_=None):
    raise KeyError("gone")


def breaks():
    yield cut()[0]
    raise KeyError("gone")


def once(batches):
    return lambda: batches


NOISE = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (pipeline().repeat(), "train: the stream has no end. Wrap it in study.datasets.LargeStream"),
        (lambda: pipeline().repeat(), "train: the stream has no end"),
        (Endless(), "train: the stream has no end"),
        (lambda: iter(()), "train: the stream gives no batch"),
        (once(iter(cut())), "train: the stream gives no batch. Let it give its batches anew"),
        (lambda: 5, "train: the function returns an object of the type int"),
        (lambda a, b: cut(), "train: the function needs a, b, and gets a seed alone"),  # noqa: ARG005
        (fails, "train: the stream raises KeyError: 'gone'"),
        (breaks, "train, batch 1: the stream raises KeyError: 'gone'"),
        (lambda: [X], "train, batch 0: the stream gives one ndarray"),
        (lambda: [(X,)], "train, batch 0: the stream gives a tuple of 1"),
        (pipeline().unbatch(), "train, batch 0: y is int64 of shape (): .*An unbatched stream needs .batch"),
        (lambda: [(X, Y[:3])], "train, batch 0: different numbers of examples: x 70, y 3"),
        (lambda: [(X, Y), (X[:, :2], Y)], r"train, batch 1: x has another form: shape \(2,\), float32; in batch 0"),
        (lambda: [(X, Y), ({"a": X}, Y)], "train, batch 1: other arrays than in batch 0"),
        (lambda: [(X * np.nan, Y)], "train, batch 0: x has numbers that are not finite"),
        (lambda: [(X, np.array(["a"] * N))], "train, batch 0: y is <U1 of shape .*expected numbers"),
        (lambda: [(X + NOISE.normal(), Y)], "train: the second pass over this stream gives other examples"),
        (
            LargeStream(source=lambda: cut(), version="", n_batches=4),
            r"train: LargeStream\(version=''\): expected a text",
        ),
        (
            LargeStream(source=lambda: cut(), version="v", n_batches=0),
            r"train: LargeStream\(n_batches=0\): expected a whole number",
        ),
        (
            LargeStream(source=lambda: cut(), version="v", n_batches=4, n_examples=99),
            "train: n_examples=99 does not fit to n_batches=4",
        ),
        (LargeStream(source=lambda: [(X, Y[:3])], version="v", n_batches=4), "train, batch 0: different numbers"),
    ],
)
def test_a_wrong_stream_is_refused_with_split_and_place(given, told):
    with pytest.raises(DataError, match=told.replace("shape ()", r"shape \(\)")):
        opened(given)


def test_a_stream_without_an_end_that_says_nothing_is_cut_off(monkeypatch):
    monkeypatch.setattr(stream_reading, "_MOST_BATCHES", 5)

    def endless():
        while True:
            yield cut()[0]

    with pytest.raises(DataError, match="train: the stream did not end after 6 batches"):
        opened(endless)


def test_random_examples_are_taken_where_nothing_is_deterministic():
    stream = opened(lambda: [(X + NOISE.normal(), Y)], deterministic=False)
    assert stream.has_own_order


@pytest.mark.parametrize(("later", "told"), [(3, "ended after 3 of 4 batches"), (5, "other numbers of examples")])
def test_a_later_pass_of_another_length_is_refused(later, told):
    passes = iter([4, 4, later])

    def batches():
        return iter((cut() * 2)[: next(passes)])

    stream = opened(batches)
    with pytest.raises(DataError, match=told):
        list(stream.batches(0, 0))


@pytest.mark.parametrize("source", [pipeline().repeat(), Endless(), lambda: cut() * 9])
def test_a_large_stream_is_identified_by_its_version_and_cut_off(source):
    stream = opened(LargeStream(source=source, version="May", n_batches=6))
    assert (len(stream), stream.n_batches) == (6 * SIZE, 6)
    assert len(list(stream.batches(0, 0))) == 6
    other = opened(LargeStream(source=source, version="June", n_batches=6))
    assert b"".join(stream.contents()) != b"".join(other.contents())
    assert stream.remarks == ("train was identified by its version, May, and not by its contents.",)
