"""`up`: services started and watched, provisioned while they start, and a clean end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from infra.deployment.consent import Consent
from infra.deployment.embedded import make_embedded_services
from infra.deployment.record import Deployment, establish
from infra.orphans import adopt_orphans
from infra.reports import Report
from infra.services import auditor, lock, ports, sweeper
from infra.services.held_port import hold_port
from infra.services.supervisor import Supervisor, stopping_on_signals


@contextlib.contextmanager
def running(deployment: Deployment, report: Report, consent: Consent) -> Iterator[Supervisor]:
    """Everything up and ready inside; everything ended outside. Raises what `lock.held`, the services and `provision`
    raise; `consent` is for the last one.
    """
    deployment.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.held(deployment.data), stopping_on_signals(), contextlib.ExitStack() as ports_held:
        ports.check(list_ports(deployment), deployment.data)
        held = None if deployment.external.apihost else ports_held.enter_context(hold_port(deployment.api_port))
        establish(deployment)
        adopt_orphans()
        away = {"openwhisk": held.refuse} if held else {}
        supervisor = Supervisor(make_embedded_services(deployment, held), deployment.logs, away=away, adopting=True)
        try:
            supervisor.spawn()
            # Late: importing the clients takes as long as the services take to start.
            from infra.deployment.provisioning import provision, warm_up

            supervisor.wait_until_ready()
            provision(deployment, report, consent)
            if sweeper.available():
                supervisor.add(sweeper.Sweeper(deployment.data))
            if deployment.audit_every != auditor.NEVER:
                supervisor.add(auditor.Auditor(deployment.data, deployment.audit_every))
            if not deployment.external.apihost:
                warm_up(deployment, report)
            yield supervisor
        finally:
            # First: what the host has not taken when it ends would wait for nobody.
            ports_held.close()
            supervisor.stop()
            if not deployment.external.database_url:
                deployment.postgres.remove_socket_directory()


def list_ports(deployment: Deployment) -> Sequence[tuple[str, int]]:
    """The ports that our own services listen on, with the flags that choose them."""
    wanted: list[tuple[str, int]] = []
    if not deployment.external.apihost:
        wanted.append(("--api-port", deployment.api_port))
    if not deployment.external.endpoint:
        wanted.append(("--s3-port", deployment.s3_port))
    return wanted
