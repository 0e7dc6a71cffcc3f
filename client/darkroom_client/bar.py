"""A bar for people: how far an edit is, in one line of a terminal."""

import sys
from typing import TextIO

from darkroom_client.models import Task

WIDTH = 24
LINE = 78


class Bar:
    """Draws where there is a terminal, and nowhere else."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._drawn = False
        self._shown = self._out.isatty()

    def show(self, task: Task) -> None:
        if not self._shown:
            return
        filled = WIDTH * task.progress // 100
        words = task.current_step or task.status
        if task.queue is not None and task.queue.position is not None and task.status == "pending":
            words = f"number {task.queue.position} in line"
        line = f"{'█' * filled}{'░' * (WIDTH - filled)} {task.progress:3d} %  {words}"
        self._out.write(f"\r{line[:LINE]:<{LINE}}")
        self._out.flush()
        self._drawn = True

    def close(self) -> None:
        if self._drawn:
            self._out.write("\n")
            self._out.flush()
