"""Packages and bindings: create, update, read, list, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from infra.host.api.request import Transaction, reply, reply_page
from infra.host.assembly import Host
from infra.host.entities.models import Action, Package
from infra.host.entities.parameters import as_mapping, dump_parameters, merge
from infra.host.entities.updates import annotate, check_overwrite, check_own, entity_fields
from infra.host.errors import Refusal, forbidden, malformed
from infra.host.names import Name, check_name, check_namespace

RESERVED = frozenset({"default"})


def entity_name(transaction: Transaction) -> Name:
    """The one-part name a path gives a package, trigger or rule."""
    return Name(transaction.namespace, "", check_name(transaction.rest[0]))


async def put_package(host: Host, transaction: Transaction) -> Response:
    name = entity_name(transaction)
    check_own(name, transaction.identity)
    if name.name in RESERVED:
        raise Refusal(400, f"Package name '{name.name}' is reserved.")
    overwrite = transaction.flag("overwrite", default=False)
    raw = await transaction.document("binding")
    binding = _parse_binding(raw.get("binding"), name.namespace)
    async with host.registry.change() as change:
        old = host.registry.find(Package, name)
        check_overwrite(old, overwrite=overwrite)
        if binding is not None:
            _check_binding(host, binding, name, old)
        change.puts.append(package := _package(raw, name, old, binding))
    return reply(package.dump())


def _parse_binding(raw: object, own: str) -> Name | None:
    if not raw:
        return None
    if not isinstance(raw, dict):
        raise malformed("Object expected in field 'namespace'")
    given: Mapping[str, Any] = raw
    namespace, name = given.get("namespace"), given.get("name")
    # The Go client sends an empty one with every package that is not bound.
    if not namespace and not name:
        return None
    for field, value in (("namespace", namespace), ("name", name)):
        if not isinstance(value, str):
            raise malformed(f"Object is missing required member '{field}'")
    return Name(check_namespace(str(namespace).removeprefix("/"), own), "", check_name(str(name)))


def _check_binding(host: Host, binding: Name, name: Name, old: Package | None) -> None:
    if old is not None and old.binding is None:
        raise Refusal(409, "Resource is a package and cannot be converted into a binding.")
    provider = host.registry.find(Package, binding)
    if provider is None:
        if binding.namespace != name.namespace:
            raise forbidden(str(binding))
        raise Refusal(400, "Binding references a package that does not exist.")
    if provider.binding is not None:
        raise Refusal(400, "Cannot bind to another package binding.")
    if not provider.publish and provider.name.namespace != name.namespace:
        raise forbidden(str(binding))


def _package(raw: Mapping[str, Any], name: Name, old: Package | None, binding: Name | None) -> Package:
    fields = entity_fields(raw, old)
    binding = binding or (old.binding if old else None)
    if binding:
        shown = {"namespace": binding.namespace, "name": binding.name}
        fields["annotations"] = merge(fields["annotations"], annotate((), binding=shown))
    return Package(name=name, binding=binding, **fields)


async def get_package(host: Host, transaction: Transaction) -> Response:
    name = entity_name(transaction)
    package = host.registry.find(Package, name)
    if package is None or not package.publish:
        check_own(name, transaction.identity)
    if package is None:
        raise Refusal(404, f"The requested resource '{name}' does not exist.")
    shown = package.dump()
    provider = package
    if package.binding is not None:
        provider = host.registry.get(Package, package.binding)
        if not provider.publish and provider.name.namespace != package.name.namespace:
            raise forbidden(str(provider.name))
        shown["parameters"] = dump_parameters(merge(provider.parameters, package.parameters))
    return reply(shown | _contents(host, provider))


def _contents(host: Host, package: Package) -> dict[str, Sequence[Mapping[str, Any]]]:
    actions: list[Mapping[str, Any]] = []
    feeds: list[Mapping[str, Any]] = []
    for action in host.registry.list_entities(Action, package.name.namespace, package.name.name):
        shown = {
            "name": action.name.name,
            "version": action.version,
            "annotations": dump_parameters(action.annotations),
        }
        (feeds if "feed" in as_mapping(action.annotations) else actions).append(shown)
    return {"actions": actions, "feeds": feeds}


async def list_packages(host: Host, transaction: Transaction) -> Response:
    """All of an own namespace, the published ones of another."""
    page = transaction.page("packages")
    own = transaction.namespace == transaction.identity.namespace
    packages = [each for each in host.registry.list_entities(Package, transaction.namespace) if own or each.publish]
    return reply_page(transaction, "packages", packages, page)


async def delete_package(host: Host, transaction: Transaction) -> Response:
    """Refuse where the package holds actions, unless `force=true` takes them along."""
    name = entity_name(transaction)
    check_own(name, transaction.identity)
    force = transaction.flag("force", default=False)
    async with host.registry.change() as change:
        package = host.registry.get(Package, name)
        # A binding holds nothing of its own: its actions are its provider's, and must survive it.
        held = [] if package.binding else host.registry.list_entities(Action, name.namespace, name.name)
        if held and not force:
            count = "1 entity" if len(held) == 1 else f"{len(held)} entities"
            words = f"Package not empty (contains {count}). Set force param or delete package contents."
            raise Refusal(409, words)
        change.deletes += [name, *(action.name for action in held)]
    return reply(package.dump())
