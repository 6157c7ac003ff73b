"""The pure domain: events, definitions, statuses, durations. No I/O and no clock in here."""
