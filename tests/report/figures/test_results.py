from dataclasses import replace

from study.report.comparison import compare


def test_hovers_have_the_unit_and_the_digits_of_the_tables(planted):
    figures = compare(planted).figures
    row = compare(planted).rows[0]
    means = [trace["hovertemplate"] for trace in figures["results"].traces]
    ends = f"({100 * row.tuned.low:.2f} to {100 * row.tuned.high:.2f}\u00a0%)"
    assert f"<b>adam</b><br>mean {100 * row.tuned.estimate:.2f}\u00a0% {ends}, n = 10<extra></extra>" in means
    differences = [trace["hovertemplate"] for trace in figures["differences"].traces]
    assert any("+2.00\u00a0points (" in text and "adjusted p" in text for text in differences)


def test_small_losses_keep_their_digits_in_hovers(planted):
    metric = replace(planted.metric, name="val_loss", is_share=False, direction="minimize")
    found = compare(replace(planted, metric=metric))
    curves = [trace["hovertemplate"] for trace in found.figures["tuning"].traces if "hovertemplate" in trace]
    assert all("%{y:.4g}" in text for text in curves)
