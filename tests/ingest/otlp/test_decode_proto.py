"""What only protobuf can get wrong: its parser takes all or nothing, and we take what is sound."""

from __future__ import annotations

import pytest

from flightlog.errors import BodyInvalid
from flightlog.ingest.otlp import decode_proto
from flightlog.ingest.otlp.sieve import framed
from tests.ingest.otlp.requests import span, traces

BODY = traces(span(1), span(2, {"name": "HERE"}), span(3)).SerializeToString()


def test_a_text_that_is_not_utf8_refuses_its_span_alone() -> None:
    decoded = decode_proto.decode_traces(BODY.replace(b"HERE", b"\xff\xfe\xfd\xfc"))
    assert [one.name for one in decoded.groups[0].parts[0].records] == ["step 1", "step 3"]
    assert decoded.refused == 1
    assert "not UTF-8" in decoded.reasons[0]
    assert decoded.groups[0].attributes == {"service.name": "shop"}
    assert decoded.groups[0].parts[0].scope.label == "tests@1.0"


def test_a_bomb_of_nesting_refuses_its_span_alone() -> None:
    bomb = b"\x0a\x01x"
    for _ in range(5_000):  # a list in a list in a list
        bomb = framed(1, framed(5, bomb))
    attribute = b"\x0a\x01k" + framed(2, framed(5, bomb))
    part = b"".join(framed(2, one) for one in (span(1).SerializeToString(), framed(9, attribute)))
    decoded = decode_proto.decode_traces(BODY + framed(1, framed(2, part)))
    assert (decoded.count, decoded.refused) == (4, 1)
    assert "nested too deep" in decoded.reasons[0]


def test_other_resources_of_the_request_are_kept_too() -> None:
    bad = BODY.replace(b"HERE", b"\xff\xfe\xfd\xfc")
    decoded = decode_proto.decode_traces(BODY + bad + BODY)
    assert (decoded.count, decoded.refused, len(decoded.groups)) == (8, 1, 3)


def test_wherever_it_is_cut_short_it_is_refused_as_a_whole() -> None:
    for length in range(1, len(BODY)):
        with pytest.raises(BodyInvalid, match=r"cut short|can't be parsed"):
            decode_proto.decode_traces(BODY[:length])


def test_a_resource_that_is_not_utf8_refuses_the_request() -> None:
    with pytest.raises(BodyInvalid, match="a resource in it"):
        decode_proto.decode_traces(BODY.replace(b"shop", b"\xff\xfe\xfd\xfc"))


def test_fields_from_the_future_are_passed_over() -> None:
    future = b"\x98\x06\x01\xa2\x06\x02hi\xad\x06abcd\xb1\x06abcdefgh"
    assert decode_proto.decode_traces(BODY + future).count == 3
    bad = BODY.replace(b"HERE", b"\xff\xfe\xfd\xfc")
    assert decode_proto.decode_traces(future + bad).count == 2
