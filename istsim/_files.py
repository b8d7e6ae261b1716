"""Files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUFFIX = ".part"
_unfinished: set[Path] = set()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to, that takes the place of `path` only when writing ended without an error.

    An existing file stays as it is until then, and its permissions as they are; so does a link, of whose target this
    is. What killed processes left of earlier attempts is removed.
    """
    target = Path(os.path.realpath(path))
    _remove_leftovers(target.parent, of=glob.escape(target.name))
    part = target.parent / f".{target.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}{_SUFFIX}"
    _unfinished.add(part)
    try:
        # Made here, and not by who writes, so that a folder that cannot be written to says so alike everywhere.
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield part
        if target.exists():
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        _unfinished.discard(part)


def remove_unfinished() -> None:
    """Remove what this process is writing to, before it ends without putting anything away."""
    for part in list(_unfinished):
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine were writing to in a folder when they were killed."""
    _remove_leftovers(folder, of="*")


def _remove_leftovers(folder: Path, *, of: str) -> None:
    if os.name != "posix":  # elsewhere there is no asking for a process without harming it
        return
    written_here = re.compile(rf"\..+\.{re.escape(socket.gethostname())}\.(\d{{1,9}})\.[a-z0-9_]+{re.escape(_SUFFIX)}")
    for part in folder.glob(f".{of}.{glob.escape(socket.gethostname())}.*{_SUFFIX}"):
        match = written_here.fullmatch(part.name)
        if match and not _runs(int(match[1])) and stat.S_ISREG(part.lstat().st_mode):
            part.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True
