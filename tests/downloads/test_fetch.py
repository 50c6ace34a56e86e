"""Fetching through every fault that a server, a disk and a killed process can have."""

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from types import SimpleNamespace

import pytest
import yaml
from http_server import FaultyServer, Reply, certificate
from repository import ROOT

from dissection.downloads import fetch as fetch_module
from dissection.downloads import file_checks, partial_file
from dissection.downloads.fetch import fetch
from dissection.downloads.first_use_hashes import read_record
from dissection.errors import InputError

BODY = random.Random(1).randbytes(300_000)
OTHER = random.Random(2).randbytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Host &amp; gone</title></head><body>Sorry</body></html>"
)

pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def waits():
    """The waits between tries, of which no test waits for any."""
    return []


@pytest.fixture
def get(tmp_path, waits):
    """Fetch into the test's folder without waiting."""

    def get(*urls, target="data/a.bin", **options):
        options = {"sleep": waits.append, "timeout": 5.0} | options
        return fetch(urls, tmp_path / target, **options)

    return get


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refusal(get, *urls, **options):
    with pytest.raises(InputError) as caught:
        get(*urls, **options)
    return str(caught.value)


def asked(server):
    """The status and the Range of every request."""
    return [(request.status, request.headers.get("Range")) for request in server.requests]


# Sources


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


# Going on


@pytest.mark.parametrize(
    "version", [{"etag": '"1"'}, {"last_modified": "Wed, 01 Mar 2017 10:00:00 GMT"}]
)
def test_cut_connection_goes_on_where_it_stopped(server, get, version):
    url = server.serve("/a", Reply(BODY, cut_after=100_000, **version), Reply(BODY, **version))
    assert get(url).read_bytes() == BODY
    assert asked(server) == [(200, None), (206, "bytes=100000-")]
    assert [request.sent for request in server.requests] == [100_000, 200_000]
    assert server.requests[1].headers["If-Range"] == next(iter(version.values()))


def test_later_run_goes_on_even_from_a_mirror(server, get, tmp_path):
    first, mirror = server.url("/missing"), "/b"
    url = server.serve(mirror, Reply(BODY, etag='"1"', cut_after=100_000), Reply(status=500))
    message = refusal(get, first, url, attempts=2)
    assert f"100.0 kB of it are kept in {tmp_path / 'data/a.bin.part'}" in message
    server.requests.clear()
    server.serve(mirror, Reply(BODY, etag='"1"'))
    assert get(first, url).read_bytes() == BODY
    assert asked(server) == [(206, "bytes=100000-")]
    assert names(tmp_path / "data") == ["a.bin"]


def test_server_without_ranges_sends_all_again(server, get):
    url = server.serve(
        "/a", Reply(BODY, etag='"1"', cut_after=100_000), Reply(BODY, etag='"1"', ranges=False)
    )
    assert get(url).read_bytes() == BODY
    assert asked(server) == [(200, None), (200, "bytes=100000-")]


@pytest.mark.parametrize("mind_if_range", [True, False])
def test_changed_file_is_fetched_from_its_beginning(server, get, mind_if_range):
    url = server.serve(
        "/a",
        Reply(OTHER, etag='"1"', cut_after=100_000),
        Reply(BODY, etag='"2"', mind_if_range=mind_if_range),
    )
    assert get(url).read_bytes() == BODY
    assert server.requests[-1].status == 200


def test_changed_size_means_another_file(server, get):
    grown = BODY + OTHER
    url = server.serve("/a", Reply(BODY, cut_after=100_000), Reply(grown))
    assert get(url).read_bytes() == grown
    assert [status for status, _ in asked(server)] == [200, 206, 200]


def test_answer_with_another_range_than_asked_for_is_not_appended(server, get):
    other = Reply(BODY, 206, {"Content-Range": "bytes 0-299999/300000"}, etag='"1"')
    url = server.serve("/a", Reply(BODY, etag='"1"', cut_after=100_000), other, Reply(BODY))
    assert get(url).read_bytes() == BODY
    assert [status for status, _ in asked(server)] == [200, 206, 200]


def test_server_that_gives_less_than_asked_for_is_asked_again(server, get):
    less = Reply(
        BODY[100_000:200_000], 206, {"Content-Range": "bytes 100000-199999/300000"}, etag='"1"'
    )
    url = server.serve(
        "/a", Reply(BODY, etag='"1"', cut_after=100_000), less, Reply(BODY, etag='"1"')
    )
    assert get(url).read_bytes() == BODY
    assert asked(server)[1:] == [(206, "bytes=100000-"), (206, "bytes=200000-")]


def test_weak_version_is_not_enough(server, get):
    reply = Reply(BODY, etag='W/"1"', cut_after=100_000)
    url = server.serve("/a", reply, Reply(BODY, etag='W/"1"'))
    assert get(url).read_bytes() == BODY
    assert "If-Range" not in server.requests[1].headers


