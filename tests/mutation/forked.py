"""pytest many times in processes that have imported already what all tests need, which takes longer than most tests.

Reads a line of JSON for each run, its arguments and the seconds of the processor that it may take, and answers with a
line: the exit status, negative for a signal, and what was printed. JAX is imported here, but starts in the forked
processes: it has no threads yet.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import traceback

MEMORY = 16 * 2**30
# What waits for ever takes no time of the processor.
PATIENCE = 20


def main() -> None:
    """Run what is asked for until there is no more; istsim must not be imported here."""
    for module in ("hypothesis", "jax", "pytest", "scipy.stats", "sympy", "xarray", "beartype", "jaxtyping", "numba"):
        __import__(module)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(run(asked["arguments"], asked["seconds"])), flush=True)


def run(arguments: list[str], seconds: int) -> tuple[int, str]:
    """The exit status and the output of one run."""
    with tempfile.TemporaryFile("w+") as output:
        if (process := os.fork()) == 0:
            os.setpgid(0, 0)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            status = 1
            try:
                import pytest

                status = int(pytest.main(arguments))
                sys.stdout.flush()
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(status)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(process, signal.SIGKILL))
        signal.alarm(PATIENCE * seconds)
        _, status = os.waitpid(process, 0)
        signal.alarm(0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read()


if __name__ == "__main__":
    main()
