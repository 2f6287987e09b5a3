"""The flame graph: where the milliseconds of a request in the application went, by stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from unslow.diagnosis import FlameStack
from unslow.report.words import ms, plain

THINNEST = 0.002
"""Boxes narrower than a five-hundredth of the graph cannot be read or clicked."""


@dataclass
class Node:
    name: str
    ms: float = 0.0
    kinds: dict[str, float] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return max(sorted(self.kinds), key=lambda kind: self.kinds[kind])


def tree(stacks: Sequence[FlameStack]) -> Node:
    """All stacks as one tree; a node's ms are its own and its children's."""
    root = Node("all requests")
    for stack in stacks:
        node = root
        _add(node, stack)
        for frame in stack.frames:
            node = node.children.setdefault(frame, Node(frame))
            _add(node, stack)
    return root


def html(stacks: Sequence[FlameStack]) -> str:
    """Nested boxes, outermost on top; readable without a script. Empty without stacks."""
    if not stacks:
        return ""
    root = tree(stacks)
    return f'<div class="flame" id="flame">{_box(root, root.ms, root.ms)}</div>' if root.ms > 0 else ""


def kinds(stacks: Sequence[FlameStack]) -> list[str]:
    """For the legend, largest first."""
    root = tree(stacks)
    return sorted(root.kinds, key=lambda kind: (-root.kinds[kind], kind))


def css_class(kind: str) -> str:
    return "k-" + "".join(character if character.isalpha() else "-" for character in kind)


def _add(node: Node, stack: FlameStack) -> None:
    node.ms += stack.ms
    node.kinds[stack.kind] = node.kinds.get(stack.kind, 0.0) + stack.ms


def _box(node: Node, parent_ms: float, total_ms: float) -> str:
    width = node.ms / parent_ms * 100 if parent_ms else 0.0
    name = plain(node.name)
    label = escape(name.split(" (", 1)[0])
    inner = "".join(
        _box(child, node.ms, total_ms)
        for child in sorted(node.children.values(), key=lambda child: (-child.ms, child.name))
        if child.ms / total_ms >= THINNEST
    )
    children = f'<div class="row">{inner}</div>' if inner else ""
    return (
        f'<div class="box" style="width:{width:.3f}%"><span class="frame {css_class(node.kind)}" '
        f'title="{escape(name)}: {ms(node.ms)} a request">{label}</span>{children}</div>'
    )
