"""Finds the program `hongyan`."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Iterator

from ._errors import SandboxError

VARIABLE = "HONGYAN_BINARY"


def find_binary() -> str:
    """The path of the program `hongyan`: $HONGYAN_BINARY, the program of this package, or a program in $PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        if not os.access(named, os.X_OK):
            raise SandboxError(f"{VARIABLE} names {named}, which is not an executable file")
        return named
    looked = list(_folders())
    for folder in looked:
        path = folder / _name()
        if os.access(path, os.X_OK):
            return str(path)
    found = shutil.which("hongyan")
    if found is not None:
        return found
    folders = ", ".join(str(folder) for folder in looked)
    raise SandboxError(
        f"the program hongyan is missing: it is not in {folders}, and not in PATH. "
        f"Install the wheel again (pip install --force-reinstall hongyan), or set {VARIABLE} to the path of the program"
    )


def _name() -> str:
    return "hongyan" + (sysconfig.get_config_var("EXE") or "")


def _folders() -> Iterator[Path]:
    """The folders into which installers put a package's programs."""
    # Of this environment, then of `pip install --user`.
    yield Path(sysconfig.get_path("scripts"))
    yield Path(sysconfig.get_path("scripts", scheme=f"{os.name}_user"))
    # Of `pip install --target` and `--prefix`: bin/ beside the package, or above lib/python3.x/site-packages.
    package = Path(__file__).resolve().parent
    yield package.parent / "bin"
    if len(package.parents) > 3:
        yield package.parents[3] / "bin"


def main() -> None:
    """`python -m hongyan` runs the program."""
    try:
        binary = find_binary()
    except SandboxError as error:
        sys.exit(f"hongyan: {error}")
    if sys.platform == "win32":
        import subprocess

        sys.exit(subprocess.call([binary, *sys.argv[1:]]))
    os.execv(binary, [binary, *sys.argv[1:]])
