import plotly.graph_objects as go
import pytest

from study.report.comparison import compare
from study.report.figures.interactive import to_plotly


@pytest.fixture
def figures(planted):
    return compare(planted).figures


def test_a_figure_keeps_its_traces_and_axes_and_gets_its_title(figures):
    for figure in figures.values():
        drawn = to_plotly(figure)
        assert isinstance(drawn, go.Figure)
        assert [trace.name for trace in drawn.data] == [trace["name"] for trace in figure.traces if "name" in trace]
        assert drawn.layout.title.text == figure.title
        assert drawn.layout.xaxis.title.text == figure.x.get("title")
        assert drawn.layout.height - drawn.layout.margin.t == figure.height
