import itertools

import numpy as np
import pytest

from study.core.entry_colors import COLORS, color_numbers, entry_colors

EIGHT = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam"]


def test_usual_optimizers_have_the_colors_that_they_prefer_alone():
    alone = [entry_colors([name])[0] for name in EIGHT]
    assert entry_colors(EIGHT) == alone
    assert sorted(alone) == sorted(COLORS)


def test_no_two_of_eight_entries_have_one_color():
    names = ["sgd", "lion", "adam", "sgd", "own_1", "own_2", "own_3", "amsgrad"]
    assert len(set(entry_colors(names))) == len(names)


def test_a_rare_optimizer_takes_no_color_of_a_usual_one():
    assert entry_colors(["sgd", "lion"])[0] == entry_colors(["sgd"])[0]


def test_further_entries_share_colors_evenly():
    numbers = color_numbers([f"own_{index}" for index in range(20)])
    assert len(set(numbers)) == 20
    counts = [sum(number % len(COLORS) == color for number in numbers) for color in range(len(COLORS))]
    assert max(counts) - min(counts) <= 1


def test_the_order_of_the_entries_changes_no_color():
    names = ["sgd", "lion", "own", "adam"]
    expected = dict(zip(names, entry_colors(names), strict=True))
    for order in itertools.permutations(names):
        assert dict(zip(order, entry_colors(order), strict=True)) == expected


# Linear RGB as seen with all cones, and without those for red, green and blue: Machado et al. (2009), severity 1.
VISION = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(color):
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = np.cbrt(TO_XYZ @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(
    ("vision", "least"), [("full", 25), ("protanopia", 13), ("deuteranopia", 13), ("tritanopia", 14)]
)
def test_any_two_colors_are_apart_whatever_cones_a_reader_lacks(vision, least):
    seen = [lab(np.asarray(VISION[vision]) @ linear(color)) for color in COLORS]
    pairs = itertools.combinations(seen, 2)
    assert min(np.linalg.norm(one - other) for one, other in pairs) > least


@pytest.mark.parametrize("page", ["#ffffff", "#14171b"])
def test_each_color_has_contrast_on_white_and_on_dark(page):
    luminances = [float(TO_XYZ[1] @ linear(color)) for color in COLORS]
    ground = float(TO_XYZ[1] @ linear(page))
    ratios = [(max(each, ground) + 0.05) / (min(each, ground) + 0.05) for each in luminances]
    assert min(ratios) >= 3.0
