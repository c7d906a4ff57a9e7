"""One run: users at work, an action that misbehaves, faults at random, then everything healed and judged.

What is random follows from the seed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg
import pytest

from tests.e2e.faults.gallery import Picture
from tests.e2e.faults.harm import FAULTS, KILLS, RESTARTS, SPELLS
from tests.e2e.faults.judgement import history, judge, lanes, untold_names
from tests.e2e.faults.misbehaviour import misbehaving
from tests.e2e.faults.stage import Stage, audited, versioned_bucket
from tests.e2e.faults.truth import Truth
from tests.e2e.faults.uploads import PlainUser, User, VersioningUser, uploading
from tests.fixtures.clock import go_by
from tests.fixtures.deployment import eventually

# From the end of the faults to a clean audit: what is promised.
SECONDS_TO_CLEAN = 60.0
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """How hard it comes: users and operations a second of each; pauses between faults, and how long a spell lasts."""

    users: int = 4
    pace: float = 4.0
    pause: tuple[float, float] = (0.5, 3.0)
    spell: tuple[float, float] = (1.0, 12.0)


@dataclass
class Run:
    """What a run knows: the stage, the promises, and the score."""

    stage: Stage
    seed: str
    plan: Plan
    truth: Truth = field(default_factory=Truth)
    faults: Counter[str] = field(default_factory=Counter)
    seconds_to_clean: float = 0.0
    repaired: int = 0
    # What a host answered to each call of the action that misbehaves.
    misdeeds: list[int] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.random = Random(f"{self.seed} faults")
        self.buckets = (self.stage.deployment.bucket, versioned_bucket(self.stage, "versions"))

    def users(self, pictures: Sequence[Picture]) -> list[User]:
        """All in the deployment's own bucket but the last."""

        def user(kind: type[User], number: int, bucket: str) -> User:
            s3 = self.stage.deployment.s3()
            made = kind(number, bucket, s3, pictures, self.truth, self.seed, self.plan.pace, self.stop)
            go_by(s3, self.stage.clock, made.clock)
            return made

        plain, versioned = self.buckets
        plainly = [user(PlainUser, number, plain) for number in range(self.plan.users - 1)]
        return [*plainly, user(VersioningUser, self.plan.users, versioned)]

    def harm(self, name: str, meanwhile: Sequence[str] = ()) -> None:
        """Do one fault, for a while if it is one that lasts, and kill somebody `meanwhile`."""
        self.faults[name] += 1
        with FAULTS[name](self.stage, self.random):
            for kill in meanwhile:
                self.harm(kill)
            if name in SPELLS:
                time.sleep(self.random.uniform(*self.plan.spell))

    def every_fault(self) -> None:
        """Each of them once, in an order of the seed's."""
        names = list(FAULTS)
        self.random.shuffle(names)
        for name in names:
            self.harm(name)
            self._pause()

    def faults_for(self, seconds: float) -> None:
        """Any of them, again and again, some on top of others."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            name = self.random.choice([*KILLS, *SPELLS, *SPELLS, *RESTARTS])
            several = self.random.choices([0, 1, 2], [4, 3, 1])[0] if name in SPELLS else 0
            kills = self.random.sample(sorted(KILLS), several)
            self.harm(name, kills)
            self._pause()

    def heal(self) -> None:
        """No fault any more. What was killed is being started again."""
        self.stage.post.become("faithful")
        eventually(self.stage.healthy, "every service back", within=SECONDS_TO_CLEAN)

    def settle(self, within: float = SECONDS_TO_CLEAN) -> None:
        """Wait until all is done that is known to be pending."""
        began = time.monotonic()
        eventually(lambda: self._pending() == 0, "nothing pending", within)
        self.seconds_to_clean = time.monotonic() - began

    def come_clean(self) -> None:
        """Settle; let the audit find what was never acknowledged; audit again."""
        began = time.monotonic()
        self.settle()
        for bucket in self.buckets:
            self._repair(bucket)
        eventually(self._clean, "a clean audit", SECONDS_TO_CLEAN)
        self.seconds_to_clean = time.monotonic() - began

    def _repair(self, bucket: str) -> None:
        found = audited(self.stage, bucket, "--repair")
        self.repaired += found["repaired"]
        untold = untold_names(self.stage, self.truth)
        names = [(bucket, each["key"]) for each in found["differences"]]
        unexcused = [name for name in names if not (self.truth.doubtful(name) or name in untold)]
        if unexcused:
            pytest.fail(f"acknowledged, and only the audit found it: {unexcused}")

    def _clean(self) -> bool:
        return all(audited(self.stage, bucket)["clean"] for bucket in self.buckets)

    def _pending(self) -> int:
        """Hooks that are late, events in MinIO's own queue, rows of the inbox."""
        queued = sum(1 for _ in (self.stage.deployment.data / "minio" / "journal").rglob("*.event"))
        queued += self.stage.post.underway()
        (row,) = self.stage.deployment.query("SELECT count(*) FROM inbox WHERE state <> 'settled'")
        return queued + int(row["count"])

    def _pause(self) -> None:
        time.sleep(self.random.uniform(*self.plan.pause))

    def score(self) -> str:
        """For people, a line a thing."""
        operations = self.truth.all()
        kinds = Counter(operation.kind for operation in operations)
        post = self.stage.post.score()
        return "\n".join(
            [
                f"seed {self.seed}",
                f"operations {len(operations)}: {_counted(kinds)}",
                f"  acknowledged {self.truth.acknowledged()}, in doubt {sum(each.doubtful for each in operations)}",
                f"hooks {_counted({name: count for name, count in post.items() if isinstance(count, int)})}",
                f"faults {sum(self.faults.values())}: {_counted(self.faults)}",
                f"misdeeds {len(self.misdeeds)}: {_counted(Counter(self.misdeeds))}",
                f"settled by lane: {_counted(lanes(self.stage))}; repaired by the audit: {self.repaired}",
                f"clean {self.seconds_to_clean:.1f} s after the faults",
            ]
        )


