"""Logs come out the same however their bytes arrive."""

from __future__ import annotations

import asyncio
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.host.containers.logs import SENTINEL, Capture

TEXT = st.lists(st.sampled_from([b"a", b"\n", b"long " * 30_000, SENTINEL[:10], b"\xff", "ü".encode()]), max_size=12)


def captured(pieces: list[bytes]) -> tuple[list[str], bool]:
    async def capturing() -> tuple[list[str], bool]:
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        capture = Capture(out, err)
        store = capture.begin(1 << 30)
        os.write(err_end, SENTINEL + b"\n")
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(None, lambda: [os.write(out_end, piece) for piece in pieces])
        complete = await capture.end(20)
        await writing
        capture.close()
        os.close(out_end)
        os.close(err_end)
        return [line[31:] for line in store.lines], complete

    return asyncio.run(capturing())


@settings(max_examples=60, deadline=None)
@given(pieces=TEXT, cut=st.integers(1, 50))
def test_any_chunks(pieces: list[bytes], cut: int) -> None:
    """Nothing is lost, invented or split but over-long lines, and the sentinel is found behind any text."""
    written = b"".join(pieces)
    sent = written + SENTINEL + b"\n"
    lines, complete = captured([sent[:cut], sent[cut:-cut], sent[-cut:]] if len(sent) > 2 * cut else [sent])
    assert complete
    texts = [line.removeprefix("stdout: ") for line in lines]
    assert "".join(texts).replace("�", "?") == written.decode(errors="replace").replace("\n", "").replace("�", "?")
    if len(written) < 60_000:
        expected = written.split(b"\n")
        assert len(texts) == len(expected) - (not expected[-1])


def test_no_sentinel() -> None:
    """Without a sentinel the lines are kept, the last one too, once the stream ends or patience does."""

    async def capturing() -> None:
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        capture = Capture(out, err)
        store = capture.begin(1 << 20)
        os.write(out_end, b"one\ntwo")
        assert not await capture.end(0.05)
        assert [line[31:] for line in store.lines] == ["stdout: one", "stdout: two"]
        os.close(out_end)
        os.close(err_end)
        assert not await capture.end(20)
        capture.close()

    asyncio.run(capturing())
