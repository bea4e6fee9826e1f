"""Small files and manifests of a study, wherever it is: in a folder, or in an object store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alatau_sim.errors import InputError
from alatau_sim.results.files import replacing, writing
from alatau_sim.results.manifest import Manifest, damage, read_manifest, read_manifests
from alatau_sim.results.store import ObjectStore, Place

if TYPE_CHECKING:
    from alatau_sim.study.worker import Job

PROBE_BYTES = 1_000_000  # a disk that cannot take this takes no study


def read(place: Place, name: str) -> bytes | None:
    """The bytes of a file of the study, or None where there is none."""
    if isinstance(place, ObjectStore):
        return place.read(name)
    try:
        return (place / name).read_bytes()
    except FileNotFoundError:
        return None


def write(place: Place, name: str, content: bytes) -> None:
    """Write a file whole, in the place of one that may be there."""
    if isinstance(place, ObjectStore):
        place.write(name, content)
        return
    with replacing(place / name) as aside:
        aside.write_bytes(content)


def size(place: Place, name: str) -> int | None:
    """The bytes of a file, or None where there is none."""
    if isinstance(place, ObjectStore):
        return place.size(name)
    path = place / name
    return path.stat().st_size if path.is_file() else None


def remove(place: Place, name: str) -> None:
    """Remove a file, and its folder where that is a hidden one and empty now."""
    if isinstance(place, ObjectStore):
        place.remove(name)
        return
    path = place / name
    path.unlink(missing_ok=True)
    if path.parent.name.startswith(".") and path.parent.is_dir() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def manifest_of(job: Job) -> Manifest | None:
    """The manifest of a run, or None where there is none."""
    run = (job.scenario.name, job.world, job.replicate)
    return job.out.manifest(*run) if isinstance(job.out, ObjectStore) else read_manifest(job.out, *run)


def damage_of(place: Place, manifest: Manifest) -> str:
    """What is missing of the parts that a manifest lists; empty if nothing is."""
    return place.damage(manifest) if isinstance(place, ObjectStore) else damage(place, manifest)


def manifests(place: Place) -> list[Manifest]:
    """All manifests of a study, by scenario, world and replicate."""
    found = place.manifests() if isinstance(place, ObjectStore) else read_manifests(place)
    return sorted(found, key=lambda manifest: (manifest["scenario"], manifest["world"], manifest["replicate"]))


def not_whole(job: Job) -> str:
    """Why a run does not count; empty if it is there, complete, and of the same inputs."""
    try:
        manifest = manifest_of(job)
    except InputError as error:
        return str(error)
    if manifest is None:
        return f"{job.out} has no manifest of it"
    if manifest["status"] != "complete" or manifest["hash"] != job.hash:
        return f"its manifest in {job.out} says {manifest['status']}{'' if manifest['hash'] == job.hash else ', of other inputs'}"
    return damage_of(job.out, manifest)


def check_writable(place: Place) -> None:
    """Refuse a place that cannot be made or written to, or a disk that is full, before anything is computed."""
    if isinstance(place, ObjectStore):
        place.write("probe", b"x")
        place.remove("probe")
        return
    missing = [path for path in (place, *place.parents) if not path.exists()]
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(place / "probe") as aside:
            aside.write_bytes(bytes(PROBE_BYTES))
    except InputError:
        for made in missing:  # nothing is left behind of a study that cannot be written
            made.rmdir()
        raise
    (place / "probe").unlink(missing_ok=True)


def absolute(place: Place) -> Place:
    """The place as every process of this machine finds it."""
    return place.absolute() if isinstance(place, Path) else place
