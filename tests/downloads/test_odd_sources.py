"""Whatever one source does, the next one is tried, and the advice for a person survives."""

import errno
import gzip
import random
from unittest import mock

import pytest
import requests
import urllib3
from http_server import FaultyServer, Reply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dissection.downloads import http
from dissection.downloads.fetch import fetch
from dissection.downloads.partial_file import PartialFile
from dissection.errors import InputError

BODY = random.Random(1).randbytes(30_000)
LONG_LABEL = "a" * 70
CHUNKED = "Transfer-Encoding: chunked"

pytestmark = [
    pytest.mark.usefixtures("no_proxy"),
    # urllib3 leaves sockets to the garbage collector after some of its own errors.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def raw(status="200 OK", *headers, body=BODY):
    """An answer to the byte; headers as they are written."""
    lines = [
        f"HTTP/1.1 {status}".encode(),
        *(h if isinstance(h, bytes) else h.encode() for h in headers),
    ]
    return Reply(b"\r\n".join([*lines, b"", body]), raw=True)


def redirect(location, *headers, body=b""):
    return raw("302 Found", b"Location: " + location, *headers, body=body)


# What a server may answer instead of the file: nothing of it can be used.
USELESS = {
    "two lengths": raw("200 OK", "Content-Length: 30000", "Content-Length: 29999"),
    "two lengths in one": raw("200 OK", "Content-Length: 30000, 29999"),
    "compressed": raw("200 OK", "Content-Encoding: gzip", body=gzip.compress(BODY)),
    "chunks of no length": raw("200 OK", CHUNKED, body=b"zz\r\nabc\r\n"),
    "chunks of a negative length": raw("200 OK", CHUNKED, body=b"-5\r\nabc\r\n"),
    "chunks that end": raw("200 OK", CHUNKED, body=b"ff\r\nabc"),
    "chunk length without end": raw("200 OK", CHUNKED, body=b"1" * 70_000),
    "length of another planet": raw("200 OK", f"Content-Length: {10**18}"),
    "length of many digits": raw("200 OK", "Content-Length: " + "9" * 4000),
    "too short": raw("200 OK", "Content-Length: 30001"),
    "empty": raw("200 OK", "Content-Length: 0", body=b""),
    "empty without a length": raw("200 OK", body=b""),
    "no content": raw("204 No Content", body=b""),
    "a part that nobody asked for": raw("206 Partial Content", "Content-Range: bytes 5-9/30000"),
    "not changed": raw("304 Not Modified", body=b""),
    "status of no kind": raw("999 What"),
    "status of four digits": raw("2000 OK"),
    "status without a number": raw("OK OK"),
    "status in other letters": raw("404 \xe9\xe8\x1b[31m\u20ac"),
    "long reason": raw("404 " + "no " * 10_000),
    "wait of another kind": raw("503 Busy", "Retry-After: Mon, 01 Jan 2020 00:00:00 +" + "9" * 30),
    "wait until never": raw("503 Busy", "Retry-After: inf"),
    "no HTTP": Reply(b"220 mail.example ESMTP\r\n", raw=True),
    "noise": Reply(random.Random(2).randbytes(5000).replace(b"\n", b""), raw=True),
    "nothing": Reply(b"", raw=True),
    "half a status line": Reply(b"HTTP/1.1 20", raw=True),
    "long status line": Reply(b"HTTP/1.1 200 " + b"a" * 100_000, raw=True),
    "long header": raw("200 OK", "X: " + "a" * 100_000),
    "many headers": raw("200 OK", *(f"X{n}: 1" for n in range(1000))),
    "only interim answers": Reply(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, raw=True),
    "redirect to a file": redirect(b"file:///etc/passwd"),
    "redirect to ftp": redirect(b"ftp://127.0.0.1/a"),
    "redirect to data": redirect(b"data:,abc"),
    "redirect to no address": redirect(b"http://"),
    "redirect to a bad port": redirect(b"http://127.0.0.1:99999/a"),
    "redirect to a port of letters": redirect(b"http://127.0.0.1:port/a"),
    "redirect to a bad address": redirect(b"http://[::1/a"),
    "redirect to a name that is nowhere": redirect(b"http://nowhere.localhost.invalid/a"),
    "redirect to a long name": redirect(f"http://{LONG_LABEL}.invalid/a".encode()),
    "redirect to an empty label": redirect(b"http://a..invalid/a"),
    "redirect to no UTF-8": redirect(b"http://127.0.0.1/\xff\xfe"),
    "redirect to odd letters": redirect("http://\u20ac\u0130.invalid/\u20ac".encode()),
    "redirect to a dot": redirect(b"http://./a"),
    "redirect with a star": redirect(b"http://*.invalid/a"),
    "redirect to nothing": redirect(b""),
    "redirect to no answer": redirect(b"http://127.0.0.1:1/a"),
    "redirect in a circle": redirect(b"/a"),
    "redirect in a growing circle": redirect(b"a/a"),
    "redirect with a damaged text": redirect(b"/b", "Content-Encoding: gzip", body=b"no gzip"),
    "redirect with damaged chunks": redirect(
        b"http://[::1/a", CHUNKED, body=b"zz\r\n"
    ),
}  # fmt: skip


def refusal(urls, target, **options):
    with pytest.raises(InputError) as caught:
        fetch(urls, target, **{"sleep": lambda _: None, "timeout": 2.0, "attempts": 2} | options)
    return str(caught.value)


def check_next_is_tried(url, mirror, folder):
    """Fetch from an odd source and a good one; then see what is said where there is no other."""
    fetched = fetch([url, mirror], folder / "a.bin", sleep=lambda _: None, timeout=2.0, attempts=2)
    assert fetched.read_bytes() == BODY
    return check_advice(url, folder)


def check_advice(url, folder):
    target = folder / "b.bin"
    message = refusal([url], target)
    lines = message.splitlines()
    assert lines[0] == "b.bin could not be fetched:"
    assert lines[1].startswith(f"  {url}: ")
    assert len(lines[1]) < len(url) + 300
    assert all(line.isprintable() for line in lines)
    assert f"Put it at {target} by hand" in message
    assert not target.exists()
    return lines[1].removeprefix(f"  {url}: ")


@pytest.mark.parametrize("reply", USELESS.values(), ids=USELESS)
def test_answers_that_are_no_file(server, tmp_path, reply):
    url = server.serve("/a", reply)
    server.serve("/b", Reply(BODY, 404))
    check_next_is_tried(url, server.serve("/good", Reply(BODY)), tmp_path)


# Odd, but the file comes whole.
USABLE = {
    "the same length twice": raw("200 OK", "Content-Length: 30000", "Content-Length: 30000"),
    "more than the length": raw("200 OK", "Content-Length: 30000", body=BODY + b"more"),
    "length of no number": raw("200 OK", "Content-Length: many"),
    "length of too many digits": raw("200 OK", "Content-Length: " + "9" * 5000),
    "negative length": raw("200 OK", "Content-Length: -7"),
    "length and chunks": raw(
        "200 OK", CHUNKED, "Content-Length: 5",
        body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    ),
    "chunks of a store": raw("200 OK", "Content-Encoding: aws-chunked", "Content-Length: 30000"),
    "no encoding": raw("200 OK", "Content-Encoding:", "Content-Length: 30000"),
    "unknown encoding": raw("200 OK", "Content-Encoding: \xe9, none", "Content-Length: 30000"),
    "identity in capitals": raw("200 OK", "Content-Encoding: Identity", "Content-Length: 30000"),
    "headers in other letters": raw("200 OK", b"X-\xff\xfe: \xff\x00\x1b", "Content-Length: 30000"),
    "header without a name": raw("200 OK", "nonsense", "Content-Length: 30000"),
    "cookies of no kind": raw("200 OK", "Set-Cookie: =;;\xff; expires=never; domain=a..b",
                              "Content-Length: 30000"),
    "redirect with an encoded text": redirect(b"/good", "Content-Encoding: gzip", body=b"no gzip"),
    "redirect with damaged chunks": redirect(b"/good", CHUNKED, body=b"zz\r\n"),
    "redirect with a long text": redirect(b"/good", "Content-Length: 1000000000000"),
    "HTTP of before": Reply(b"HTTP/0.9 200\r\n\r\n" + BODY, raw=True),
}  # fmt: skip


@pytest.mark.parametrize("reply", USABLE.values(), ids=USABLE)
def test_answers_that_are_odd_and_usable(server, tmp_path, reply):
    server.serve("/good", Reply(BODY))
    path = fetch(
        [server.serve("/a", reply)], tmp_path / "a", size=30_000, sleep=lambda _: None, timeout=2.0
    )
    assert path.read_bytes() == BODY


def test_endless_redirect_text_is_not_read(server, tmp_path):
    text = raw("302 Found", "Location: /good", "Content-Length: 1000000000", body=BODY)
    url = server.serve("/a", Reply(text.body, raw=True, stall_after=len(text.body)))
    server.serve("/good", Reply(BODY))
    fetched = fetch([url], tmp_path / "a", timeout=0.5, attempts=1)
    assert fetched.read_bytes() == BODY


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["status", "header"])
def test_trickling_header_is_given_up(server, tmp_path, monkeypatch, start):
    monkeypatch.setattr(http, "ANSWERS_WITHIN", 2)
    url = server.serve("/a", Reply(start + b"a" * 10_000, raw=True, pace=100))
    good = server.serve("/good", Reply(BODY))
    assert fetch([url, good], tmp_path / "a", timeout=0.2, attempts=1).read_bytes() == BODY
    assert "no whole answer within 0.4 s" in refusal([url], tmp_path / "b", timeout=0.2)


