"""A command on a pseudo-terminal of a given size, and every screen that a person would have seen."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading
import time

import pyte


class OnScreen:
    """A command on a terminal; its screens are read as its bytes come.

    Attributes:
        screens: The screens in their order, each as a text without trailing blanks.
    """

    def __init__(self, command, *, columns, lines, **options):
        self.columns, self.screens = columns, [""]
        self._screen = pyte.HistoryScreen(columns, lines, history=10_000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **options,
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def until(self, found, *, seconds=240):
        """Wait for a screen on which a function finds something."""
        ends = time.monotonic() + seconds
        while not found(self.screens[-1]):
            assert time.monotonic() < ends, self.screens[-1]
            assert self._reader.is_alive(), self.screens[-1]
            time.sleep(0.02)

    def press_control_c(self):
        os.write(self._ours, b"\x03")

    def end(self):
        """Wait for the end of the command, and return its exit status."""
        status = self._process.wait(timeout=300)
        self._reader.join()
        os.close(self._ours)
        return status

    @property
    def text(self):
        """All lines that remain, also those that have left the screen."""
        above = ["".join(line[x].data for x in range(self.columns)).rstrip() for line in self._screen.history.top]
        return "\n".join([*above, *self._lines()])

    @property
    def hides_cursor(self):
        return self._screen.cursor.hidden

    def _lines(self):
        return [line.rstrip() for line in self._screen.display]

    def _read(self):
        while True:
            try:
                received = os.read(self._ours, 65536)
            except OSError:  # Linux's word for the end of a terminal
                return
            if not received:
                return
            self._stream.feed(received)
            screen = "\n".join(self._lines()).rstrip()
            if screen != self.screens[-1]:
                self.screens.append(screen)
