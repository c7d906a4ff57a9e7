"""The statuses and words of `/init` and `/run`, the same for every runtime."""

from __future__ import annotations

import base64
import io
import tarfile

import pytest

from tests.contract.proxy.containers import SENTINEL, Client, logs_of, zipped

CODE = {
    "python": """
import sys
def main(args):
    print("said", args.get("word"))
    print("muttered", file=sys.stderr)
    return {"word": args.get("word")}
""",
    "nodejs": """
function main(args) {
    console.log("said", args.word);
    console.error("muttered");
    return {word: args.word};
}
""",
}
# Both languages read this as "not a program".
NONSENSE = "this is (not a program"


def initialized(client: Client) -> Client:
    """Initialise with the action in the container's own language."""
    assert client.init(CODE[client.language]) == (200, {"ok": True})
    return client


def test_plain_code_runs(any_runtime: Client) -> None:
    """Plain code is initialised and called with the value of /run."""
    assert initialized(any_runtime).run({"word": "hello"}) == (200, {"word": "hello"})


def test_second_init_is_refused(any_runtime: Client) -> None:
    """A container belongs to one action for ever."""
    status, body = initialized(any_runtime).init("irrelevant")
    assert (status, body) == (403, {"error": "Cannot initialize the action more than once."})
    assert any_runtime.run({"word": "still"}) == (200, {"word": "still"})


@pytest.mark.parametrize("code", ["", "  \n", None])
def test_no_code_is_refused(any_runtime: Client, code: str | None) -> None:
    """An action without code is refused, and a container stays usable."""
    status, body = any_runtime.post("/init", {"value": {"name": "empty", "code": code}})
    assert (status, body) == (403, {"error": "Missing main/no code to execute."})
    assert initialized(any_runtime).run()[0] == 200


def test_run_before_init(any_runtime: Client) -> None:
    """There is nothing to run before /init."""
    assert any_runtime.run() == (500, {"error": "no action defined yet"})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"value":3}'])
def test_bad_json_is_refused(any_runtime: Client, body: bytes) -> None:
    """What is not a JSON object of the right shape is the sender's mistake."""
    status, answer = any_runtime.send("POST", "/init", body)
    assert status == 400
    assert "error" in answer


def test_bad_base64_is_refused(any_runtime: Client) -> None:
    """A binary that is not base64 is the sender's mistake."""
    status, body = any_runtime.post("/init", {"value": {"code": "%%%%", "binary": True}})
    assert status == 400
    assert "decode" in body["error"]


def test_nonsense_code(any_runtime: Client) -> None:
    """Code that cannot be compiled is told in the logs, which end with a sentinel; another /init may follow."""
    status, body = any_runtime.init(NONSENSE)
    assert (status, body) == (
        502,
        {"error": "The action failed to generate or locate a binary. See logs for details."},
    )
    assert "SyntaxError" in logs_of(any_runtime, 1)[1]
    assert initialized(any_runtime).run({"word": "better"}) == (200, {"word": "better"})


def test_missing_main(any_runtime: Client) -> None:
    """An action without the function it names does not start."""
    status, body = any_runtime.post("/init", {"value": {"code": "x = 1", "main": "absent"}})
    assert (status, body) == (502, {"error": "Cannot start action. Check logs for details."})
    assert "absent" in logs_of(any_runtime, 1)[1]


def test_sentinels(any_runtime: Client) -> None:
    """Each call's output ends with a sentinel on both streams, which is there by the time of the response."""
    initialized(any_runtime)
    for word in ("one", "two"):
        any_runtime.run({"word": word})
    out, err = logs_of(any_runtime, 2)
    assert out == f"said one\n{SENTINEL}\nsaid two\n{SENTINEL}\n"
    # LiteRT says a line of its own as an image preloads it.
    assert err.endswith(f"muttered\n{SENTINEL}\nmuttered\n{SENTINEL}\n")
    assert err.count(SENTINEL) == 2


def test_archive_limits_and_slips(any_runtime: Client) -> None:
    """An archive that leads out of its directory is refused and nothing of it is written."""
    for name in ("../out", "/etc/pixwhisk", "a/../../out", "a\\..\\out"):
        status, body = any_runtime.init({name: "x"})
        assert status == 400, name
        assert "refused" in body["error"]


def test_damaged_archives(any_runtime: Client) -> None:
    """A zip cut off or changed anywhere is refused, never half used."""
    good = zipped({"__main__.py": CODE["python"], "package.json": "{}", "index.js": CODE["nodejs"]})
    for bad in (good[:-1], good[:40], good[:30] + b"\0" * 20 + good[50:], b"PK\x03\x04" + b"\0" * 100):
        assert any_runtime.init(bad)[0] in (400, 502)
    assert initialized(any_runtime).run({"word": "alive"}) == (200, {"word": "alive"})


def test_zip_bomb_is_refused(any_runtime: Client) -> None:
    """An archive that says it would unpack to more than the limit is refused before it does."""
    huge = bytearray(zipped({"zeros": "\0" * 1000}))
    directory = huge.rindex(b"PK\x01\x02")
    huge[directory + 24 : directory + 28] = (600 << 20).to_bytes(4, "little")
    assert any_runtime.init(bytes(huge))[0] == 400


def test_lying_zip_is_refused(any_runtime: Client) -> None:
    """A member that unpacks to more than it says is refused."""
    lying = bytearray(zipped({"zeros": "\0" * 100_000}))
    directory = lying.rindex(b"PK\x01\x02")
    lying[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    assert any_runtime.init(bytes(lying))[0] == 400


def test_links_are_refused(runtime: Client) -> None:
    """A link in an archive could lead anywhere, so there are none."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type = tarfile.SYMTYPE
        link.linkname = "/etc/passwd"
        tar.addfile(link)
    assert runtime.init(archive.getvalue())[0] == 400


def test_binary_text(any_runtime: Client) -> None:
    """Base64 of plain code is plain code: that is how a short program that looks like base64 arrives."""
    code = base64.b64encode(CODE[any_runtime.language].encode()).decode()
    assert any_runtime.post("/init", {"value": {"code": code, "binary": True}})[0] == 200
    assert any_runtime.run({"word": "hi"}) == (200, {"word": "hi"})


def test_terminates_on_request(any_runtime: Client) -> None:
    """SIGTERM ends an idle container cleanly."""
    initialized(any_runtime)
    assert any_runtime.container.terminate() == 0
