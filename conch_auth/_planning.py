"""
The plan of a login that is not begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from conch_auth import names
from conch_auth._causes import Cause
from conch_auth._credentials import Wallet
from conch_auth._given import kept_for
from conch_auth._options import DEFAULT_PORT, Options
from conch_auth.callbacks import SSHClient
from conch_auth.display import text
from conch_auth.plan import Circumstances, Plan, Step, order_methods, plan_keys

_NOBODY_ANSWERS = "no password was given, and nobody is there to answer"


async def plan_login(options: Options, client: SSHClient, reactor: Any) -> Plan:
    """
    What C{connect} would try with the same options.  The agent is asked for its
    keys; the server, and people, are asked nothing.

    @param options: completed ones.
    """
    wallet = Wallet(options, reactor)
    methods = options.methods
    if options.preferred_auth is None:
        methods = order_methods(methods, wallet.recollection)
    has_password = options.password is not None
    steps: list[Step] = []
    try:
        for place, method in enumerate(methods):
            if method == names.PUBLICKEY:
                after = kept_for(client, has_password, methods[place + 1 :])
                spent = sum(s.method in _SURE_OF and not s.left_out for s in steps)
                steps += await _keys(wallet, wallet.circumstances(spent, after))
            elif method != names.GSSAPI_KEYEX:
                steps.append(_step(method, kept_for(client, has_password, [method])))
    finally:
        wallet.close()
    return Plan(
        options.username or "",
        options.host,
        options.port or DEFAULT_PORT,
        tuple(steps),
        options.max_auth_tries,
    )


async def _keys(wallet: Wallet, circumstances: Circumstances) -> list[Step]:
    steps: list[Step] = []

    def skipped(source: str, reason: str, cause: Cause) -> None:
        steps.append(Step("publickey", source=source, left_out=reason, cause=cause))

    found = await wallet.candidates(skipped)
    return steps + plan_keys(found, circumstances)


def _step(method: bytes, kept: Sequence[str]) -> Step:
    name = text(method)
    if method in _TYPED and name not in kept:
        return Step(name, left_out=_NOBODY_ANSWERS)
    if method == names.GSSAPI_WITH_MIC:
        return Step(name, note="where there is a ticket for the host")
    return Step(name)


_TYPED = (names.PASSWORD, names.KEYBOARD_INTERACTIVE)
#: Whether GSSAPI has anything to send is known to its library alone.
_SURE_OF = (*map(text, _TYPED), text(names.HOSTBASED))
