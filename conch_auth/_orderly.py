# mypy: disallow-untyped-calls = False
# (Most of Conch's transport has no annotations.)
# ruff: noqa: N802, N803, N815
# (Conch's dialect: camelCase, and names made of message names.)
"""
Which transport message is legal when.

L{OrderlyTransport} is the half of L{conch_auth.transport.SSHClientTransport}
that knows nothing of host keys.
"""

from __future__ import annotations

from twisted.conch.ssh import transport as conch
from twisted.python import randbytes

from conch_auth import names
from conch_auth._kex import (
    COOKIE_SIZE,
    EXT_INFO_CLIENT,
    STRICT_CLIENT,
    STRICT_SERVER,
    KeyExchangeInit,
    check_common,
    guessed_wrong,
)
from conch_auth._services import ServingTransport
from conch_auth._wire import Reader
from conch_auth.display import text
from conch_auth.errors import (
    MalformedMessage,
    ProtocolError,
    ServerDisconnected,
    UnexpectedMessage,
)

#: Messages up to here may stand anywhere (RFC 4253, section 11).
_LAST_GENERIC_MESSAGE = conch.MSG_DEBUG
#: The messages of key exchanges, each legal in its turn only.
_EXCHANGE_MESSAGES = range(conch.MSG_KEXINIT, names.MSG_USERAUTH_REQUEST)


