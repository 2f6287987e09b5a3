"""Shell completion: words come from the parser itself, names from the kubeconfig and, within a second, its cluster.

The shells ask through the command that `kubectl` asks for its plugin (`kubectl_complete-unslow`): one candidate a
line, then `:4`, or `:6` where more will follow the word (no space), or `:0` where files are meant.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

DEADLINE_S = 1.5
"""For everything together, a login command of the kubeconfig included: nobody waits longer for a Tab."""
KINDS = ("deploy", "sts", "ds", "svc", "pod")
_PATHS = {
    "deploy": "apis/apps/v1/namespaces/{}/deployments",
    "sts": "apis/apps/v1/namespaces/{}/statefulsets",
    "ds": "apis/apps/v1/namespaces/{}/daemonsets",
    "svc": "api/v1/namespaces/{}/services",
    "pod": "api/v1/namespaces/{}/pods",
}
_FILES, _WHOLE, _OPEN = 0, 4, 6


def answer(parser: Callable[[], argparse.ArgumentParser], words: Sequence[str]) -> int:
    """Prints what the last word may become; silent whatever goes wrong."""
    signal.signal(signal.SIGALRM, _late)
    signal.setitimer(signal.ITIMER_REAL, DEADLINE_S)
    try:
        found, how = candidates(parser(), words or [""])
    except Exception:  # noqa: BLE001 - a message would land in the middle of what is being typed
        found, how = [], _FILES
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.write("".join(f"{one}\n" for one in found) + f":{how}\n")
    return 0


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def candidates(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[list[str], int]:
    """What the last of the words may become, and how the shell goes on. Raises whatever the cluster's way raises."""
    *before, word = words
    known = commands(parser)
    if not before:
        return _starting(word, known), _WHOLE
    command = known.get(before[0])
    if command is None:
        return [], _FILES
    typed, option = _typed(command, before[1:])
    if option is not None:
        return _of_option(option, word, typed)
    if word.startswith("-"):
        return _starting(word, options(command)), _WHOLE
    places = [action for action in command._actions if not action.option_strings]
    place = places[min(typed["places"], len(places) - 1)] if places else None
    if place is not None and place.choices:
        return _starting(word, map(str, place.choices)), _WHOLE
    if place is not None and place.dest == "target" and "--kubeconfig" in command._option_string_actions:
        return _of_target(word, typed)
    return [], _FILES


def _typed(command: argparse.ArgumentParser, words: Iterable[str]) -> tuple[dict[str, Any], argparse.Action | None]:
    """The options' values so far by name, how many places are taken, and the option whose value comes next."""
    typed: dict[str, Any] = {"places": 0}
    awaited: argparse.Action | None = None
    for word in words:
        if word == "=":  # bash takes --option=value apart
            continue
        if awaited is not None:
            typed[awaited.dest] = word
            awaited = None
        elif word.startswith("-"):
            name, equals, value = word.partition("=")
            action = command._option_string_actions.get(name)
            if action is not None and action.nargs != 0:
                awaited = None if equals else action
                typed[action.dest] = value
        else:
            typed["places"] += 1
    return typed, awaited


def _of_option(option: argparse.Action, word: str, typed: dict[str, Any]) -> tuple[list[str], int]:
    if option.choices:
        return _starting(word, map(str, option.choices)), _WHOLE
    if option.dest in {"context", "cluster", "user"} and "--as" not in option.option_strings:
        from unslow.kube.config import names

        return _starting(word, names(_kubeconfig(typed))[option.dest]), _WHOLE
    if option.dest == "namespace":
        return _starting(word, _names(typed, lambda namespace: "api/v1/namespaces")), _WHOLE
    return [], _FILES


def _of_target(word: str, typed: dict[str, Any]) -> tuple[list[str], int]:
    """`deploy/`, then its names; or a namespace, then its workloads; files where nothing fits."""
    before, slash, _ = word.partition("/")
    if not slash:
        found = _starting(word, (f"{kind}/" for kind in KINDS))
        if word and not found:
            found = _starting(word, (f"{one}/" for one in _names(typed, lambda namespace: "api/v1/namespaces")))
        return found, _OPEN if found else _FILES
    if before in _PATHS:
        listed = _names(typed, _PATHS[before].format)
    else:
        typed = {**typed, "namespace": before}
        listed = [name for kind in KINDS[:3] for name in _names(typed, _PATHS[kind].format)]
    found = _starting(word, (f"{before}/{name}" for name in listed))
    return found, _WHOLE if found else _FILES


def _starting(word: str, known: Iterable[str]) -> list[str]:
    return sorted({one for one in known if one.startswith(word)})


def _kubeconfig(typed: dict[str, Any]) -> Any:
    from pathlib import Path

    return Path(typed["kubeconfig"]) if typed.get("kubeconfig") else None


def _names(typed: dict[str, Any], path: Callable[[str], str]) -> list[str]:
    """Names in the namespace that was typed, else the context's, by the same way that the command will take.

    Of any kind: only the metadata is read.
    """
    import time

    from unslow.kube.client import Client
    from unslow.kube.config import load
    from unslow.kube.core import Namespace

    access = load(
        _kubeconfig(typed),
        typed.get("context", ""),
        typed.get("namespace", ""),
        typed.get("as_user", ""),
        (typed["as_group"],) if typed.get("as_group") else (),
        cluster=typed.get("cluster", ""),
        user=typed.get("user", ""),
    )
    with Client(access, connections=1, deadline=time.monotonic() + DEADLINE_S) as client:
        return [one.metadata.name for one in client.items(f"/{path(access.namespace)}", Namespace)]


def script(shell: str) -> str:
    """What a bash, zsh or fish sources."""
    return {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def options(command: argparse.ArgumentParser) -> list[str]:
    return sorted(option for action in command._actions for option in action.option_strings if option.startswith("--"))


_BASH = """\
_unslow() {
  local word="${COMP_WORDS[COMP_CWORD]}" answer how
  if [ "$word" = "=" ]; then word=""; fi
  answer=$(kubectl_complete-unslow "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$word" 2>/dev/null)
  how="${answer##*:}"
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in :*|"") ;; *) COMPREPLY+=("$line") ;; esac
  done <<< "$answer"
  if [ "$how" = 6 ]; then compopt -o nospace 2>/dev/null; fi
  if [ "$how" = 0 ] || [ -z "$how" ]; then compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _unslow unslow
"""
_ZSH = """\
#compdef unslow
_unslow() {
  local answer how
  local -a found
  answer=$(kubectl_complete-unslow "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)
  how="${answer##*:}"
  found=("${(@f)answer}")
  found=("${(@)found:#:*}")
  if [[ "$how" == 6 ]]; then compadd -S '' -- "${(@)found}"
  elif [[ "$how" == 4 ]]; then compadd -- "${(@)found}"
  else _files; fi
}
compdef _unslow unslow
"""
_FISH = """\
function __unslow_words
  set -l words (commandline -opc) (commandline -ct)
  set -l answer (kubectl_complete-unslow $words[2..-1] 2>/dev/null)
  if test "$answer[-1]" = ":0"; or test -z "$answer[-1]"
    __fish_complete_path (commandline -ct)
  else
    string match -v -- ':*' $answer
  end
end
complete -c unslow -f -a '(__unslow_words)'
"""
