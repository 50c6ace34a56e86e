"""Fetching goes on where it was, after cut connections, silent servers, killed processes."""

import errno
import json
import signal
import socket
import time

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
    wait_until,
)
from http_server import Reply

from dissection.downloads import fetch as fetch_module
from dissection.downloads import partial_file

pytestmark = pytest.mark.usefixtures("no_proxy")


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
