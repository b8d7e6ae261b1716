"""What checks annotations, of types and of the shapes of arrays, in the functions that tests call.

jaxtyping's own import hook checks every call, and makes the checks of a nested function anew whenever it is defined:
half of the time of all tests. Here every test checks the first calls of each function of a module or class and then
ever fewer, the 8th, the 16th, the 32nd and so on, and what checks them is made where a function is first called.
"""

import ast
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import sys

from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

# To this checker an int is a float, as it is to every other one.
check = beartype(conf=BeartypeConf(is_pep484_tower=True))
ALWAYS = 4

_test = 0


def begin_test() -> None:
    """The next calls of every function are checked again."""
    global _test
    _test += 1


def checked(function):
    """The function, the annotations of which are checked in some of its calls."""
    if isinstance(function, type):
        if "__dataclass_fields__" in vars(function):
            function.__init__ = checked(function.__init__)
        return function
    typed, test, calls = None, -1, 0
    written = dict(function.__annotations__)  # the command line changes some of them, for itself

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal typed, test, calls
        if test != _test:
            test, calls = _test, 0
        calls += 1
        if calls > ALWAYS and calls & (calls - 1):  # not a power of two
            return function(*args, **kwargs)
        if typed is None:
            now, function.__annotations__ = function.__annotations__, written
            typed = jaxtyped(function, typechecker=check)
            function.__annotations__ = now
        return typed(*args, **kwargs)

    return call


class _Decorating(ast.NodeTransformer):
    """Puts `checked` on classes, outermost, and on functions, innermost; not on functions in functions."""

    def visit_FunctionDef(self, node):
        if not any(isinstance(one, ast.Name) and one.id == "no_type_check" for one in node.decorator_list):
            node.decorator_list.append(_decorator_at(node))
        return node

    def visit_ClassDef(self, node):
        node.decorator_list.insert(0, _decorator_at(node))
        return self.generic_visit(node)


def _decorator_at(node):
    return ast.fix_missing_locations(
        ast.copy_location(ast.parse("__import__('typecheck').checked").body[0].value, node)
    )


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):  # not the file that Python keeps of the compiled module
        return self.source_to_code(self.get_data(self.path), self.path)

    def source_to_code(self, data, path, *, _optimize=-1):
        tree = _Decorating().visit(ast.parse(importlib.util.decode_source(data)))
        return super().source_to_code(tree, path, _optimize=_optimize)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] != "istsim":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install() -> None:
    """Check the annotations of istsim, which must not have been imported yet."""
    sys.meta_path.insert(0, _Finder())
