"""The one place where errors of a command become a message and an exit code."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alatau_sim.errors import AlatauError

REPORT = "This is a fault of the toolkit and not of your input. Run the command again with --debug, and report what it prints."


def guarded(app: Callable[..., Any], arguments: list[str]) -> int:
    """Run a typer application; no error of any kind leaves it, except as text on stderr and an exit code."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    _write_utf8()
    try:
        app(args=arguments, prog_name=command())
        sys.stdout.flush()
    except SystemExit as left:
        return _code(left)
    except BrokenPipeError:
        return _reader_gone()
    except KeyboardInterrupt:
        _print("Stopped.")
        return 1
    except AlatauError as error:
        _print("".join(traceback.format_exception(error)) if debug else _worded(str(error)))
        return error.exit_code
    except MemoryError:
        _print("Error: there is not enough memory; fewer workers (-j 1), fewer residents or run.sample need less")
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort: one line instead of a trace
        _print("".join(traceback.format_exception(error)) if debug else _unexpected(error))
        return 2 if isinstance(error, OSError) and error.filename is not None else 1
    return 0


def command() -> str:
    """How the user calls the command, for messages that name one."""
    return "python run.py" if Path(sys.argv[0]).name == "run.py" else "alatau"


def _code(left: SystemExit) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    return left.code if isinstance(left.code, int) else 0 if left.code is None else 1


def _reader_gone() -> int:
    """The program that reads our output has had enough (`| head`): nothing went wrong."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would complain
    return 0


def _worded(message: str) -> str:
    lines = message.splitlines() or ["unknown"]
    return f"Error: {lines[0]}" if len(lines) == 1 else "\n".join(["Error:", *(f"  {line}" for line in lines)])


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"Error: {error.filename}: {error.strerror or error}"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"Error: {type(error).__name__}: {error}{place}\n{REPORT}"


def _print(text: str) -> None:
    print(text, file=sys.stderr)


def _write_utf8() -> None:
    """Write UTF-8 where the system would not (Windows, to a file or pipe)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
