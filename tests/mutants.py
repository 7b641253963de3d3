"""
What is taken out of code to see whether a test misses it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

#: What makes foreign text harmless, or short.
_NEUTRALISING = {"printable", "text", "one_line", "min"}


class Mutant(NamedTuple):
    """
    @ivar line: the line that is changed.
    @ivar change: what is done to it, in words.
    @ivar apply: does it, in the tree that it was found in.
    """

    line: int
    change: str
    apply: Callable[[], None]


def mutants(tree: ast.AST) -> Iterator[Mutant]:
    """
    Every change that is tried on a module, in a steady order.
    """
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                for index, child in enumerate(value):
                    if isinstance(child, ast.AST):
                        put = _into_list(value, index)
                        yield from _changes(node, name, child, put)
            elif isinstance(value, ast.AST):
                yield from _changes(node, name, value, _into_field(node, name))


def _into_list(held: list[Any], index: int) -> Callable[[Any], Callable[[], None]]:
    return lambda new: lambda: held.__setitem__(index, new)


def _into_field(node: ast.AST, name: str) -> Callable[[Any], Callable[[], None]]:
    return lambda new: lambda: setattr(node, name, new)


_Put = Callable[[Any], Callable[[], None]]


def _changes(parent: ast.AST, name: str, node: Any, put: _Put) -> Iterator[Mutant]:
    yield from _as_condition(parent, name, node, put)
    if isinstance(node, ast.BoolOp):
        yield from _without_operands(node, put)
    elif isinstance(node, ast.Compare):
        yield from _other_comparisons(node, name == "test")
    elif isinstance(node, ast.Call):
        yield from _unharmed(node, put)
    elif isinstance(node, ast.stmt):
        yield from _without_statement(parent, node, put)
    elif isinstance(node, ast.ExceptHandler):
        caught = ast.unparse(node.type) if node.type else ""
        raised = ast.copy_location(ast.Raise(), node)
        go_on = _into_field(node, "body")([raised])
        yield Mutant(node.lineno, f"except {caught}: -> not caught", go_on)


def _shown(node: ast.AST) -> str:
    return ast.unparse(node).split("\n")[0]


def _as_condition(parent: ast.AST, name: str, node: Any, put: _Put) -> Iterator[Mutant]:
    values: tuple[bool, ...] = ()
    if name == "test" and isinstance(parent, ast.If | ast.IfExp):
        values = (True, False)
    elif name == "ifs":
        values = (True,)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        change = f"{_shown(node)} -> without not"
        yield Mutant(node.lineno, change, put(node.operand))
    for value in values:
        constant = ast.copy_location(ast.Constant(value), node)
        yield Mutant(node.lineno, f"{_shown(node)} -> {value}", put(constant))


def _without_operands(node: ast.BoolOp, put: _Put) -> Iterator[Mutant]:
    for left_out in node.values:
        rest = [value for value in node.values if value is not left_out]
        new: ast.AST = rest[0]
        if len(rest) > 1:
            new = ast.copy_location(ast.BoolOp(node.op, rest), node)
        change = f"{_shown(node)} -> without {_shown(left_out)}"
        yield Mutant(node.lineno, change, put(new))


_OTHER: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


def _other_comparisons(node: ast.Compare, whole: bool) -> Iterator[Mutant]:
    for index, op in enumerate(node.ops):
        other = _OTHER[type(op)]
        if whole and not isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            continue  # The condition is tried as a whole.
        yield Mutant(
            node.lineno,
            f"{_shown(node)} -> {other.__name__}",
            _into_list(node.ops, index)(other()),
        )


def _unharmed(node: ast.Call, put: _Put) -> Iterator[Mutant]:
    shown = _shown(node)
    called = ast.unparse(node.func).split(".")[-1]
    if called in _NEUTRALISING and node.args:
        for argument in node.args:
            kept = ast.unparse(argument)
            yield Mutant(node.lineno, f"{shown} -> {kept}", put(argument))
    for index, keyword in enumerate(node.keywords):
        if keyword.arg == "limit":
            rest = [k for i, k in enumerate(node.keywords) if i != index]
            yield Mutant(
                node.lineno,
                f"{shown} -> without limit",
                _into_field(node, "keywords")(rest),
            )


def _without_statement(parent: ast.AST, node: ast.stmt, put: _Put) -> Iterator[Mutant]:
    shown = _shown(node)
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    is_call = is_call and "_log." not in shown
    # What a function ends with is no guard.
    is_last = isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef)
    if isinstance(parent, ast.If) and len(parent.body) == 1 and not parent.orelse:
        return  # It goes where the condition is never true.
    returns = isinstance(node, ast.Return) and not is_last
    if is_call or returns or isinstance(node, ast.Raise):
        nothing = ast.copy_location(ast.Pass(), node)
        yield Mutant(node.lineno, f"{shown} -> left out", put(nothing))
