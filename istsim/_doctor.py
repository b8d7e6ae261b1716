"""What istsim finds on this machine, and what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from typing import Any

from istsim import _compilation_cache
from istsim._compilation_cache import SWITCH
from istsim._cores import cores
from istsim._loops import why_not

_CORE = ("istsim", "jax", "jaxlib", "numpy", "scipy", "sympy", "xarray")
_NOT_FOR_USERS = ("all", "dev", "docs", "reproduce")


def examine() -> dict[str, Any]:
    """Versions, devices, precision and extras; JAX is asked, so that what is wrong with a device shows here."""
    import jax

    import istsim  # noqa: F401, which sets the precision

    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _CORE}},
        "machine": f"{platform.system()} {platform.machine()}, {len(cores())} cores",
        "devices": [f"{device.device_kind} ({device.platform})" for device in jax.devices()],
        "x64": bool(jax.config.read("jax_enable_x64")),
        "loops": why_not(),
        "cache": str(_compilation_cache.folder() or ""),
        "extras": {extra: {name: _version(name) for name in names} for extra, names in _extras().items()},
    }


def as_text(found: dict[str, Any]) -> str:
    """The findings for people, with the command that installs what is missing."""
    lines = [
        "versions   " + ", ".join(f"{name} {version}" for name, version in found["versions"].items()),
        "machine    " + found["machine"],
        "devices    " + ", ".join(found["devices"]),
        "loops      " + (found["loops"] + "; runs are compiled by XLA" if found["loops"] else "compiled by numba"),
        "cache      " + (found["cache"] or f"none: no folder that can be written to, or {SWITCH}=0"),
        "precision  " + ("64 bits" if found["x64"] else "32 bits: something switched JAX's x64 mode off"),
        "",
        "extras",
    ]
    width = max(map(len, found["extras"]))
    for extra, packages in found["extras"].items():
        missing = [name for name, version in packages.items() if version is None]
        present = ", ".join(f"{name} {version}" for name, version in packages.items() if version is not None)
        hint = f"missing: {', '.join(missing)}; pip install 'istsim[{extra}]'" if missing else ""
        lines.append(f"  {extra:<{width}}  " + "; ".join(filter(None, (present, hint))))
    return "\n".join(lines)


def _extras() -> dict[str, list[str]]:
    """The packages that each extra brings."""
    found: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("istsim") or ():
        package = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"](\w+)['\"]", requirement)
        if package and extra and extra[1] not in _NOT_FOR_USERS:
            found.setdefault(extra[1], []).append(package[0])
    return dict(sorted(found.items()))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
