"""An action that somebody deploys and calls again and again, and that does to the deployment whatever it can."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import httpx

from tests.e2e.faults.stage import Stage

# Whether or not a call came through, the next is not made sooner.
PAUSE = 1.0
TIMEOUT = 10.0
# For some seconds a call: forks, hides, fills its directory and its log, hoards, floods the API with connections and
# requests without a key, changes modes and limits, kills. By turns it ends by itself, over its memory, or too late.
CODE = """
import os, resource, signal, socket, subprocess, time
def tried(attempt, *arguments):
    try: return attempt(*arguments)
    except Exception: pass
def hide():
    tried(os.setsid), tried(os.setpgid, 0, 0)
    os.closerange(0, 1024)
    for number in range(1, 65): tried(signal.signal, number, signal.SIG_IGN)
    while True: time.sleep(60)
def ask(port):
    with socket.create_connection(('127.0.0.1', port), 1) as asking:
        asking.sendall(b'GET /api/v1/web/guest/pixwhisk/view HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n')
def harm(args, held):
    for path in ('', '/secrets', '/postgres/cluster', '/minio/data', '/host/entities.db'):
        path = args['data'] + path
        tried(os.chmod, path, 0), tried(os.utime, path, (0, 0)), tried(os.chown, path, 1, 1), tried(os.unlink, path)
    for process in args['processes']:
        tried(resource.prlimit, process, resource.RLIMIT_NOFILE, (1, 1))
        tried(os.setpriority, os.PRIO_PROCESS, process, 19)
        tried(os.kill, process, 9)
    if not os.path.exists('full') or os.path.getsize('full') < 64 << 20:
        tried(lambda: open('full', 'ab').write(bytes(1 << 20)))
    tried(lambda: held.append(socket.create_connection(('127.0.0.1', args['port']), 1)))
    tried(ask, args['port'])
    if len(held) < 20: tried(subprocess.Popen, ['sleep', '600'])
    print('x' * 1000)
def main(args):
    for _ in range(8):
        if os.fork() == 0:
            if os.fork() == 0: hide()
            os._exit(0)
    end, held = time.time() + args['seconds'], []
    while time.time() < end:
        harm(args, held)
        time.sleep(0.02)
    if args['turn'] % 3 == 1: held = bytearray(1 << 30)
    while args['turn'] % 3 == 2: time.sleep(1)
    return {}
"""
ACTION = {"exec": {"kind": "python:default", "code": CODE}, "limits": {"memory": 512, "timeout": 8000}}


@contextlib.contextmanager
def misbehaving(stage: Stage) -> Iterator[list[int]]:
    """Within, it is called all the time that there is a host to call it. Yields the statuses of the calls so far."""
    stop, answers = threading.Event(), list[int]()

    def misbehave() -> None:
        while not stop.wait(PAUSE):
            # What another fault keeps from the host is one misdeed fewer.
            with contextlib.suppress(httpx.HTTPError):
                answers.append(call(stage, len(answers)))

    thread = threading.Thread(target=misbehave, name="misbehaviour")
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def call(stage: Stage, turn: int) -> int:
    """Deploy it anew, for any fault may have taken it away, and call it; the status of the call."""
    own = stage.deployment
    auth = httpx.BasicAuth(*own.environment["WSK_AUTH"].split(":", 1))
    base = f"{own.environment['WSK_APIHOST']}/api/v1/namespaces/_/actions/misbehaving"
    processes = [process.pid for process in own.processes()]
    given = {"turn": turn, "seconds": 4, "data": str(own.data), "port": own.api_port, "processes": processes}
    with httpx.Client(auth=auth, timeout=TIMEOUT) as client:
        if client.get(base).status_code != httpx.codes.OK:
            client.put(f"{base}?overwrite=true", json=ACTION)
        return client.post(f"{base}?blocking=true", json=given).status_code