def test_without_a_version_the_end_of_the_part_is_compared(server, get):
    start = 100_000 - partial_file.OVERLAP
    url = server.serve("/a", Reply(BODY, cut_after=100_000), Reply(BODY))
    assert get(url).read_bytes() == BODY
    assert asked(server) == [(200, None), (206, f"bytes={start}-")]
    server.requests.clear()
    url = server.serve("/a", Reply(OTHER, cut_after=100_000), Reply(BODY))
    assert get(url, target="b.bin").read_bytes() == BODY
    assert asked(server) == [(200, None), (206, f"bytes={start}-"), (200, None)]


def test_part_longer_than_the_file_is_given_up(server, get, tmp_path):
    url = server.serve("/a", Reply(OTHER, etag='"1"', cut_after=100_000), Reply(status=500))
    refusal(get, url, attempts=2)
    server.requests.clear()
    server.serve("/a", Reply(BODY[:50_000], etag='"1"'))
    assert get(url).read_bytes() == BODY[:50_000]
    assert asked(server) == [(416, "bytes=100000-"), (200, None)]


def test_damaged_part_is_noticed_and_fetched_anew_once(server, get, tmp_path):
    url = server.serve("/a", Reply(BODY, etag='"1"', cut_after=100_000), Reply(status=500))
    refusal(get, url, attempts=2)
    part = tmp_path / "data/a.bin.part"
    part.write_bytes(OTHER[:100_000])
    server.requests.clear()
    server.serve("/a", Reply(BODY, etag='"1"'))
    assert get(url, sha256=SHA256).read_bytes() == BODY
    assert asked(server) == [(206, "bytes=100000-"), (200, None)]


def test_wrong_file_from_a_server_that_cuts_has_an_end(server, get):
    cut, whole = Reply(OTHER, etag='"1"', cut_after=250_000), Reply(OTHER, etag='"1"')
    url = server.serve("/a", cut, whole, cut, whole, cut, whole)
    assert "has the sha256" in refusal(get, url, sha256=SHA256)
    assert len(server.requests) == 4


def test_web_page_does_not_replace_the_part_at_hand(server, get, tmp_path):
    url = server.serve("/a", Reply(BODY, etag='"1"', cut_after=100_000), Reply(PAGE))
    assert "HTML page" in refusal(get, url)
    assert (tmp_path / "data/a.bin.part").read_bytes() == BODY[:100_000]
    server.serve("/a", Reply(BODY, etag='"1"'))
    assert get(url).read_bytes() == BODY
    assert server.requests[-1].status == 206


@pytest.mark.parametrize("source", ["nothing", "nonsense", "[]", '{"url": "http://x"}'])
def test_part_of_unknown_origin_is_given_up(server, get, tmp_path, source):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.bin.part").write_bytes(OTHER[:1000])
    if source != "nothing":
        (folder / "a.bin.part.json").write_text(source)
    assert get(server.serve("/a", Reply(BODY))).read_bytes() == BODY
    assert asked(server) == [(200, None)]


def test_finished_part_is_used_without_asking(server, get, tmp_path):
    folder, url = tmp_path / "data", server.url("/a")
    folder.mkdir()
    (folder / "a.bin.part").write_bytes(BODY)
    source = {"url": url, "etag": '"1"', "last_modified": None, "size": len(BODY)}
    (folder / "a.bin.part.json").write_text(json.dumps(source))
    assert get(url, sha256=SHA256).read_bytes() == BODY
    assert server.requests == []
    assert names(folder) == ["a.bin"]


def test_many_cuts_are_no_failure_while_something_comes(server, get, monkeypatch):
    monkeypatch.setattr(fetch_module, "NEWS", 30_000)
    cuts = [Reply(BODY, etag='"1"', cut_after=40_000)] * 6
    url = server.serve("/a", *cuts, Reply(BODY, etag='"1"'))
    assert get(url, attempts=2).read_bytes() == BODY
    assert sum(request.sent for request in server.requests) == len(BODY)


def test_silent_server_is_noticed(server, get):
    url = server.serve("/a", Reply(BODY, etag='"1"', stall_after=100_000), Reply(BODY, etag='"1"'))
    start = time.monotonic()
    assert get(url, timeout=0.3).read_bytes() == BODY
    assert time.monotonic() - start < 5
    assert asked(server) == [(200, None), (206, "bytes=100000-")]


def test_server_that_never_answers_is_noticed(get):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/a"
        message = refusal(get, url, timeout=0.2, attempts=2)
    assert "no answer within 0.2 s (2 tries)" in message


def test_trickle_counts_as_silence(server, get):
    # More often than the timeout, but too little to ever end.
    url = server.serve("/a", Reply(BODY, pace=20))
    message = refusal(get, url, timeout=0.3, attempts=1)
    assert "less than 100 bytes a second" in message


FETCH = """
import sys
from dissection.downloads.fetch import fetch
fetch([sys.argv[1]], sys.argv[2], sha256=sys.argv[3])
"""


