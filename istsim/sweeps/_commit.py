from __future__ import annotations

import functools
import subprocess
from pathlib import Path


@functools.cache
def commit() -> str:
    """The commit of istsim's source, with "+" where files differ from it; "" where there is no history."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        found = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
        return found.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", __file__)  # installed inside another project, it has no history of its own
        changed = git("status", "--porcelain", "--", str(folder.parent))
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
