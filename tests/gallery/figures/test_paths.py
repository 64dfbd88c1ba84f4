"""Drawn ways: what a picture is drawn from, and that each kind of picture shows all of it."""

import html
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from walked import Walks

from study.gallery.analysis.landscape_walks import detour, last_loss, number, scene_of
from study.gallery.figures.animation import animated, moving_steps
from study.gallery.figures.interactive import interactive
from study.gallery.figures.paths import OptimizerPath, build_scene, landscape_of, rate_of, still, walked
from study.report.figures.style import styles

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def walks():
    made = Walks("some", n_steps=12)
    made.add("sgd", "ellipse", [{}], learning_rate=0.95)
    made.add("momentum", "ellipse", [{}], learning_rate=0.1, momentum=0.9)
    made.add("sgd", "bowl", [{"learning_rate": 0.1}, {"learning_rate": 0.4}])
    made.add("sgd", "rotated", [{}], learning_rate=0.95)
    return made


@pytest.fixture(scope="module")
def studies(walks):
    return {study.record.name: study for study in walks.material().experiment.studies}


@pytest.fixture(scope="module")
def scene(walks, studies):
    material = walks.material()
    chosen = [studies["sgd-ellipse"], studies["momentum-ellipse"]]
    return build_scene(landscape_of(material.configs["sgd-ellipse"]), [walked(material, study) for study in chosen])


def path(positions, label="sgd, rate 1"):
    return OptimizerPath(label=label, positions=np.array(positions, float), diverged=False, style=styles(["sgd"])[0])


def test_a_way_begins_at_the_start_and_is_what_was_recorded(walks, studies):
    way = walked(walks.material(), studies["sgd-ellipse"])
    assert way.positions[0].tolist() == [-7, 2]
    assert way.positions[1:].tolist() == walks.positions["sgd-ellipse-0"].tolist()
    assert way.label == "sgd, rate 0.95"
    assert way.n_steps == 12


def test_of_a_search_the_best_trial_is_shown_with_its_own_rate(walks, studies):
    material, study = walks.material(), studies["sgd-bowl"]
    assert walked(material, study).label == "sgd, rate 0.4"
    look = styles(["adam"])[0]
    other = walked(material, study, run=study.trials[0], label="slow", style=look)
    assert (other.label, other.positions.shape) == ("slow", (13, 1))
    assert other.style == look != walked(material, study).style
    assert rate_of(material, study, study.trials[0]) == 0.1


def test_a_rate_that_nobody_named_and_a_model_that_is_no_landscape_are_told(walks, studies):
    material = walks.material()
    material.configs["sgd-ellipse"]["optimizer"]["learning_rate"] = None
    try:
        with pytest.raises(LookupError, match="sgd-ellipse names no learning_rate"):
            walked(material, studies["sgd-ellipse"])
    finally:
        material.configs["sgd-ellipse"]["optimizer"]["learning_rate"] = 0.95
    with pytest.raises(LookupError, match="model=mlp is no landscape"):
        landscape_of({"model": {"name": "mlp", "_target_": "study.models.mlp.build"}})


def test_a_recorded_function_of_another_package_is_not_evaluated(walks):
    config = walks.configs["sgd-ellipse"]
    for target in ("os.system", "no_such_module.height"):
        with pytest.raises(LookupError, match=rf"function\._target_={target}: expected an object of study\.models"):
            landscape_of({"model": {**config["model"], "function": {"_target_": target}}})


def test_a_way_that_diverged_ends_where_it_leaves_the_picture(walks, studies):
    material = walks.material()
    way = walked(material, studies["sgd-rotated"])
    assert way.diverged
    scene = build_scene(landscape_of(material.configs["sgd-rotated"]), [way])
    (points,) = scene.points
    assert len(points) < len(way.positions)
    assert np.abs(points).max() == pytest.approx(30)  # a width of the domain beyond its edge
    before, last, far = points[-2], points[-1], way.positions[len(points) - 1]
    assert np.cross(np.append(last - before, 0), np.append(far - before, 0))[2] == pytest.approx(
        0, abs=1e-9 * abs(far).max()
    )
    assert len(scene.heights[0]) == len(way.positions)


def test_a_way_ends_before_what_is_no_number(walks):
    landscape = landscape_of(walks.configs["sgd-ellipse"])
    (points,) = build_scene(landscape, [path([[-7, 2], [1, 1], [np.inf, 0]])]).points
    assert points.tolist() == [[-7, 2], [1, 1]]


def test_on_a_curve_ways_lie_on_the_graph(walks, studies):
    material = walks.material()
    scene = build_scene(landscape_of(material.configs["sgd-bowl"]), [walked(material, studies["sgd-bowl"])])
    (points,) = scene.points
    assert points[:, 1] == pytest.approx(points[:, 0] ** 2)
    assert scene.axes == ("x1", "f(x1)")
    assert scene.start.tolist() == [-3, 9]
    assert scene.start_text == "start -3"
    assert len(scene.lines) == 1


def test_contours_have_equal_areas_between_them(scene):
    heights = [float(np.mean([x * x / 20 + y * y for x, y in np.concatenate(lines)])) for lines in scene.lines]
    assert heights == sorted(heights)
    x, y = np.meshgrid(np.linspace(-10, 10, 200), np.linspace(-5, 5, 200))
    shares = [float(np.mean(x * x / 20 + y * y < height)) for height in heights]
    assert np.diff(shares) == pytest.approx(np.full(len(shares) - 1, np.diff(shares).mean()), abs=0.01)