def _counted(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def judged(run: Run, *, excusing_doubts: bool = False) -> None:
    """Fail with the history of what is wrong. What was never acknowledged may be excused: the audit's to find."""
    wrong = [
        each
        for each in judge(run.stage, run.truth, run.buckets)
        if not (excusing_doubts and run.truth.doubtful(each.name))
    ]
    if wrong:
        shown = "\n".join(history(run.stage, run.truth, each) for each in wrong[:SHOWN])
        pytest.fail(f"seed {run.seed}: {len(wrong)} wrong\n{shown}")


@contextlib.contextmanager
def explained(run: Run) -> Iterator[None]:
    """Whatever fails inside, fails with the seed and with what is still open."""
    try:
        yield
    except (Exception, pytest.fail.Exception):
        print(f"seed {run.seed}")
        # With Postgres down there is nothing to add.
        with contextlib.suppress(psycopg.OperationalError, AssertionError):
            print(run.score())
            for row in run.stage.deployment.query("SELECT * FROM work ORDER BY id LIMIT 20"):
                print({name: value for name, value in row.items() if value is not None})
            for bucket in run.buckets:
                print(audited(run.stage, bucket)["differences"][:SHOWN])
        raise


def chaos(stage: Stage, name: str, plan: Plan, pictures: Sequence[Picture], faults: Callable[[Run], None]) -> Run:
    """Users and faults until `faults` returns; then everything must come clean and be right."""
    run = Run(stage, name, plan)
    with explained(run):
        stage.post.become("lossy")
        with misbehaving(stage) as run.misdeeds:
            with uploading(run.users(pictures)):
                faults(run)
                run.heal()
            assert run.misdeeds, "the action that misbehaves was never called"
        run.come_clean()
        judged(run)
    return run
