"""
Targets that read bytes and decide nothing else.
"""

from __future__ import annotations

import contextlib
import unicodedata
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ed25519
from twisted.conch.ssh.keys import Key

from conch_auth import _gss_messages, _wire, errors, messages, signing
from conch_auth._keyfiles import PrivateKeyText, public_blob
from conch_auth._message import Message
from conch_auth._wire import Reader, string
from conch_auth.certificates import (
    HostCertificate,
    InvalidCertificate,
    check_host_certificate,
)
from conch_auth.display import printable, text
from conch_auth.knownhosts import KnownHosts, VerdictKind
from conch_auth.memory import _Record
from conch_auth.ssh_config import _config, parse
from tests.fuzz import corpus
from tests.fuzz.script import Script
from tests.known_hosts_lines import CA, OTHER, K, written


def wire(data: bytes) -> None:
    """
    A L{Reader} gives what is there or raises L{MalformedMessage}; it never goes
    past the end, nor back.
    """
    script = Script(data)
    fields = script.take(script.byte() % 16)
    reader = Reader(script.rest(), "message")
    for field in fields:
        before = reader.remaining
        name = ("uint32", "boolean", "string", "name_list", "rest", "end")[field % 6]
        try:
            got = getattr(reader, name)()
        except errors.MalformedMessage as error:
            assert printable(str(error)) == str(error), error
            continue
        taken = before - reader.remaining
        assert reader.remaining >= 0, (name, taken)
        assert taken == len(_again(name, got)), (name, got, taken)


def _again(name: str, got: object) -> bytes:
    """
    How a value is written.
    """
    if name in ("rest", "end"):
        return got or b""  # type: ignore[return-value]
    written: bytes = getattr(_wire, name)(got)
    return written


_MESSAGES: tuple[type[Message], ...] = (
    messages.UserAuthRequest,
    messages.Failure,
    messages.Success,
    messages.Banner,
    messages.PublicKeyOk,
    messages.PasswordChangeRequest,
    messages.InfoRequest,
    messages.InfoResponse,
    messages.MethodReply,
    _gss_messages.GSSResponse,
    _gss_messages.GSSToken,
    _gss_messages.GSSExchangeComplete,
    _gss_messages.GSSStatus,
    _gss_messages.GSSErrorToken,
    _gss_messages.GSSMic,
)


def all_messages(data: bytes) -> None:
    """
    A payload is the message or L{MalformedMessage} is raised; what was read is
    written as something that reads the same.
    """
    script = Script(data)
    kind = script.choose(_MESSAGES)
    with contextlib.suppress(errors.MalformedMessage):
        message = kind.parse(script.rest())
        assert kind.parse(message.build()) == message, message
        assert isinstance(repr(message), str)


