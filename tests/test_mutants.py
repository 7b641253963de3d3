"""
Tests for L{tests.mutants}: what is taken out of code.
"""

from __future__ import annotations

import ast
import textwrap

from twisted.trial.unittest import SynchronousTestCase

from tests.mutants import mutants


def changes(source: str) -> list[str]:
    return [mutant.change for mutant in mutants(ast.parse(textwrap.dedent(source)))]


def applied(source: str, change: str) -> str:
    """
    The code after one change.
    """
    tree = ast.parse(textwrap.dedent(source))
    for mutant in mutants(tree):
        if mutant.change == change:
            mutant.apply()
            return ast.unparse(ast.fix_missing_locations(tree))
    raise AssertionError(change)


class MutantTests(SynchronousTestCase):
    def test_condition(self) -> None:
        """
        A condition is made constant, both ways, and loses each operand.
        """
        source = "if a and b: c = 1"
        self.assertEqual(
            changes(source),
            [
                "a and b -> True",
                "a and b -> False",
                "a and b -> without a",
                "a and b -> without b",
            ],
        )
        self.assertEqual(applied(source, "a and b -> without a"), "if b:\n    c = 1")
        self.assertIn("a -> True", changes("c = 1 if a else 2"))
        self.assertIn("a -> True", changes("[b for b in c if a]"))

    def test_comparison(self) -> None:
        """
        A bound moves by one; what is equal is made not to be, unless the
        condition as a whole is tried.
        """
        self.assertIn("a < 3 -> LtE", changes("if a < 3: b = 1"))
        self.assertNotIn("a == 3 -> NotEq", changes("if a == 3: b = 1"))
        self.assertEqual(applied("b = a == 3", "a == 3 -> NotEq"), "b = a != 3")

    def test_statement(self) -> None:
        """
        A call that stands by itself is left out, a C{raise}, and a C{return}
        that is not the end of its function; not what is logged, nor what is all
        that its condition guards.
        """
        source = """
            def f():
                drop()
                self._log.info("x")
                if a:
                    return 1
                for b in c:
                    return b
                raise ValueError
                return 2
        """
        left_out = [c for c in changes(source) if c.endswith("left out")]
        self.assertEqual(
            sorted(left_out),
            [
                "drop() -> left out",
                "raise ValueError -> left out",
                "return b -> left out",
            ],
        )
        self.assertNotIn("drop", applied(source, "drop() -> left out"))

    def test_not(self) -> None:
        """
        What is not so, is.
        """
        self.assertEqual(applied("b = not a", "not a -> without not"), "b = a")

    def test_caught(self) -> None:
        """
        What is caught goes on instead.
        """
        source = "try:\n    a = 1\nexcept ValueError:\n    b = 2"
        changed = applied(source, "except ValueError: -> not caught")
        self.assertTrue(changed.endswith("except ValueError:\n    raise"))

    def test_neutralised(self) -> None:
        """
        What makes text harmless, or short, is taken away.
        """
        source = "printable(said, limit=64)"
        self.assertIn("printable(said, limit=64) -> said", changes(source))
        short = applied(source, "printable(said, limit=64) -> without limit")
        self.assertEqual(short, "printable(said)")
