"""Rules: files, evaluation, verdicts and alerts. No database and no clock of its own in here."""
