import numpy as np

from study.datasets import Dataset, Split, misplaced_labels


def dataset(train=(0, 1), validation=(0, 1), test=(0, 1)):
    splits = [Split(x=np.zeros((len(y), 2), np.float32), y=np.asarray(y, np.int32)) for y in (train, validation, test)]
    return Dataset(name="mine", source="", train=splits[0], validation=splits[1], test=splits[2], n_outputs=2)


def test_labels_that_have_a_place_in_the_output_are_not_told():
    assert misplaced_labels(dataset(), n_outputs=2) is None
    assert misplaced_labels(dataset(test=()), n_outputs=2) is None


def test_the_split_and_its_labels_are_told():
    assert misplaced_labels(dataset(test=(1, 2)), n_outputs=2) == "the test split has labels from 1 to 2"
    assert misplaced_labels(dataset(validation=(-1, 0)), n_outputs=2) == "the validation split has labels from -1 to 0"
    assert misplaced_labels(dataset(), n_outputs=1) == "the training split has labels from 0 to 1"
