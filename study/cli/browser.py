"""Open pages in a browser."""

from __future__ import annotations

import contextlib
import os
import sys
import webbrowser


def open_browser(address: str) -> bool:
    """Open a browser, if a person at a display started the command; return whether one was opened.

    Args:
        address: The page to open.
    """
    has_display = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if not (has_display and sys.stdout.isatty()):
        return False
    with contextlib.suppress(webbrowser.Error):
        return webbrowser.open(address)
    return False
