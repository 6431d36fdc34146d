"""Puts a binary that is there already into a wheel: build_wheel.py BINARY --version 0.1.0 --platform manylinux_2_17_x86_64 --out DIR

maturin, which is the build backend for a build from source, always compiles by itself. A wheel is a zip file with few rules:
https://packaging.python.org/en/latest/specifications/binary-distribution-format/
"""

import argparse
import base64
import hashlib
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: All files have this time: the same sources and the same binary make the same wheel.
MOMENT = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    arguments = argparse.ArgumentParser(description="Puts a binary into a wheel")
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("--version", required=True)
    arguments.add_argument("--platform", required=True, help="platform tags of the wheel's name, with dots between them")
    arguments.add_argument("--out", type=Path, required=True, help="the folder of the wheel")
    arguments.add_argument("--licence", type=Path, action="append", default=[], help="a file with licences; repeatable")
    arguments.add_argument("--fast", action="store_true", help="a larger wheel, sooner: for tests")
    given = arguments.parse_args()

    settings = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))
    project = settings["project"]
    source = HERE / settings["tool"]["maturin"]["python-source"]
    name = f"{project['name']}-{given.version}"
    tags = [f"py3-none-{platform}" for platform in given.platform.split(".")]
    info = f"{name}.dist-info"

    files = {str(path.relative_to(source)): path.read_bytes() for path in sources(source)}
    program = f"{name}.data/scripts/hongyan"
    files[program] = given.binary.read_bytes()
    files[f"{info}/METADATA"] = metadata(project, given.version, given.licence).encode()
    files[f"{info}/WHEEL"] = wheel(tags).encode()
    files[f"{info}/entry_points.txt"] = entry_points(project).encode()
    for licence in given.licence:
        files[f"{info}/licenses/{licence.name}"] = licence.read_bytes()
    files[f"{info}/RECORD"] = record(files, info).encode()

    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{name}-py3-none-{given.platform}.whl"
    level = 1 if given.fast else 9
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for file, content in files.items():
            entry = zipfile.ZipInfo(file, MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if file == program else 0o100644) << 16
            archive.writestr(entry, content, compresslevel=level)
    print(path)


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def metadata(project: dict, version: str, licences: list[Path]) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"Keywords: {','.join(project['keywords'])}",
        f"License-Expression: {project['license']}",
        *(f"License-File: {licence.name}" for licence in licences),
        *(f"Classifier: {classifier}" for classifier in project["classifiers"]),
        f"Requires-Python: {project['requires-python']}",
        "Description-Content-Type: text/markdown; charset=UTF-8",
        "",
        (HERE / project["readme"]).read_text("utf-8"),
    ]
    return "\n".join(lines)


def wheel(tags: list[str]) -> str:
    lines = ["Wheel-Version: 1.0", "Generator: build_wheel.py", "Root-Is-Purelib: false", *(f"Tag: {tag}" for tag in tags)]
    return "\n".join(lines) + "\n"


def entry_points(project: dict) -> str:
    groups = project["entry-points"]
    return "".join(
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in groups.items()
    )


def record(files: dict[str, bytes], info: str) -> str:
    def line(file: str, content: bytes) -> str:
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        return f"{file},sha256={digest},{len(content)}\n"

    return "".join(line(file, content) for file, content in files.items()) + f"{info}/RECORD,,\n"


if __name__ == "__main__":
    main()