class OrderlyTransport(ServingTransport):
    """
    A client transport on which each message is legal in its place only.

    @ivar peerExtensions: the extensions that the server sent last (RFC 8308).
    """

    _awaited = conch.MSG_KEXINIT
    _packetNumber = 0
    _passOver = False
    _serviceRequestNumber: int | None = None
    _strict = False

    def debugReceived(
        self, message: str, language: str, always_display: bool
    ) -> None:
        """
        The server sent a DEBUG message (RFC 4253, section 11.3).

        @param message: its text, as it came: L{conch_auth.display.printable}
            makes it fit for a screen.
        @param always_display: whether the server asks that it be displayed.
        """

    # Messages and their turns

    def getPacket(self) -> bytes | None:
        # While the owner thinks about the host key, what follows must wait: the
        # server has its new keys already, this side has not.
        if self._closing or self._question is not None:
            return None
        number = self.incomingPacketSequence
        packet: bytes | None = super().getPacket()
        if packet is None:
            return None
        self._packetNumber = number
        if not packet:
            self._breach(ProtocolError("the server sent an empty packet"))
            return None
        return packet

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        if self._passOver and messageNum in _EXCHANGE_MESSAGES:
            self._passOver = False
            return
        try:
            self._checkTurn(messageNum)
            if messageNum < names.MSG_USERAUTH_REQUEST:
                self._transportMessage(messageNum, payload)
                return
        except ProtocolError as error:
            self._breach(error)
            return
        if self.service is not None:
            super().dispatchMessage(messageNum, payload)
        elif self._spoken:
            # It knows that nothing may be said to it yet.
            self.instance.packetReceived(messageNum, payload)
        else:
            self.sendUnimplemented()

    def _transportMessage(self, number: int, payload: bytes) -> None:
        if number not in conch.messages:
            self.sendUnimplemented()
        else:
            try:
                super().dispatchMessage(number, payload)
            except ProtocolError:
                raise
            except Exception as error:
                # Conch's parsers and cryptography raise what they like.
                raise MalformedMessage(
                    _title(number), f"{type(error).__name__} while it was read"
                ) from error

    def _checkTurn(self, number: int) -> None:
        """
        @raise UnexpectedMessage: where a message is not legal now.
        """
        generic = number <= _LAST_GENERIC_MESSAGE
        if number in _EXCHANGE_MESSAGES:
            if number != self._awaited:
                raise UnexpectedMessage(
                    _title(number), f"where {_title(self._awaited)} was expected"
                )
        elif not generic and self._awaited != conch.MSG_KEXINIT:
            # RFC 4253, section 7.1
            raise UnexpectedMessage(_title(number), "during a key exchange")
        elif not generic and not self._secure:
            raise UnexpectedMessage(
                _title(number), "before the connection was encrypted"
            )
        elif self._strict and not self._secure and number != conch.MSG_DISCONNECT:
            raise UnexpectedMessage(_title(number), "during a strict key exchange")
        if number == names.MSG_USERAUTH_SUCCESS:
            self._useExtensions(self._extensions.success())
        elif not generic and number != conch.MSG_EXT_INFO:
            self._extensions.other_message()

    def _useExtensions(self, extensions: dict[bytes, bytes] | None) -> None:
        if extensions is not None:
            self.peerExtensions = extensions

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        self._useExtensions(self._extensions.received(packet))

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        code, description = _disconnect(packet)
        told = getattr(self._listening, "disconnectReceived", None)
        if told is not None:
            self._tell(told, code, text(description))
        self._tell(self.receiveError, code, description)
        self._end(ServerDisconnected(code, text(description)))
        self._closing = True
        self.transport.loseConnection()

    def ssh_DEBUG(self, packet: bytes) -> None:
        reader = Reader(packet, "DEBUG")
        always_display = reader.boolean()
        message, language = reader.string(), reader.string()
        reader.end()
        self._tell(self.receiveDebug, always_display, message, language)
        self._tell(self.debugReceived, text(message), text(language), always_display)

    def ssh_UNIMPLEMENTED(self, packet: bytes) -> None:
        reader = Reader(packet, "UNIMPLEMENTED")
        number = reader.uint32()
        reader.end()
        if self._serviceAwaited and number == self._serviceRequestNumber:
            raise ProtocolError("the server does not know SERVICE_REQUEST")
        self._tell(self.receiveUnimplemented, number)

    def receiveUnimplemented(self, seqnum: int) -> None:
        """
        The server did not understand a packet of ours.  A running service that
        has C{requestUnimplemented} is told which.
        """
        super().receiveUnimplemented(seqnum)
        told = getattr(self._listening, "requestUnimplemented", None)
        if told is not None:
            told(seqnum)

    def sendUnimplemented(self) -> None:
        """
        Refuse the packet that was received last (RFC 4253, section 11.4).
        """
        self.sendPacket(
            conch.MSG_UNIMPLEMENTED, self._packetNumber.to_bytes(4, "big")
        )

    # Key exchanges

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if self._closing:
            return
        number = self.outgoingPacketSequence
        super().sendPacket(messageType, payload)
        if self.outgoingPacketSequence == number:
            return  # Conch keeps it until the key exchange is over.
        if messageType == conch.MSG_NEWKEYS:
            self._outgoingKeysChanged()
        elif messageType == conch.MSG_SERVICE_REQUEST:
            self._serviceRequestNumber = number

    def _outgoingKeysChanged(self) -> None:
        """
        Use the new keys for what is sent from now on (RFC 4253, section 7.3).
        Conch would use the old ones until the server's NEWKEYS has come.
        """
        new, old = self.nextEncryptions, self.currentEncryptions
        both = conch.SSHCiphers(
            new.outCipType, old.inCipType, new.outMACType, old.inMACType
        )
        both.encryptor, both.outMAC = new.encryptor, new.outMAC
        both.encBlockSize = new.encBlockSize
        both.decryptor, both.inMAC = old.decryptor, old.inMAC
        both.decBlockSize = old.decBlockSize
        both.verifyDigestSize = old.verifyDigestSize
        self.currentEncryptions = both
        if self._strict:
            self.outgoingPacketSequence = 0

    def sendKexInit(self) -> None:
        """
        Begin a key exchange, or answer the server's beginning.

        The markers of RFC 8308 and of strict key exchange go into the first
        KEXINIT only: OpenSSH 7 would send another EXT_INFO at each.

        @raise RuntimeError: where one runs.
        """
        if self._keyExchangeState != self._KEY_EXCHANGE_NONE:
            raise RuntimeError("a key exchange runs already")
        payload = self._offer().build()
        self.ourKexInitPayload = bytes((conch.MSG_KEXINIT,)) + payload
        self.sendPacket(conch.MSG_KEXINIT, payload)
        self._keyExchangeState = self._KEY_EXCHANGE_REQUESTED
        self._blockedByKeyExchange = []

    def _offer(self) -> KeyExchangeInit:
        ciphers, macs = tuple(self.supportedCiphers), tuple(self.supportedMACs)
        compressions = tuple(self.supportedCompressions)
        markers = () if self.sessionID else (EXT_INFO_CLIENT, STRICT_CLIENT)
        return KeyExchangeInit(
            randbytes.secureRandom(COOKIE_SIZE),
            (*self.supportedKeyExchanges, *markers),
            tuple(self.supportedPublicKeys),
            ciphers,
            ciphers,
            macs,
            macs,
            compressions,
            compressions,
            tuple(self.supportedLanguages),
            tuple(self.supportedLanguages),
        )

    def ssh_KEXINIT(self, packet: bytes) -> None:
        ours, theirs = self._offer(), KeyExchangeInit.parse(packet)
        if self.sessionID is None:
            self._strict = STRICT_SERVER in theirs.key_exchanges
            if self._strict and self._packetNumber != 0:
                raise UnexpectedMessage("KEXINIT", "after another message")
        check_common(ours, theirs)
        self._passOver = guessed_wrong(ours, theirs)
        # The answer to each first message of a key exchange has this number.
        self._awaited = conch.MSG_KEX_DH_GEX_GROUP
        super().ssh_KEXINIT(packet)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        Reader(packet, "NEWKEYS").end()
        self._awaited = conch.MSG_KEXINIT
        if self._strict:
            self.incomingPacketSequence = 0
        first, self._secure = not self._secure, True
        if first:
            self._extensions.encrypted()
        self._newKeys()
        if first:
            self._becameSecure()


def _title(number: int) -> str:
    if number in _EXCHANGE_MESSAGES and number > conch.MSG_NEWKEYS:
        # Each kind of exchange has its own names for these.
        return f"key exchange message {number}"
    name: str | None = conch.messages.get(number)
    return name.removeprefix("MSG_") if name else f"message {number}"


def _disconnect(packet: bytes) -> tuple[int, bytes]:
    """
    The code and the text of a DISCONNECT, as much of them as came: the
    connection ends in any case.
    """
    reader = Reader(packet, "DISCONNECT")
    code, description = 0, b""
    try:
        code = reader.uint32()
        description = reader.string()
    except MalformedMessage:
        pass
    return code, description
