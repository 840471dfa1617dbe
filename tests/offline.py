"""Programs run without a network: what they try is written down and fails, in children as well.

Two ways, together where the machine permits: every Python process started gets an audit hook
that refuses connections and name look-ups, and the whole tree of processes runs in a network
namespace of its own that has no route, not even to itself. The second holds for compiled code
and for other programs, too.

Binding is no event of the hook: urllib3, which nibabel imports, binds a socket to this machine
and closes it, to see whether there is IPv6.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import PROJECT

HOOK = """\
import os, socket, sys

def refuse(event, args):
    if event not in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname",
                     "socket.sendto", "socket.sendmsg", "urllib.Request", "http.client.connect"):
        return
    if event.startswith("socket.") and getattr(args[0], "family", None) == socket.AF_UNIX:
        return  # the screen's own socket
    with open(os.environ["REFUSED"], "a") as file:
        print(event, args[1:], sys.argv, file=file)
    raise OSError(101, "Network is unreachable")

sys.addaudithook(refuse)
"""
NAMESPACE = ("unshare", "--map-root-user", "--net")


@functools.cache
def has_namespaces() -> bool:
    """Whether this user may make a network namespace."""
    if shutil.which(NAMESPACE[0]) is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


def run(
    arguments: Sequence[str],
    folder: Path,
    *,
    seconds: float = 300,
    **environment: str,
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run ``python arguments``; the process when it has ended, and what it tried to reach."""
    hooks = folder / "hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "sitecustomize.py").write_text(HOOK)
    refused = folder / "refused.txt"
    refused.write_text("")
    added = {
        "PYTHONPATH": os.pathsep.join((str(hooks), str(PROJECT))),
        "REFUSED": str(refused),
        **environment,
    }
    done = subprocess.run(
        [*(NAMESPACE if has_namespaces() else ()), sys.executable, *arguments],
        env={**os.environ, **added},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return done, refused.read_text().splitlines()
