"""The named queries of ``store/sql``: one file a question; values are always bound."""

from functools import cache
from importlib.resources import files
from typing import Literal

import jinja2

Source = Literal["settled", "events"]

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FunctionLoader(
        lambda name: files("store").joinpath("sql", name).read_text(encoding="utf-8")
    ),
    # the clients' own {name:Type} parameters stay untouched: only {% %} is ours, for composition
    variable_start_string="{{{",
    variable_end_string="}}}",
    autoescape=False,  # noqa: S701  SQL, never a page; no value is ever put in
    undefined=jinja2.Undefined,
)


@cache
def query_text(
    name: str, *, by_sequence: bool = False, ripe: bool = False, source: Source = "settled"
) -> str:
    """The SQL of one named query, for types ordered by sequence or by time.

    ``source``: the live tables that settlements write, or all events, which is the oracle.

    :raises KeyError: there is no query of that name.
    """
    try:
        return _ENVIRONMENT.get_template(f"{name}.sql").render(
            by_sequence=by_sequence, ripe=ripe, source=source
        )
    except FileNotFoundError:
        raise KeyError(f"no query {name!r}; there are {', '.join(query_names())}") from None


def query_names() -> list[str]:
    """Every question that can be asked."""
    found = (entry.name for entry in files("store").joinpath("sql").iterdir())
    return sorted(
        name.removesuffix(".sql") for name in found if name.endswith(".sql") and name[0] != "_"
    )
