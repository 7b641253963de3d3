"""
The words for each cause: what is wrong, and what to do next.
"""

from __future__ import annotations

from conch_auth._causes import Cause
from conch_auth._key_remedies import FILES, KEYS, SIGNERS
from conch_auth._remedy import REASON, Remedy

_TOLD = "{Told}."
#: The words are those of the error.
_OF_ERROR = Remedy(_TOLD, "{Advice}.")
_NOTHING_GIVEN = Remedy(
    "{Accepts}, and nothing was given for {it}.", "Give the client {gifts}."
)

_CONNECTING: dict[Cause, Remedy] = {
    "config-unreadable": _OF_ERROR,
    "no-such-host": Remedy(
        _TOLD,
        "Check how {host} is spelt, and whether the name server knows it "
        "(getent hosts {host}); an address does without.",
    ),
    "connection-refused": Remedy(
        _TOLD,
        "The host answers, and nothing listens there: check the port, and whether "
        "its SSH server runs.",
    ),
    "host-unreachable": Remedy(
        _TOLD, "Check the address, the network, and whether a VPN is needed."
    ),
    "connect-timeout": Remedy(
        _TOLD,
        "Check the host and the port; a firewall often just drops what it does not "
        "let through. Where the server is slow, raise connect_timeout.",
    ),
    "connect-failed": Remedy(
        _TOLD, "Check what it connects by: the endpoint, its proxy or tunnel."
    ),
    "not-ssh": Remedy(
        _TOLD,
        "Check the host and the port: something else than an SSH server answers there.",
    ),
    "turned-away": Remedy(
        _TOLD,
        "Wait a minute and try again: the server has too many logins at once "
        "(MaxStartups of sshd), or had too many failed ones from this address "
        "(PerSourcePenalties, fail2ban).",
    ),
    "no-common-algorithm": Remedy(
        _TOLD,
        "Bring the older side up to date. Where that cannot be, name what the server "
        "has in a subclass of SSHClientTransport.",
    ),
    "host-key-unknown": _OF_ERROR,
    "host-key-changed": _OF_ERROR,
    "host-key-revoked": _OF_ERROR,
    "host-key-rejected": _OF_ERROR,
    "host-certificate-invalid": _OF_ERROR,
}

_ENDINGS: dict[Cause, Remedy] = {
    "trivial-success": Remedy(
        "The server let {user} in without having seen any proof of who logs in.",
        "Do not trust it: it may not be the host. Where the account is open to "
        "everybody on purpose, say so: disable_trivial_auth=False, or "
        "allowTrivialAuth.",
    ),
    "protocol-broken": Remedy(
        "The server broke the protocol: {ending}.",
        "Nothing can be set right on this side. See whether ssh -vvv logs in, and "
        "tell the server's maker ({version}).",
    ),
    "server-timeout": Remedy(
        "{Ending}.",
        "Try again. Where the server has to ask somebody else first (a directory, a "
        "name server, a telephone), allow it longer: serverTimeout.",
    ),
    "login-timeout": Remedy(
        "{Ending}: {spent}.",
        "See who took the time; where that is in order, raise login_timeout "
        "(loginTimeout).",
    ),
    "login-cancelled": Remedy(
        "The login was cancelled on this side, {while_waiting}.",
        "Log in again. Where nobody cancelled it, look for a time limit around the "
        "call.",
    ),
    "too-many-tries": Remedy(
        "The server hung up after it had refused {refusals}.",
        "{Fewer}.",
    ),
    "server-disconnected": Remedy(
        "{Ending}.",
        "The words are the server's: its administrator, or its log, can tell more.",
    ),
    "lost-while-asking": Remedy(
        "The server closed the connection while {last_question} was being waited for, "
        "{elapsed} after the login began.",
        "Answer sooner: a server gives a login only so much time (LoginGraceTime of "
        "sshd, 120 s where nothing else is set).",
    ),
    "account-refused": Remedy(
        "The server closed the connection when it had seen {last_proof}{said}.",
        "The account may be closed (expired, or kept out by PAM: sshd then says no "
        "more), or there were too many tries. The server's log says which.",
    ),
    "connection-lost": Remedy(
        "The connection was lost {elapsed} after the login began, {while_waiting}.",
        "Try again. If it happens again, the server's log says why: it may have "
        "crashed, had enough (LoginGraceTime, fail2ban), or never got the request.",
    ),
    "limit-reached": Remedy(
        "This side gave up: {reason}.",
        "A server that goes on for so long is broken, or hostile. Where it is in "
        "order, raise that limit.",
    ),
    "no-method-left": Remedy(
        "No method is left to try: {lasts}.",
        "The reason is beside each attempt; the server's log may say more.",
    ),
}

_FACTORS: dict[Cause, Remedy] = {
    "second-factor-refused": Remedy(
        "The server accepted {proof}, and refused what followed: {refused}.",
        "{next_advice}",
    ),
    "second-factor-missing": Remedy(
        "The server accepted {proof}, and wants another factor: {methods}.",
        "Give the client {gifts}.",
    ),
}

