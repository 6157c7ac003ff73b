"""A service with a token, and the foreign SDKs."""

import fcntl
import hashlib
import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.clients.senders import JAVASCRIPT
from tests.peers.donewatch import Donewatch

TOKEN = "t0ken"


@pytest.fixture(scope="session")
def javascript() -> None:
    """OpenTelemetry's JavaScript SDK, installed from its lock where it is not."""
    lock = (JAVASCRIPT / "package-lock.json").read_bytes()
    assert b'"resolved"' not in lock, "the lock is to name no registry"
    stamp = JAVASCRIPT / "node_modules" / ".ready"
    digest = hashlib.sha256(lock).hexdigest()
    with (JAVASCRIPT / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another process of the tests may be at it
        if stamp.exists() and stamp.read_text() == digest:
            return
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=JAVASCRIPT,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        stamp.write_text(digest)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """One service for all tests of a file."""
    token = {
        "hash": hashlib.sha256(TOKEN.encode()).hexdigest(),
        "tenant": "shop",
        "scopes": ["ingest", "read"],
    }
    found = Donewatch(
        tmp_path_factory.mktemp("clients"),
        TOKENS=json.dumps([token]),
        COLLECTOR__MAPPINGS=["messaging"],
    )
    found.token = TOKEN
    try:
        yield found.start()
    finally:
        found.close()
