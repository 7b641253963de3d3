"""
What an application may answer, be told and set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.internet.defer import fail, maybeDeferred
from twisted.internet.interfaces import IReactorThreads, IReactorTime

from conch_auth import _gss, _local, names


class Questions(SSHService):
    """
    The part of L{SSHUserAuthClient<conch_auth.userauth.SSHUserAuthClient>}
    that is there to be overridden.

    A question (C{get...}, L{signData}) may return its answer, or a Deferred or
    coroutine of it.  C{None} is nothing to offer, and the next method follows.
    A failure ends that attempt, and what is left follows.  An answer that comes
    after the login went on is dropped; what is still asked then is cancelled.

    @ivar signatureAlgorithm: while L{signData} runs, the algorithm to sign
        with; C{None} otherwise.

    @cvar preferredOrder: methods, most wanted first; Conch's, unless it is
        changed.  Others come after them, in the server's order.
    @cvar signatureAlgorithms: the signature algorithms allowed, most wanted
        first.  C{ssh-rsa} (SHA-1) is taken only where the server names nothing
        better.
    @cvar eager: do not ask the server first what it takes: the methods that
        C{preferredOrder} begins with, as far as they are C{publickey} and
        C{password}, are tried at once.  The first key of L{getPublicKey} is
        signed with, unasked; where there is none, L{getPassword} is asked, and
        its answer sent.  On L{SSHClientTransport
        <conch_auth.transport.SSHClientTransport>} that request leaves together
        with the service's own; elsewhere it goes first when the service starts.
        Where it is refused, the login goes on as it does without.
    @cvar hostBoundSignatures: have a key's signature name the server's host key,
        where the server takes that (C{publickey-hostbound-v00@openssh.com}): an
        agent wants it for a key that is for some hosts only.
    @cvar hideLengths: before a password or answers are sent, send an IGNORE
        (RFC 4253, section 11.2) of such a length that both together do not tell
        how long the secret is.  It counts in nothing.
    @cvar allowTrivialAuth: accept a success for which nothing was proved: the
        answer to a C{none} request, to a key that was only offered, or to a
        keyboard-interactive exchange without an answer.
    @cvar maxAttempts: requests in one login.
    @cvar maxPasswordAttempts: passwords before the method is given up; it
        counts anew after an accepted factor, as the next ones do.
    @cvar maxInteractiveAttempts: keyboard-interactive exchanges, likewise.
    @cvar maxRounds: rounds of questions, or of GSSAPI tokens, in one exchange.
    @cvar maxPrompts: questions in one round.
    @cvar maxTokenBytes: bytes of one GSSAPI token.
    @cvar maxBanners: banners delivered in one login; further ones are dropped.
    @cvar maxBannerBytes: bytes of banners delivered in one login.
    @cvar serverTimeout: seconds for a reply of the server; C{None} for no
        limit, here and below.
    @cvar signTimeout: seconds for L{getPublicKey}, for L{signData} with
        L{getPrivateKey} in it, and for each question about this host.
    @cvar answerTimeout: seconds for a person to answer one question.
    @cvar loginTimeout: seconds for the whole login, without those in which a
        person was asked.
    @cvar clientHost: the name of this host, for L{getClientHost}.
    @cvar clientUser: the name of the user on this host, for L{getClientUser}.
    @cvar gssHost: the server's name in its Kerberos principal C{host/NAME}, for
        L{getGSSAPIContext}; with an C{@} in it, the whole of C{service@NAME}.
        With C{None}, no ticket is used.
    @cvar gssDelegateCreds: let the server act in the user's name, by forwarding
        the ticket to it.
    @cvar clock: an L{IReactorTime}.  With C{None} it is the reactor; and then
        a transport that has not exchanged keys, as tests drive one by hand,
        has no limits.
    """

    # A ticket asks nothing of a person; without one, nothing is sent.
    preferredOrder: list[bytes] = [
        names.PUBLICKEY,
        names.PASSWORD,
        names.KEYBOARD_INTERACTIVE,
    ]
    signatureAlgorithms: Sequence[bytes] = names.SIGNATURE_ALGORITHMS
    eager = False
    hostBoundSignatures = True
    hideLengths = True
    allowTrivialAuth = False
    maxAttempts = names.MAX_ATTEMPTS
    maxPasswordAttempts = names.MAX_PASSWORD_ATTEMPTS
    maxInteractiveAttempts = names.MAX_INTERACTIVE_ATTEMPTS
    maxRounds = names.MAX_ROUNDS
    maxPrompts = names.MAX_PROMPTS
    maxTokenBytes = names.MAX_TOKEN_BYTES
    maxBanners = names.MAX_BANNERS
    maxBannerBytes = names.MAX_BANNER_BYTES
    serverTimeout: float | None = names.SERVER_TIMEOUT
    signTimeout: float | None = names.SIGN_TIMEOUT
    answerTimeout: float | None = names.ANSWER_TIMEOUT
    loginTimeout: float | None = names.LOGIN_TIMEOUT
    clock: IReactorTime | None = None

    clientHost: str | bytes | None = None
    clientUser: str | bytes | None = None
    gssHost: str | None = None
    gssDelegateCreds = False

    signatureAlgorithm: bytes | None = None

    # The questions, which are the owner's to answer.

    def getPublicKey(self) -> Any:
        """
        The next public key to offer: a Conch C{Key}, or another provider of
        L{IOfferedKey<conch_auth.interfaces.IOfferedKey>}.  C{None} when there
        is no more.
        """
        return None

    def getPrivateKey(self) -> Any:
        """
        The private key of C{lastPublicKey}: a Conch C{Key}, or one of
        C{cryptography}.
        """
        return fail(NotImplementedError())

    def signData(self, publicKey: Any, signData: bytes) -> Any:
        """
        Sign for a public key that the server would take.  This one asks
        L{getPrivateKey}; an agent signs in its own way.

        @param publicKey: what L{getPublicKey} gave.
        @param signData: the bytes to sign.
        @return: the signature (RFC 4253, section 6.6), made with
            L{signatureAlgorithm}.
        """
        key = self.getPrivateKey()
        if key is None:
            return None
        return maybeDeferred(lambda: key).addCallback(self._cbSignData, signData)

    def _cbSignData(self, privateKey: Any, signData: bytes) -> bytes | None:
        """
        Sign with a private key, by the algorithm that the request names.
        """
        if privateKey is None:
            return None
        key = privateKey if isinstance(privateKey, Key) else Key(privateKey)
        algorithm = self.signatureAlgorithm
        signature: bytes = (
            key.sign(signData, algorithm) if key.type() == "RSA" else key.sign(signData)
        )
        return signature

    def getPassword(self, prompt: bytes | None = None) -> Any:
        """
        The password, as bytes or text.

        @param prompt: not given for a login.  For a change of password, it is
            called twice: for the old password, then with the server's prompt
            for the new one.
        """
        return fail(NotImplementedError())

    def getGenericAnswers(
        self, name: bytes, instruction: bytes, prompts: list[Any]
    ) -> Any:
        """
        The answers to the server's questions (RFC 4256, section 3.2), a list
        of text or bytes, one for each prompt.

        The texts are the server's: show them only through
        L{conch_auth.display.printable}, or as C{str(prompt)}.

        @param prompts: each a prompt, and whether the answer may be seen, as a
            pair that knows more: a L{Prompt<conch_auth.prompts.Prompt>}.
        """
        return fail(NotImplementedError())

    def getSubmethods(self) -> Any:
        """
        The submethods to ask for in keyboard-interactive (RFC 4256, section
        3.1), separated by commas; C{None} to leave the method out.
        """
        return b""

    def getHostKey(self) -> Any:
        """
        The next key of this host to vouch for its user with (hostbased, RFC
        4252, section 9): a private Conch C{Key} or one of C{cryptography}, or
        another L{ISigner<conch_auth.interfaces.ISigner>} such as
        L{load_host_keys<conch_auth.keys.load_host_keys>} gives.  C{None} when
        there is no more.
        """
        return None

    def getClientHost(self) -> Any:
        """
        The name of this host, by which the server knows its keys, as text or
        bytes.  This one gives L{clientHost}, or else the name of the address
        that the connection comes from.
        """
        if self.clientHost is not None:
            return self.clientHost
        return _local.host_name(self.transport)

    def getClientUser(self) -> Any:
        """
        The name of the user on this host, as text or bytes.  This one gives
        L{clientUser}, or else the name of the user who runs this.
        """
        return _local.user_name() if self.clientUser is None else self.clientUser

    def getGSSAPIContext(self) -> Any:
        """
        A new context to log in with by gssapi-with-mic (RFC 4462, section 3):
        an L{IGSSContext<conch_auth.interfaces.IGSSContext>}, or C{None}.  This
        one uses the ticket of whoever runs this, for L{gssHost}; it takes the
        C{gssapi} library.
        """
        if self.gssHost is None:
            return None
        return _gss.initiate(
            self.gssHost, self._threads(), delegate=self.gssDelegateCreds
        )

    def _threads(self) -> Any:
        if IReactorThreads.providedBy(self.clock):
            return self.clock
        from twisted.internet import reactor

        return reactor

    # What the owner may want to know.

    def bannerReceived(self, message: str, language: str) -> Any:
        """
        The server has something to be shown to the user, at any time of the
        login.  What fails here is logged, and the login goes on.

        @param message: the text as it came: show it only through
            L{conch_auth.display.printable}.
        @param language: its language tag (RFC 3066); often empty.
        """

    def touchRequested(self, key: Any) -> Any:
        """
        A security key is about to sign, and waits for a touch now, unless it
        was made to do without.  It is told once for each signature.

        @param key: what L{getPublicKey} gave.
        """

    def informationReceived(self, name: bytes, instruction: bytes) -> Any:
        """
        In keyboard-interactive, the server has shown text and asked nothing.
        """

    def passwordChanged(self) -> Any:
        """
        The server has taken the new password.
        """

    def passwordChangeFailed(self) -> Any:
        """
        The server has not taken the new password.
        """
