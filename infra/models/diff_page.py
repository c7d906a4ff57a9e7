"""Two models compared as a page: one file that needs nothing else, with the pictures that they see differently."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, select_autoescape
from minio.error import MinioException
from PIL import Image
from urllib3.exceptions import HTTPError

from actions.classify.pictures import Frame
from actions.errors import Rejected
from infra.deployment.feeding import store_client
from infra.deployment.record import Deployment
from infra.models.comparing import ModelComparison
from infra.models.own_photos import read_pixels

SIDE = 130
# As much as `classify` takes; a thumbnail is worth no more.
LIMIT_BYTES = 32 * 2**20

# From a bucket and a key to the object's bytes; None where there is no such object now.
Fetch = Callable[[str, str], bytes | None]


def render_page(found: ModelComparison, fetch: Fetch) -> str:
    """HTML; keys and labels are text in it, whatever they hold."""
    shown = {key for flip in found.flips for key in flip.keys}
    thumbnails = {key: _make_thumbnail(fetch, key) for key in sorted(shown)}
    environment = Environment(autoescape=select_autoescape(default=True), trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(Path(__file__).with_name("diff.html").read_text("utf-8"))
    return template.render(found=found, thumbnails=thumbnails)


def make_fetch(deployment: Deployment) -> Fetch:
    """From the deployment's own store."""
    client = store_client(deployment)

    def fetch(bucket: str, key: str) -> bytes | None:
        try:
            answer = client.get_object(bucket_name=bucket, object_name=key)
        except (MinioException, HTTPError, OSError, ValueError):
            return None
        try:
            return answer.read(LIMIT_BYTES)
        except HTTPError:
            return None
        finally:
            answer.close()
            answer.release_conn()

    return fetch


def _make_thumbnail(fetch: Fetch, name: str) -> str | None:
    """A `data:` address; None where there is no picture to see. `name` is bucket/key."""
    bucket, _, key = name.partition("/")
    data = fetch(bucket, key)
    if data is None:
        return None
    try:
        pixels = read_pixels(io.BytesIO(data), Frame(SIDE * 2, 1.0))
    except Rejected:
        return None
    file = io.BytesIO()
    Image.frombytes("RGB", (SIDE * 2, SIDE * 2), pixels).save(file, "JPEG", quality=70)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
