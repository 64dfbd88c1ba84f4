"""Make the moving picture of README from a page of `study compare`, in headless Chromium.

    python -m benchmarks.page_picture PAGE.html [PICTURE.webp]

The picture stops at the sections of `STOPS` that the page has, and moves between them. A picture with the name *.png
has the page's beginning with its first section, and does not move. It needs Chromium.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "pictures" / "page.webp"
# Beginnings of the headings at which the picture stops, after the top of the page.
STOPS = ("Summary", "Tuning curves", "Training curves", "Paired differences")
# Size of the window, and so of the picture, in pixels. It is shown as large, so that its text can be read.
_WINDOW = (900, 700)
_HOLD_MS, _FIRST_MS, _MOVE_MS, _FRAMES = 2400, 3600, 60, 7
_ABOVE = 24  # pixels above a heading
# Writes the places of the headings and the height of the page into an attribute.
_MEASURE = """<script>addEventListener("load", () => setTimeout(() => {
  const tops = [...document.querySelectorAll("h2")].map((h) => [h.textContent.trim(), h.getBoundingClientRect().top]);
  document.documentElement.dataset.places = btoa(unescape(encodeURIComponent(JSON.stringify(
    {tops, height: document.documentElement.scrollHeight}))));
}, 1500));</script>"""


def main() -> int:
    """Make the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, metavar="PAGE")
    parser.add_argument(
        "picture", nargs="?", type=Path, default=PICTURE, metavar="PICTURE", help=f"default: {PICTURE}"
    )
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write(
            "page_picture: chromium: expected on the path. Install it (Debian: apt-get install chromium).\n"
        )
        return 2
    with tempfile.TemporaryDirectory() as folder:
        places = measured(chromium, options.page.resolve(), Path(folder))
        sheet = photographed(chromium, options.page.resolve(), places["height"], Path(folder))
    if options.picture.suffix == ".png":
        beginning(sheet, places).save(options.picture, optimize=True)
        sys.stdout.write(f"{options.picture}: {options.picture.stat().st_size / 1024:.0f} KiB\n")
        return 0
    frames, durations = frames_of(sheet, stops_of(places))
    frames[0].save(
        options.picture, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=60, method=4
    )
    sys.stdout.write(f"{options.picture}: {len(frames)} frames, {options.picture.stat().st_size / 1024:.0f} KiB\n")
    return 0


def measured(chromium: str, page: Path, folder: Path) -> dict[str, object]:
    """Return the places of a page's headings and its height, in pixels.

    Args:
        chromium: The program.
        page: The page.
        folder: A folder for a copy of it.
    """
    copy = folder / "page.html"
    copy.write_text(page.read_text(encoding="utf-8") + _MEASURE, encoding="utf-8")
    window = f"--window-size={_WINDOW[0]},{_WINDOW[1]}"
    dom = _run(chromium, window, "--virtual-time-budget=8000", "--dump-dom", copy.as_uri())
    found = re.search(r'data-places="([^"]*)"', dom)
    if found is None:
        raise ValueError(f"{page}: expected a page of `study compare`; its headings were not found.")
    return json.loads(base64.b64decode(html.unescape(found[1])))


def photographed(chromium: str, page: Path, height: float, folder: Path) -> Image.Image:
    """Return the whole page as a picture."""
    file = folder / "sheet.png"
    window = f"--window-size={_WINDOW[0]},{round(height)}"
    _run(chromium, window, "--virtual-time-budget=8000", f"--screenshot={file}", page.as_uri())
    return Image.open(file).convert("RGB")


def beginning(sheet: Image.Image, places: dict[str, object]) -> Image.Image:
    """Return the page down to its second section."""
    tops = sorted(top for _, top in places["tops"])
    end = round(tops[1]) - 2 * _ABOVE if len(tops) > 1 else round(places["height"])
    return sheet.crop((0, 0, _WINDOW[0], end))


def stops_of(places: dict[str, object]) -> list[int]:
    """Return the places at which the window stops, from the top to the bottom."""
    wanted = [top for name in STOPS for title, top in places["tops"] if title.startswith(name)]
    last = max(0, round(places["height"]) - _WINDOW[1])
    return [0, *sorted(min(max(0, round(top) - _ABOVE), last) for top in wanted)]


def frames_of(sheet: Image.Image, stops: list[int]) -> tuple[list[Image.Image], list[int]]:
    """Return the frames of the picture and the time of each, in milliseconds: a stop, a movement, a stop."""

    def frame(top: float) -> Image.Image:
        picture = sheet.crop((0, round(top), _WINDOW[0], round(top) + _WINDOW[1]))
        # A page is white, and so are most places where the picture is shown.
        ImageDraw.Draw(picture).rectangle((0, 0, _WINDOW[0] - 1, _WINDOW[1] - 1), outline="#d0d7de")
        return picture

    frames, durations = [], []
    for index, (start, end) in enumerate(zip(stops, [*stops[1:], stops[0]], strict=True)):
        frames.append(frame(start))
        durations.append(_FIRST_MS if index == 0 else _HOLD_MS)
        n = _FRAMES if end > start else _FRAMES // 2  # the way back is quick
        for step in range(1, n):
            share = step / n
            frames.append(frame(start + (end - start) * share * share * (3 - 2 * share)))
            durations.append(_MOVE_MS)
    return frames, durations


def _run(chromium: str, *arguments: str) -> str:
    """Run Chromium without a window and return what it prints."""
    always = ("--headless", "--no-sandbox", "--hide-scrollbars", "--disable-gpu")
    done = subprocess.run([chromium, *always, *arguments], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
