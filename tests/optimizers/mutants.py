"""Copies of a class whose method differs in one place: a sign, a power, where epsilon stands, one number or name."""

import ast
import copy
import inspect
import sys

SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
NAMES = {"beta_1": "beta_2", "beta_2": "beta_1", "maximum": "minimum"}


def mutants(mutated, *, method):
    """Yield every mutant, with a name that says its change."""
    module = sys.modules[mutated.__module__]
    tree = ast.parse(inspect.getsource(module))
    size = len(list(_arithmetic(tree, mutated.__name__, method)))
    for position in range(size):
        for kind in range(3):
            changed = copy.deepcopy(tree)
            node = list(_arithmetic(changed, mutated.__name__, method))[position]
            before = ast.unparse(node)
            after = _mutate(node, kind)
            if after is None:
                break
            _replace(changed, node, after)
            space = {"__name__": module.__name__}
            exec(compile(ast.fix_missing_locations(changed), module.__name__, "exec"), space)
            yield f"{before} -> {ast.unparse(after)}", space[mutated.__name__]


def _arithmetic(tree, class_name, method):
    """Yield the expressions that a method computes, without types."""
    (owner,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    (function,) = (node for node in owner.body if isinstance(node, ast.FunctionDef) and node.name == method)
    yield from _expressions(function)


def _expressions(node):
    if isinstance(node, ast.expr):
        yield node
    for field, value in ast.iter_fields(node):
        if field in ("args", "returns", "annotation") and isinstance(node, ast.FunctionDef | ast.arg):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def _mutate(node, kind):
    """Return another expression, None where there is no (further) one."""
    match node:
        case ast.BinOp(op=ast.Pow(), left=left, right=right):
            return [ast.BinOp(left, ast.Pow(), _plus_one(right)), None, None][kind]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in SWAPS:
            return [ast.BinOp(left, SWAPS[type(op)](), right), _epsilon_inside(node), None][kind]  # type: ignore[call-overload]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return [operand, None, None][kind]
        case ast.Call(func=ast.Attribute(attr="sqrt" | "abs" | "sign"), args=[argument]):
            return [argument, _epsilon_outside(node), None][kind]
        case ast.Call(func=ast.Name(id="ratio"), args=[numerator, divisor]):
            return [ast.BinOp(numerator, ast.Mult(), divisor), None, None][kind]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return [ast.IfExp(test, orelse, body), None, None][kind]
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=comparators):
            return [ast.Compare(left, [ast.NotEq()], comparators), None, None][kind]
        case ast.Attribute(attr=name, value=value) if name in NAMES:
            return [ast.Attribute(value, NAMES[name], node.ctx), None, None][kind]
        case ast.Constant(value=int() | float()):
            return [_plus_one(node), None, None][kind]
    return None


def _plus_one(node):
    return ast.BinOp(node, ast.Add(), ast.Constant(1))


def _epsilon_inside(node):
    """sqrt(x) + epsilon -> sqrt(x + epsilon)"""
    match node:
        case ast.BinOp(left=ast.Call(func=ast.Attribute(attr="sqrt") as root, args=[x]), op=ast.Add(), right=right):
            return ast.Call(root, [ast.BinOp(x, ast.Add(), right)], [])
    return None


def _epsilon_outside(node):
    """sqrt(x + epsilon) -> sqrt(x) + epsilon"""
    match node.args:
        case [ast.BinOp(left=x, op=ast.Add(), right=ast.Attribute(attr="epsilon") as epsilon)]:
            return ast.BinOp(ast.Call(node.func, [x], []), ast.Add(), epsilon)
    return None


def _replace(tree, old, new):
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return
            if isinstance(value, list):
                for index, child in enumerate(value):
                    if child is old:
                        value[index] = new
                        return
    raise AssertionError(ast.dump(old))
