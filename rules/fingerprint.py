"""The identity of an alert: a number made of its labels alone.

It is computed as Prometheus and Alertmanager do (``model.LabelSet.Fingerprint``: 64-bit FNV-1a over
the sorted names and values, each ended by byte 255), so that two evaluators agree, and an alert
has the same fingerprint here and in Alertmanager.
"""

from collections.abc import Mapping
from typing import Final

_OFFSET: Final = 14695981039346656037
_PRIME: Final = 1099511628211
_MASK: Final = (1 << 64) - 1


def fingerprint(labels: Mapping[str, str]) -> str:
    """Sixteen hex digits; labels with an empty value do not count."""
    found = _OFFSET
    for name, value in sorted(labels.items()):
        if value:
            for byte in b"%b\xff%b\xff" % (name.encode(), value.encode()):
                found = ((found ^ byte) * _PRIME) & _MASK
    return f"{found:016x}"
