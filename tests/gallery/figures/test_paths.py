"""Drawn ways: what a picture is drawn from, and that each kind of picture shows all of it."""

import html
import io
import json
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from walked import Walks

from study.gallery.analysis.landscape_walks import detour, last_loss, number
from study.gallery.figures.animation import animated, frame_steps
from study.gallery.figures.interactive import interactive
from study.gallery.figures.paths import OptimizerPath, build_scene, landscape_of, rate_of, still, walked
from study.report.figures.style import styles


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


def test_an_animation_has_a_frame_for_each_step_and_keeps_the_colors(scene):
    film = Image.open(io.BytesIO(animated(scene, title="ellipse")))
    assert film.format == "GIF"
    assert film.n_frames == 13
    assert film.info["loop"] == 0
    frames = []
    for index in range(film.n_frames):
        film.seek(index)
        frames.append(np.asarray(film.convert("RGB"), dtype=int))
    for way in scene.paths:
        color = np.round(255 * np.array(to_rgb(way.style.color)))
        n_pixels = [int(np.all(frame == color, axis=-1).sum()) for frame in frames]
        assert n_pixels[-1] > n_pixels[0] > 0  # in the legend from the first frame on


def test_frames_are_few_however_many_steps():
    assert frame_steps(3) == [0, 1, 2, 3]
    many = frame_steps(1000)
    assert len(many) == 60
    assert (many[0], many[-1]) == (0, 1000)
    assert frame_steps(0) == [0]


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
