"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray

_SUFFIX = ".part"
_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_unfinished: set[Path] = set()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path to write to, that takes the place of `path` only when writing ended without an error.

    An existing file stays as it is until then, and its permissions as they are; so does a link, of whose target this
    is. What killed processes left of earlier attempts is removed. What is no file, such as /dev/stdout, is written to
    as it is.

    Raises:
        OSError: if it cannot be written, with the path, the reason and what to do.
    """
    if path.exists() and not path.is_file():
        with _told_of(path):
            yield path
        return
    target = Path(os.path.realpath(path))
    part = target.parent / f".{target.name}.{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}{_SUFFIX}"
    _unfinished.add(part)
    try:
        with _told_of(path):
            _remove_leftovers(target.parent, of=glob.escape(target.name))
            # Made here, and not by who writes, so that a folder that cannot be written to says so alike everywhere.
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            yield part
            if target.exists():
                part.chmod(stat.S_IMODE(target.stat().st_mode))
            part.replace(target)
    finally:
        with suppress(OSError):  # of a folder that has become read-only the reason is told already
            part.unlink(missing_ok=True)
        _unfinished.discard(part)


def netcdf_bytes(data: xarray.Dataset) -> memoryview:
    """What a netCDF file of a dataset holds.

    Made in memory, because HDF5 ends the process when it closes a file for which there was no room.
    """
    return data.to_netcdf(None, engine="h5netcdf")


def write_netcdf(path: Path, data: xarray.Dataset) -> None:
    """Write a dataset as a netCDF file that appears whole or not at all; raises what `written_whole` does."""
    content = netcdf_bytes(data)
    with written_whole(path) as part:
        part.write_bytes(content)


def read_netcdf(path: Path) -> xarray.Dataset:
    """All of a dataset that istsim wrote.

    Raises:
        ValueError: for a file that has parts in other files, which HDF5 would read.
        Exception: of any kind, for a file that is not what it is taken for.
    """
    import h5py
    import xarray

    with h5py.File(path) as file:
        for name in file:
            variable: Any = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
            if not isinstance(variable, h5py.Dataset) or variable.external or variable.is_virtual:
                raise ValueError(f"{name!r} is not in it, but in another file or group")
    return xarray.load_dataset(path, engine="h5netcdf")


def make_folder(folder: Path) -> None:
    """Make a folder, and those it lies in, unless it is there.

    Raises:
        OSError: if it cannot be made, with the path, the reason and what to do.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if folder.exists():  # else a part of its path is what is wrong, which the reason says
            raise FileExistsError(
                f"{folder} must be a folder, but it is a file: name another, or move it away"
            ) from None
        raise unwritten(folder, error) from None


def unwritten(path: Path, error: OSError) -> OSError:
    """An error that says of a path what another one says of writing to it: of the same class, with what to do."""
    reason = error.strerror or str(error)
    advice = "make room there, or write elsewhere" if error.errno in _FULL else "see to that, or write elsewhere"
    told = type(OSError(error.errno, reason))(f"cannot write {path}: {reason}; {advice}")
    told.errno = error.errno
    return told


@contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritten(path, error) from error


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
        with suppress(OSError):  # another process was faster, or the folder may not be changed
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
