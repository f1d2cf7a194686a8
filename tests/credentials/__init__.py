"""Tests of credentials/."""
