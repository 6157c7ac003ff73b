"""Delivery of alerts: one small folder for each receiver."""