def test_compressed_file_that_a_server_takes_for_a_compressed_answer(server, tmp_path):
    content = gzip.compress(BODY)
    for encoding in ("gzip", "x-gzip"):
        url = server.serve("/a", Reply(content, headers={"Content-Encoding": encoding}))
        assert fetch([url], tmp_path / encoding / "a.tar.gz").read_bytes() == content
    url = server.serve("/a", Reply(content, headers={"Content-Encoding": "br"}))
    assert "compresses the file" in refusal([url], tmp_path / "b.tar.gz")


# Answers to the request for the rest of a file.
RESTS = {
    "another beginning": raw("206 Partial Content", "Content-Range: bytes 5-29999/30000"),
    "another size": raw("206 Partial Content", "Content-Range: bytes 10000-30000/30001"),
    "no range": raw("206 Partial Content"),
    "range of no number": raw("206 Partial Content", "Content-Range: bytes a-b/c"),
    "range of many digits": raw(
        "206 Partial Content", f"Content-Range: bytes {'1' * 5000}-9/30000"
    ),
    "more than the rest": raw(
        "206 Partial Content", "Content-Range: bytes 10000-29999/30000", body=BODY
    ),
    "no such range": raw("416 Range Not Satisfiable", body=b""),
    "redirect to a bad address": redirect(b"http://[::1/a"),
    "two lengths": raw("206 Partial Content", "Content-Length: 1", "Content-Length: 2"),
}


