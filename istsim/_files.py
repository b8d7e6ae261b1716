"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".part"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to, that takes the place of `path` only when writing ended without an error.

    An existing file stays as it is until then.
    """
    prefix = f".{path.name}.{socket.gethostname()}.{os.getpid()}."
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=_SUFFIX)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine were writing to when they were killed."""
    if os.name != "posix":  # elsewhere there is no asking for a process without harming it
        return
    written_here = re.compile(rf".*\.{re.escape(socket.gethostname())}\.(\d+)\.[^.]*{re.escape(_SUFFIX)}")
    for part in folder.glob(f".*{_SUFFIX}"):
        match = written_here.fullmatch(part.name)
        if match and not _runs(int(match[1])):
            part.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True
