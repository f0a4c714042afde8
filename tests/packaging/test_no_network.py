"""The guard of tests/conftest.py: nothing leaves this machine, loopback still works."""

import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "8.8.8.8"])
def test_connections_to_other_machines_are_refused(host: str) -> None:
    with socket.socket() as sock, pytest.raises(RuntimeError, match="must not use the network"):
        sock.connect((host, 80))


def test_loopback_still_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"x")
        connection, _ = server.accept()
        with connection:
            assert connection.recv(1) == b"x"


def test_a_child_process_cannot_download() -> None:
    script = "import urllib.request; urllib.request.urlopen('https://pypi.org/simple/', timeout=5)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "refused" in result.stderr.lower()
