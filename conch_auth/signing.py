"""
The bytes that a key signs, and the signature that comes back.
"""

from __future__ import annotations

from conch_auth import names
from conch_auth._gss_messages import GSSRequest
from conch_auth._wire import Reader, string
from conch_auth.certificates import plain_algorithm
from conch_auth.display import printable, text
from conch_auth.errors import MalformedMessage, UnusableAnswer
from conch_auth.messages import KeyRequest, UserAuthRequest


def data_to_sign(
    session_id: bytes, user: bytes, service: bytes, request: KeyRequest
) -> bytes:
    """
    The session identifier and the signed request up to its signature (RFC
    4252, sections 7 and 9).
    """
    whole = UserAuthRequest(user, service, request)
    return (
        string(session_id)
        + bytes((whole.number,))
        + whole.head()
        + request.unsigned()
    )


def data_for_mic(session_id: bytes, user: bytes, service: bytes) -> bytes:
    """
    The session identifier and the head of the request, over which the MIC of
    gssapi-with-mic is made (RFC 4462, section 3.5).
    """
    whole = UserAuthRequest(user, service, GSSRequest(()))
    return string(session_id) + bytes((whole.number,)) + whole.head()


def algorithm_of(signature: object, signer: str = "signData") -> bytes:
    """
    The algorithm that a signature says it was made with (RFC 4253, section
    6.6).

    @param signer: who made it, for the error.
    @raise UnusableAnswer: where it is not a signature at all.
    """
    if not isinstance(signature, bytes):
        raise UnusableAnswer(signer, f"gave {type(signature).__name__}, not bytes")
    try:
        return Reader(signature, "signature").string()
    except MalformedMessage as error:
        raise UnusableAnswer(signer, f"gave a {error.problem}") from None


def check_signature(request: KeyRequest, signer: str = "signData") -> None:
    """
    The algorithm inside a signature must be the one that its request names.

    @raise UnusableAnswer: where it is not; such a request is never sent.
    """
    if request.signature is None:
        return
    made = algorithm_of(request.signature, signer)
    if made != plain_algorithm(request.algorithm):
        raise UnusableAnswer(
            signer,
            f"signed with {printable(text(made), limit=64)} where "
            f"{printable(text(request.algorithm))} was asked for",
            "sha1-only" if made == names.SSH_RSA else None,
        )