def start_process(url, target, limit=None):
    """Fetch in a process of its own; ``limit``: bytes that a file may have."""

    def restrict():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [sys.executable, "-c", FETCH, url, str(target), SHA256],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=None if limit is None else restrict,
    )


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_killed_process_leaves_what_the_next_one_goes_on_from(server, get, tmp_path):
    target = tmp_path / "data/a.bin"
    part = tmp_path / "data/a.bin.part"
    url = server.serve("/a", Reply(BODY, etag='"1"', pace=200_000), Reply(BODY, etag='"1"'))
    with start_process(url, target) as process:
        wait_until(lambda: part.exists() and part.stat().st_size > 50_000)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    size = part.stat().st_size
    assert 50_000 < size < len(BODY)
    assert get(url, sha256=SHA256).read_bytes() == BODY
    assert asked(server) == [(200, None), (206, f"bytes={size}-")]
    assert names(tmp_path / "data") == ["a.bin"]


def test_second_process_waits_for_the_first_and_fetches_nothing(server, get, tmp_path):
    target = tmp_path / "data/a.bin"
    url = server.serve("/a", Reply(BODY, etag='"1"', pace=600_000))
    with start_process(url, target) as process:
        wait_until((tmp_path / "data/a.bin.part.json").exists)
        assert get(url, sha256=SHA256) == target
        assert target.read_bytes() == BODY
    assert process.returncode == 0
    assert len(server.requests) == 1
    assert names(tmp_path / "data") == ["a.bin"]


def test_file_system_without_locks(server, get, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with caplog.at_level("INFO", "dissection"):
        assert get(server.serve("/a", Reply(BODY))).read_bytes() == BODY
    assert "no locks for the download of a.bin" in caplog.text


# Room


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


# A file that is there, and the record of hashes


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


def test_first_hash_is_recorded_and_checked_ever_after(server, get, tmp_path):
    record = tmp_path / "recorded_hashes.yaml"
    url = server.serve("/a", Reply(BODY))
    options = {"recorded": record, "target": "zoo/a.bin"}
    path = get(url, **options)
    entry = yaml.safe_load(record.read_text())["zoo/a.bin"]
    assert entry["sha256"] == SHA256
    assert entry["source"] == url
    assert get(url, **options) == path

    path.write_bytes(OTHER)
    message = refusal(get, url, **options)
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert f"but {SHA256} was recorded on {entry['first_used']} (source: {url})" in message
    assert f"delete the entry zoo/a.bin in {record}" in message

    path.unlink()
    other = server.serve("/a", Reply(OTHER))
    message = refusal(get, other, **options)
    assert "what the server sent has the sha256" in message
    assert f"The file to look for: sha256 {SHA256} (recorded when" in message
    assert not path.exists()
    assert get(other, server.serve("/b", Reply(BODY)), **options).read_bytes() == BODY


def test_only_sound_files_are_recorded(server, get, tmp_path):
    record = tmp_path / "recorded_hashes.yaml"
    url = server.serve("/a", Reply(BODY))
    refusal(get, url, recorded=record, check=file_checks.zip_problem)
    refusal(get, url, recorded=record, md5="0" * 32)
    assert not record.exists()
    get(url, recorded=record, sha256=SHA256)  # published: nothing to record
    assert not record.exists()
    get(url, recorded=record, sha256=SHA256[:8])
    assert read_record(record)["data/a.bin"]["sha256"] == SHA256


def test_file_by_hand_is_recorded(get, tmp_path):
    record = tmp_path / "record.yaml"
    (tmp_path / "a.bin").write_bytes(BODY)
    get("http://127.0.0.1:1/a", target="a.bin", recorded=record)
    assert read_record(record)["a.bin"]["source"] == "a file that was put there"


RECORD = """
import sys
from pathlib import Path
from dissection.downloads.first_use_hashes import recorded_problem
record, process = Path(sys.argv[1]), sys.argv[2]
for index in range(9):
    recorded_problem(record, f"{process}-{index}", process * 64, "test")
print(recorded_problem(record, "shared", process * 64, "test"))
"""


def test_processes_record_at_the_same_time(tmp_path):
    record = tmp_path / "record.yaml"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RECORD, str(record), process],
            env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for process in "abc"
    ]
    answers = [process.communicate()[0].strip() for process in processes]
    assert len(read_record(record)) == 3 * 9 + 1
    assert answers.count("None") == 1
    assert record.read_text().startswith("# The sha256 of downloaded files")


@pytest.mark.parametrize("text", ["a: b: c", "- a", "a.zip: {}", "a.zip: {sha256: 12}", "\x00"])
def test_damaged_record_is_an_error(tmp_path, text):
    record = tmp_path / "record.yaml"
    record.write_text(text)
    with pytest.raises(InputError, match=r"record\.yaml"):
        read_record(record)
