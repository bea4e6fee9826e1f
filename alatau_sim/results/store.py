"""Where the runs of a study go: a folder, or an object store (s3://…, gs://…) through pyarrow's file systems.

A run is always recorded into a folder. For an object store that is a temporary one, whose files are then put into the store one by one,
the manifest last: an object is there whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import pyarrow as pa
import pyarrow.fs as pafs

from alatau_sim.errors import InputError
from alatau_sim.results.claim import SecondAttempt
from alatau_sim.results.files import manifest_path, run_folder
from alatau_sim.results.manifest import Manifest

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+]+://")


@dataclass(frozen=True)
class ObjectStore:
    """A place in a file system of pyarrow: `root` is the path in it, `name` what messages call it (without any credentials)."""

    system: Any
    root: str
    name: str

    def __str__(self) -> str:
        return self.name

    def __truediv__(self, name: str) -> str:
        return f"{self.name}/{name}"

    def read(self, name: str) -> bytes | None:
        """The bytes of an object, or None where there is none."""
        with self._told(name):
            if self.size(name) is None:
                return None
            with self.system.open_input_stream(self._at(name)) as stream:
                return bytes(stream.read())

    def write(self, name: str, content: bytes) -> None:
        """Put an object in the place of one that may be there."""
        with self._told(name):
            self.system.create_dir(self._at(name).rpartition("/")[0], recursive=True)
            with self.system.open_output_stream(self._at(name)) as stream:
                stream.write(content)

    def size(self, name: str) -> int | None:
        """The bytes of an object, or None where there is none."""
        with self._told(name):
            info = self.system.get_file_info(self._at(name))
            return int(info.size) if info.type == pafs.FileType.File else None

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with self._told(name):
            if self.size(name) is not None:
                self.system.delete_file(self._at(name))

    def names(self, folder: str) -> list[str]:
        """The objects below a folder, by name."""
        with self._told(folder):
            found = self.system.get_file_info(pafs.FileSelector(self._at(folder), recursive=True, allow_not_found=True))
            return sorted(info.path[len(self.root):].lstrip("/") for info in found if info.type == pafs.FileType.File)

    def manifest(self, scenario: str, world: int, replicate: int) -> Manifest | None:
        """The manifest of one run, or None where there is none."""
        content = self.read(_manifest_name(scenario, world, replicate))
        return None if content is None else json.loads(content)

    def manifests(self) -> list[Manifest]:
        """All manifests of the study."""
        names = [name for name in self.names("runs") if name.endswith(".json") and not name.startswith("runs/.")]
        return [json.loads(self.read(name) or b"{}") for name in names]

    def damage(self, manifest: Manifest) -> str:
        """What is missing or cut short of the parts that a manifest lists; empty if nothing is."""
        for name, part in manifest["parts"].items():
            size = self.size(name)
            if size != part["bytes"]:
                return f"{self / name}: {'is missing' if size is None else f'has {size} bytes'} instead of {part['bytes']}"
        return ""

    def take(self, folder: Path, scenario: str, world: int, replicate: int) -> None:
        """Put what one run wrote into a folder here: its parts, what describes the tables, and last its manifest."""
        manifest = _manifest_name(scenario, world, replicate)
        self.remove(manifest)
        parts = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        parts.pop(manifest, None)
        tables = {name.split("/")[0] for name in parts if "/" in name}
        for table in tables:
            for old in self.names(run_folder(Path(), table, scenario, world, replicate).as_posix()):
                if old not in parts:
                    self.remove(old)
        for name, path in parts.items():
            if "/" not in name and name.endswith(".json"):
                self._merge(name, json.loads(path.read_text(encoding="utf-8")))
            else:
                self.write(name, path.read_bytes())
        written = manifest_path(folder, scenario, world, replicate)
        if written.exists():
            self.write(manifest, written.read_bytes())

    @contextmanager
    def claimed(self, name: str, token: str) -> Iterator[None]:
        """Mark during the block that a submission has begun a run; `SecondAttempt` if it had, and its process died.

        Stores have no locks: two that write the same run at once write equal objects, each whole.
        """
        if token:
            if self.read(name) == token.encode():
                self.remove(name)
                raise SecondAttempt("the worker process died")
            self.write(name, token.encode())
        try:
            yield
        finally:
            if token:
                self.remove(name)

    def _merge(self, name: str, words: dict[str, Any]) -> None:
        """What describes tables, indicators and parameters of all runs: those of another rule file stay."""
        old = json.loads(self.read(name) or b"{}")
        new = dict(sorted((old | words).items()))
        if new != old:
            self.write(name, (json.dumps(new, indent=1, ensure_ascii=False) + "\n").encode())

    def _at(self, name: str) -> str:
        return f"{self.root}/{name}" if self.root else name

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise InputError(f"{self / name}: the store cannot be used: {reason}") from error


Place = Path | ObjectStore
"""Where a study is."""


def place_of(out: str | Path | ObjectStore) -> Place:
    """The folder or store that the user names: a path, `file:///…`, or a URI that pyarrow knows."""
    if isinstance(out, Path | ObjectStore):
        return out
    if not _SCHEME.match(out):
        return Path(out)
    parts = urlsplit(out)
    if parts.scheme == "file":
        return Path(url2pathname(unquote(parts.path)))
    name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    try:
        system, root = pafs.FileSystem.from_uri(out)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{name}: is no store that can be used: {(str(error).splitlines() or ['unknown'])[0]}") from None
    return ObjectStore(system, root.rstrip("/"), name)


def _manifest_name(scenario: str, world: int, replicate: int) -> str:
    return manifest_path(Path(), scenario, world, replicate).as_posix()
