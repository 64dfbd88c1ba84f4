"""Trainers: programs that turn a batch of trials into results."""
