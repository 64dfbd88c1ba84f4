"""Pictures do not depend on the settings of Matplotlib in the folder where a command starts."""

import re

import matplotlib
import pytest
from matplotlib.figure import Figure as Canvas

from study.gallery.figures.drawing import new_figure
from study.gallery.figures.drawing import to_svg as drawn_svg
from study.gallery.material import GalleryExperiment, make_contents
from study.report.figures.figure import Figure
from study.report.figures.svg import to_svg

TEX = {"text.usetex": True, "figure.facecolor": "red", "svg.fonttype": "none"}
LINE = {
    "type": "scatter",
    "mode": "lines",
    "x": [0.0, 1.0],
    "y": [1.0, 2.0],
    "name": "a",
    "line": {"color": "#123456"},
}


def page_picture():
    return to_svg(Figure(name="x", title="X", description="x", traces=[LINE], x={"title": "t"}, y={"title": "u"}))


def gallery_picture():
    def show(_):
        figure = new_figure(height=1)
        figure.add_subplot().set_title("a title")
        pictures.append(drawn_svg(figure))

    pictures = []
    make_contents(GalleryExperiment(name="x", about=None, show=show), None)
    return pictures[0]


@pytest.mark.parametrize("picture", [page_picture, gallery_picture])
def test_settings_of_a_matplotlibrc_change_no_picture(picture):
    with matplotlib.rc_context({"svg.hashsalt": "fixed"}):
        before = picture()
        matplotlib.rcParams.update(TEX)
        after = picture()
    assert len(before) == len(after)  # the ids inside the file differ
    assert "#ff0000" not in str(after)


@pytest.mark.parametrize("length", [200, 100_000])
def test_long_names_leave_room_for_the_picture_and_stay_distinct(length):
    names = [letter * length for letter in "ab"]
    traces = [{**LINE, "name": name} for name in names]
    y = {"title": "u", "tickvals": [1.0, 2.0], "ticktext": names}
    picture = to_svg(Figure(name="x", title="X", description="x", traces=traces, x={"title": "t"}, y=y))
    assert len(picture) < 100_000  # Matplotlib warns, which fails here, if the labels are longer than the picture


@pytest.mark.parametrize("n_entries", [2, 8, 20])
def test_the_legend_is_above_the_axes_and_leaves_them_their_height(n_entries, monkeypatch):
    canvases = []
    monkeypatch.setattr(
        "study.report.figures.svg.Canvas", lambda **kwargs: canvases.append(Canvas(**kwargs)) or canvases[-1]
    )
    traces = [{**LINE, "name": f"adam-weight_decay=0.{index:03d}"} for index in range(n_entries)]
    to_svg(Figure(name="x", title="X", description="x", traces=traces, x={"title": "t"}, y={"title": "u"}, height=400))
    (canvas,) = canvases
    (axes,) = canvas.axes
    (legend,) = canvas.legends
    drawn = legend.get_window_extent()
    assert drawn.y0 >= axes.get_window_extent().y1
    assert drawn.x1 <= canvas.bbox.x1
    assert axes.get_window_extent().height > 0.6 * 400


def test_letters_that_the_font_lacks_stay_text():
    def drawn(label):
        traces = [{**LINE, "name": name} for name in ("a", label)]
        return to_svg(Figure(name="x", title="X", description="x", traces=traces, x={"title": "t"}, y={"title": "u"}))

    assert re.search("<text[^>]*>\u6f22\u5b57</text>", drawn("\u6f22\u5b57"))
    assert "<text" not in drawn("sgd")
