"""Emit the transitions, jobs and completions of business operations."""
