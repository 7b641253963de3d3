"""
Numbers, names and limits of the SSH authentication protocol.

Message numbers are those of RFC 4250, section 4.1.2, and of the RFC of each
method; algorithm names those of RFC 4253, 5656, 8332 and 8709.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

MSG_USERAUTH_REQUEST = 50
MSG_USERAUTH_FAILURE = 51
MSG_USERAUTH_SUCCESS = 52
MSG_USERAUTH_BANNER = 53
#: Numbers 60 to 79 belong to the method that was asked for (RFC 4250, 4.1.1).
MSG_USERAUTH_PK_OK = 60
MSG_USERAUTH_PASSWD_CHANGEREQ = 60
MSG_USERAUTH_INFO_REQUEST = 60
MSG_USERAUTH_INFO_RESPONSE = 61
MSG_USERAUTH_GSSAPI_RESPONSE = 60
MSG_USERAUTH_GSSAPI_TOKEN = 61
MSG_USERAUTH_GSSAPI_EXCHANGE_COMPLETE = 63
MSG_USERAUTH_GSSAPI_ERROR = 64
MSG_USERAUTH_GSSAPI_ERRTOK = 65
MSG_USERAUTH_GSSAPI_MIC = 66
#: Messages from here on belong to the connection protocol and are illegal
#: until authentication has succeeded (RFC 4252, section 6).
FIRST_CONNECTION_MESSAGE = 80

DISCONNECT_PROTOCOL_ERROR = 2
DISCONNECT_AUTH_CANCELLED_BY_USER = 13
DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE = 14

NONE = b"none"
PUBLICKEY = b"publickey"
PASSWORD = b"password"
KEYBOARD_INTERACTIVE = b"keyboard-interactive"
GSSAPI_WITH_MIC = b"gssapi-with-mic"
#: It takes a key exchange by GSSAPI (RFC 4462, section 4), which there is none of.
GSSAPI_KEYEX = b"gssapi-keyex"
#: A mechanism that negotiates one of the others, and must not be used (RFC 4462,
#: section 7.3).
SPNEGO = "1.3.6.1.5.5.2"
HOSTBASED = b"hostbased"
#: C{publickey} whose signature names the server's host key as well (OpenSSH's
#: PROTOCOL, section 3.1).  No server lists it as a method.
PUBLICKEY_HOSTBOUND = b"publickey-hostbound-v00@openssh.com"
#: The methods that are another kind of one that servers list.
LISTED_AS = {PUBLICKEY_HOSTBOUND: PUBLICKEY}

#: RFC 4250, section 4.6.1, less the underscore: a method is found under its
#: name with each dash as an underscore, so a server that sends underscores
#: would be given a second name for a method.
_METHOD_NAME = re.compile(rb"[!-+\--^`-~]{1,64}")


def is_method_name(name: bytes) -> bool:
    """
    Whether a server may mean a method by C{name}: printable US-ASCII of 1 to
    64 characters, without comma, space or underscore.
    """
    return _METHOD_NAME.fullmatch(name) is not None


def usable_methods(listed: Iterable[bytes]) -> tuple[bytes, ...]:
    """
    The methods that a server may mean, each once, in its order.
    """
    usable = (name for name in listed if is_method_name(name))
    return tuple(islice(dict.fromkeys(usable), MAX_METHODS))


#: What the source of an agent's key begins with.
AGENT = "ssh-agent"

SSH_RSA = b"ssh-rsa"
RSA_SHA2_256 = b"rsa-sha2-256"
RSA_SHA2_512 = b"rsa-sha2-512"
SERVER_SIG_ALGS = b"server-sig-algs"
#: The extension by which a server says that it takes L{PUBLICKEY_HOSTBOUND}, and
#: the value that it has then.
HOSTBOUND_EXTENSION = b"publickey-hostbound@openssh.com"
HOSTBOUND_VERSION = b"0"

#: What a key of each type can sign, for the types where the key's name is not
#: the only answer (RFC 8332, section 3).  Strongest first.
SIGNATURE_ALGORITHMS_OF_KEY = {
    SSH_RSA: (RSA_SHA2_512, RSA_SHA2_256, SSH_RSA),
}

#: Signature algorithms that are used when nothing else is said, most preferred
#: first.  C{ssh-rsa} (SHA-1) stands last and is taken only where the server
#: names nothing better.
SIGNATURE_ALGORITHMS = (
    b"ssh-ed25519",
    b"sk-ssh-ed25519@openssh.com",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
    RSA_SHA2_512,
    RSA_SHA2_256,
    SSH_RSA,
    b"ssh-dss",
)

#: Methods of one list that are looked at: more than have ever been registered.
MAX_METHODS = 64
#: Requests sent in one login.  More than an agent filled by hand can hold keys;
#: few enough that a server which refuses for ever is left within seconds.
MAX_ATTEMPTS = 1024
#: Refused requests that a server is taken to allow: sshd's own MaxAuthTries.
MAX_AUTH_TRIES = 6
#: Passwords sent in a row (OpenSSH's NumberOfPasswordPrompts).
MAX_PASSWORD_ATTEMPTS = 3
#: Keyboard-interactive exchanges begun in a row, for the same reason.
MAX_INTERACTIVE_ATTEMPTS = 3
#: Rounds of prompts in one keyboard-interactive exchange.  PAM's longest usual
#: conversation, an expired password, has five.
MAX_ROUNDS = 64
#: Prompts in one round.  A form of more than this is no form for a person.
MAX_PROMPTS = 256
#: Bytes of one GSSAPI token.  The largest of Kerberos, a ticket of a user in a
#: thousand groups, have 64 kB.
MAX_TOKEN_BYTES = 128 * 1024
#: Bytes on the wire to a multiple of which a packet with a secret in it is filled
#: up.  A request with a password of usual length fits into one.
PADDED_TO = 256
#: Banners shown in one login, and their bytes together.  The largest that is
#: known in the field, a legal notice of 200 kB, fits five times.
MAX_BANNERS = 64
MAX_BANNER_BYTES = 1024 * 1024

#: Steps of one login that a report keeps: a key takes six, so that a thousand
#: keys are told as far as anybody reads.
MAX_STEPS = 4096
#: Extensions of a server that a report keeps, and the characters of each value.
#: Four are known.
MAX_EXTENSIONS = 32
MAX_EXTENSION_TEXT = 1024

#: Seconds a server may take for one reply: sshd's own LoginGraceTime.  A
#: server that rings a telephone before it replies needs most of it.
SERVER_TIMEOUT = 120.0
#: Seconds in which a key or a signature must come.  A touch or a passphrase
#: is a person's, and a person may have to fetch the security key.
SIGN_TIMEOUT = 120.0
#: Seconds a person may take to answer one question.
ANSWER_TIMEOUT = 600.0
#: Seconds of one login without the time that a person takes.
LOGIN_TIMEOUT = 600.0
#: Seconds an agent may take for what no person has to attend to.  Listing may
#: make a password store ask to be unlocked, so it is not one second.
AGENT_TIMEOUT = 20.0
#: The longest message to or from an agent, and the most keys in one, as in
#: OpenSSH.
MAX_AGENT_MESSAGE = 256 * 1024
MAX_AGENT_KEYS = 2048
