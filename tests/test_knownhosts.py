"""
Tests for L{conch_auth.knownhosts}: lines, names and verdicts.
"""

from __future__ import annotations

import base64
import functools

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._knownhosts_lines import (
    MAX_LINE_BYTES,
    MAX_PATTERN_BYTES,
    HashedName,
    match_pattern,
)
from conch_auth._wire import string
from conch_auth.display import fingerprint
from conch_auth.knownhosts import (
    CERT_AUTHORITY,
    REVOKED,
    DecidingLine,
    KnownHosts,
    Verdict,
    VerdictKind,
)
from conch_auth.report import KeyIdentity
from tests.known_hosts_lines import (
    CA,
    CHANGED,
    ED25519,
    HASHED_FIELD,
    OTHER,
    TRUSTED,
    UNKNOWN,
    K,
    ca_kind,
    kind,
    known,
    written,
)


def plainly_matches(pattern: str, name: str) -> bool:
    """
    What C{*} and C{?} mean, said as slowly and as clearly as can be.
    """

    @functools.lru_cache(None)
    def rest(at: int, here: int) -> bool:
        if at == len(pattern):
            return here == len(name)
        if pattern[at] == "*":
            return any(rest(at + 1, later) for later in range(here, len(name) + 1))
        return (
            here < len(name)
            and pattern[at] in ("?", name[here])
            and rest(at + 1, here + 1)
        )

    return rest(0, 0)


class PatternTests(SynchronousTestCase):
    @settings(max_examples=500, deadline=None)
    @given(st.text("ab*?", max_size=12), st.text("ab*?", max_size=12))
    def test_means_what_it_says(self, pattern: str, name: str) -> None:
        """
        A star stands for any characters, a question mark for one, and a name's
        own stars and question marks stand for nothing.
        """
        self.assertEqual(
            match_pattern(pattern.encode(), name.encode()),
            plainly_matches(pattern, name),
        )

    def test_many_stars_end(self) -> None:
        """
        A pattern of many stars takes no time that grows with their power.
        """
        self.assertFalse(match_pattern(b"*a" * 300 + b"b", b"a" * 250))


class NameTests(SynchronousTestCase):
    def assert_names(self, field: bytes, host: str, port: int = 22) -> None:
        self.assertIs(kind(known(field + b" K"), host, port), TRUSTED)

    def assert_does_not_name(self, field: bytes, host: str, port: int = 22) -> None:
        self.assertIs(kind(known(field + b" K"), host, port), UNKNOWN)

    def test_one_of_several(self) -> None:
        """
        Each of the names between commas is one of the host's.
        """
        self.assert_names(b"a,h,10.0.0.1", "h")
        self.assert_names(b"a,h,10.0.0.1", "10.0.0.1")
        self.assert_does_not_name(b"a,h,10.0.0.1", "10.0.0.10")

    def test_case(self) -> None:
        """
        The case of a name says nothing, on the line and in the question.
        """
        self.assert_names(b"Host.Example.COM", "hOST.example.com")

    def test_wildcards(self) -> None:
        """
        A name may be a pattern.
        """
        self.assert_names(b"*.example.com", "a.b.example.com")
        self.assert_names(b"10.0.0.?", "10.0.0.7")
        self.assert_does_not_name(b"*.example.com", "example.com")
        self.assert_does_not_name(b"[a-z]", "h")

    def test_negation(self) -> None:
        """
        A name that matches a pattern with C{!} is not the line's, wherever the
        pattern stands; such a pattern alone names nobody.
        """
        for field in (b"*.x,!bad.x", b"!bad.x,*.x"):
            self.assert_names(field, "good.x")
            self.assert_does_not_name(field, "bad.x")
        self.assert_does_not_name(b"!bad.x", "good.x")

    def test_port(self) -> None:
        """
        C{[host]:port} is for this port only.
        """
        self.assert_names(b"[h]:2222", "h", 2222)
        self.assert_does_not_name(b"[h]:2222", "h", 2223)
        self.assert_does_not_name(b"[h]:2222", "h", 22)
        self.assert_names(b"[h]:*", "h", 2222)

    def test_ipv6(self) -> None:
        """
        An IPv6 address is a name like others, with its scope and with a port.
        """
        self.assert_names(b"fe80::1%eth0", "FE80::1%eth0")
        self.assert_does_not_name(b"fe80::1%eth0", "fe80::1%eth1")
        self.assert_names(b"[::1]:2222", "::1", 2222)

    def test_no_host(self) -> None:
        """
        Empty places between commas name nobody.
        """
        self.assert_does_not_name(b",,", "")

    def test_name_is_data(self) -> None:
        """
        The name that is looked up is no pattern, and may be any text.
        """
        self.assert_does_not_name(b"h", "*")
        self.assert_does_not_name(b"h", "\udcff\0\n")


