"""Annotations: Jinja2 templates by people we do not know, rendered without trusting them.

The sandbox of Jinja2 keeps a template from the interpreter, not from eating its time and memory.
So the language is cut down to where neither can be had: no calls, no assignments, no macros, loops
not inside loops, arithmetic on numbers only, and only filters whose output is about the size of
their input. What is left costs at most (members × template length).
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.environment import Template
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from lifecycle.document import Value, did_you_mean
from lifecycle.durations import format_duration
from rules.sample import Sample

MAX_TEMPLATE: Final = 4096  # characters
MAX_OUTPUT: Final = 8192

VARIABLES: Final = (
    "value",
    "threshold",
    "count",
    "rate",
    "oldest",
    "members",
    "total",
    "labels",
    "alert",
    "workflow",
    "environment",
    "state",
)

_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.Pos,
    nodes.CondExpr,
    nodes.If,
    nodes.For,
    nodes.Add,
    nodes.Sub,
    nodes.Mul,
    nodes.Div,
    nodes.FloorDiv,
    nodes.Mod,
    nodes.Concat,
    nodes.List,
    nodes.Tuple,
)
_FILTERS: Final = (
    "abs",
    "capitalize",
    "default",
    "first",
    "int",
    "join",
    "last",
    "length",
    "lower",
    "sort",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
)


def _seconds(value: Any) -> str:
    return "unknown" if value is None else format_duration(float(value))


def _percent(value: Any) -> str:
    return "unknown" if value is None else f"{float(value) * 100:.3g}%"


def _number(value: Any) -> str:
    if value is None:
        return "unknown"
    number = float(value)
    return f"{number:,.0f}" if number.is_integer() else f"{number:,.4g}"


def _round(value: Any, digits: int = 0) -> float:
    # Jinja2's own computes 10 ** digits.
    return round(float(value), max(0, min(int(digits), 12)))


def _shown(value: Any) -> Any:
    """What ``{{ … }}`` prints: whole numbers without ``.0``, times as RFC 3339."""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.6g}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return "unknown" if value is None else value


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        # "x" * 10**9 and "%999999999d" % 1 make gigabytes out of nothing.
        if not all(isinstance(side, int | float) for side in (left, right)):
            raise SecurityError(f"{operator} is for numbers; join texts with ~")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Sandbox:
    environment = _Sandbox(autoescape=False, undefined=StrictUndefined, finalize=_shown)
    environment.globals.clear()
    own: dict[str, Callable[..., Any]] = {
        "duration": _seconds,
        "percent": _percent,
        "number": _number,
        "round": _round,
    }
    environment.filters = {**{name: FILTERS[name] for name in _FILTERS}, **own}
    return environment


_ENVIRONMENT: Final = _environment()


def _refuse(node: nodes.Node, what: str) -> NoReturn:
    raise TemplateSyntaxError(f"{what} is not available in annotations", node.lineno)


def _check(node: nodes.Node, in_loop: bool = False) -> None:
    if not isinstance(node, _ALLOWED):
        names = {"Call": "a call", "Assign": "set", "AssignBlock": "set", "Pow": "**"}
        _refuse(node, names.get(type(node).__name__, type(node).__name__.lower()))
    if isinstance(node, nodes.For):
        if in_loop or node.recursive:
            _refuse(node, "a loop inside a loop")
        in_loop = True
    for child in node.iter_child_nodes():
        _check(child, in_loop)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    parsed = _ENVIRONMENT.parse(text)
    _check(parsed)
    code = _ENVIRONMENT.compile(parsed)
    return _ENVIRONMENT.template_class.from_code(_ENVIRONMENT, code, {})


def check_annotation(place: Value, text: str, known: Collection[str]) -> None:
    """Report what is wrong with a template. ``known`` are its variables."""
    if len(text) > MAX_TEMPLATE:
        place.problem(f"{place.name} is longer than {MAX_TEMPLATE} characters")
        return
    try:
        _compiled(text)
        used = find_undeclared_variables(_ENVIRONMENT.parse(text))
    except TemplateSyntaxError as error:
        # In a block after `|`, the template's first line is the one after the key's.
        line = place.line + error.lineno if place.is_block else None
        place.problem(f"{place.name}: not a template: {error.message}", line=line)
        return
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        place.problem(f"{place.name}: not a template: nested too deeply")
        return
    for name in sorted(used - set(known)):
        fix = did_you_mean(name, known)
        place.problem(f"{place.name}: unknown variable {name!r}", fix)


def variables(alert: str, labels: Mapping[str, str], sample: Sample) -> dict[str, object]:
    """What a template may use."""
    return {
        **sample.extra,
        "value": sample.value,
        "threshold": sample.threshold,
        "count": sample.count,
        "rate": sample.rate,
        "oldest": sample.oldest,
        "members": sample.members,
        "total": sample.total,
        "labels": dict(labels),
        "alert": alert,
        "workflow": labels.get("workflow", ""),
        "environment": labels.get("environment", ""),
        "state": labels.get("state", ""),
    }


def render(name: str, text: str, values: Mapping[str, object]) -> str:
    """Render one annotation; what goes wrong is said in its place, so that no alert is lost."""
    try:
        pieces: list[str] = []
        length = 0
        for piece in _compiled(text).generate(values):
            pieces.append(piece[: MAX_OUTPUT - length])
            length += len(pieces[-1])
            if length >= MAX_OUTPUT:
                pieces.append("…")
                break
        return "".join(pieces)
    except TemplateError as error:
        return f"<the annotation {name} failed: {error.message or type(error).__name__}>"
    except Exception as error:  # noqa: BLE001 - whatever a template provokes, the alert goes out
        return f"<the annotation {name} failed: {type(error).__name__}: {error}>"
