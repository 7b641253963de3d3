"""
On what, and of what versions, it was measured.
"""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl.backend import backend

_LIBRARIES = ("Twisted", "asyncssh", "paramiko", "cryptography")


def about() -> dict[str, str]:
    """
    The machine and the versions, by what they are called.
    """
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "OpenSSL of cryptography": backend.openssl_version_text(),
        "OpenSSH": _ssh_version(),
        "load before": f"{os.getloadavg()[0]:.1f} processes that ran or could run",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{os.cpu_count()} of {line.partition(':')[2].strip()}"
    return f"{os.cpu_count()} of {platform.machine()}"


def _ssh_version() -> str:
    # It says so on its standard error.
    try:
        said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True)
    except OSError:
        return "not there"
    return said.stderr.partition(",")[0].strip()
