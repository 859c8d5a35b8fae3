"""Modules that take known times to import."""
