"""docs/spool.md names every metric of a collector."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from collector.metrics import Metrics
from collector.spool import Counts

PAGE = (Path(__file__).parents[2] / "docs" / "spool.md").read_text(encoding="utf-8")


def test_every_metric_is_described() -> None:
    metrics = Metrics()
    numbers = {
        name: {} if "Mapping" in str(kind) else 0 for name, kind in Counts.__annotations__.items()
    }
    metrics.read(lambda: Counts(**numbers), lambda: 0)  # type: ignore[arg-type]
    families = text_string_to_metric_families(metrics.text().decode())
    # counters are told by the name that a query uses
    found = {
        each.name + ("_total" if each.type == "counter" else "")
        for each in families
        if not each.name.endswith("_created")  # when histograms began, which no one asks for
    }
    prefix = "donewatch_collector_"
    _, _, table = PAGE.partition("| metric | is |")
    described = {prefix + each for each in re.findall(r"`(\w+)(?:\{[\w,]+\})?`", table)}
    assert described == found
