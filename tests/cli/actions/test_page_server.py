import gzip
import http.client
import json
import socket
import threading

import pytest

from study.cli.actions.live_page import LivePage, MadePage
from study.cli.actions.page_server import PageServer
from study.core.errors import StudyError

HTML = '<html data-version="">digits</html>'


@pytest.fixture(scope="module")
def server():
    page = LivePage(lambda: MadePage(html=HTML, kind="ended", text="All ended"), lambda: 0)
    with PageServer(page, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def ask(server, path, *, method="GET", host=None, **headers):
    connection = http.client.HTTPConnection(*server.server_address, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name in [host] if isinstance(host, str) else host or [f"127.0.0.1:{server.server_address[1]}"]:
        connection.putheader("Host", name)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_page_and_its_version_are_all_there_is(server):
    answer, body = ask(server, "/")
    told = json.loads(ask(server, "/version?x=1")[1])
    assert answer.status == 200
    assert body.decode() == HTML.replace('""', f'"{told["version"]}"')
    assert told == {"version": told["version"], "kind": "ended", "text": "All ended", "fault": ""}
    for path in ("/index.html", "/../", "/..%2f", "/mlruns/mlflow.db", "/etc/passwd", "*"):
        assert ask(server, path)[0].status == 404
    assert ask(server, "/favicon.ico")[0].status == 204  # a 404 would be an error in the browser's console


def test_a_reader_that_unpacks_gets_less(server):
    answer, body = ask(server, "/", Accept_Encoding="gzip, br")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == ask(server, "/")[1]


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]:5001"])
def test_this_machine_is_answered_also_through_a_forwarded_port(server, host):
    assert ask(server, "/version", host=host)[0].status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:5001", "127.0.0.1.evil.example", "localhost@evil.example", "", "[", "0.0.0.0"],
)
def test_a_foreign_name_gets_nothing(server, host):
    answer, body = ask(server, "/", host=host)
    assert answer.status == 421
    assert b"digits" not in body


def test_two_names_get_nothing(server):
    assert ask(server, "/", host=["localhost", "evil.example"])[0].status == 421


def test_other_sites_can_neither_read_nor_frame_the_page(server):
    answer, _ = ask(server, "/", Origin="http://evil.example")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    policy = answer.headers["Content-Security-Policy"]
    assert all(rule in policy for rule in ("default-src 'none'", "frame-ancestors 'none'", "connect-src 'self'"))
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_nothing_can_be_sent(server, method):
    assert ask(server, "/", method=method)[0].status == 501


def test_the_head_alone_can_be_asked_for(server):
    answer, body = ask(server, "/", method="HEAD")
    assert (answer.status, body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 10


def test_a_reader_that_goes_away_disturbs_nothing(server, capsys):
    for _ in range(3):
        with socket.create_connection(server.server_address) as half:
            half.sendall(b"GET / HTTP/1.1\r\n")
    assert ask(server, "/version")[0].status == 200
    assert capsys.readouterr() == ("", "")


def test_it_listens_on_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_address[1]}/"


def test_a_taken_port_is_told_with_the_way_out(server):
    port = server.server_address[1]
    with pytest.raises(StudyError, match=f"--port={port}: another program listens there. Name another port, or"):
        PageServer(server.page, port=port)
