"""
What the parts of the package ask of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import Attribute, Interface


class IHostKeyPolicy(Interface):
    """
    Decides whether a host key is the host's own.
    """

    def order_algorithms(supported: Sequence[bytes]) -> Sequence[bytes]:
        """
        The host key algorithms to ask the server for, most wanted first.

        @param supported: every algorithm that can be verified, in the default
            order.
        @return: some or all of them; those of keys that are known go first.
        """

    def accept(offer: Any) -> Any:
        """
        Whether to trust a host.  It is asked only after the server has proved
        that it holds the key.

        @param offer: the L{conch_auth.certificates.HostKeyOffer}.
        @return: C{True} to go on, or a Deferred or coroutine of it.  Everything
            else refuses; an error that is a
            L{conch_auth.errors.HostKeyNotVerifiable} is what the login ends
            with.
        """


class IUserAuthService(Interface):
    """
    What a method may ask of its service.  The questions are the owner's to
    answer: L{conch_auth.userauth.SSHUserAuthClient} says what each means.
    """

    transport: Any = Attribute("The Conch transport.")
    user: bytes = Attribute("The user name.")
    instance: Any = Attribute("The service that is to follow.")
    signatureAlgorithm: bytes | None = Attribute("What is being signed with.")
    signatureAlgorithms: Sequence[bytes] = Attribute("What is allowed.")
    lastPublicKey: Any = Attribute("The key that was offered last.")
    triedPublicKeys: list[Any] = Attribute("Every key that was looked at.")
    maxAttempts: int = Attribute("Requests in one login.")
    maxPasswordAttempts: int = Attribute("Passwords in a row.")
    maxInteractiveAttempts: int = Attribute("Exchanges in a row.")
    maxRounds: int = Attribute("Rounds in an exchange.")
    maxPrompts: int = Attribute("Prompts in a round.")
    maxTokenBytes: int = Attribute("Bytes of a GSSAPI token.")

    _oldPass: Any = Attribute("The old password, while it is being changed.")

    def askForAuth(kind: bytes, extraData: bytes) -> None:
        """
        Send a USERAUTH_REQUEST.
        """

    def sendUserAuth(*carrying_on: Any) -> None:
        """
        Send messages that carry on the last request.
        """

    def incoming(message: type[Any], payload: bytes) -> Any:
        """
        The server's message.

        @raise conch_auth.errors.ProtocolError: where it is none.
        """

    def tryNextMethod() -> None:
        """
        Go on with the methods that come after this one.
        """

    def transportIsSecure() -> bool:
        """
        Whether a secret may be sent.
        """

    def signsAtOnce(key: Any) -> bool:
        """
        Whether to sign with a key without asking the server first.
        """

    def whenExtensionsKnown() -> Any:
        """
        Wait for what the server takes to be known.
        """

    def serverSignatureAlgorithms() -> Sequence[bytes]:
        """
        The server's C{server-sig-algs}; empty where it sent none.
        """

    def hostKeyToBind() -> bytes | None:
        """
        The host key that a signature is to name; C{None} for none.
        """

    def tell(hook: str, *arguments: Any) -> None:
        """
        Call one of the owner's hooks; what fails there is logged.
        """

    def _ebAuth(ignored: Any, *args: Any) -> None:
        """
        The attempt that runs has failed on this side.
        """

    def _cbGetPublicKey(publicKey: Any) -> Any:
        """
        A public key was got.
        """

    def _cbSignedData(signedData: Any) -> None:
        """
        A signature was got.
        """

    def _cbPassword(password: Any) -> None:
        """
        A password was got.
        """

    def _setOldPass(op: Any) -> None:
        """
        The old password was got.
        """

    def _setNewPass(np: Any) -> None:
        """
        The new password was got.
        """

    def _cbGenericAnswers(responses: Any) -> None:
        """
        The answers to a round were got.
        """


class IOfferedKey(Interface):
    """
    A public key that C{getPublicKey} may return: Conch's C{Key} is one.
    """

    source = Attribute("Where the key came from, in words, for the report.")

    def sshType() -> bytes:
        """
        The key's type, as in the first field of L{blob}.
        """

    def blob() -> bytes:
        """
        The public key as it is sent (RFC 4253, section 6.6).
        """


class ISigner(IOfferedKey):
    """
    A public key, and whoever can sign with its private half.
    """

    algorithms: Sequence[bytes] = Attribute(
        "The signature algorithms that it can make, strongest first."
    )

    def sign(data: bytes, algorithm: bytes) -> Any:
        """
        A signature (RFC 4253, section 6.6), or a Deferred of one.

        @param algorithm: one of L{algorithms}, which the signature must name.
        """


class IGSSContext(Interface):
    """
    One GSSAPI security context, on the initiator's side (RFC 2743), which
    C{getGSSAPIContext} may return.  It is used for one exchange.

    C{step} and C{sign} may return their answer, or a Deferred or coroutine of
    it; they must not block.
    """

    mechanisms: Sequence[str] = Attribute(
        "The mechanisms that it can do, most wanted first: object identifiers in "
        "dotted form, such as '1.2.840.113554.1.2.2'."
    )
    source: str = Attribute("Whose credential it is, in words, for the report.")
    complete: bool = Attribute("Whether the context is established.")
    has_integrity: bool = Attribute(
        "Whether an established context can make a MIC."
    )

    def step(mechanism: str, token: bytes | None) -> Any:
        """
        GSS_Init_sec_context.

        @param mechanism: the one of L{mechanisms} that the server chose.
        @param token: the server's token; C{None} in the first step.
        @return: the token for the server, or C{None} where there is none.
        @raise conch_auth.errors.GSSAPIError: where it fails; with C{token}, that
            is sent to the server.
        """

    def sign(data: bytes) -> Any:
        """
        GSS_GetMIC: the MIC of C{data}.
        """

    def explain(token: bytes) -> str:
        """
        What an error token of the server says, in words; empty where that is
        not known.  The server hangs up on the exchange right after it, so the
        answer is wanted at once.
        """