_TYPED: dict[Cause, Remedy] = {
    "password-change-refused": Remedy(
        "The password of {user} has expired, and the server did not accept the new "
        "one.",
        "Choose another: servers refuse what is short, like the old one, or was used "
        "before.",
    ),
    "password-not-changed": Remedy(
        "The password of {user} has expired, and no new one was given.",
        "Answer when the server asks for one (password_change_requested, or "
        "getPassword with a prompt), or have it changed in another way.",
    ),
    "password-refused": Remedy(
        "The server refused {passwords}.",
        "Check the password, and the user name {user}. An account that may not log "
        "in looks the same from here.",
    ),
    "answers-refused": Remedy(
        "The server refused the answers to its questions{times}.",
        "Check the answers that were given for {user}; a code may have run out "
        "meanwhile. An account that may not log in looks the same from here.",
    ),
    "questions-unanswered": Remedy(
        REASON,
        "Answer them: kbdint_challenge_received, or getGenericAnswers. A password "
        "that is stored answers no question but for the password.",
    ),
    "never-asked": Remedy(
        "The server offers keyboard-interactive, and refused {user} without asking "
        "anything{times}.",
        "Log in by another method. A server does this where it has nothing to ask "
        "(PAM is set up so), and for an account that may not log in.",
    ),
    "person-timeout": Remedy(
        "A question was not answered in time: {reason}.",
        "Answer sooner, or allow longer: answerTimeout.",
    ),
    "transport-not-secure": Remedy(
        "A secret was to be sent, and the transport does not protect it.",
        "Use a transport that encrypts in both directions, as that of connect does.",
    ),
}

_OTHERS: dict[Cause, Remedy] = {
    "keysign-failed": Remedy(
        "{files}.",
        "EnableSSHKeysign must be on in the system's ssh_config, and client_host and "
        "client_username be this host's and this user's own names.",
    ),
    "host-refused": Remedy(
        "The server does not let this host vouch for {user}, by {keys}.",
        "It must know the host's key (ssh_known_hosts), and allow the host and its "
        "user (shosts.equiv, or .shosts of that account).",
    ),
    "gssapi-not-installed": Remedy(
        "The server accepts Kerberos tickets, and the library for them is not "
        "installed here.",
        'Run: pip install "conch_auth[gssapi]"',
    ),
    "ticket-missing": Remedy(
        "The server accepts Kerberos tickets, and there is none here.", "Run: kinit"
    ),
    "ticket-expired": Remedy("The Kerberos ticket has expired.", "Run: kinit"),
    "service-unknown": Remedy(
        REASON,
        "The ticket is asked for under the name that the server was called by: give "
        "its full name, or gss_host=; its administrator has to add it to the realm.",
    ),
    "kdc-unreachable": Remedy(
        REASON,
        "Check the network, and the realm in krb5.conf; a VPN may be needed.",
    ),
    "clock-skew": Remedy(
        REASON, "Set the clock of this machine, or have the server's set."
    ),
    "gssapi-failed": Remedy(
        REASON,
        "See what tickets there are (klist); with KRB5_TRACE=/dev/stderr the library "
        "tells each step.",
    ),
    "gssapi-failed-on-server": Remedy(
        "{Server_failed}.",
        "Check the user name. If it is right, the server's administrator has to "
        "look: a server needs the key of its principal in its keytab.",
    ),
    "ticket-refused": Remedy(
        "The server knows who is asking ({source}), and does not accept that for "
        "{user}.",
        "Compare the name of the ticket (klist) with the user name; that account's "
        ".k5login may allow others.",
    ),
    "hook-raised": Remedy(
        "A callback failed: {reason}.",
        "Correct it: the error of that attempt in the report is what was raised.",
    ),
    "hook-missing": Remedy(
        "A callback is missing: {reason}.",
        "Override it; signData asks getPrivateKey, where it is not overridden itself.",
    ),
    "answer-unusable": Remedy(
        "A callback gave what cannot be used: {reason}.",
        "Correct it: its documentation says what it may give.",
    ),
    "method-refused": Remedy(
        "The server refused {method}{times}.",
        "Check what is given for it; the server's log may say more.",
    ),
}

_NOTHING: dict[Cause, Remedy] = {
    "no-method-offered": Remedy(
        "The server offers {user} no method at all.",
        "Ask its administrator: nobody can log in to that account so.",
    ),
    "no-key": _NOTHING_GIVEN,
    "no-password": _NOTHING_GIVEN,
    "no-answers": _NOTHING_GIVEN,
    "no-ticket": _NOTHING_GIVEN,
    "no-host-key": _NOTHING_GIVEN,
    "method-off": Remedy(
        "{Accepts}, which is switched off here.",
        "Allow it: preferred_auth=, or the option that turns it off.",
    ),
    "method-unknown": Remedy(
        "{Accepts}, which this client does not have.",
        "Ask its administrator for another method, such as publickey; a method of "
        "your own can be added, too (your-own-method.rst).",
    ),
}

REMEDIES: dict[Cause, Remedy] = {
    **_CONNECTING,
    **_ENDINGS,
    **_FACTORS,
    **_TYPED,
    **SIGNERS,
    **FILES,
    **KEYS,
    **_OTHERS,
    **_NOTHING,
}

#: What to do where the factor before was accepted, so that the user name is right.
NEXT_FACTOR: dict[Cause, str] = {
    "password-refused": "Check the password; the user name is right.",
    "answers-refused": "Check the answers, and their order; a code may have run out "
    "meanwhile. The user name is right.",
    "key-refused": "It has to be another key than the first, and in the "
    "authorized_keys of {user} as well.",
}

#: What might be given where nothing was.
GIFTS: dict[Cause, str] = {
    "no-key": "a key (client_keys=, -i, a file in ~/.ssh, or an agent that has one)",
    "no-password": "a password (password=, password_auth_requested, getPassword)",
    "no-answers": "somebody who answers its questions (kbdint_auth_requested and "
    "kbdint_challenge_received, or getGenericAnswers)",
    "no-ticket": "a Kerberos ticket (kinit, and gss_host= or gssHost)",
    "no-host-key": "a key of this host (client_host_keys=, or getHostKey)",
}
