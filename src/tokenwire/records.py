"""`record` makes what `dataclasses.dataclass` makes with `slots=True`, and takes a tenth of the time to do so.

`dataclass` writes, compiles and runs some six functions a class, when the module of the class is loaded: for a program
that asks for one stream that is more work than the stream. Here `__init__` is written when the first object is made,
so for classes of which there is never one it never is; the other methods are the same functions for all classes.

To type checkers it is `dataclass` itself. `replace`, `fields`, `asdict` and `is_dataclass` work as with any other, and
so do `match`, `copy` and `pickle`. What no class here needs is left out: inheritance of fields, order, and `InitVar`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["record"]

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:
    import dataclasses
    from dataclasses import MISSING, Field, FrozenInstanceError
    from functools import partial
    from inspect import get_annotations
    from types import SimpleNamespace

    def record(cls=None, /, *, frozen=False):
        """Makes a class of the names that are annotated in it.

        :param frozen: its objects cannot be changed, and can be hashed.
        """
        if cls is None:
            return partial(record, frozen=frozen)
        fields = {name: _field(cls, name, kind) for name, kind in get_annotations(cls).items()}
        members = {name: value for name, value in cls.__dict__.items() if name not in (*fields, *_OF_ANY_CLASS)}
        members = (_FROZEN if frozen else _CHANGING) | members
        members |= {
            "__slots__": tuple(fields),
            "__match_args__": tuple(fields),
            "__dataclass_fields__": fields,
            "__dataclass_params__": SimpleNamespace(frozen=frozen, eq=True, order=False, repr=True, init=True),
            "__signature__": _Signature(),
        }
        made = type(cls)(cls.__name__, cls.__bases__, members)
        made.__qualname__ = cls.__qualname__

        def __init__(self, *values, **named):  # noqa: N807
            made.__init__ = _written_init(made, fields.values(), frozen)
            made.__init__(self, *values, **named)

        __init__.__qualname__ = f"{made.__qualname__}.__init__"
        made.__init__ = __init__
        return made

    #: What a class without slots has, and one with slots has not.
    _OF_ANY_CLASS = ("__dict__", "__weakref__")

    def _field(cls, name, kind):
        """What `dataclass` knows of a field."""
        value = cls.__dict__.get(name, MISSING)
        field = value if isinstance(value, Field) else dataclasses.field(default=value)
        field.name, field.type, field.kw_only, field._field_type = name, kind, False, dataclasses._FIELD
        return field

    def _written_init(cls, fields, frozen):
        """The `__init__` that `dataclass` writes, but that the fields of a frozen one are set by their slots."""
        known, parameters, lines = {"_no": MISSING}, [], []
        for field in fields:
            name, value = field.name, field.name
            if field.default is not MISSING:
                known[f"_default_{name}"] = field.default
                parameters.append(f"{name}=_default_{name}")
            elif field.default_factory is not MISSING:
                known[f"_make_{name}"] = field.default_factory
                parameters.append(f"{name}=_no")
                value = f"_make_{name}() if {name} is _no else {name}"
            else:
                parameters.append(name)
            if frozen:
                known[f"_set_{name}"] = cls.__dict__[name].__set__
            lines.append(f" _set_{name}(self, {value})" if frozen else f" self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            lines.append(" self.__post_init__()")
        exec(f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(lines), known)  # noqa: S102
        known["__init__"].__qualname__ = f"{cls.__qualname__}.__init__"
        return known["__init__"]

    class _Signature:
        """How a class is called, for `inspect`, `help` and editors."""

        def __get__(self, instance, owner):
            from inspect import Parameter, Signature

            fields = owner.__dataclass_fields__.values()
            parameters = []
            for field in fields:
                made = Parameter.empty if field.default_factory is MISSING else dataclasses._HAS_DEFAULT_FACTORY
                default = made if field.default is MISSING else field.default
                kind = Parameter.POSITIONAL_OR_KEYWORD
                parameters.append(Parameter(field.name, kind, default=default, annotation=field.type))
            return Signature(parameters, return_annotation=None)

    def _compared(self):
        return [getattr(self, name) for name, field in self.__dataclass_fields__.items() if field.compare]

    def _eq(self, other):
        return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(tuple(_compared(self)))

    def _repr(self):
        shown = [f"{name}={getattr(self, name)!r}" for name, field in self.__dataclass_fields__.items() if field.repr]
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    def _setattr(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delattr(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def _getstate(self):
        return [getattr(self, name) for name in self.__dataclass_fields__]

    def _setstate(self, state):
        for name, value in zip(self.__dataclass_fields__, state, strict=True):
            object.__setattr__(self, name, value)

    _CHANGING = {"__repr__": _repr, "__eq__": _eq, "__hash__": None}
    _FROZEN = {
        "__repr__": _repr,
        "__eq__": _eq,
        "__hash__": _hash,
        "__setattr__": _setattr,
        "__delattr__": _delattr,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
    }
