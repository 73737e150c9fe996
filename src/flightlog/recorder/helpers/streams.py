"""Streams that pass a model's chunks on untouched and tell the call about them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Listens(Protocol):
    """Who wants to know about the chunks."""

    def chunk_came(self, chunk: object) -> None: ...
    def stream_ended(self, error: BaseException | None, whole: bool) -> None: ...


class _Watched(Generic[T]):
    """What both kinds of stream share. Anything else that the SDK's stream offers is reached through this one."""

    def __init__(self, source: Any, listener: Listens) -> None:
        self._source = source
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._source, name)

    def __del__(self) -> None:
        # A reader that stops early just lets go of the stream.
        if "_listener" in self.__dict__:
            self._listener.stream_ended(None, whole=False)


class Stream(_Watched[T], Iterator[T]):
    """The chunks of a model's answer."""

    def __init__(self, chunks: Iterable[T], listener: Listens) -> None:
        super().__init__(chunks, listener)
        self._chunks = iter(chunks)

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._listener.stream_ended(None, whole=True)
            raise
        except BaseException as error:
            self._listener.stream_ended(error, whole=False)
            raise
        self._listener.chunk_came(chunk)
        return chunk

    def close(self) -> None:
        """Stop reading: close the SDK's stream."""
        try:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
        finally:
            self._listener.stream_ended(None, whole=False)

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncStream(_Watched[T], AsyncIterator[T]):
    """The chunks of a model's answer, awaited one by one."""

    def __init__(self, chunks: AsyncIterable[T], listener: Listens) -> None:
        super().__init__(chunks, listener)
        self._chunks = aiter(chunks)

    def __aiter__(self) -> AsyncStream[T]:
        return self

    async def __anext__(self) -> T:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._listener.stream_ended(None, whole=True)
            raise
        except BaseException as error:
            self._listener.stream_ended(error, whole=False)
            raise
        self._listener.chunk_came(chunk)
        return chunk

    async def aclose(self) -> None:
        """Stop reading: close the SDK's stream."""
        try:
            close = getattr(self._source, "aclose", None) or getattr(self._source, "close", None)
            if close is not None:
                await close()
        finally:
            self._listener.stream_ended(None, whole=False)

    close = aclose

    async def __aenter__(self) -> AsyncStream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
