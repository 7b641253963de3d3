"""
The targets, by name.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import conversation, formats, peers

#: Each takes any bytes; what it holds is in its docstring, and it raises where
#: that is broken.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "wire": formats.wire,
    "messages": formats.all_messages,
    "known_hosts": formats.known_hosts,
    "certificates": formats.certificates,
    "memory": formats.memory,
    "ssh_config": formats.ssh_config,
    "key_files": formats.key_files,
    "signed_request": formats.signed_request,
    "display": formats.display,
    "agent": peers.agent,
    "greeting": peers.greeting,
    "transport": peers.transport,
    "conversation": conversation.conversation,
    "eager": conversation.eager,
}
