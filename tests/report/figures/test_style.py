from study.core.entry_colors import COLORS
from study.report.comparison import compare
from study.report.figures.style import styles
from study.report.figures.svg import _MARKERS

EIGHT = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam"]


def test_eight_entries_are_distinct_by_color_alone_and_by_marker_alone():
    found = styles(EIGHT)
    assert len({style.color for style in found}) == 8
    assert len({style.marker for style in found}) == 8


def test_entries_beyond_the_colors_differ_in_dash_or_marker():
    found = styles([f"own_{index}" for index in range(4 * len(COLORS))])
    assert len({(style.color, style.dash, style.marker) for style in found}) == len(found)


def test_both_renderers_have_every_marker():
    assert {style.marker for style in styles([f"own_{index}" for index in range(40)])} <= _MARKERS.keys()


def test_every_line_of_an_entry_has_its_marker_so_that_it_is_found_in_gray(planted):
    found = compare(planted)
    for name, figure in found.figures.items():
        for trace in figure.traces:
            is_line = trace.get("line", {}).get("width", 0) >= 2 and trace["name"] in found.look
            if is_line and not name.startswith("parallel"):
                assert trace["mode"] == "lines+markers"
                assert trace["marker"]["symbol"] == found.look[trace["name"]].marker
