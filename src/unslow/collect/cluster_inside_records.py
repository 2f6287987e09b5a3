"""Records and JSON without a compiled library: stands in for `msgspec` inside a container that does not have it.

Only what the collectors use of it. What comes out is read and checked by the real one, outside.
"""

from __future__ import annotations

import inspect
import json as _json
import sys
import types
import typing
from collections.abc import Callable
from typing import Any

_REQUIRED = object()


class MsgspecError(Exception):
    pass


class DecodeError(MsgspecError):
    pass


class ValidationError(DecodeError):
    pass


class UnsetType:
    pass


UNSET = UnsetType()


class Raw(bytes):
    pass


class Meta:
    def __init__(self, **_: object) -> None:
        pass


class _Field:
    def __init__(self, default: Any = _REQUIRED, default_factory: Any = None, name: str = "") -> None:
        self.default, self.default_factory, self.name = default, default_factory, name


def field(*, default: Any = _REQUIRED, default_factory: Any = None, name: str = "") -> Any:
    return _Field(default, default_factory, name)


class Struct:
    __struct_fields__: tuple[str, ...] = ()
    _defaults: typing.ClassVar[dict[str, _Field]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__()
        names, defaults = list(cls.__struct_fields__), dict(cls._defaults)
        for name, hint in inspect.get_annotations(cls).items():
            if "ClassVar" in str(hint):
                continue
            if name not in names:
                names.append(name)
            default = cls.__dict__.get(name, _REQUIRED)
            defaults[name] = default if isinstance(default, _Field) else _Field(default)
            if name in cls.__dict__:
                delattr(cls, name)
        cls.__struct_fields__, cls._defaults = tuple(names), defaults

    def __init__(self, *arguments: Any, **named: Any) -> None:
        given = dict(zip(self.__struct_fields__, arguments, strict=False)) | named
        for name in self.__struct_fields__:
            if name not in given:
                default = self._defaults[name]
                if default.default_factory is not None:
                    given[name] = default.default_factory()
                elif default.default is _REQUIRED:
                    raise TypeError(f"Missing required argument {name!r}")
                else:
                    value = default.default
                    given[name] = value.copy() if isinstance(value, list | dict | set) else value
        if len(given) != len(self.__struct_fields__):
            raise TypeError(f"unexpected arguments for {type(self).__name__}")
        self.__dict__.update(given)
        post = getattr(self, "__post_init__", None)
        if post is not None:
            post()

    def _key(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__struct_fields__)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__struct_fields__)})"
        )


def _replace(struct: Struct, /, **changes: Any) -> Any:
    return type(struct)(**{**{name: getattr(struct, name) for name in struct.__struct_fields__}, **changes})


def _asdict(struct: Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def to_builtins(value: Any, **_: Any) -> Any:
    if isinstance(value, Struct):
        return {name: to_builtins(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: to_builtins(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_builtins(one) for one in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def convert(value: Any, type: Any = Any, **_: Any) -> Any:
    """Builds records as annotated; what is of another shape raises `ValidationError`."""
    origin, arguments = typing.get_origin(type), typing.get_args(type)
    if isinstance(type, _type) and issubclass(type, Struct):
        return _record(value, type)
    if origin in {list, tuple, set, frozenset}:
        if not isinstance(value, list):
            raise ValidationError("Expected `array`")
        inner = arguments[0] if arguments else Any
        return origin(convert(one, inner) for one in value)
    if origin is dict:
        return {key: convert(one, arguments[1]) for key, one in value.items()}
    if origin in {types.UnionType, typing.Union}:
        return _first_fitting(value, arguments)
    if isinstance(type, _type) and type in {int, str, float, bool}:
        if type is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, type):
            raise ValidationError(f"Expected `{type.__name__}`")
    return value


_type = type


def _first_fitting(value: Any, choices: tuple[Any, ...]) -> Any:
    if value is None and types.NoneType in choices:
        return None
    for choice in choices:
        try:
            return convert(value, choice)
        except ValidationError:
            continue
    raise ValidationError("Expected another type")


def _record(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        raise ValidationError("Expected `object`")
    hints = typing.get_type_hints(kind, include_extras=False)
    given = {}
    for name in kind.__struct_fields__:
        key = kind._defaults[name].name or name
        if key in value:
            given[name] = convert(value[key], hints.get(name, Any))
    try:
        return kind(**given)
    except TypeError as error:
        raise ValidationError(str(error)) from None


def _encode(value: Any) -> bytes:
    return _json.dumps(to_builtins(value)).encode()


def _decode(data: bytes | str, *, type: Any = Any, strict: bool = True) -> Any:
    try:
        value = _json.loads(data)
    except ValueError as error:
        raise DecodeError(str(error)) from None
    return convert(value, type)


class _Decoder:
    def __init__(self, type: Any = Any, **_: Any) -> None:
        self._type_hint = type

    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def decode(self, data: bytes | str) -> Any:
        return _decode(data, type=self._type_hint)


def _module(name: str, **members: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


def install() -> None:
    """From now on `import msgspec` gives this."""
    this: dict[str, Any] = {name: value for name, value in globals().items() if not name.startswith("_")}
    encoder: Callable[[Any], bytes] = _encode
    this["structs"] = _module("msgspec.structs", replace=_replace, asdict=_asdict)
    this["json"] = _module("msgspec.json", encode=encoder, decode=_decode, Decoder=_Decoder)
    _module("msgspec", **this)
