"""
Stories of logins, made up, for what tells and draws them.
"""

from __future__ import annotations

from conch_auth._story import Story
from conch_auth.diagnosis import Diagnosis
from conch_auth.report import Attempt, KeyIdentity, Step

ED25519 = KeyIdentity(
    "ssh-ed25519", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
)
RSA = KeyIdentity("ssh-rsa", "SHA256:uNiVztksCsDhcc0u9e8BgrJXVGLlPxzjMfmpOmpqEBg")
FACTS = (
    ("host", "build.example.org, port 2222"),
    ("server", "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u2"),
    ("host key", f"ssh-ed25519 {ED25519.fingerprint}"),
    ("trusted by", "known_hosts: /home/alice/.ssh/known_hosts:3"),
)

#: A login by four attempts, of which none is accepted.
REFUSED = Story(
    who="alice@build.example.org",
    succeeded=False,
    verdict="not logged in: no method is left to try",
    facts=FACTS,
    attempts=(
        Attempt("none", "refused", server_methods=("publickey", "password")),
        Attempt("publickey", "skipped", "no common algorithm", key=RSA, source="~/r"),
        Attempt(
            "publickey",
            "refused",
            key=ED25519,
            source="the agent",
            algorithm="ssh-ed25519",
            algorithm_reason="listed by the server",
            offered=True,
            answers=("USERAUTH_FAILURE",),
            server_methods=("publickey", "password"),
            server_seconds=0.29,
        ),
        Attempt("password", "refused", server_seconds=0.2, person_seconds=4.717),
    ),
    steps=(
        Step(0.0, "client", "server", "USERAUTH_REQUEST none", "", 0),
        Step(0.005, "server", "client", "USERAUTH_FAILURE", "can continue: x", 0),
        Step(0.01, "client", "agent", "getPublicKey", "", 2),
        Step(0.021, "agent", "client", "answer", "a key", 2),
        Step(0.022, "client", "server", "USERAUTH_REQUEST publickey", "offers", 2),
        Step(0.312, "server", "client", "USERAUTH_FAILURE", "", 2),
        Step(0.313, "client", "person", "getPassword", "", 3),
        Step(5.03, "person", "client", "answer", "", 3),
        Step(5.031, "client", "server", "USERAUTH_REQUEST password", "", 3),
        Step(5.1, "server", "client", "USERAUTH_BANNER", "go away", None),
        Step(5.231, "server", "client", "USERAUTH_FAILURE", "", 3),
        Step(5.232, "client", "server", "DISCONNECT", "no more", None),
    ),
    elapsed=6.0,
    diagnoses=(
        Diagnosis("key-refused", "The key is not known.", "Add it on the server."),
        Diagnosis("password-refused", "The password is wrong.", "Type another one."),
    ),
)

#: A login by one key.
ACCEPTED = Story(
    who="bob@127.0.0.1",
    succeeded=True,
    verdict="logged in: publickey",
    facts=FACTS[:2],
    attempts=(Attempt("publickey", "accepted", key=ED25519, signed=True),),
    steps=(
        Step(0.0, "client", "server", "USERAUTH_REQUEST publickey", "", 0),
        Step(0.012, "server", "client", "USERAUTH_SUCCESS", "", 0),
    ),
    elapsed=0.012,
)

#: A login that has not begun.
NOT_BEGUN = Story(
    who="carol@no-such-host.invalid",
    succeeded=False,
    verdict="not logged in: no address is known for this name",
    facts=(("host", "no-such-host.invalid"),),
    diagnoses=(Diagnosis("no-such-host", "It has no address.", "Spell it right."),),
)
