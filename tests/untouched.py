"""Bytes and times of change of all files below a folder, to see that a command left them as they were."""

import hashlib


def snapshot(folder):
    """Return the digest and the time of change of each file, and the time of each folder, by relative path.

    What Python compiles beside a module that it imports (`__pycache__`) is left out.
    """
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }
