"""Diagnosis -> text for people and programs; one format per file. Reports draw, they never analyse."""
