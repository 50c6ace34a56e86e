"""Fetching through every fault that a source and a disk can have."""

import hashlib
import shutil
import socket
import zipfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from types import SimpleNamespace

import pytest
from fetching import (
    BODY,
    OTHER,
    PAGE,
    SHA256,
    asked,
    names,
    refusal,
    start_process,
)
from http_server import FaultyServer, Reply, certificate

from dissection.downloads import file_checks

pytestmark = pytest.mark.usefixtures("no_proxy")


def test_file_is_fetched_checked_and_leaves_nothing_beside_it(server, get):
    digests = {name: hashlib.new(name, BODY).hexdigest() for name in ("sha256", "md5", "sha1")}
    path = get(server.serve("/a", Reply(BODY)), size=len(BODY), **digests)
    assert path.read_bytes() == BODY
    assert names(path.parent) == ["a.bin"]


def test_chunkless_answer_without_a_length(server, get):
    path = get(server.serve("/a", Reply(BODY, length=False)))
    assert path.read_bytes() == BODY


def test_missing_file_is_not_asked_for_again_and_the_mirror_is_used(server, get, waits):
    url = server.serve("/b", Reply(BODY))
    assert get(server.url("/missing"), url).read_bytes() == BODY
    assert [request.path for request in server.requests] == ["/missing", "/b"]
    assert waits == []


def test_busy_server_is_tried_again_after_the_time_that_it_names(server, get, waits):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    url = server.serve(
        "/a",
        Reply(status=503, headers={"Retry-After": "7"}),
        Reply(status=503),
        Reply(status=429, headers={"Retry-After": date}),
        Reply(BODY),
    )
    assert get(url).read_bytes() == BODY
    assert waits[:2] == [7.0, 4.0]
    assert waits[2] == pytest.approx(60, abs=3)


def test_wait_that_is_too_long_means_the_next_source(server, get, waits):
    url = server.serve("/a", Reply(status=503, headers={"Retry-After": "86400"}))
    assert get(url, server.serve("/b", Reply(BODY))).read_bytes() == BODY
    assert waits == []


def test_waits_grow(server, get, waits):
    message = refusal(get, server.serve("/a", Reply(status=500)), attempts=5)
    assert waits == [2.0, 4.0, 8.0, 16.0]
    assert "HTTP status 500 (Internal Server Error) (5 tries)" in message


@pytest.mark.parametrize(("first", "expected"), [("0", 0), ("0.25", 0.25), ("", 2)])
def test_the_environment_gives_another_first_wait(server, get, waits, monkeypatch, first, expected):
    monkeypatch.setenv("DOWNLOAD_WAIT", first)
    refusal(get, server.serve("/a", Reply(status=500)), attempts=4)
    assert waits == [expected, 2 * expected, 4 * expected]


@pytest.mark.parametrize("first", ["soon", "-1", "nan", "inf", "121", "2 s"])
def test_a_first_wait_that_is_none_is_refused(server, get, monkeypatch, first):
    monkeypatch.setenv("DOWNLOAD_WAIT", first)
    message = refusal(get, server.serve("/a", Reply(BODY)))
    assert f"DOWNLOAD_WAIT is '{first}' in the environment" in message
    assert server.requests == []


def test_wrong_checksum_means_the_next_source(server, get):
    url, mirror = server.serve("/a", Reply(OTHER)), server.serve("/b", Reply(BODY))
    assert get(url, mirror, sha256=SHA256).read_bytes() == BODY
    assert [request.path for request in server.requests] == ["/a", "/b"]


def test_head_of_the_sha256_is_enough_and_is_checked(server, get):
    url = server.serve("/a", Reply(BODY))
    assert get(url, sha256=SHA256[:8]).read_bytes() == BODY
    wrong = "0123abcd"
    message = refusal(get, url, sha256=wrong, target="b.bin")
    assert f"what the server sent has the sha256 {SHA256}, which should begin with {wrong}" in (
        message
    )


def test_wrong_size_is_refused_before_the_file_comes(server, get):
    url = server.serve("/a", Reply(BODY, pace=1000))
    assert "300,000 bytes instead of 299,999" in refusal(get, url, size=299_999)


def test_endless_file_is_cut_at_the_size_that_is_known(server, get, tmp_path):
    url = server.serve("/a", Reply(BODY, length=False))
    assert "more than 100,000 bytes" in refusal(get, url, size=100_000)
    assert names(tmp_path / "data") == []


def test_web_page_is_named_as_such(server, get, tmp_path):
    url = server.serve("/a", Reply(PAGE, headers={"Content-Type": "application/zip"}))
    message = refusal(get, url)
    assert f"{url}: the server sent an HTML page (title 'Host & gone') instead of the file" in (
        message
    )
    assert names(tmp_path / "data") == []


def test_empty_file_is_refused(server, get):
    assert "what the server sent is empty" in refusal(get, server.serve("/a", Reply()))


def test_compressed_answer_is_refused(server, get):
    url = server.serve("/a", Reply(BODY, headers={"Content-Encoding": "gzip"}))
    assert "compresses" in refusal(get, url)
    assert server.requests[0].headers["Accept-Encoding"] == "identity"