@pytest.mark.parametrize("version", ['"1"', '"a\r\n b"', '"\xe9"', 'W/"1"', "1", ""])
@pytest.mark.parametrize("rest", RESTS.values(), ids=RESTS)
def test_rests_that_do_not_fit(server, tmp_path, version, rest):
    part = Reply(BODY, headers={"ETag": version}, cut_after=10_000)
    url = server.serve("/a", part, rest)
    check_next_is_tried(url, server.serve("/good", Reply(BODY)), tmp_path)


@pytest.mark.parametrize("version", ['"a\r\n b"', '"\xe9"', "1", ' "', '"a" "b"'])
def test_version_that_cannot_be_sent_back(server, tmp_path, version):
    headers = {"ETag": version, "Last-Modified": f"then{version}"}
    url = server.serve("/a", Reply(BODY, headers=headers, cut_after=10_000), Reply(BODY))
    assert fetch([url], tmp_path / "a", sleep=lambda _: None).read_bytes() == BODY


# Environments


ENVIRONMENTS = {
    "certificates that are missing": {"REQUESTS_CA_BUNDLE": "/nowhere/ca.pem"},
    "other certificates that are missing": {"CURL_CA_BUNDLE": "/nowhere/ca.pem"},
    "certificates that are none": {"REQUESTS_CA_BUNDLE": __file__},
    "certificates of OpenSSL that are missing": {
        "SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere"
    },
    "proxy of no address": {"http_proxy": "nonsense", "https_proxy": "nonsense"},
    "proxy without a host": {"http_proxy": "http://", "https_proxy": "http://"},
    "proxy of another kind": {"http_proxy": "gopher://127.0.0.1:1", "https_proxy": "ftp://a"},
    "proxy without a module": {"http_proxy": "socks5://127.0.0.1:1", "https_proxy": "socks4://a"},
    "proxy at a bad port": {"http_proxy": "http://127.0.0.1:99999", "https_proxy": "http://a:b"},
    "proxy at a bad address": {"http_proxy": "http://[::1", "https_proxy": "http://[::1"},
    "proxy with a bad name": {
        "http_proxy": f"http://{LONG_LABEL}.invalid", "https_proxy": "http://a..b"
    },
    "proxy that is not there": {
        "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"
    },
    "proxy in other letters": {"all_proxy": "http://\u20ac\udc80"},
    "exceptions that are none": {"http_proxy": "nonsense", "no_proxy": "[::1,,/99,\u20ac"},
}  # fmt: skip


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("settings", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_environments(tmp_path, monkeypatch, settings, secure):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with FaultyServer(secure) as server:
        url = server.serve("/a", Reply(BODY))
        if not secure and not any(name.endswith("_proxy") for name in settings):
            assert fetch([url], tmp_path / "a").read_bytes() == BODY
            return
        reason = check_advice(url, tmp_path)
    if secure and (named := [name for name in settings if "CA_BUNDLE" in name]):
        assert f"; {named[0]} says whom to trust" in reason


def test_wrong_certificates_do_not_keep_from_a_source_without_https(server, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with FaultyServer(secure=True) as secure:
        url = secure.serve("/a", Reply(BODY))
        assert check_next_is_tried(url, server.serve("/b", Reply(BODY)), tmp_path)


# Addresses in the registry


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "http://",
        "http://[::1/a",
        "http://127.0.0.1:99999/a",
        f"http://{LONG_LABEL}.invalid/a",
        "http://a..invalid/a",
        "http://\u20ac.invalid/\u20ac",
        "http://nowhere.localhost.invalid/a",
        "http://127.0.0.1:1/a",
        "https://127.0.0.1:1/a",
        "file:///etc/passwd",
        "http:///a",
        "http://127.0.0.1 /a",
    ],
)
def test_addresses(server, tmp_path, url):
    check_next_is_tried(url, server.serve("/b", Reply(BODY)), tmp_path)


