"""What breaks in a burst, just as the rule is switched off: nothing is lost, and the rule is on again."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from random import Random

import httpx
import psutil
import psycopg

from tests.e2e.faults.chaos import Plan, Run, explained, judged
from tests.e2e.faults.conftest import Say
from tests.e2e.faults.form import seed
from tests.e2e.faults.gallery import Picture
from tests.e2e.faults.harm import FAULTS
from tests.e2e.faults.stage import Stage, staged
from tests.e2e.faults.uploads import PlainUser
from tests.fixtures.deployment import eventually

THREADS = 4
# For each fault: enough that the burst is not over before it.
UPLOADS = 100
SECONDS_TO_NORMAL = 60.0


@contextlib.contextmanager
def kill_containers(stage: Stage) -> Iterator[None]:
    for container in stage.containers():
        with contextlib.suppress(psutil.NoSuchProcess):
            container.kill()
    yield


@contextlib.contextmanager
def pause_container(stage: Stage) -> Iterator[None]:
    """Until the others have done what they can."""
    chosen = stage.containers()[:1]
    for container in chosen:
        container.suspend()
    try:
        yield
    finally:
        for container in chosen:
            with contextlib.suppress(psutil.NoSuchProcess):
                container.send_signal(signal.SIGCONT)


def by_name(name: str) -> Callable[[Stage], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def harm(stage: Stage) -> Iterator[None]:
        with FAULTS[name](stage, Random(name)):
            yield

    return harm


HARM: Mapping[str, Callable[[Stage], AbstractContextManager[None]]] = {
    "host killed": by_name("kill -9 openwhisk"),
    "containers killed": kill_containers,
    "container paused": pause_container,
    "postgres killed": by_name("kill -9 postgres"),
    "postgres frozen": by_name("frozen database"),
    "minio killed": by_name("kill -9 minio"),
    "sweep killed": by_name("kill -9 sweep"),
    "sweep frozen": by_name("frozen sweep"),
}


def rule_is_on(stage: Stage) -> bool:
    environment = stage.deployment.environment
    url = f"{environment['WSK_APIHOST']}/api/v1/namespaces/_/rules/classify-uploads"
    auth = httpx.BasicAuth(*environment["WSK_AUTH"].split(":", 1))
    try:
        return bool(httpx.get(url, auth=auth, timeout=5).json()["status"] == "active")
    except (httpx.TransportError, KeyError, ValueError):
        return False


def by_batch(stage: Stage) -> bool:
    try:
        return bool(stage.deployment.query("SELECT FROM bursts"))
    except psycopg.OperationalError:
        return False


def goes_by_events(stage: Stage) -> bool:
    return rule_is_on(stage) and not by_batch(stage)


@contextlib.contextmanager
def bursting(users: Sequence[PlainUser]) -> Iterator[None]:
    """Each uploads new keys as fast as it can, inside; outside all have had their answers."""
    share = UPLOADS // len(users)
    threads = [threading.Thread(target=lambda each=user: [each.put() for _ in range(share)]) for user in users]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def test_whatever_breaks_at_the_switching(pictures: Sequence[Picture], say: Say) -> None:
    """Each fault in a burst of its own: as soon as the rule is off, and until the uploads are over."""
    name = seed()
    with staged(name, directly=True) as stage:
        run = Run(stage, name, Plan(users=THREADS))
        users = [user for user in run.users(pictures) if isinstance(user, PlainUser)]
        with explained(run):
            for fault, harm in HARM.items():
                run.faults[fault] += 1
                with contextlib.ExitStack() as harmed:
                    with bursting(users):
                        eventually(lambda: by_batch(stage), f"a burst before: {fault}", within=SECONDS_TO_NORMAL)
                        harmed.enter_context(harm(stage))
                    if fault == "sweep frozen":
                        # Nobody else sweeps here: whoever asks for the status mends it, once the note has run out.
                        eventually(lambda: stage.healthy() and rule_is_on(stage), "mended", within=SECONDS_TO_NORMAL)
                eventually(lambda: goes_by_events(stage), f"the rule on after: {fault}", within=SECONDS_TO_NORMAL)
            eventually(stage.healthy, "every service back", within=SECONDS_TO_NORMAL)
            run.come_clean()
            judged(run, excusing_doubts=True)
        say(run.score())


def test_what_is_killed_in_a_burst_comes_back_by_events(pictures: Sequence[Picture]) -> None:
    """All at once: the next `up` switches on what the sweep had left switched off."""
    name = seed()
    with staged(name, directly=True) as stage:
        run = Run(stage, name, Plan(users=THREADS))
        users = [user for user in run.users(pictures) if isinstance(user, PlainUser)]
        with explained(run):
            with bursting(users):
                eventually(lambda: by_batch(stage), "a burst", within=SECONDS_TO_NORMAL)
                with FAULTS["kill -9 everything"](stage, run.random):
                    pass
                assert rule_is_on(stage) or by_batch(stage)
            eventually(lambda: goes_by_events(stage), "the rule on", within=SECONDS_TO_NORMAL)
            run.come_clean()
            judged(run, excusing_doubts=True)
