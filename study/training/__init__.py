"""Trainers: what turns a batch of trials into results."""