def test_secure_address_of_a_server_that_is_not(server, tmp_path):
    url = server.serve("/a", Reply(BODY)).replace("http:", "https:")
    check_next_is_tried(url, server.serve("/b", Reply(BODY)), tmp_path)


# Whatever is raised


def kinds(of=Exception):
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def made(kind):
    """An error of a kind with a text of two lines; None where it cannot be made so."""
    for arguments in (
        (),
        ("first\nsecond",),
        ("a", "b"),
        (None, "a"),
        (mock.Mock(), "a", "b"),
        ("utf-8", b"a", 0, 1, "bad"),
    ):
        try:
            error = kind(*arguments)
            str(error)
        except Exception:
            continue
        return error
    return None


OF_THE_TRANSPORT = {"builtins", "requests", "urllib3", "http", "ssl", "socket", "zlib", "encodings"}
ERRORS = sorted(
    {
        kind
        for kind in kinds()
        if kind.__module__.split(".")[0] in OF_THE_TRANSPORT and made(kind) is not None
    },
    key=lambda kind: (kind.__module__, kind.__qualname__),
)


class OddError(Exception):
    """None that anybody knows."""

    def __init__(self, text):
        super().__init__(text)
        self.reason = self.strerror = text


@given(
    error=st.sampled_from(ERRORS).map(made) | st.text().map(OddError),
    cause=st.none() | st.sampled_from(ERRORS).map(made),
    at=st.sampled_from(["answer", "first", "later"]),
)
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_the_transport_raises(server, tmp_path_factory, error, cause, at):
    folder = tmp_path_factory.mktemp("odd")
    bad, good = server.serve("/bad", Reply(BODY)), server.serve("/good", Reply(BODY))
    get, read1 = requests.Session.get, urllib3.HTTPResponse.read1
    raised = []

    def fail():
        raised.append(error)
        raise error from cause

    def odd_get(session, url, **options):
        response = get(session, url, **options)
        if url == bad:
            if at == "answer":
                response.close()
                fail()
            response.raw.is_bad = True
        return response

    def odd_read1(response, *arguments, **options):
        if getattr(response, "is_bad", False):
            if at == "first" or response.tell():
                fail()
            return read1(response, 10_000, **options)
        return read1(response, *arguments, **options)

    with (
        mock.patch.object(requests.Session, "get", odd_get),
        mock.patch.object(urllib3.HTTPResponse, "read1", odd_read1),
    ):
        check_next_is_tried(bad, good, folder)
    assert raised


