"""
What to do after a login has failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from conch_auth._attempt import Attempt, Outcome
from conch_auth.display import printable


def advice(
    user: str, attempts: Sequence[Attempt], server_methods: Sequence[str]
) -> Iterator[str]:
    """
    What a person can do about a login that failed, a sentence each.

    @param server_methods: what the server would still accept.
    """
    for method in server_methods:
        outcomes = [
            attempt.outcome
            for attempt in attempts
            if attempt.method == method and _had_credential(attempt)
        ]
        advise = _ADVICE_OF_METHOD.get(method)
        if "partial" not in outcomes and advise is not None:
            yield advise(printable(user), outcomes)
    if any(attempt.outcome == "partial" for attempt in attempts):
        yield (
            "A first factor was accepted. The login needs another one: "
            f"{' or '.join(server_methods) or 'the server did not say which'}."
        )
    if not server_methods and any(
        attempt.method == "none" and attempt.outcome == "refused"
        for attempt in attempts
    ):
        yield "The server offers this user no method at all: ask its administrator."


def _had_credential(attempt: Attempt) -> bool:
    """
    Whether there was anything to offer; a method that had nothing is skipped
    with neither a key nor a source.
    """
    return attempt.outcome != "skipped" or bool(attempt.key or attempt.source)


def _publickey_advice(user: str, outcomes: list[Outcome]) -> str:
    refused = outcomes.count("refused")
    if refused:
        keys = (
            "The key that was offered is not"
            if refused == 1
            else f"None of the {refused} keys that were offered is"
        )
        return (
            f"{keys} accepted for {user}: check the user name, or add a public key "
            "to that account's authorized_keys."
        )
    if outcomes:
        return "No key could be used: see the reason beside each."
    return "The server accepts keys and none was offered: give the client a key."


def _password_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return f"Check the password, and the user name {user}."
    return "The server accepts a password and none was given: give the client one."


def _interactive_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return f"Check the answers that were given to the server for {user}."
    return (
        "The server asks questions (keyboard-interactive) that nobody answered: "
        "answer them in getGenericAnswers."
    )


def _hostbased_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return (
            f"The server does not let this host vouch for {user}: it must know the "
            "host's key (ssh_known_hosts), and allow the host and its user "
            "(shosts.equiv, or .shosts of that account)."
        )
    if "failed" in outcomes:
        return "No key of this host could be used: see the reason beside each."
    return (
        "The server accepts the word of a host (hostbased) and no host key was given."
    )


def _gssapi_advice(user: str, outcomes: list[Outcome]) -> str:
    if "refused" in outcomes:
        return (
            f"The Kerberos ticket is not accepted for {user}: compare its name (klist) "
            "with the user name; that account's .k5login may allow others."
        )
    if "failed" in outcomes:
        return "The Kerberos ticket could not be used: see the reason beside it."
    return (
        "The server accepts Kerberos tickets (gssapi-with-mic) and none was used: run "
        "kinit, and let the client use the ticket (gss_host, or gssHost)."
    )


_ADVICE_OF_METHOD: dict[str, Callable[[str, list[Outcome]], str]] = {
    "publickey": _publickey_advice,
    "password": _password_advice,
    "keyboard-interactive": _interactive_advice,
    "hostbased": _hostbased_advice,
    "gssapi-with-mic": _gssapi_advice,
}
