"""
The words for each cause that has to do with keys: whoever signs, files of keys and
certificates, and keys that were not offered or not accepted.
"""

from __future__ import annotations

from conch_auth._causes import Cause
from conch_auth._remedy import REASON, Remedy

SIGNERS: dict[Cause, Remedy] = {
    "agent-unavailable": Remedy(
        REASON,
        "Start one, see that SSH_AUTH_SOCK names its socket, or do without: "
        "agent_path=None.",
    ),
    "agent-lost": Remedy(
        REASON, "See whether it still runs (ssh-add -l), and log in again."
    ),
    "agent-timeout": Remedy(
        REASON,
        "It may wait for somebody to confirm, touch or unlock something. If not, "
        "restart it.",
    ),
    "agent-broken": Remedy(
        REASON,
        "See that SSH_AUTH_SOCK names the socket of an agent, and restart it.",
    ),
    "agent-refused": Remedy(
        "The agent did not sign with {keys}.",
        "Somebody may have declined (ssh-add -c), the key may be gone meanwhile "
        "(ssh-add -l), or be for other hosts only (ssh-add -h).",
    ),
    "agent-empty": Remedy(
        "The agent holds no key, or is locked.",
        "Add one (ssh-add FILE), or unlock it (ssh-add -X).",
    ),
    "security-key-refused": Remedy(
        "The security key did not sign with {keys}: {reason}.",
        "Touch it when it blinks, and give its PIN where it asks for one. Where an "
        "agent asks, it needs a place to do so (SSH_ASKPASS).",
    ),
    "security-key-absent": Remedy(REASON, "Plug in the one that has made it."),
    "signer-timeout": Remedy(
        "A key or a signature did not come in time: {reason}.",
        "Whoever signs may wait for somebody (a touch, a PIN, a passphrase). Where "
        "that is in order, raise signTimeout.",
    ),
    "sha1-only": Remedy(
        "{Keys} is of no use: its signer makes SHA-1 signatures (ssh-rsa) only, which "
        "the server does not take.",
        "Let conch_auth.agent.SSHAgentClient ask the agent, use an agent that knows "
        "RFC 8332, or make another key: ssh-keygen -t ed25519.",
    ),
}

FILES: dict[Cause, Remedy] = {
    "key-missing": Remedy("{files}.", "Check the path."),
    "key-unreadable": Remedy(
        "{files}.", "See who may read it (ls -l), and whether it is a file at all."
    ),
    "key-exposed": Remedy(
        "{files}.", "Make it its owner's alone: chmod 600 {sources}"
    ),
    "key-not-private": Remedy(
        "{files}.",
        "Give the file with the private key: beside id_ed25519.pub that is "
        "id_ed25519. PuTTY's form is converted by puttygen FILE -O "
        "private-openssh-new -o NEW.",
    ),
    "key-damaged": Remedy(
        "{files}.",
        "Take it anew, as a whole, from where it was copied; ssh-keygen -y -f FILE "
        "tells whether it can be read.",
    ),
    "key-needs-agent": Remedy(
        "{files}.",
        "Add it to an agent (ssh-add FILE), or give a "
        "conch_auth.security_keys.SecurityKeySigner.",
    ),
    "key-unusable": Remedy(
        "{files}.", "Use another key, such as ssh-keygen -t ed25519 makes."
    ),
    "passphrase-missing": Remedy(
        "{files}.",
        "Give the passphrase (passphrase=), let somebody be asked for it, or add the "
        "key to an agent (ssh-add FILE).",
    ),
    "passphrase-wrong": Remedy(
        "{files}.", "Try again; ssh-keygen -y -f FILE tells whether it is right."
    ),
    "public-half-wrong": Remedy(
        "{files}.", "Make that file anew: ssh-keygen -y -f FILE > FILE.pub"
    ),
    "certificate-expired": Remedy(
        "{files}.", "Have its authority issue a new one, and check this clock."
    ),
    "certificate-not-yet-valid": Remedy(
        "{files}.", "Check the clock of this machine, or wait until then."
    ),
    "certificate-of-another-key": Remedy(
        "{files}.",
        "Give the key that it certifies; ssh-keygen -L -f FILE shows which.",
    ),
    "certificate-unusable": Remedy(
        "{files}.",
        "See what it says (ssh-keygen -L -f FILE), and have its authority issue "
        "another.",
    ),
}

KEYS: dict[Cause, Remedy] = {
    "algorithm-not-listed": Remedy(
        "{Skipped} skipped: the server takes signatures by {listed} only.",
        "Use a key of such a type ({keygen} makes one), and have its public half "
        "added to the authorized_keys of {user}.",
    ),
    "algorithm-not-allowed": Remedy(
        "{Skipped} skipped: {reason}.",
        "Use a key of another type, or allow the algorithm: signatureAlgorithms.",
    ),
    "keys-left-out": Remedy(
        "{Left_out} left out, because most servers hang up after a number of refused "
        "attempts.",
        "Name the right key to have it tried first (client_keys=, -i), or raise "
        "max_auth_tries where the server allows more.",
    ),
    "signature-refused": Remedy(
        "The server knows {keys}, and refused the signature.",
        "Its log says why. It may want a security key to be touched or to ask for "
        "its PIN, the account may be closed (PAM says so only now), or something "
        "between changes what is signed.",
    ),
    "certificate-refused": Remedy(
        "The server does not accept {certificates} for {user}.",
        "It must trust the authority (TrustedUserCAKeys), find {user} among the "
        "principals, and find no limit that this address is beyond: ssh-keygen -L -f "
        "FILE shows what the certificate says.",
    ),
    "key-refused": Remedy(
        "{None_of} accepted for {user}.",
        "Check the user name, and that a public key of yours is in that account's "
        "authorized_keys; sshd passes over one that others may write "
        "(StrictModes).{Others}",
    ),
    "identities-only": Remedy(
        "{Skipped} left out: {reason}.",
        "Name the right key with IdentityFile or client_keys=, or turn "
        "IdentitiesOnly off.",
    ),
}