def known_hosts(data: bytes) -> None:
    """
    No line trusts a key that is not in it; each line is read by itself; a key
    that a line revokes is revoked, whatever else there is; nothing raises.
    """
    hosts = KnownHosts.from_bytes(data)
    for problem in hosts.problems:
        assert printable(str(problem)) == str(problem), problem
    revoking = KnownHosts.from_bytes(data + b"\n@revoked * " + written(K) + b"\n")
    half = KnownHosts.from_bytes(data[: len(data) // 2] + b"\n" + data)
    assert set(hosts._entries) <= {*half._entries, *hosts._entries}
    for host, port in (("h", 22), ("h", 2222), ("192.0.2.1", 22), ("é", 22)):
        for blob in (K, OTHER):
            verdict = hosts.verdict(host, port, "192.0.2.1", blob)
            trusted = verdict.kind is VerdictKind.TRUSTED
            assert not trusted or _is_in(blob, data), verdict
        said = revoking.verdict(host, port, None, K)
        assert said.kind is VerdictKind.REVOKED, said
        authority = hosts.ca_verdict(host, port, None, CA, K)
        if authority.kind is VerdictKind.TRUSTED:
            assert _is_in(CA, data) and b"@cert-authority" in data, authority
        said = revoking.ca_verdict(host, port, None, CA, K)
        assert said.kind is VerdictKind.REVOKED, said
        hosts.key_types(host, port)
        hosts.has_ca(host, port)


def _is_in(blob: bytes, data: bytes) -> bool:
    return written(blob).split(b" ")[1] in data


def certificates(data: bytes) -> None:
    """
    A certificate whose signature is found valid was signed by its authority: its
    signed part is one of those in the corpus, which no fuzzer can forge, and Conch
    finds the signature right as well.
    """
    try:
        certificate = HostCertificate.parse(data)
    except InvalidCertificate as error:
        assert printable(str(error)) == str(error), error
        return
    problem = check_host_certificate(certificate, "host.example", 1.0)
    if certificate.signature_valid:
        signed = _signed_part(data)
        assert signed in genuine(), certificate
        signature = Reader(data[len(signed) :], "certificate").string()
        authority = Key.fromString(certificate.ca_blob)
        assert authority.verify(signature, signed), certificate
    else:
        assert problem is not None, certificate


def _signed_part(blob: bytes) -> bytes:
    """
    All but the last field, which is a string.
    """
    for at in range(len(blob) - 4):
        if at + 4 + int.from_bytes(blob[at : at + 4], "big") == len(blob):
            found = blob[at + 4 :]
            with contextlib.suppress(errors.MalformedMessage):
                reader = Reader(found, "signature")
                reader.string(), reader.string(), reader.end()
                return blob[:at]
    raise AssertionError("no signature")


@cache
def genuine() -> frozenset[bytes]:
    """
    The signed parts of the corpus's genuine certificates.
    """
    return frozenset(
        _signed_part(blob)
        for name, blob in corpus.read("certificates").items()
        if name.startswith("genuine-")
    )


def memory(data: bytes) -> None:
    """
    A line of a memory's file is read or refused by L{ValueError}; what was read
    names methods and keys, and is written as a line that says the same.
    """
    with contextlib.suppress(ValueError):
        record = _Record.parse(data)
        again = _Record.parse(record.line().removesuffix(b"\n"))
        assert again == record, record
        kept = record.recollection
        for key in (*kept.refused, *([kept.key] if kept.key else [])):
            assert key.startswith("SHA256:") and len(key) == 50, key
        assert all(0 < len(method) <= 64 for method in kept.methods), kept


def ssh_config(data: bytes) -> None:
    """
    An answer of C{ssh -G} is a configuration with a host, a user and a port, or
    L{ValueError} says why not.
    """
    answer, _, defaults = data.partition(b"\0")
    with contextlib.suppress(ValueError):
        said = parse(answer)
        config = _config("h", said, parse(defaults), {"HOME": "/home/alice"})
        assert config.hostname and config.user, config
        assert 0 < config.port < 65536, config
        assert isinstance(repr(config), str)


_KEY = Key(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))


def key_files(data: bytes) -> None:
    """
    A file is a private key or L{KeyUnusable} says why not, in words that hold
    none of it.
    """
    public_blob(data)
    try:
        found = PrivateKeyText.parse(data, "/key")
        if not found.encrypted:
            key = found.decoded()
            assert not key.isPublic()
    except errors.KeyUnusable as error:
        assert printable(str(error)) == str(error), error


_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def display(data: bytes) -> None:
    """
    What is shown holds nothing that acts on a terminal, is no longer than it may
    be, and does not change when it is shown again.
    """
    script = Script(data)
    limit = script.choose((None, 0, 1, 3, 40))
    lines = bool(script.byte() % 2)
    shown = printable(text(script.rest()), lines=lines, limit=limit)
    allowed = "\n\t" if lines else ""
    assert all(
        character in allowed or unicodedata.category(character) not in _UNSAFE
        for character in shown
    ), ascii(shown)
    assert limit is None or len(shown) <= limit, ascii(shown)
    assert printable(shown, lines=lines, limit=limit) == shown, ascii(shown)


def signed_request(data: bytes) -> None:
    """
    A request leaves only with a signature of the algorithm that it names.
    """
    script = Script(data)
    algorithm, signature = script.chunk(), script.rest()
    request = messages.PublicKeyRequest(algorithm, _KEY.blob(), signature)
    try:
        signing.check_signature(request)
    except errors.UnusableAnswer as error:
        assert printable(str(error)) == str(error), error
        return
    plain = algorithm.removesuffix(b"-cert-v01@openssh.com")
    assert signature.startswith(string(plain)), (algorithm, signature)
