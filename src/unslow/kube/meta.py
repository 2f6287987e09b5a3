"""What all objects of the API have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Owner(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ManagedFields(msgspec.Struct, frozen=True):
    manager: str = ""
    operation: str = ""
    time: datetime | None = None
    subresource: str = ""


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[Owner, ...] | None = None

    @property
    def owner(self) -> Owner | None:
        """The controller that made it."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)

    @property
    def created_s(self) -> float | None:
        return unix(self.creation_timestamp)


class ManagedMeta(Meta, frozen=True, rename="camel"):
    """With the record of who set fields, which is half of an object's bytes."""

    managed_fields: tuple[ManagedFields, ...] | None = None


class ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class ListOf(msgspec.Struct, Generic[T], frozen=True):
    items: list[T] | None = None
    metadata: ListMeta = ListMeta()


class Selector(msgspec.Struct, frozen=True, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[Expression, ...] | None = None

    @property
    def text(self) -> str:
        """As the API's `labelSelector` parameter takes it."""
        parts = [f"{key}={value}" for key, value in (self.match_labels or {}).items()]
        return ",".join(parts + [expression.text for expression in self.match_expressions or ()])

    def matches(self, labels: dict[str, str] | None) -> bool:
        """Whether an object with these labels is selected; an empty selector selects all."""
        have = labels or {}
        return all(have.get(key) == value for key, value in (self.match_labels or {}).items()) and all(
            expression.matches(have) for expression in self.match_expressions or ()
        )


class Expression(msgspec.Struct, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        match self.operator:
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
        return f"{self.key} {'in' if self.operator == 'In' else 'notin'} ({','.join(self.values or ())})"

    def matches(self, labels: dict[str, str]) -> bool:
        match self.operator:
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
            case "In":
                return labels.get(self.key) in (self.values or ())
        return labels.get(self.key) not in (self.values or ())


def unix(moment: datetime | None) -> float | None:
    """Unix seconds."""
    return None if moment is None else moment.timestamp()
