import pytest

from study.core.search_space import Range, of_config, of_optimizer


@pytest.mark.parametrize("n", range(6))
def test_steps_have_the_digits_that_a_user_types(n):
    searched = Range(argument="model.dropout", low=0.0, high=0.5, step=0.1)
    value = searched.value(0.1 * n)
    assert value == float(f"0.{n}")
    assert searched.holds(value)
    assert searched.value(searched.drawn(value)) == value


@pytest.mark.parametrize(
    ("searched", "points"),
    [
        (Range(argument="a", low=1, high=4, integer=True), (1, 2, 4)),
        (Range(argument="a", low=8, high=64, scale="log", integer=True), (8, 23, 64)),
        (Range(argument="a", low=0.0, high=0.5, step=0.25), (0.0, 0.25, 0.5)),
        (Range(argument="a", choices=((8,), (8, 8))), ("[8]", "[8, 8]")),
    ],
)
def test_a_grid_has_whole_numbers_steps_and_texts_of_lists(searched, points):
    assert searched.grid(3) == points
    values = [searched.value(point) for point in points]
    assert all(searched.holds(value) for value in values)
    assert [searched.drawn(value) for value in values] == list(points)


def test_names_with_a_dot_are_keys_of_the_config():
    point = {"learning_rate": 0.1, "model.dropout": 0.2}
    assert (of_optimizer(point), of_config(point)) == ({"learning_rate": 0.1}, {"model.dropout": 0.2})
