"""
How many connections a process may have.
"""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> int:
    """
    Have as many descriptors as this process may.

    @return: how many that are.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
