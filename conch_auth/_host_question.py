"""
Trust on first use: the person is asked about a host key that known_hosts says
nothing of.

Nobody is asked about a key that is changed or revoked, nor about one that the
server has not proved to hold; nor about a certificate by an authority that is
not known, where known_hosts names another for the host.  C{ssh} would ask
about the plain key in it: whoever can show a worthless certificate would then
be asked about as if no authority had been named.  Where no authority is known
for a host no certificate is asked for, and the question is about a plain key,
as with C{ssh}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.threads import deferToThreadPool

from conch_auth._knownhosts_lines import lookup_name
from conch_auth._person import Asker
from conch_auth.certificates import HostKeyOffer, key_type
from conch_auth.display import fingerprint, printable, text
from conch_auth.errors import HostKeyRejected
from conch_auth.knownhosts import KnownHosts

_QUESTION = "Trust this key? (yes, no, or the fingerprint that you were given): "
_AGAIN = "Type yes in full, no, or the whole fingerprint: "
#: The most lines of known_hosts that are named.
_MOST_LINES = 8


class HostQuestion:
    """
    Asks about the key of an unknown host, and adds it to known_hosts.

    @param asker: how to ask.
    @param known: what is known.
    @param file: the file to add to; C{None} for none.
    @param hashed: write the host's name as a hash.
    @param tell: tells the person something on the standard error.
    @param reactor: has the thread that waits for the disk.
    """

    def __init__(
        self,
        asker: Asker,
        known: KnownHosts,
        file: str | None,
        *,
        hashed: bool,
        tell: Callable[[str], object],
        reactor: Any,
    ) -> None:
        self._asker = asker
        self._known = known
        self._file = file
        self._hashed = hashed
        self._tell = tell
        self._reactor = reactor

    async def trusts(self, offer: HostKeyOffer) -> bool:
        """
        Whether the person says that the key is the host's.

        @return: C{False} where nobody can be asked.
        @raise HostKeyRejected: the person has not said so.
        """
        if not self._asker.can_ask():
            return False
        shown = fingerprint(offer.key_blob)
        self._asker.show(self._introduction(offer, shown))
        if not await self._answer(shown):
            raise HostKeyRejected(
                offer.host, offer.port, text(key_type(offer.key_blob)), shown
            )
        offer.trusted_by = "the person at the terminal"
        await self._remember(offer)
        return True

    def _introduction(self, offer: HostKeyOffer, shown: str) -> str:
        host = _named(offer)
        address = f" (address {printable(offer.address)})" if offer.address else ""
        lines = [
            f"The host {host}{address} is not known here.",
            f"It holds the {printable(text(key_type(offer.key_blob)))} key with "
            "this fingerprint:",
            f"  {shown}",
            *self._warnings(offer),
            "Compare the fingerprint with one from the host's owner: whoever takes the",
            "host's place on the network shows a key of their own.",
        ]
        return "".join(f"{line}\n" for line in lines)

    def _warnings(self, offer: HostKeyOffer) -> list[str]:
        """
        Where else the key is known; and the files that could not be read, in
        which the host may be known.
        """
        unread = [f"{each}." for each in self._known.unread]
        named = [
            f"  {printable(line.file)}:{line.number}"
            for line in self._known.lines_with(offer.key_blob)
        ]
        if not named:
            return [*unread, "The key is not known under any other name."]
        more = len(named) - _MOST_LINES
        return [
            *unread,
            "The same key is known under other names or addresses:",
            *named[:_MOST_LINES],
            *([f"  and {more} more"] if more > 0 else []),
        ]

    async def _answer(self, shown: str) -> bool:
        prompt = _QUESTION
        while True:
            typed = await self._asker.ask(prompt, echo=True)
            said = text(typed or b"").strip()
            if said == shown or said.lower() == "yes":
                return True
            if said.lower() in ("", "no"):
                return False
            if said.startswith("SHA256:"):
                self._asker.show("That is not the fingerprint of the host's key.\n")
            prompt = _AGAIN

    async def _remember(self, offer: HostKeyOffer) -> None:
        host = _named(offer)
        if self._file is None:
            self._tell(f"{host} is not added: no known_hosts file is configured")
            return
        place = printable(self._file)
        try:
            await deferToThreadPool(
                self._reactor, self._reactor.getThreadPool(), self._add, offer
            )
        except (OSError, ValueError) as error:
            reason = printable(getattr(error, "strerror", None) or str(error))
            self._tell(f"warning: {host} could not be added to {place}: {reason}")
        else:
            self._tell(f"{host} is added to {place}")

    def _add(self, offer: HostKeyOffer) -> None:
        assert self._file is not None
        self._known.add(
            offer.host,
            offer.port,
            offer.key_blob,
            path=self._file,
            hashed=self._hashed,
        )


def _named(offer: HostKeyOffer) -> str:
    """
    The host as known_hosts names it.
    """
    return printable(text(lookup_name(offer.host, offer.port)))