class HashedNameTests(SynchronousTestCase):
    def test_recorded(self) -> None:
        """
        A name that OpenSSH hashed is found, in any case, with its port.
        """
        hosts = known(HASHED_FIELD + b" K")
        self.assertEqual(hosts.problems, ())
        self.assertIs(kind(hosts, "Host.Example", 2222), TRUSTED)
        self.assertIs(kind(hosts, "host.example", 2223), UNKNOWN)
        self.assertIs(kind(hosts, "other.example", 2222), UNKNOWN)

    def test_broken(self) -> None:
        """
        A hashed name that cannot be read is a problem and names nobody.
        """
        for field in (
            b"|1|",
            b"|2" + HASHED_FIELD[2:],
            HASHED_FIELD[:-2],
            b"|1|AA==|AA==",
        ):
            hosts = known(field + b" K")
            self.assertEqual(len(hosts.problems), 1, field)
            self.assertIs(kind(hosts, "host.example", 2222), UNKNOWN)


class LineTests(SynchronousTestCase):
    def assert_problem(self, line: bytes, reason: str) -> None:
        """
        The line is a problem, trusts nobody, and spoils no other line.
        """
        hosts = known(b"# first", line, b"other K")
        self.assertEqual([(p.file, p.number) for p in hosts.problems], [("kh", 2)])
        self.assertIn(reason, hosts.problems[0].reason)
        self.assertIs(kind(hosts), UNKNOWN)
        self.assertIs(kind(hosts, "other"), TRUSTED)

    def test_nothing(self) -> None:
        """
        Comments and blank lines say nothing and are no problem.
        """
        hosts = known(b"", b"   \t", b"# h K", b"  #h K", b"\r")
        self.assertEqual(hosts.problems, ())
        self.assertIs(kind(hosts), UNKNOWN)

    def test_spacing(self) -> None:
        """
        Any blanks part the fields; a comment may follow; a line may end in CRLF.
        """
        for line in (
            b"h K some comment",
            b" \th K",
            b"h\t" + written(K).replace(b" ", b"\t "),
            b"h " + written(K) + b"\r",
        ):
            self.assertIs(kind(known(line)), TRUSTED, line)

    def test_cut_short(self) -> None:
        """
        A line needs names, a type and a key.
        """
        self.assert_problem(b"h", "are wanted")
        self.assert_problem(b"h ssh-ed25519", "are wanted")
        self.assert_problem(b"@cert-authority", "are wanted")

    def test_base64(self) -> None:
        """
        The key must be valid base64 as a whole.
        """
        self.assert_problem(b"h " + written(K)[:-1], "base64")
        self.assert_problem(b"h " + written(K).replace(b"AAAA", b"AA!AA"), "base64")
        self.assert_problem(b"h ssh-ed25519 \xff\xfe", "base64")

    def test_key_shape(self) -> None:
        """
        A key has just the fields of its type.
        """
        for blob in (K[:-1], K + b"\0", K + string(b""), string(ED25519), b"\xff" * 8):
            line = b"h ssh-ed25519 " + base64.b64encode(blob)
            self.assert_problem(line, "malformed")

    def test_key_type(self) -> None:
        """
        The key must be of the type that the line says.
        """
        line = b"h ssh-rsa " + base64.b64encode(K)
        self.assert_problem(line, "another type")

    def test_unknown_key_type(self) -> None:
        """
        A key of a type that is not known here, a certificate's included, is
        passed over, and makes no other key a changed one.
        """
        for key_type in (b"ssh-new", b"ssh-ed25519-cert-v01@openssh.com"):
            blob = string(key_type) + string(b"x" * 32)
            self.assert_problem(b"h " + written(blob), "unknown")

    def test_unknown_marker(self) -> None:
        """
        A line whose marker is unknown, or is not the only one, trusts nobody.
        """
        self.assert_problem(b"@new h K", "marker is unknown")
        self.assert_problem(b"@CERT-AUTHORITY h K", "marker is unknown")
        self.assert_problem(b"@ h K", "marker is unknown")
        self.assert_problem(b"@cert-authority @cert-authority h K", "only one marker")

    def test_too_long(self) -> None:
        """
        A line, and each name of it, has a length at which it is passed over.
        """
        fitting = (b"a" * 999 + b",") * (MAX_LINE_BYTES // 1000 - 1) + b"h K"
        self.assertIs(kind(known(fitting)), TRUSTED)
        self.assert_problem(b"a," * (MAX_LINE_BYTES // 2) + b"h K", "longer")
        self.assertIs(kind(known(b"a" * MAX_PATTERN_BYTES + b",h K")), TRUSTED)
        self.assert_problem(b"a" * (MAX_PATTERN_BYTES + 1) + b",h K", "longer")

    def test_excerpt_is_fit_for_a_screen(self) -> None:
        """
        A problem quotes the beginning of its line without anything that acts on
        a terminal, and tells file and line.
        """
        problem = known(b"\x1b[2J\t\xe2\x80\xae" + b"x" * 500).problems[0]
        self.assertTrue(problem.excerpt.startswith("\\x1b[2J\\x09\\u202ex"))
        self.assertLess(len(problem.excerpt), 100)
        self.assertTrue(str(problem).startswith("kh:1: "))

    @settings(max_examples=300, deadline=None)
    @given(
        st.binary(max_size=200)
        | st.lists(
            st.sampled_from(
                (
                    *(b"@revoked", b"@cert-authority", b"|1|", b"h", b"*", b"!h"),
                    *(b" ", b"\n", b"\t", b"ssh-ed25519", base64.b64encode(K)),
                    *(b"=", b"\xff"),
                )
            )
        ).map(b"".join)
    )
    def test_never_raises(self, data: bytes) -> None:
        """
        Whatever a file holds, it can be read and asked.
        """
        hosts = KnownHosts.from_bytes(data)
        kind(hosts, port=2222, address="10.0.0.1")
        ca_kind(hosts)
        hosts.policy("h").order_algorithms([ED25519])
        for problem in hosts.problems:
            str(problem)


class VerdictTests(SynchronousTestCase):
    def test_trusted(self) -> None:
        """
        A key is trusted by each line that names it for the host; other lines of
        the host do not matter.
        """
        hosts = known(b"# c", b"h OTHER", b"h K", b"* K", b"g K")
        self.assertEqual(
            hosts.verdict("h", 22, None, K),
            Verdict(
                TRUSTED,
                KeyIdentity("ssh-ed25519", fingerprint(K)),
                tuple(
                    DecidingLine(
                        "kh", n, "", KeyIdentity("ssh-ed25519", fingerprint(K))
                    )
                    for n in (3, 4)
                ),
            ),
        )

    def test_truth(self) -> None:
        """
        Only a verdict of trust is true.
        """
        truths = {one: bool(Verdict(one, KeyIdentity("", ""))) for one in VerdictKind}
        self.assertEqual([one for one in VerdictKind if truths[one]], [TRUSTED])

    def test_unknown(self) -> None:
        """
        Without a line for the host, its key is unknown and nothing decided.
        """
        verdict = known(b"g K").verdict("h", 22, None, K)
        self.assertEqual((verdict.kind, verdict.lines), (UNKNOWN, ()))

    def test_changed(self) -> None:
        """
        A host that is known under other keys only has a changed key; the lines
        with the others say so.
        """
        verdict = known(b"h OTHER", b"h K_RSA").verdict("h", 22, None, K)
        self.assertIs(verdict.kind, CHANGED)
        self.assertEqual([line.number for line in verdict.lines], [1, 2])
        self.assertEqual(verdict.lines[0].key.fingerprint, fingerprint(OTHER))
        self.assertFalse(verdict.other_types_only)

    def test_changed_type(self) -> None:
        """
        A key of another type than those held is a changed one too, as for ssh:
        a listener must gain nothing by choosing a type.
        """
        verdict = known(b"h K_RSA").verdict("h", 22, None, K)
        self.assertIs(verdict.kind, CHANGED)
        self.assertTrue(verdict.other_types_only)

    def test_same_bytes_of_other_type(self) -> None:
        """
        Keys are the same only if their types are.
        """
        blob = K.replace(ED25519, b"ssh-ed448").replace(b"\0\0\0\x0b", b"\0\0\0\x09", 1)
        self.assertIs(kind(known(b"h K"), blob=blob), CHANGED)

    def test_bare_name_serves_other_port(self) -> None:
        """
        Where nothing is held for C{[host]:port}, a key of the bare name is
        trusted; another key there says nothing.
        """
        hosts = known(b"h K")
        self.assertIs(kind(hosts, port=2222), TRUSTED)
        self.assertIs(kind(hosts, port=2222, blob=OTHER), UNKNOWN)

    def test_name_with_port_goes_before(self) -> None:
        """
        Where a key is held for C{[host]:port}, the bare name's does not count.
        """
        hosts = known(b"[h]:2222 OTHER", b"h K")
        self.assertIs(kind(hosts, port=2222), CHANGED)

    def test_address_is_not_looked_up(self) -> None:
        """
        A line for the address trusts no name and makes no key a changed one.
        """
        self.assertIs(kind(known(b"10.0.0.1 K"), address="10.0.0.1"), UNKNOWN)
        self.assertIs(kind(known(b"10.0.0.1 OTHER"), address="10.0.0.1"), UNKNOWN)
        hosts = known(b"10.0.0.1 OTHER", b"h K")
        self.assertIs(kind(hosts, address="10.0.0.1"), TRUSTED)

    def test_authority_is_no_host_key(self) -> None:
        """
        An authority's key is not trusted as a host's own, nor makes that one a
        changed one.
        """
        self.assertIs(kind(known(b"@cert-authority h K")), UNKNOWN)
        self.assertIs(kind(known(b"@cert-authority h OTHER")), UNKNOWN)


class AuthorityTests(SynchronousTestCase):
    def test_trusted(self) -> None:
        """
        An authority is trusted for the hosts of its line.
        """
        hosts = known(b"@cert-authority *.x,!bad.x CA")
        verdict = hosts.ca_verdict("h.x", 22, None, CA, K)
        self.assertIs(verdict.kind, TRUSTED)
        self.assertEqual(
            [line[:3] for line in verdict.lines], [("kh", 1, CERT_AUTHORITY)]
        )
        self.assertIs(ca_kind(hosts, "bad.x"), UNKNOWN)
        self.assertIs(ca_kind(hosts, "h.x", ca=OTHER), UNKNOWN)

    def test_blanks_after_marker(self) -> None:
        """
        Any blanks may follow a marker.
        """
        self.assertIs(ca_kind(known(b"@cert-authority \t h CA")), TRUSTED)
        self.assertIs(ca_kind(known(b"@cert-authority\th CA")), TRUSTED)

    def test_port(self) -> None:
        """
        An authority of the bare name serves every port of the host; one of a
        port, that port.
        """
        self.assertIs(ca_kind(known(b"@cert-authority *.x CA"), "h.x", 2222), TRUSTED)
        hosts = known(b"@cert-authority [h]:2222 CA", b"@cert-authority h OTHER")
        self.assertIs(ca_kind(hosts, port=2222), TRUSTED)
        self.assertIs(ca_kind(hosts, port=2222, ca=OTHER), TRUSTED)
        self.assertIs(ca_kind(hosts), UNKNOWN)

    def test_host_key_is_no_authority(self) -> None:
        """
        A line without the marker makes nobody an authority.
        """
        self.assertIs(ca_kind(known(b"h CA")), UNKNOWN)


class RevokedTests(SynchronousTestCase):
    def assert_revoked(
        self, line: bytes, host: str = "h", port: int = 22, address: str | None = None
    ) -> None:
        """
        The line revokes K, and K as an authority, though others trust both.
        """
        trust = [b"* K", b"[*]:* K", b"@cert-authority * K"]
        for lines in ([line, *trust], [*trust, line]):
            hosts = known(*lines)
            verdict = hosts.verdict(host, port, address, K)
            self.assertIs(verdict.kind, VerdictKind.REVOKED)
            self.assertEqual({one.marker for one in verdict.lines}, {REVOKED})
            self.assertIs(ca_kind(hosts, host, port, K, address), VerdictKind.REVOKED)
            self.assertEqual(hosts.key_types(host, port, address), ())
            self.assertFalse(hosts.has_ca(host, port, address))

    def test_wins(self) -> None:
        """
        A revoked key is never trusted, whichever line comes first.
        """
        self.assert_revoked(b"@revoked h K")
        self.assert_revoked(b"@revoked * K")
        self.assert_revoked(b"@revoked H K")

    def test_every_form_of_the_name(self) -> None:
        """
        A line revokes for the host's bare name, for each of its ports, and for
        its address.
        """
        self.assert_revoked(b"@revoked h K", port=2222)
        self.assert_revoked(b"@revoked [h]:2222 K", port=2222)
        self.assert_revoked(b"@revoked [h]:2222 K", port=22)
        self.assert_revoked(b"@revoked [h]:2222 K", port=2223)
        self.assert_revoked(b"@revoked [h*]:22 K")
        self.assert_revoked(b"@revoked 10.0.0.1 K", address="10.0.0.1")
        self.assert_revoked(b"@revoked [10.0.0.1]:2222 K", address="10.0.0.1")

    def test_every_form_of_a_hashed_name(self) -> None:
        """
        The same is true of a name that is hashed.
        """
        line = b"@revoked " + HASHED_FIELD + b" K"
        for port in (22, 2222, 2223):
            self.assert_revoked(line, "host.example", port)
        self.assertIs(kind(known(line, b"h K")), TRUSTED)
        bare = b"@revoked %b K" % bytes(HashedName.of(b"h"))
        for port in (22, 2222):
            self.assert_revoked(bare, "h", port)

    def test_other_host(self) -> None:
        """
        What is revoked for another host only, or excludes this one, is not
        revoked for this one.
        """
        self.assertIs(kind(known(b"@revoked g K", b"h K")), TRUSTED)
        self.assertIs(kind(known(b"@revoked *,!h K", b"h K")), TRUSTED)

    def test_other_key(self) -> None:
        """
        Another key's revocation says nothing of this one.
        """
        self.assertIs(kind(known(b"@revoked h OTHER")), UNKNOWN)
        self.assertIs(kind(known(b"@revoked h OTHER", b"h K")), TRUSTED)

    def test_certified_key(self) -> None:
        """
        A certificate of a good authority over a revoked key is revoked, and
        so is one of a revoked authority over a good key.
        """
        hosts = known(b"@cert-authority h CA", b"@revoked * K")
        self.assertIs(ca_kind(hosts), VerdictKind.REVOKED)
        hosts = known(b"@cert-authority h CA", b"@revoked * CA")
        self.assertIs(ca_kind(hosts), VerdictKind.REVOKED)

    def test_unknown_host(self) -> None:
        """
        A revoked key is revoked where no line trusts it, too.
        """
        self.assertIs(kind(known(b"@revoked h K")), VerdictKind.REVOKED)

    def test_line_out_of_order(self) -> None:
        """
        A line that revokes and has a fault is a problem, and revokes what key
        it holds for every host.
        """
        for line in (
            b"@revoked |1|broken K",
            b"@revoked h ED25519 " + base64.b64encode(K),
            b"@revoked K",
            b"@revoked " + b"a" * MAX_LINE_BYTES + b" K",
            b"@revoked " + b"a" * (MAX_PATTERN_BYTES + 1) + b" K",
            b"@revoked @cert-authority h K",
        ):
            self.assert_revoked(line)
            self.assertEqual(len(known(line).problems), 1)

    def test_line_without_key(self) -> None:
        """
        A line that revokes nothing which can be made out is a problem only.
        """
        hosts = known(b"@revoked", b"@revoked h", b"@revoked h x y z", b"h K")
        self.assertEqual(len(hosts.problems), 3)
        self.assertIs(kind(hosts), TRUSTED)