def test_a_still_shows_every_way_together_or_apart(scene):
    together, apart = still(scene), still(scene, apart=True)
    assert together == still(scene)
    for drawn, n_axes in ((together, 1), (apart, 2)):
        text = drawn.decode()
        assert len(re.findall(r'id="axes_\d+"', text)) == n_axes
        for way in scene.paths:
            assert way.style.color in text


def test_an_animation_moves_each_head_along_its_recorded_path(scene):
    root = ET.fromstring(animated(scene, title="ellipse"))
    heads = [node for node in root.iter(f"{SVG}circle") if node.get("class") == "head"]
    trails = [node for node in root.iter(f"{SVG}path") if node.get("class") == "trail"]
    assert len(heads) == len(trails) == len(scene.paths)
    for path, points, head, trail in zip(scene.paths, scene.points, heads, trails, strict=True):
        assert path.style.color in head.get("style")
        moves = {node.get("attributeName"): node for node in head.iter(f"{SVG}animate")}
        x, y = (np.array([float(v) for v in moves[name].get("values").split(";")]) for name in ("cx", "cy"))
        times = [float(v) for v in moves["cx"].get("keyTimes").split(";")]
        assert len(x) == len(times) == len(points) + 1  # the last value holds until the next round
        assert times == sorted(times)
        assert (times[0], times[-1]) == (0, 1)
        for placed, recorded in ((x[:-1], points[:, 0]), (-y[:-1], points[:, 1])):  # the axes are linear
            assert np.corrcoef(placed, recorded)[0, 1] > 0.9999
        assert (head.get("cx"), head.get("cy")) == (f"{x[-1]:.1f}", f"{y[-1]:.1f}")
        assert trail.get("d").count("L") == len(points) - 1


def test_a_trail_is_hidden_at_first_and_whole_at_last(scene):
    root = ET.fromstring(animated(scene))
    for trail in root.iter(f"{SVG}path"):
        if trail.get("class") == "trail":
            (move,) = trail
            offsets = [float(value) for value in move.get("values").split(";")]
            dash, gap = map(float, trail.get("stroke-dasharray").split())
            assert offsets[0] == pytest.approx(dash, abs=0.11)
            assert offsets[-1] == 0
            assert gap > dash
            assert trail.get("stroke-dashoffset") == "0"  # whole where nothing moves


def test_an_animation_is_still_for_those_who_ask_for_it_and_dark_on_a_dark_page(scene):
    svg = animated(scene).decode()
    assert (
        "@media (prefers-reduced-motion:reduce){.trail{stroke-dasharray:none!important}.head,.clock{display:none}}"
        in svg
    )
    assert "@media (prefers-color-scheme:dark)" in svg
    assert "step 0 to 12" in svg
    assert animated(scene) == animated(scene)


def test_a_way_without_a_step_is_animated_too(walks):
    way = path(np.zeros((1, 2)))
    root = ET.fromstring(animated(build_scene(landscape_of(walks.configs["sgd-ellipse"]), [way])))
    assert not list(root.iter(f"{SVG}animate"))


def test_a_long_path_has_few_points_in_the_file():
    assert moving_steps(3) == [0, 1, 2, 3]
    many = moving_steps(1000)
    assert len(many) == 200
    assert (many[0], many[-1]) == (0, 1000)
    assert moving_steps(0) == [0]


def test_no_two_optimizers_of_a_landscape_have_one_color():
    made = Walks("some", n_steps=3)
    for name in ("momentum", "adadelta", "adam", "sgd"):
        made.add(name, "ellipse", [{}], learning_rate=0.1)
    material = made.material()
    colors = [each.style.color for each in scene_of(material, list(material.experiment.studies)).paths]
    assert len(set(colors)) == 4


def test_the_page_needs_nothing_but_itself(scene):
    page = interactive(scene, title="x1 < 1 & more").decode()
    assert set(re.findall(r"https?://[^\s\"']+", page)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|img|script src|iframe)", page)
    assert f"<title>{html.escape('x1 < 1 & more')}</title>" in page
    assert not re.search(r"\{[{%]", page)
    assert "x1 from -10 to 10, x2 from -5 to 5" in page


def test_the_page_holds_all_steps(scene):
    page = interactive(scene, title="ellipse").decode()
    data = json.loads(re.search(r'type="application/json">(.*?)</script>', page, re.DOTALL).group(1))
    assert [each["label"] for each in data["paths"]] == ["sgd, rate 0.95", "momentum, rate 0.1"]
    assert [len(each["points"]) for each in data["paths"]] == [13, 13]
    assert data["paths"][0]["points"][0] == data["start"]["at"] == [0.15 * 640, 0.3 * 420]
    assert data["paths"][0]["heights"][0] == "6.45"


def test_a_name_cannot_leave_the_pages_data(walks):
    way = path(np.zeros((2, 2)), label="</script><b>")
    page = interactive(build_scene(landscape_of(walks.configs["sgd-ellipse"]), [way]), title="x").decode()
    assert "</script><b>" not in page


def test_the_last_loss_of_a_way_that_broke_off_is_infinite(walks, studies):
    material = walks.material()
    run = studies["sgd-ellipse"].trials[0]
    assert last_loss(material, run) == pytest.approx(material.history(run, "loss")[-1])
    kept = walks.positions[run.run_id]
    walks.positions[run.run_id] = kept[:5]
    try:
        assert last_loss(material, run) == np.inf
    finally:
        walks.positions[run.run_id] = kept


def test_words():
    assert detour(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 0.0]])) == pytest.approx(3)
    assert detour(np.zeros((3, 2))) == np.inf
    assert number(0.012345) == "0.01235"
    assert number(np.inf) == "beyond all numbers"