# This machine


def test_errors_of_the_disk_are_no_faults_of_a_source(server, tmp_path, monkeypatch):
    url = server.serve("/a", Reply(BODY))
    (tmp_path / "file").touch()
    (tmp_path / "taken.bin.part").mkdir()
    for target in (tmp_path / "file/a.bin", tmp_path / "taken.bin"):
        message = refusal([url], target)
        assert message.startswith(f"{target} cannot be written or read (")
    assert server.requests == []

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    for method in ("append", "start", "publish"):
        monkeypatch.setattr(PartialFile, method, fail)
        message = refusal([url, url], tmp_path / "a.bin")
        assert "cannot be written or read ([Errno 5] Input/output error)" in message
        monkeypatch.undo()
        assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("content", ["[1]", '"a"', "1e999", "[" * 100_000, "\udc80", "\0"])
@pytest.mark.parametrize("key", [None, "url", "etag", "last_modified", "size"])
def test_part_with_odd_notes_beside_it(server, tmp_path, content, key):
    url = server.serve("/a", Reply(BODY))
    (tmp_path / "a.part").write_bytes(BODY[:100])
    fields = {"url": f'"{url}"', "etag": "null", "last_modified": "null", "size": "30000"}
    fields = {} if key is None else fields | {key: content}
    text = "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    (tmp_path / "a.part.json").write_text(text if fields else content, errors="surrogateescape")
    assert fetch([url], tmp_path / "a").read_bytes() == BODY


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_are_no_faults_of_a_source(server, tmp_path, error):
    url = server.serve("/a", Reply(BODY))
    with (
        mock.patch.object(urllib3.HTTPResponse, "read1", side_effect=error),
        pytest.raises(error),
    ):
        fetch([url, url], tmp_path / "a")
