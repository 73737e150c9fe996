"""Where files lie: a folder and a real S3 server sit the same exam."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flightlog.archive.objects import LocalObjects, Objects, S3Objects, open_objects
from flightlog.errors import ArchiveFileMissing, ArchiveUnavailable, SettingInvalid
from tests.archive.seaweed import BUCKET, Seaweed

PATH = "project=a%2Fb%20c/date=2026-01-31/1-9-00c0ffee.parquet"


def _local(tmp_path: Path, request: pytest.FixtureRequest) -> Objects:
    return LocalObjects(tmp_path / "archive")


def _s3(tmp_path: Path, request: pytest.FixtureRequest) -> Objects:
    server: Seaweed = request.getfixturevalue("seaweed")
    return open_objects(tmp_path, f"s3://{BUCKET}/{secrets.token_hex(4)}", server.endpoint)


@pytest.fixture(params=[_local, _s3], ids=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Objects]:
    make: Callable[[Path, pytest.FixtureRequest], Objects] = request.param
    return make(tmp_path, request)  # type: ignore[return-value]


def test_what_is_put_is_there_whole_and_in_pieces(objects: Objects) -> None:
    data = bytes(range(256)) * 40_000
    objects.put_new(PATH, data)
    assert objects.read(PATH) == data
    assert objects.read_range(PATH, 300, 5) == data[300:305]
    assert objects.read_range(PATH, len(data) - 3, 10) == data[-3:]
    assert objects.exists(PATH)
    ((path, size, written_at),) = objects.list()
    assert (path, size) == (PATH, len(data))
    assert written_at > 1_700_000_000_000_000_000


def test_what_is_deleted_is_gone_and_may_be_deleted_again(objects: Objects) -> None:
    objects.put_new(PATH, b"one")
    objects.put_new("project=other/x", b"two")
    objects.delete(PATH)
    objects.delete(PATH)
    assert not objects.exists(PATH)
    with pytest.raises(ArchiveFileMissing):
        objects.read(PATH)
    with pytest.raises(ArchiveFileMissing):
        objects.read_range(PATH, 0, 1)
    assert [found.path for found in objects.list()] == ["project=other/x"]


def test_a_place_that_nobody_has_written_to_is_empty(objects: Objects) -> None:
    assert list(objects.list()) == []
    assert not objects.exists(PATH)
    with pytest.raises(ArchiveFileMissing):
        objects.read(PATH)


def test_a_file_in_a_folder_is_never_written_over_and_its_folders_go_with_it(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "archive")
    objects.put_new(PATH, b"one")
    with pytest.raises(ArchiveUnavailable):
        objects.put_new(PATH, b"two")
    assert objects.read(PATH) == b"one"
    assert [path.name for path in (tmp_path / "archive").rglob("*") if path.is_file()] == [Path(PATH).name]
    objects.delete(PATH)
    assert os.listdir(tmp_path / "archive") == []


def test_a_bucket_that_is_not_there_and_a_server_that_does_not_answer_are_said(
    seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flightlog.archive.objects.S3_RETRIES_MAX", 0)
    closed = S3Objects("history", "", "http://127.0.0.1:1")
    for call in (
        lambda: closed.put_new("x", b"1"),
        lambda: closed.read("x"),
        lambda: closed.exists("x"),
        lambda: list(closed.list()),
    ):
        with pytest.raises(ArchiveUnavailable, match="s3://history"):
            call()


@pytest.mark.parametrize("url", ["http://x/y", "s3://", "s3:///prefix", "gs://bucket"])
def test_a_place_is_a_folder_or_s3(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid):
        open_objects(tmp_path, url)


def test_a_folder_is_counted_from_the_data_folder(tmp_path: Path) -> None:
    assert open_objects(tmp_path / "flight" / "archive", "../old").folder == tmp_path / "flight" / ".." / "old"
    assert open_objects(tmp_path / "archive", "/srv/old").folder == Path("/srv/old")
    assert open_objects(tmp_path / "archive").folder == tmp_path / "archive"
