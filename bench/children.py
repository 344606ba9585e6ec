"""A command in a process of its own: its seconds, the most memory it held, and what it said.

The memory is the peak resident size that the kernel reports when a process ends. A process begins with the peak of the
one that started it, so the command is started by this file, which imports next to nothing, and not by a benchmark that
holds torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Ends with the process that started it, however that ends.
SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(1_000_000): pass"


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Parameters
    ----------
    seconds : wall time, starting and ending the process included
    peak_mb : MiB, the most that the command or one of the processes it waited for held in memory
    code : its exit code; minus the signal's number if a signal ended it
    stopped : whether it was stopped at the time limit
    said : its standard output
    complaint : its standard error
    """

    seconds: float
    peak_mb: float
    code: int
    stopped: bool
    said: str
    complaint: str

    @property
    def failure(self) -> str | None:
        """Why there is no result, in a few words; None if the command succeeded."""
        if self.stopped:
            return f"stopped after {self.seconds:,.0f} s"
        if self.code == 0:
            return None
        lines = [line for line in self.complaint.splitlines() if line.strip()]
        return f"{lines[-1].strip() if lines else f'exit code {self.code}'} (after {self.seconds:,.0f} s)"


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    limit: float | None = None,
) -> Outcome:
    """Run a command to its end, or for ``limit`` seconds.

    Parameters
    ----------
    command : the program and its arguments
    environment : variables to set besides those of this process
    folder : where it runs; the current folder if None
    limit : seconds after which it and all that it started are killed; None waits for ever
    """
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        asked = {"command": [str(part) for part in command], "limit": limit, "at": name}
        starter = [sys.executable, "-I", "-S", __file__, json.dumps(asked)]
        subprocess.run(starter, check=True, cwd=folder, env=os.environ | dict(environment or {}))
        found = json.loads((at / "found").read_text(encoding="utf-8"))
        said, complaint = ((at / part).read_text(encoding="utf-8", errors="replace") for part in ("said", "complaint"))
    return Outcome(**found, said=said, complaint=complaint)


@contextlib.contextmanager
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """Keep one core busy with a program that only counts; give its process."""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", SPIN]) as neighbour:
        try:
            yield neighbour
        finally:
            neighbour.kill()


def _start(command: list[str], limit: float | None, at: str) -> None:
    """Run ``command`` as the leader of a process group, and write what became of it to files in the folder ``at``."""
    stopped = threading.Event()
    with open(f"{at}/said", "wb") as said, open(f"{at}/complaint", "wb") as complaint:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=complaint, start_new_session=True
        )

        def stop() -> None:
            stopped.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(limit, stop) if limit is not None else None
        if timer:
            timer.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # this process was told to end
            os.killpg(child.pid, signal.SIGKILL)
            raise
        finally:
            if timer:
                timer.cancel()
        seconds = time.perf_counter() - start
    found = {
        "seconds": seconds,
        "peak_mb": usage.ru_maxrss / 1024,  # Linux counts in KiB
        "code": os.waitstatus_to_exitcode(status),
        "stopped": stopped.is_set(),
    }
    with open(f"{at}/found", "w", encoding="utf-8") as file:
        json.dump(found, file)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    _start(asked["command"], asked["limit"], asked["at"])
