"""Programs that XLA has compiled, kept on disk for the commands of istsim."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jax

SWITCH = "ISTSIM_COMPILATION_CACHE"
_SETTING = "jax_compilation_cache_dir"
# What takes less time to compile is not worth a file.
_LEAST_SECONDS = 0.1


def folder() -> Path | None:
    """Where programs are kept; None if they are not, by choice or because the folder cannot be written to.

    The environment variable ISTSIM_COMPILATION_CACHE names another folder, or is 0 for none. A cache that JAX itself
    was told to use has precedence.
    """
    if (of_jax := getattr(jax.config, _SETTING)) is not None:
        return Path(of_jax)
    chosen = os.environ.get(SWITCH)
    if chosen is not None and chosen.strip().lower() in ("", "0", "no", "off", "false"):
        return None
    path = Path(chosen) if chosen else _of_the_user() / "istsim" / "jax"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return path if os.access(path, os.W_OK) else None


def use() -> None:
    """Keep programs there, those of the processes that this one starts as well."""
    path = folder()
    if path is None or getattr(jax.config, _SETTING) is not None:
        return
    for name, value in ((_SETTING, str(path)), ("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)):
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)


def _of_the_user() -> Path:
    """The user's folder for caches, by the custom of the platform."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
