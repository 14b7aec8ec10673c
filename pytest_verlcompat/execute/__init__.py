"""Carry cells through: lock, environment, probes, evidence."""
