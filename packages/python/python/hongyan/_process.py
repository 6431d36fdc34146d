"""Runs the program `hongyan` as a child process."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
from typing import Any, Dict, List, Optional

from ._binary import find_binary
from ._errors import SandboxError

#: How many bytes of the log an error shows.
LOG_END = 4_000

#: How long a stop waits before the process is killed. A call that is never answered (`hang`) delays the stop.
STOP_SECONDS = 2.0


class Process:
    """A running `hongyan sandbox` or `hongyan demo`.

    The process ends with this Python process, however this Python process ends: the child reads the other end of a pipe,
    which the system closes.
    """

    def __init__(self, arguments: List[str], timeout: float) -> None:
        self._shown = "hongyan " + " ".join(arguments)
        self._log = tempfile.TemporaryFile(prefix="hongyan-")
        command = [find_binary(), *arguments, "--json", "--exit-with-parent"]
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                # Ctrl-C is for the tests, which may still ask the sandbox while they end.
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise SandboxError(
                f"{command[0]} cannot be started: {error}. Is the program made for this system?"
            ) from error
        try:
            self.ready = self._read_first_line(timeout)
        except BaseException:
            self.stop()
            raise

    def _read_first_line(self, timeout: float) -> Dict[str, Any]:
        stdout = self._child.stdout
        assert stdout is not None, "standard output is a pipe"
        lines: "queue.Queue[bytes]" = queue.Queue()

        def read() -> None:
            lines.put(stdout.readline())

        threading.Thread(target=read, name="hongyan", daemon=True).start()
        try:
            line = lines.get(timeout=timeout)
        except queue.Empty:
            raise SandboxError(f"`{self._shown}` was not ready after {timeout:g} s.{self._log_text()}") from None
        if not line:
            code = self._child.wait()
            raise SandboxError(
                f"`{self._shown}` ended with exit code {code} before it was ready.{self._log_text()}"
            )
        ready = json.loads(line)
        assert isinstance(ready, dict), "the first line is a JSON object"
        return ready

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._child.pid

    def log(self) -> str:
        """The end of the program's log."""
        if self._log.closed:
            return ""
        # pread does not move the position at which the child writes.
        size = os.fstat(self._log.fileno()).st_size
        begin = max(0, size - LOG_END)
        return os.pread(self._log.fileno(), LOG_END, begin).decode("utf-8", "replace")

    def _log_text(self) -> str:
        log = self.log().strip()
        return f" Its log:\n{log}" if log else " Its log is empty."

    def reason_of_end(self) -> Optional[str]:
        """Why the process has ended; `None` while the process runs."""
        if self._log.closed:
            return f"`{self._shown}` was stopped"
        try:
            # A connection breaks a moment before the process has ended.
            code = self._child.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            return None
        return f"`{self._shown}` has ended with exit code {code}.{self._log_text()}"

    def stop(self) -> None:
        """Stops the process and waits for its end. Further calls do nothing."""
        if self._log.closed:
            return
        self._child.terminate()
        try:
            self._child.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        self._log.close()
