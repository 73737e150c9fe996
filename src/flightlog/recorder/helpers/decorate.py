"""The `tool` decorator: a function of any kind stays what it is, and each call of it is recorded."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from flightlog.recorder.context import current_scope
from flightlog.recorder.helpers.base import Emits, attempt
from flightlog.recorder.helpers.permissions import GuardedCall, Permission
from flightlog.recorder.helpers.tools import ToolCall

if TYPE_CHECKING:
    from inspect import Signature

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Calls(Protocol):
    """What a wrapper tells about one call."""

    def result(self, value: T) -> T: ...
    def item(self, value: T) -> T: ...
    def __enter__(self) -> object: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


Begins = Callable[[tuple[Any, ...], dict[str, Any]], Calls]


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(name: str | None = None, /) -> Callable[[F], F]: ...
def tool(target: Any = None, /) -> Any:
    """Record each call of a function in the run that is current when it is called: `@tool` or `@tool("name")`.

    Outside of any run the function is called and nothing is recorded.
    """
    return decorator(target, _current_run)


def decorator(target: Any, emits: Callable[[], Emits | None]) -> Any:
    """`target` decorated, or a decorator when it is a name or nothing."""
    if target is None or isinstance(target, str):
        return lambda function: record_calls(function, target, emits)
    return record_calls(target, None, emits)


def record_calls(function: Any, name: str | None, emits: Callable[[], Emits | None]) -> Any:
    """The same function, with its calls recorded through what `emits` gives at the time of the call, if anything."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(record_calls(function.__func__, name, emits))
    if not callable(function):
        raise TypeError(f"a tool is a function, not {type(function).__name__}")
    called = name or getattr(function, "__name__", None) or type(function).__name__
    from inspect import signature as signature_of  # slow to import, and most hosts decorate nothing

    signature, _ = attempt(signature_of, function)

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Calls:
        through = emits()
        if through is None:
            return _Unrecorded()
        return ToolCall(through, called, named_arguments(signature, args, kwargs))

    return functools.wraps(function)(_wrapper(function, begin))


def guard_calls(function: Any, permission: Callable[..., Permission]) -> Any:
    """The same function, each call of which asks for the permission that `permission` makes of its name and arguments."""
    if isinstance(function, staticmethod | classmethod):
        return type(function)(guard_calls(function.__func__, permission))
    if not callable(function):
        raise TypeError(f"a function can be guarded, and {type(function).__name__} is none")
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    from inspect import signature as signature_of

    signature, _ = attempt(signature_of, function)

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Calls:
        return GuardedCall(permission(name, named_arguments(signature, args, kwargs), args, kwargs))

    return functools.wraps(function)(_wrapper(function, begin))


def named_arguments(signature: Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments under the names that the function gives them, with defaults, without `self` and `cls`.

    >>> import inspect
    >>> def search(self, query, *, limit=10): ...
    >>> named_arguments(inspect.signature(search), (None, "x"), {})
    {'query': 'x', 'limit': 10}
    """
    if signature is not None:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # the call itself is about to raise it
            return {"args": args, "kwargs": kwargs}
        bound.apply_defaults()
        named = dict(bound.arguments)
        first = next(iter(named), None)
        if first in ("self", "cls"):
            del named[first]
        return named
    return {"args": args, "kwargs": kwargs}


def _wrapper(function: Callable[..., Any], begin: Begins) -> Callable[..., Any]:
    """A wrapper of the function's own kind, so that whoever looks at it sees a coroutine function, a generator, …"""
    import inspect

    for is_kind, wrap in (
        (inspect.iscoroutinefunction, _coroutine),
        (inspect.isgeneratorfunction, _generator),
        (inspect.isasyncgenfunction, _async_generator),
    ):
        # An object that is called like a function is of the kind of its __call__.
        if is_kind(function) or is_kind(type(function).__call__):
            return wrap(function, begin)
    return _plain(function, begin)


def _plain(function: Callable[..., Any], begin: Begins) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        with (call := begin(args, kwargs)):
            return call.result(function(*args, **kwargs))

    return wrapper


def _coroutine(function: Callable[..., Any], begin: Begins) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        with (call := begin(args, kwargs)):
            return call.result(await function(*args, **kwargs))

    return wrapper


def _generator(function: Callable[..., Any], begin: Begins) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with (call := begin(args, kwargs)):
            returned = yield from _Watched(function(*args, **kwargs), call)
            return returned if returned is None else call.result(returned)

    return wrapper


def _async_generator(function: Callable[..., Any], begin: Begins) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        # What `yield from` does for plain generators, by hand: values and exceptions sent in reach the source.
        with (call := begin(args, kwargs)):
            source = function(*args, **kwargs)
            try:
                item = await anext(source)
                while True:
                    try:
                        sent = yield call.item(item)
                    except GeneratorExit:
                        await source.aclose()
                        raise
                    except BaseException as error:
                        item = await source.athrow(error)
                    else:
                        item = await source.asend(sent)
            except StopAsyncIteration:
                return

    return wrapper


class _Watched(Generator[Any, Any, Any]):
    """A generator's items, each told to the call; send, throw and close reach the generator."""

    def __init__(self, source: Generator[Any, Any, Any], call: Calls) -> None:
        self._source = source
        self._call = call

    def send(self, value: Any) -> Any:
        return self._call.item(self._source.send(value))

    def throw(self, *error: Any) -> Any:
        return self._call.item(self._source.throw(*error))

    def close(self) -> None:
        self._source.close()


class _Unrecorded:
    """A call that nobody records."""

    def result(self, value: T) -> T:
        return value

    def item(self, value: T) -> T:
        return value

    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def _current_run() -> Emits | None:
    scope = current_scope()
    return scope.run if scope is not None else None
