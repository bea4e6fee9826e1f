"""The same as the `alatau` command, and sets itself up on a fresh machine: `python run.py` is the main job, `python run.py test` the tests.

Needs nothing but Python 3.11 or later. Where the package is not installed it makes the folder `.venv` beside this file, installs the
versions of constraints.txt there, and goes on in it; inside an environment that has the package it does nothing of the kind.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this message is for whoever starts it with an older one
    sys.exit(f"alatau needs Python 3.11 or later, and this is Python {sys.version_info[0]}.{sys.version_info[1]}: see python.org")

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
MAIN_JOB = ("baseline.yaml", "crypto_hub.yaml")
TEST_MODULES = ("pytest", "xdist", "hypothesis", "polars", "playwright", "SALib", "distributed")
NOT_MAIN = ("-h", "--help", "--version")


def say(text: str) -> None:
    """Tell the user what goes on; results alone go to the standard output."""
    print(text, file=sys.stderr, flush=True)


def installed(tests: bool) -> bool:
    """Whether this Python has the package installed, with what the tests need if asked; the folder of run.py does not count."""
    elsewhere = [place for place in sys.path if Path(place or ".").resolve() != ROOT]
    found = next(iter(importlib.metadata.distributions(name="alatau-sim", path=elsewhere)), None)
    return found is not None and not (tests and any(importlib.util.find_spec(name) is None for name in TEST_MODULES))


def python_of(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def stamp(root: Path) -> str:
    """What an environment was made from: this Python, this place, pyproject.toml and constraints.txt."""
    made_from = [sys.version.encode(), str(root).encode("utf-8", "surrogatepass")]
    made_from += [(root / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join(made_from)).hexdigest()


def state_of(folder: Path) -> dict[str, str]:
    """What set-up wrote into the environment: nothing in one that the user made; no stamp where it was broken off."""
    try:
        return dict(json.loads((folder / "alatau-setup.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"python": ""}


def write_state(folder: Path, **state: str) -> None:
    """Note how far set-up has come."""
    (folder / "alatau-setup.json").write_text(json.dumps(state), encoding="utf-8")


def ready(folder: Path, root: Path, tests: bool) -> bool:
    """Whether the environment is whole, up to date and has what is asked for."""
    state = state_of(folder)
    return state.get("stamp") == stamp(root) and python_of(folder).exists() and (not tests or state.get("extra") == "test")


def install(folder: Path, root: Path, tests: bool) -> None:
    """Make the environment, or bring it up to date; one that was broken off while it was made is made anew."""
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("This Python cannot make environments (it has no ensurepip). On Debian or Ubuntu: sudo apt install python3-venv")
    state = state_of(folder)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    tests = tests or state.get("extra") == "test"
    what = "alatau_sim and what its tests need" if tests else "alatau_sim and what it needs"
    say(f"Setting up: installing {what} into {folder} (once; a minute or two, needs the network) ...")
    began = time.monotonic()
    if state and ("stamp" not in state or state.get("python") != version or not python_of(folder).exists()):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    write_state(folder, python=version)  # without a stamp: not whole yet
    if not python_of(folder).exists() or not (folder / "pyvenv.cfg").exists():
        venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(folder)
    pip = [str(python_of(folder)), "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", "constraints.txt", "-e", ".[test]" if tests else "."],
                   cwd=root, env={**os.environ, "PIP_USER": "0"}, stdin=subprocess.DEVNULL, check=True)
    write_state(folder, python=version, stamp=stamp(root), extra="test" if tests else "")
    say(f"Set up in {time.monotonic() - began:.0f} s.")


def set_up(folder: Path, root: Path, tests: bool) -> None:
    """Install, or leave with one clear message; what is broken off is made anew next time."""
    try:
        install(folder, root, tests)
    except KeyboardInterrupt:
        sys.exit("Setting up was stopped; the next start begins it again.")
    except subprocess.CalledProcessError as error:
        sys.exit(f"Setting up failed (exit code {error.returncode}; the reason stands above). Is there a network? Then start again.")
    except OSError as error:
        sys.exit(f"Setting up failed: {error}. Remove the folder {folder} and start again.")


def call(command: list[str], cwd: Path | None = None) -> int:
    """Run a command in the foreground and return its exit code; Ctrl-C reaches it, too, and it is waited for."""
    process = subprocess.Popen(command, cwd=cwd)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def shown(path: Path) -> str:
    """The path as the user would type it from the current folder."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def command_of(arguments: list[str]) -> list[str]:
    """What `alatau` is called with: options alone belong to the main job, everything else goes through as it is."""
    if arguments and (not arguments[0].startswith("-") or arguments[0] in NOT_MAIN):
        return arguments
    scenarios = [shown(ROOT / "scenarios" / name) for name in MAIN_JOB]
    return ["run", *scenarios, "-o", shown(ROOT / "outputs" / "baseline"), "--report", *arguments]


def run_tests(arguments: list[str]) -> int:
    """Run the test suite on two processes, unless the arguments say how many."""
    own = any(argument.startswith(("-n", "--numprocesses", "--pdb", "no:xdist")) for argument in arguments)
    return call([sys.executable, "-m", "pytest", *([] if own else ["-n", "2"]), *arguments], cwd=ROOT)


def main(arguments: list[str]) -> int:
    """Set up where needed, then do what is asked; returns the exit code."""
    tests = arguments[:1] == ["test"]
    if not installed(tests):
        if not ready(VENV, ROOT, tests):
            set_up(VENV, ROOT, tests)
        elif Path(sys.prefix).resolve() == VENV.resolve():
            sys.exit(f"The environment {VENV} is not whole: remove that folder and start again.")
        return call([str(python_of(VENV)), str(ROOT / "run.py"), *arguments])
    if tests:
        return run_tests(arguments[1:])
    from alatau_sim.cli import run_command

    return run_command(command_of(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
