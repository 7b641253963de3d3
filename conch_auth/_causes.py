"""
The closed list of causes for which a login fails.

Whoever ends an attempt or a login says which it is; L{conch_auth.diagnosis}
says what it means and what to do.  Each is the anchor of its paragraph in
C{docs/diagnosis.rst}.
"""

from __future__ import annotations

from typing import Literal, get_args

#: The name of a cause.
Cause = Literal[
    # No login was begun.
    "config-unreadable",
    "no-such-host",
    "connection-refused",
    "host-unreachable",
    "connect-timeout",
    "connect-failed",
    "not-ssh",
    "turned-away",
    "no-common-algorithm",
    "host-key-unknown",
    "host-key-changed",
    "host-key-revoked",
    "host-key-rejected",
    "host-certificate-invalid",
    # The login was ended.
    "trivial-success",
    "protocol-broken",
    "server-timeout",
    "login-timeout",
    "login-cancelled",
    "too-many-tries",
    "server-disconnected",
    "lost-while-asking",
    "account-refused",
    "connection-lost",
    "limit-reached",
    # A factor was accepted, and was not enough.
    "second-factor-refused",
    "second-factor-missing",
    # What a person types.
    "password-change-refused",
    "password-not-changed",
    "password-refused",
    "answers-refused",
    "questions-unanswered",
    "never-asked",
    "person-timeout",
    "transport-not-secure",
    # Whoever signs.
    "agent-unavailable",
    "agent-lost",
    "agent-timeout",
    "agent-broken",
    "agent-refused",
    "agent-empty",
    "security-key-refused",
    "security-key-absent",
    "signer-timeout",
    "sha1-only",
    # Files of keys and certificates.
    "key-missing",
    "key-unreadable",
    "key-exposed",
    "key-not-private",
    "key-damaged",
    "key-needs-agent",
    "key-unusable",
    "passphrase-missing",
    "passphrase-wrong",
    "public-half-wrong",
    "certificate-expired",
    "certificate-not-yet-valid",
    "certificate-of-another-key",
    "certificate-unusable",
    # Keys.
    "algorithm-not-listed",
    "algorithm-not-allowed",
    "keys-left-out",
    "signature-refused",
    "certificate-refused",
    "key-refused",
    "identities-only",
    # Hosts that vouch for their users.
    "keysign-failed",
    "host-refused",
    # GSSAPI.
    "gssapi-not-installed",
    "ticket-missing",
    "ticket-expired",
    "service-unknown",
    "kdc-unreachable",
    "clock-skew",
    "gssapi-failed",
    "gssapi-failed-on-server",
    "ticket-refused",
    # What the application answers.
    "hook-raised",
    "hook-missing",
    "answer-unusable",
    # Nothing was there to be tried.
    "method-refused",
    "no-method-offered",
    "no-key",
    "no-password",
    "no-answers",
    "no-ticket",
    "no-host-key",
    "method-off",
    "method-unknown",
    "no-method-left",
]

#: One of them, or empty where none is known.
MaybeCause = Cause | Literal[""]

#: Every cause, the more telling first.
CAUSES: tuple[Cause, ...] = get_args(Cause)
