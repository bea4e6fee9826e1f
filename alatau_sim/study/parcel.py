"""Jobs that travel: scenarios with the content of every file that they name, so that a worker needs nothing of the submitter's folder.

A parcel is bytes named by their hash. Files keep their places relative to each other, so that a manifest reads the same everywhere.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from alatau_sim.errors import InputError
from alatau_sim.scenario.load import content_hash
from alatau_sim.study.worker import Job

_OF_SEVERAL_FILES = {".shp", ".tab", ".mif"}


@dataclass(frozen=True)
class Files:
    """The content of files by their place (parts of a path from some common top), and the places of the names that jobs use."""

    content: Mapping[str, bytes]
    places: Mapping[str, str]

    def packed(self) -> bytes:
        """As bytes; equal files give equal bytes."""
        return pickle.dumps((sorted(self.content.items()), sorted(self.places.items())), protocol=5)

    @classmethod
    def unpacked(cls, packed: bytes) -> Files:
        """The files that `packed` made bytes of."""
        content, places = pickle.loads(packed)  # noqa: S301 - written by the parent of this study
        return cls(dict(content), dict(places))

    def lay_out(self, folder: Path) -> dict[str, Path]:
        """Write the files below a folder; returns where each name is now."""
        for place, content in self.content.items():
            path = folder / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return {name: folder / place for name, place in self.places.items()}


def digest_of(packed: bytes) -> str:
    """The name of a parcel."""
    return hashlib.sha256(packed).hexdigest()[:32]


def collect(jobs: Iterable[Job]) -> Files:
    """The files that jobs need, read once; `InputError` if one is no longer what it was when its scenario was loaded."""
    content: dict[str, bytes] = {}
    places: dict[str, str] = {}
    hashes: dict[Path, str] = {}
    needed: dict[Path, None] = {}
    for job in jobs:
        hashes |= {file.path: file.sha256 for file in job.scenario.files()}
        needed |= dict.fromkeys([job.scenario.path, *hashes, *(Path(file) for file in job.inputs.rule_files)])
    for path in needed:
        places[str(path)] = _place(path)
        try:
            if path in hashes and content_hash(path) != hashes[path]:
                raise InputError(f"{path}: changed while the study was prepared; run it again")
            for part in _parts(path):
                content[_place(part)] = part.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    top = os.path.commonpath([str(Path(place).parent) for place in (*content, *places.values())]) if places else ""
    strip = len(top) + 1 if top else 0
    return Files({place[strip:]: data for place, data in content.items()}, {name: place[strip:] for name, place in places.items()})


def _place(path: Path) -> str:
    """The parts of an absolute path as a relative one, the drive as a folder."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - links are kept as they are
    drive = PureWindowsPath(whole.drive).drive.strip(":\\/") if whole.drive else ""
    return "/".join([*([drive] if drive else []), *whole.parts[1:]])


def _parts(path: Path) -> Sequence[Path]:
    """The files that belong to one: those of a folder, or the neighbours of a Shapefile."""
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file() and part.suffix != ".lock")
    if path.suffix.lower() in _OF_SEVERAL_FILES:
        return sorted(part for part in path.parent.iterdir() if part.stem == path.stem and part.is_file())
    return [path] if path.is_file() else []


class _Packer(pickle.Pickler):
    """Writes names of files as such, to be replaced where they are unpacked."""

    def __init__(self, target: io.BytesIO, names: Mapping[str, str]) -> None:
        super().__init__(target, protocol=5)
        self._names = names

    def persistent_id(self, thing: Any) -> tuple[str, str] | None:
        """The kind and name of a file that travels along."""
        if isinstance(thing, Path) and str(thing) in self._names:
            return ("path", str(thing))
        return None


class _Unpacker(pickle.Unpickler):
    """Puts the places of this machine for the names of files."""

    def __init__(self, source: io.BytesIO, places: Mapping[str, Path]) -> None:
        super().__init__(source)
        self._places = places

    def persistent_load(self, token: tuple[str, str]) -> Path:
        """Where a file is now."""
        return self._places[token[1]]


def pack(job: Job, files: Files) -> bytes:
    """What jobs of one scenario share: everything but world and replicate."""
    target = io.BytesIO()
    _Packer(target, files.places).dump(replace(job, world=0, replicate=0))
    return target.getvalue()


def unpack(packed: bytes, places: Mapping[str, Path]) -> Job:
    """The job, with the files at their places on this machine."""
    job: Job = _Unpacker(io.BytesIO(packed), places).load()
    files = tuple(str(places[file]) for file in job.inputs.rule_files)
    return replace(job, inputs=replace(job.inputs, rule_files=files))
