"""The manifest of one run, written last: what went in, what came out, and whether the run is whole.

A manifest names files by their paths inside the study or by their base names; it knows nothing of the machine's folders.
"""

from __future__ import annotations

import hashlib
import math
import platform
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import psutil

from alatau_sim.errors import InputError
from alatau_sim.results.files import manifest_path, read_json, write_json
from alatau_sim.results.recorder import Recorded

FORMAT = 1
PACKAGES = {
    "alatau_sim": "alatau-sim", "mesa": "mesa", "numba": "numba", "numpy": "numpy", "pyarrow": "pyarrow", "simpy": "simpy",
    "scipy": "scipy", "shapely": "shapely", "pyproj": "pyproj", "holidays": "holidays",
}  # fmt: skip
NO_RUN = ("cli", "report", "__main__")
"""Parts of the package that change no run."""
WRITING = {"results": ("files", "kpis", "recorder", "schemas"), "study": ("inputs", "worker")}
"""Of these parts, the modules that can change one."""
Status = Literal["complete", "failed", "stopped"]
Manifest = dict[str, Any]


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a result; a package that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name, package in PACKAGES.items():
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


@cache
def source_hashes() -> dict[str, str]:
    """SHA-256 of the package's source text by part (`engine`, `domains/energy`, …), of all that can change what a run writes.

    The same on every machine: line ends count as one, files by their places inside the package.
    """
    root = Path(__file__).parents[1]
    digests: dict[str, Any] = {}
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        place = path.relative_to(root)
        folders = place.parts[:-1]
        part = "/".join(folders[: 2 if folders[:1] == ("domains",) else 1]) or place.stem
        if part not in NO_RUN and place.stem in WRITING.get(part, (place.stem,)):
            text = path.read_bytes().replace(b"\r\n", b"\n")
            digests.setdefault(part, hashlib.sha256()).update(f"{place.as_posix()} {len(text)}\n".encode() + text)
    return {part: digest.hexdigest() for part, digest in digests.items()}


@cache
def machine() -> dict[str, str]:
    """The kind of machine, as far as it can change the last bits of a number: system, architecture, C library, processor."""
    words = {"system": platform.system(), "architecture": platform.machine(), "c_library": " ".join(platform.libc_ver()).strip()}
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {name: word for name, word in {**words, "processor": model}.items() if word}


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    try:
        import resource  # not on Windows
    except ImportError:
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def base_name(text: str) -> str:
    """The last part of an absolute path of any system; other text as it is."""
    if "\n" not in text and len(text) > 1:
        if PureWindowsPath(text).drive and PureWindowsPath(text).is_absolute():
            return PureWindowsPath(text).name
        if PurePosixPath(text).is_absolute():
            return PurePosixPath(text).name
    return text


def plain(value: Any) -> Any:
    """The value in the words of JSON: dates as text, numpy scalars as numbers, absolute paths as base names, infinities as text."""
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return {base_name(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return value.name if value.is_absolute() else value.as_posix()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return base_name(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise InputError(f"a manifest cannot hold {value!r} ({type(value).__name__})")


def error_text(error: BaseException) -> str:
    """The traceback with file names only, so that it reads the same on every machine."""
    lines = []
    for frame in traceback.extract_tb(error.__traceback__):
        parts = PureWindowsPath(frame.filename).parts
        starts = [i for i, part in enumerate(parts) if part in ("alatau_sim", "site-packages")]
        name = "/".join(parts[starts[-1]:]) if starts else parts[-1]
        lines.append(f"{name}:{frame.lineno} in {frame.name}: {frame.line}")
    text = str(error)
    for folder, short in ((str(Path.cwd()), "."), (str(Path.home()), "~")):
        if len(folder) > 1:
            text = text.replace(folder, short)
    return "\n".join([*lines, f"{type(error).__name__}: {text}"])


def new_manifest(
    *,
    scenario: str,
    world: int,
    replicate: int,
    hash: str,
    resolved: Mapping[str, Any],
    recorded: Recorded,
    seed: int,
    kernels: str,
    wall_s: float,
    status: Status = "complete",
    inputs: Mapping[str, str] | None = None,
    rules: Sequence[Mapping[str, str]] = (),
    stage: str = "",
    error: BaseException | None = None,
    more: Mapping[str, Any] | None = None,
) -> Manifest:
    """A manifest, as JSON will hold it.

    `hash` is the resolved scenario's, `inputs` maps base names of input files to SHA-256, `rules` lists rule files and plug-ins;
    `stage` and `error` say where and why a run failed; `more` adds keys of one's own.
    """
    manifest = {
        "format": FORMAT,
        "scenario": scenario,
        "world": int(world),
        "replicate": int(replicate),
        "status": status,
        "stage": stage,
        "error": error_text(error) if error is not None else "",
        "hash": hash,
        "seed": seed,
        "kernels": kernels,
        "inputs": inputs or {},
        "rules": list(rules),
        "resolved": resolved,
        "versions": versions(),
        "source": source_hashes(),
        "machine": machine(),
        "rows": dict(recorded.rows),
        "words": dict(recorded.words),
        "parts": {path: asdict(part) for path, part in sorted(recorded.parts.items())},
        "wall_s": round(wall_s, 3),
        "peak_memory_bytes": peak_memory(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # the traceback and the paths inside the study are as they should be; everything else is made plain
    return {key: value if key in ("error", "parts") else plain(value) for key, value in {**manifest, **(more or {})}.items()}


def write_manifest(out: str | Path, manifest: Manifest) -> Path:
    """Write the manifest into the study's `runs` folder, aside and renamed. Do it last: it is what makes the run count."""
    path = manifest_path(Path(out), manifest["scenario"], manifest["world"], manifest["replicate"])
    write_json(path, manifest)
    return path


def _checked(path: Path) -> Manifest:
    manifest = read_json(path)
    if not isinstance(manifest, dict) or not {"format", "scenario", "world", "replicate", "status", "hash", "parts"} <= set(manifest):
        raise InputError(f"{path}: is not the manifest of a run")
    if manifest["format"] != FORMAT:
        raise InputError(f"{path}: has format {manifest['format']!r}; this version of alatau_sim reads format {FORMAT}")
    return manifest


def read_manifest(out: str | Path, scenario: str, world: int, replicate: int) -> Manifest | None:
    """The manifest of one run, or None where there is none."""
    path = manifest_path(Path(out), scenario, world, replicate)
    return _checked(path) if path.is_file() else None


def read_manifests(out: str | Path) -> list[Manifest]:
    """All manifests of a study, by scenario, world and replicate."""
    found = [_checked(path) for path in sorted((Path(out) / "runs").glob("[!.]*.json"))]
    return sorted(found, key=lambda m: (m["scenario"], m["world"], m["replicate"]))


def damage(out: str | Path, manifest: Manifest) -> str:
    """What is missing or cut short of the parts that a manifest lists, in words that name the file; empty if nothing is."""
    for name, part in manifest["parts"].items():
        path = Path(out) / name
        if not path.is_file():
            return f"{path}: is missing"
        if path.stat().st_size != part["bytes"]:
            return f"{path}: has {path.stat().st_size} bytes instead of {part['bytes']}"
    return ""


def is_whole(out: str | Path, scenario: str, world: int, replicate: int, hash: str) -> bool:
    """Whether the run is there, complete, with all its parts, and was made from the same resolved scenario."""
    manifest = read_manifest(out, scenario, world, replicate)
    return manifest is not None and manifest["status"] == "complete" and manifest["hash"] == hash and not damage(out, manifest)
