import hashlib
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from faceimit.data.annotators import model
from faceimit.data.annotators.landmarker import Landmarker
from faceimit.data.annotators.model import cached_path, known_model_file, model_file
from faceimit.errors import InputError
from tests.faces import REAL, needs_real

CONTENT = b"a model" * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch):
    """The official address is this machine; yields how often it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        monkeypatch.setattr(model, "ADDRESS", f"http://127.0.0.1:{listening.server_port}/face.task")
        yield asked
        listening.shutdown()


def test_fetched_once(server, monkeypatch, cache):
    monkeypatch.setattr(model, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    assert known_model_file() is None
    assert model_file().read_bytes() == CONTENT
    assert model_file() == cached_path() == known_model_file()
    assert server == ["/face.task"]
    assert [path.name for path in (cache / "faceimit").iterdir()] == [cached_path().name]


def test_another_checksum_is_refused_and_leaves_nothing(server, cache):
    with pytest.raises(InputError, match=r"checksum 64184e22.* but got"):
        model_file()
    assert not list(cache.rglob("*.task"))


def test_without_a_network_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(model, "ADDRESS", "http://127.0.0.1:9/face_landmarker.task")
    with pytest.raises(InputError, match=r"download http.*face_landmarker\.task.*--model"):
        model_file()


def test_a_given_file_is_taken_and_must_exist(tmp_path, server):
    given = tmp_path / "a.task"
    with pytest.raises(InputError, match=r"a\.task does not exist"):
        model_file(given)
    given.write_bytes(b"")
    assert model_file(given) == given == known_model_file(given)
    assert not server


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_is_no_model(tmp_path, content):
    pytest.importorskip("mediapipe")
    path = tmp_path / "a.task"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.task is no FaceLandmarker model"):
        Landmarker(path)


@needs_real
def test_the_models_own_checksum():
    landmarker = Landmarker(REAL / "face_landmarker_v2_with_blendshapes.task")
    assert landmarker.model_sha256.startswith("81121f0527e9b716")
