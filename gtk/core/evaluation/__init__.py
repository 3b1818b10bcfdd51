"""Evaluation: what is drawn, before metrics and a judge."""
