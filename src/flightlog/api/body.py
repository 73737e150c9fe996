"""The bytes of a request: read up to a limit, unpacked up to the same limit."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.requests import Request

from flightlog.errors import BodyInvalid, BodyTooLarge, MediaTypeUnsupported

CODINGS = ("identity", "gzip", "x-gzip", "deflate")
# An answer that comes while the client is still sending is often lost with the connection, so what is too large is read
# on and thrown away, up to this many times the limit.
DISCARD_TIMES_MAX = 8

_GZIP, _ZLIB, _BARE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


async def read_body(request: Request, bytes_max: int) -> bytes:
    """The body as it was sent, still packed. Raises BodyTooLarge without ever holding more than `bytes_max`."""
    stream = request.stream()
    announced = _announced(request.headers)
    if announced is not None and announced > bytes_max:
        await _discard(stream, bytes_max * DISCARD_TIMES_MAX)
        raise BodyTooLarge(limit=bytes_max)
    parts: list[bytes] = []
    size = 0
    async for part in stream:
        size += len(part)
        if size > bytes_max:
            parts.clear()
            await _discard(stream, bytes_max * DISCARD_TIMES_MAX)
            raise BodyTooLarge(limit=bytes_max)
        parts.append(part)
    return b"".join(parts)


def _announced(headers: Headers) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def _discard(stream: AsyncIterator[bytes], bytes_max: int) -> None:
    size = 0
    async for part in stream:
        size += len(part)
        if size > bytes_max:
            return


def coding_of(headers: Headers) -> str:
    """How the body is packed, in lower case. Raises MediaTypeUnsupported."""
    coding = headers.get("content-encoding", "").strip().lower() or "identity"
    if coding not in CODINGS:
        raise MediaTypeUnsupported(media_type=f"Content-Encoding: {coding}", expected="gzip, deflate or no encoding")
    return coding


def unpack(body: bytes, coding: str, bytes_max: int) -> bytes:
    """The body as it was before it was packed. Raises BodyTooLarge before more than `bytes_max` are unpacked.

    >>> unpack(zlib.compress(b"{}"), "deflate", 10)
    b'{}'
    """
    if coding == "identity":
        return body
    # Some senders of "deflate" leave out the zlib header (RFC 9110, 8.4.1.2).
    window = _GZIP if coding != "deflate" else _ZLIB if _has_zlib_header(body) else _BARE
    parts: list[bytes] = []
    room = bytes_max
    while True:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(body, room + 1)
        except zlib.error as error:
            raise BodyInvalid(reason=f"it is not valid {coding}: {error}") from None
        if len(part) > room:
            raise BodyTooLarge(limit=bytes_max)
        if not stream.eof:
            raise BodyInvalid(reason=f"its {coding} data is cut short")
        parts.append(part)
        room -= len(part)
        body = stream.unused_data
        if not body:
            return b"".join(parts)
        if window != _GZIP:
            raise BodyInvalid(reason=f"bytes follow the end of its {coding} data")


def _has_zlib_header(body: bytes) -> bool:
    return len(body) >= 2 and body[0] & 0x0F == 8 and (body[0] << 8 | body[1]) % 31 == 0
