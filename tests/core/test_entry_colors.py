import itertools

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