def test_truncated_archive_is_refused(server, get):
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", BODY)
    url = server.serve("/a", Reply(buffer.getvalue()[:-30]))
    message = refusal(get, url, check=file_checks.zip_problem)
    assert "what the server sent is no whole zip archive" in message
    assert get(server.serve("/b", Reply(buffer.getvalue())), check=file_checks.zip_problem)


def test_redirect_is_followed_and_a_circle_is_not(server, get):
    url = server.serve("/old", Reply(status=302, headers={"Location": server.url("/new")}))
    server.serve("/new", Reply(BODY))
    assert get(url).read_bytes() == BODY
    circle = server.serve("/o", Reply(status=302, headers={"Location": server.url("/o")}))
    assert "Exceeded 30 redirects" in refusal(get, circle, target="b.bin")


def test_all_reasons_are_in_one_message(server, get, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/a"
        urls = [
            nobody,
            server.url("/missing"),
            server.serve("/page", Reply(PAGE)),
            server.serve("/wrong", Reply(OTHER)),
            "nonsense",
        ]
        lines = refusal(get, *urls, sha256=SHA256, attempts=2).splitlines()
    assert lines[0] == "a.bin could not be fetched:"
    assert lines[1] == f"  {nobody}: no connection (Connection refused) (2 tries)"
    assert lines[2] == f"  {urls[1]}: HTTP status 404 (Not Found)"
    assert "HTML page" in lines[3]
    assert hashlib.sha256(OTHER).hexdigest() in lines[4]
    assert lines[5].startswith("  nonsense: cannot be fetched (Invalid URL")
    assert lines[6] == f"The file to look for: sha256 {SHA256}."
    assert f"Put it at {tmp_path / 'data/a.bin'} by hand" in lines[7]
    assert names(tmp_path / "data") == []


def test_unknown_checksum_is_said(server, get):
    assert "no checksum is published" in refusal(get, server.url("/missing"))


def test_untrusted_certificate_is_a_reason_and_never_ignored(get, tmp_path, monkeypatch):
    with FaultyServer(secure=True) as secure:
        url = secure.serve("/a", Reply(BODY))
        message = refusal(get, url)
        assert "its https certificate is not trusted (self-signed certificate)" in message
        assert secure.requests == []
        bundle = tmp_path / "trusted.pem"
        bundle.write_text(certificate())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        assert get(url).read_bytes() == BODY


def test_proxy_of_the_environment_is_used(server, get, monkeypatch):
    server.serve("/a.bin", Reply(BODY))
    monkeypatch.setenv("http_proxy", server.url(""))
    assert get("http://host.invalid/a.bin").read_bytes() == BODY
    assert server.requests[0].path == "http://host.invalid/a.bin"


def test_file_that_the_disk_does_not_take_is_said_and_the_part_kept(server, get, tmp_path):
    url = server.serve("/a", Reply(BODY, etag='"1"'))
    with start_process(url, tmp_path / "data/a.bin", limit=120_000) as process:
        error = process.stderr.read()
    assert process.returncode == 1
    assert "InputError: The disk is full (File too large) while writing a.bin" in error
    assert (tmp_path / "data/a.bin.part").read_bytes() == BODY[:120_000]
    assert get(url, sha256=SHA256).read_bytes() == BODY
    assert asked(server)[-1] == (206, "bytes=120000-")


def test_full_device(server, get, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.bin.part").symlink_to("/dev/full")
    message = refusal(get, server.serve("/a", Reply(BODY)))
    assert "The disk is full (No space left on device) while writing a.bin" in message


def test_too_little_space_is_said_before_anything_is_written(server, get, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=250_000))
    url = server.serve("/a", Reply(BODY, etag='"1"', cut_after=100_000), Reply(BODY, etag='"1"'))
    message = refusal(get, url)
    assert "a.bin takes 300.0 kB more" in message
    assert "250.0 kB are free" in message
    assert names(tmp_path / "data") == []
    # What has come already takes no more space.
    monkeypatch.undo()
    url = server.serve("/a", Reply(BODY, etag='"1"', cut_after=100_000), Reply(status=500))
    refusal(get, url, attempts=2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=250_000))
    server.serve("/a", Reply(BODY, etag='"1"'))
    assert get(url).read_bytes() == BODY


def test_file_put_there_by_hand_is_checked_and_nothing_fetched(server, get, tmp_path):
    url = server.url("/a")
    target = tmp_path / "a.bin"
    target.write_bytes(BODY)
    assert get(url, target="a.bin", sha256=SHA256, size=len(BODY)) == target
    for content, options, problem in (
        (OTHER, {"sha256": SHA256}, f"instead of {SHA256}"),
        (OTHER, {"md5": "0" * 32}, "has the md5"),
        (BODY[:10], {"size": 300_000}, "has 10 bytes instead of 300,000"),
        (PAGE, {}, "is an HTML page (title 'Host & gone'), not the file itself"),
        (b"", {}, "is empty"),
        (BODY, {"check": file_checks.zip_problem}, "is no whole zip archive"),
    ):
        target.write_bytes(content)
        message = refusal(get, url, target="a.bin", **options)
        assert f"{target} cannot be used: it " in message
        assert problem in message
        assert url in message
        assert target.read_bytes() == content
    assert server.requests == []


def test_folder_at_the_target_is_refused(get, tmp_path):
    (tmp_path / "a.bin").mkdir()
    assert "is no file" in refusal(get, "http://127.0.0.1:1/a", target="a.bin")
